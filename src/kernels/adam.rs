//! Adam, and an exponential moving average of the parameters if one is wanted, in one dispatch over one flat tensor, or over each
//! part of one that no binding holds.

use bytemuck::{Pod, Zeroable};

use super::lanes::BLOCK;
use super::{Call, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/adam.wgsl`.
pub static ADAM: Shader = shader!("adam", ["grid", "average_none"]);
/// The same with a moving average.
pub static ADAM_AVERAGE: Shader = shader!("adam", "average", ["grid", "average_kept"]);

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    len: u32,
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
    /// The paper's: learning rate 1e-4, (0.9, 0.999), ε = 1e-8; no moving average.
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
/// (`View::parts`) of each, all but the first updated in place.
///
/// # Errors
/// [`Error::Shape`] for other shapes, channel ranges, or a tensor given twice.
pub fn step(
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
    let workgroups = len.div_ceil(4 * BLOCK);
    let (shader, operations) = if average.is_some() { (&ADAM_AVERAGE, 16) } else { (&ADAM, 13) };
    let params = Params { len: len as u32 };
    let mut call = Call::new(shader, params, grid(workgroups)).in_blocks(BLOCK as u32).costs(operations * len);
    for view in &all {
        call = call.bind(view);
    }
    // All but the settings and the gradient are written, too.
    call.bytes += (all.len() - 2) as u64 * parameters.bytes();
    Ok(vec![call])
}
