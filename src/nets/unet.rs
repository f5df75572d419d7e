//! The paper's U-Net (appendix G.2, figures 3 and 4).
//!
//! Per scale twice (convolution 3×3, softplus, instance norm); filters double as the resolution halves; 2×2 max-pooling on
//! the way down, transposed convolutions on the way up; mirrored features concatenated; a 1×1 head.

use super::layers::Weights;
use super::parameters::view;
use super::{Init, Parameters};
use crate::kernels::conv_transpose2d;
use crate::kernels::conv2d::{Activation, Conv2d};
use crate::tape::{Measured, Tape};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// Instance norm's ε, as in the authors' code.
pub const NORM_EPSILON: f32 = 1e-3;

/// The size of a U-Net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UNetConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Filters at full resolution; they double with each scale.
    pub base: usize,
    /// Number of resolutions.
    pub scales: usize,
    /// Kernel of the transposed convolutions: 2 or 3.
    pub up_kernel: usize,
    /// What follows the head.
    pub head: Activation,
}

impl UNetConfig {
    /// Image sizes must be a multiple of this.
    pub fn multiple(&self) -> usize {
        1 << (self.scales - 1)
    }

    fn channels(&self, level: usize) -> usize {
        self.base << level
    }

    /// Refuses sizes that make no network.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn check(&self) -> Result<()> {
        let Self { in_channels, out_channels, base, scales, .. } = *self;
        if in_channels == 0 || out_channels == 0 || base == 0 || base > 1024 || !(1..=8).contains(&scales) {
            return Err(Error::input(format!(
                "a U-Net from {in_channels} to {out_channels} channels with {base} base filters and {scales} scales; \
                 channels must be positive, base filters 1 to 1024, scales 1 to 8"
            )));
        }
        conv_transpose2d::adjoint(self.up_kernel).map(|_| ())
    }
}

/// Twice (convolution, softplus, norm).
#[derive(Debug, Clone)]
struct Block {
    convolutions: [Weights; 2],
    norms: [Weights; 2],
}

/// A U-Net: where its parameters lie, and how it is recorded.
#[derive(Debug, Clone)]
pub struct UNet {
    config: UNetConfig,
    encoder: Vec<Block>,
    up: Vec<Weights>,
    decoder: Vec<Block>,
    head: Weights,
}

fn block(parameters: &mut Parameters, name: &str, ci: usize, co: usize) -> Block {
    let mut half = |i: usize, ci: usize| {
        let conv = Weights::convolution(parameters, &format!("{name}.conv{i}"), [co, ci, 3]);
        (conv, Weights::norm(parameters, &format!("{name}.norm{i}"), co))
    };
    let (first, second) = (half(1, ci), half(2, co));
    Block { convolutions: [first.0, second.0], norms: [first.1, second.1] }
}

impl UNet {
    /// Adds a U-Net's parameters, named `PREFIX.enc0.conv1.weight` and so on.
    ///
    /// # Errors
    /// [`Error::Input`] if the sizes make no network.
    pub fn new(config: UNetConfig, parameters: &mut Parameters, prefix: &str) -> Result<Self> {
        config.check()?;
        let UNetConfig { in_channels, scales, up_kernel: k, .. } = config;
        let encoder = (0..scales)
            .map(|i| {
                let ci = if i == 0 { in_channels } else { config.channels(i - 1) };
                block(parameters, &format!("{prefix}.enc{i}"), ci, config.channels(i))
            })
            .collect();
        let (mut up, mut decoder) = (Vec::new(), Vec::new());
        for i in 0..scales - 1 {
            let (below, here) = (config.channels(i + 1), config.channels(i));
            // A transposed convolution's weight is [Cin, Cout, K, K].
            let init = Init::Glorot { fan_in: below * k * k, fan_out: here * k * k };
            up.push(Weights {
                weight: parameters.add(format!("{prefix}.up{i}.weight"), &[below, here, k, k], init),
                bias: parameters.add(format!("{prefix}.up{i}.bias"), &[here], Init::Constant(0.0)),
            });
            decoder.push(block(parameters, &format!("{prefix}.dec{i}"), 2 * here, here));
        }
        let head = Weights::convolution(parameters, &format!("{prefix}.head"), [config.out_channels, config.base, 1]);
        Ok(Self { config, encoder, up, decoder, head })
    }

