//! Adam, and an exponential moving average of the parameters if one is wanted, in one dispatch over one flat tensor, or over each
//! part of one that no binding holds or that is read as images.

use bytemuck::{Pod, Zeroable};

use super::lanes::BLOCK;
use super::{Call, grid, shader};
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/adam.wgsl`.
pub static ADAM: Shader = shader!("adam", ["grid", "adam_storage", "average_none"]);
/// The same with a moving average.
pub static ADAM_AVERAGE: Shader = shader!("adam", "average", ["grid", "adam_storage", "average_kept"]);
/// The same from images.
pub static ADAM_IMAGES: Shader = shader!("adam", "images", ["grid", "image", "adam_images", "average_none"]);
/// With a moving average, from images.
pub static ADAM_AVERAGE_IMAGES: Shader =
    shader!("adam", "average.images", ["grid", "image", "adam_images", "average_kept_image"]);

/// Parameters that a dispatch updates from images: they and what is read of them stay in a last cache, and the images are small.
const PART: usize = 1 << 19;

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    len: u32,
    first: u32,
}

/// Settings of the optimiser.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyper {
    /// Learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decay of the moving average of the parameters, if there is one: 0 copies them.
    pub ema_rate: f64,
}

impl Default for Hyper {
    /// Learning rate 1e-4 and (0.9, 0.999) of the authors' code, PyTorch's ε = 1e-8, no moving average; the paper names no optimiser.
    fn default() -> Self {
        Self { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ema_rate: 0.0 }
    }
}

impl Hyper {
    /// The values of the `hyper` tensor `[1, 8, 1, 1]` for step `k`, counted from 1, with gradients scaled by
    /// `gradient_scale` (1 unless clipping): `(lr, 1 − β₁, 1 − β₂, ε, 1 − β₁ᵏ, 1 − β₂ᵏ, 1 − ema rate, scale)`. The
    /// complements are taken here in `f64`: `1 − 0.999` in `f32` is off by 1e-5 of itself.
    pub fn values(&self, k: u32, gradient_scale: f64) -> [f32; 8] {
        let power = |beta: f64| 1.0 - beta.powf(f64::from(k));
        [
            self.learning_rate,
            1.0 - self.beta1,
            1.0 - self.beta2,
            self.epsilon,
            power(self.beta1),
            power(self.beta2),
            1.0 - self.ema_rate,
            gradient_scale,
        ]
        .map(|v| v as f32)
    }
}

/// One step of Adam as PyTorch computes it: `hyper` `[1, 8, 1, 1]` of [`Hyper::values`]; `gradient`, `parameters`, `first`
/// and `second` moment, and the moving `average` of the parameters if one is kept, are whole tensors of one shape, or the same part
/// (`View::parts`) of each, all but the first updated in place. Where [loads from buffers are slow](Caps::slow_buffers), in parts from images.
///
/// # Errors
/// [`Error::Shape`] for other shapes, channel ranges, or a tensor given twice.
pub fn step(
    caps: Caps,
    hyper: &View,
    gradient: &View,
    parameters: &View,
    first: &View,
    second: &View,
    average: Option<&View>,
) -> Result<Vec<Call>> {
    hyper.expect("Adam's settings", Shape::vector(8))?;
    let len = parameters.shape.len();
    let all: Vec<&View> = [hyper, gradient, parameters, first, second].into_iter().chain(average).collect();
    for (what, view) in ["gradient", "parameters", "first moment", "second moment", "average"].iter().zip(&all[1..]) {
        view.expect(&format!("Adam's {what}"), parameters.shape)?;
    }
    let twice = (1..all.len()).any(|i| all[..i].iter().any(|v| v.tensor == all[i].tensor));
    let same_part = |v: &View| v.offset() == 0 && (v.is_whole() || v.windowed) && v.channel == parameters.channel;
    if twice || !hyper.is_whole() || !all[1..].iter().all(|v| same_part(v)) {
        return Err(Error::shape("Adam takes different whole tensors, or the same part of all but its settings"));
    }
    let operations = if average.is_some() { 16 } else { 13 };
    let call = |shader: &'static Shader, part: &View| {
        let params = Params { len: part.shape.len() as u32, first: part.offset() as u32 / 4 };
        let workgroups = part.shape.len().div_ceil(4 * BLOCK);
        let call = Call::new(shader, params, grid(workgroups)).in_blocks(BLOCK as u32);
        call.costs(operations * part.shape.len()).bind(hyper)
    };
    let updated = [Some(parameters), Some(first), Some(second), average].into_iter().flatten();
    if !caps.slow_buffers {
        let shader = if average.is_some() { &ADAM_AVERAGE } else { &ADAM };
        let call = call(shader, parameters).bind(gradient);
        return Ok(vec![updated.fold(call, |call, view| call.bind(view).adds_to(view, true))]);
    }
    let shader = if average.is_some() { &ADAM_AVERAGE_IMAGES } else { &ADAM_IMAGES };
    let part = |begin: usize| -> Result<Call> {
        let part = |view: &View| view.range(begin..len.min(begin + PART));
        let [gradient, parameters, first, second] = [part(gradient)?, part(parameters)?, part(first)?, part(second)?];
        let call =
            [&gradient, &parameters, &first, &second].into_iter().fold(call(shader, &parameters), Call::bind_image);
        let call = [&parameters, &first, &second].into_iter().fold(call, Call::bind);
        match average.map(part).transpose()? {
            Some(average) => Ok(call.bind_image(&average).bind(&average)),
            None => Ok(call),
        }
    };
    (0..len).step_by(PART).map(part).collect()
}