    /// The network's size.
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// Records the network on `x [N, Cin, H, W]` with the parameters `flat`. Returns `[N, Cout, H, W]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the channels are others or the size is no multiple of [`UNetConfig::multiple`].
    pub fn record(&self, tape: &mut Tape, flat: &View, x: &View) -> Result<View> {
        let y = tape.intermediate("U-Net output", Shape { c: self.config.out_channels, ..x.shape })?;
        self.record_into(tape, flat, x, &y)?;
        Ok(y)
    }

    /// As [`UNet::record`], into a given view.
    ///
    /// # Errors
    /// As [`UNet::record`].
    pub fn record_into(&self, tape: &mut Tape, flat: &View, x: &View, y: &View) -> Result<()> {
        let (config, multiple) = (&self.config, self.config.multiple());
        if x.shape.c != config.in_channels || !x.shape.h.is_multiple_of(multiple) || !x.shape.w.is_multiple_of(multiple)
        {
            return Err(Error::shape(format!(
                "a U-Net on {}; expected {} channels and sizes that are multiples of {multiple}",
                x.shape, config.in_channels
            )));
        }
        let deepest = config.scales - 1;
        let mut skips = Vec::new();
        let mut h = *x;
        for (i, block) in self.encoder.iter().enumerate() {
            let c = config.channels(i);
            if i == deepest {
                let out = tape.feature_map("deepest", Shape { c, ..h.shape })?;
                record_block(tape, flat, block, &h, |tape, h, [w, b]| {
                    tape.instance_norm_into(h, w, b, NORM_EPSILON, &out)
                })?;
                h = out;
            } else {
                // The skip is written straight into the second half of what the decoder will read.
                let both = tape.feature_map("concatenated", Shape { c: 2 * c, ..h.shape })?;
                let skip = both.range(c..2 * c)?;
                h = record_block(tape, flat, block, &h, |tape, h, [w, b]| {
                    tape.instance_norm_pooled(h, w, b, NORM_EPSILON, &skip)
                })?;
                skips.push(both);
            }
        }
        for (i, both) in skips.iter().enumerate().rev() {
            let c = config.channels(i);
            let up = &self.up[i];
            let (weight, bias) = (view(flat, &up.weight)?, view(flat, &up.bias)?);
            tape.conv_transpose2d_into(config.up_kernel, &h, &weight, &bias, &both.range(0..c)?)?;
            let out = tape.feature_map("decoded", Shape { c, ..both.shape })?;
            record_block(tape, flat, &self.decoder[i], both, |tape, h, [w, b]| {
                tape.instance_norm_into(h, w, b, NORM_EPSILON, &out)
            })?;
            h = out;
        }
        let (weight, bias) = (view(flat, &self.head.weight)?, view(flat, &self.head.bias)?);
        tape.conv2d_into(Conv2d::same(1), &h, &weight, &bias, config.head, y)
    }
}

/// A block, its second norm by `last` (the tape, the norm's input, its weight and bias), whose result it returns. A block's inside
/// is a segment: what it keeps for its gradients may be computed again from `x` instead.
fn record_block<T>(
    tape: &mut Tape,
    flat: &View,
    block: &Block,
    x: &View,
    last: impl FnOnce(&mut Tape, Measured, [&View; 2]) -> Result<T>,
) -> Result<T> {
    const SPEC: Conv2d = Conv2d::same(3);
    let [first, second] = &block.convolutions;
    let [norm1, norm2] = &block.norms;
    tape.segment(|tape| {
        let [weight, bias] = first.of(flat)?;
        let h = tape.conv2d_measured(SPEC, x, &weight, &bias, Activation::Softplus)?;
        let ([w1, b1], [w2, b2], [weight, bias]) = (norm1.of(flat)?, norm2.of(flat)?, second.of(flat)?);
        let h = tape.conv2d_of_normalised(SPEC, h, [&w1, &b1], NORM_EPSILON, [&weight, &bias], Activation::Softplus)?;
        last(tape, h, [&w2, &b2])
    })
}
