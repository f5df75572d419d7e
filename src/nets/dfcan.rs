//! DFCAN, the deep Fourier channel attention network for super-resolution microscopy (Qiao et al., Nature Methods 18, 2021).
//!
//! Residual groups of blocks at the low resolution; each block weighs its channels by what their Fourier spectra look like.
//! A pixel shuffle makes the high resolution at the end.

use super::Parameters;
use super::layers::Weights;
use crate::kernels::activation::Function;
use crate::kernels::conv2d::{Activation, Conv2d};
use crate::kernels::fourier::{LONGEST, Magnitude};
use crate::kernels::resize::Filter;
use crate::tape::Tape;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// What the attention looks at, as in the authors' code: `(|F| + 1e-8)^0.8`.
const MAGNITUDE: Magnitude = Magnitude { epsilon: 1e-8, power: 0.8 };

/// The size of a DFCAN, and where it starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DfcanConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Channels inside.
    pub channels: usize,
    /// Residual groups.
    pub groups: usize,
    /// Blocks of a group.
    pub blocks: usize,
    /// The attention squeezes the channels by this factor.
    pub reduction: usize,
    /// Spectra are resampled to this height and width, so that the attention sees frequencies at one scale.
    pub attention_size: usize,
    /// How much larger the output is along each side.
    pub scale: usize,
    /// About the mean of what it answers before it has learned anything, between 0 and 1: the last bias is the logit. In its publication
    /// 0.5. Where images are mostly dark, a network that starts there spends its first steps on a way down so steep that the last
    /// sigmoid saturates, and answers black for good.
    pub start_mean: f32,
}

impl DfcanConfig {
    /// The paper's size: 64 channels, four groups of four blocks, from one channel to one of twice the size.
    pub const PAPER: Self = Self {
        in_channels: 1,
        out_channels: 1,
        channels: 64,
        groups: 4,
        blocks: 4,
        reduction: 16,
        attention_size: 128,
        scale: 2,
        start_mean: 0.5,
    };

    /// Refuses sizes that make no network.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn check(&self) -> Result<()> {
        let Self { in_channels, out_channels, channels, groups, blocks, reduction, attention_size, scale, start_mean } =
            *self;
        let counts = [in_channels, out_channels, channels, groups, blocks, reduction, attention_size, scale];
        if counts.contains(&0) || !channels.is_multiple_of(reduction) || channels > 4096 || scale > 16 {
            return Err(Error::input(format!(
                "{self:?}; every size must be positive, the reduction divide the channels, channels be up to 4096 and the \
                 scale up to 16"
            )));
        }
        if !(start_mean > 0.0 && start_mean < 1.0) {
            return Err(Error::input(format!(
                "a DFCAN that starts at a mean of {start_mean}; its answers lie between 0 and 1, so must their mean"
            )));
        }
        Ok(())
    }
}

/// A block: two convolutions, and the attention's three.
#[derive(Debug, Clone)]
struct Block {
    convolutions: [Weights; 2],
    spectrum: Weights,
    squeeze: Weights,
    excite: Weights,
}

/// A DFCAN: where its parameters lie, and how it is recorded.
#[derive(Debug, Clone)]
pub struct Dfcan {
    config: DfcanConfig,
    first: Weights,
    groups: Vec<Vec<Block>>,
    widen: Weights,
    head: Weights,
}

impl Dfcan {
    /// Adds a DFCAN's parameters, named `PREFIX.group0.block0.conv1.weight` and so on.
    ///
    /// # Errors
    /// [`Error::Input`] if the sizes make no network.
    pub fn new(config: DfcanConfig, parameters: &mut Parameters, prefix: &str) -> Result<Self> {
        config.check()?;
        let DfcanConfig { channels: c, reduction, scale, .. } = config;
        let mut add = |name: String, sizes| Weights::convolution(parameters, &format!("{prefix}.{name}"), sizes);
        let first = add("first".into(), [c, config.in_channels, 3]);
        let mut block = |name: String| Block {
            convolutions: [add(format!("{name}.conv1"), [c, c, 3]), add(format!("{name}.conv2"), [c, c, 3])],
            spectrum: add(format!("{name}.attention.spectrum"), [c, c, 3]),
            squeeze: add(format!("{name}.attention.squeeze"), [c / reduction, c, 1]),
            excite: add(format!("{name}.attention.excite"), [c, c / reduction, 1]),
        };
        let groups = (0..config.groups)
            .map(|i| (0..config.blocks).map(|j| block(format!("group{i}.block{j}"))).collect())
            .collect();
        let widen = add("widen".into(), [c * scale * scale, c, 3]);
        let logit = (config.start_mean / (1.0 - config.start_mean)).ln();
        let head =
            Weights::biased_convolution(parameters, &format!("{prefix}.head"), [config.out_channels, c, 3], logit);
        Ok(Self { config, first, groups, widen, head })
    }

    /// The network's size.
    pub fn config(&self) -> &DfcanConfig {
        &self.config
    }

    /// Records the network on `x [N, Cin, H, W]` with the parameters `flat`. Returns `[N, Cout, s H, s W]`, between 0 and 1.
    ///
    /// # Errors
    /// [`Error::Shape`] if the channels are others or an image is larger than a Fourier transform can be.
    pub fn record(&self, tape: &mut Tape, flat: &View, x: &View) -> Result<View> {
        let Shape { c, h, w, .. } = x.shape;
        if c != self.config.in_channels || h > LONGEST || w > LONGEST {
            return Err(Error::shape(format!(
                "a DFCAN on {}; expected {} channels and sizes up to {LONGEST}",
                x.shape, self.config.in_channels
            )));
        }
        let mut y = gelu_of(tape, flat, &self.first, x)?;
        for group in &self.groups {
            let start = y;
            for block in group {
                y = self.record_block(tape, flat, block, &y)?;
            }
            y = tape.add(&start, &y)?;
        }
        let wide = gelu_of(tape, flat, &self.widen, &y)?;
        let large = tape.pixel_shuffle(self.config.scale, &wide)?;
        self.head.convolve(tape, flat, Conv2d::same(3), &large, Activation::Sigmoid)
    }

    /// `x` plus the features that two convolutions find, each channel times its attention. A segment: what it keeps for its
    /// gradients may be computed again from `x` instead.
    fn record_block(&self, tape: &mut Tape, flat: &View, block: &Block, x: &View) -> Result<View> {
        let [first, second] = &block.convolutions;
        let size = self.config.attention_size;
        tape.segment(|tape| {
            let h = gelu_of(tape, flat, first, x)?;
            let h = gelu_of(tape, flat, second, &h)?;
            let mut seen = tape.fourier_magnitude(MAGNITUDE, &h)?;
            if (seen.shape.h, seen.shape.w) != (size, size) {
                seen = tape.resize(Filter::Bilinear, [size, size], &seen)?;
            }
            let seen = block.spectrum.convolve(tape, flat, Conv2d::same(3), &seen, Activation::Relu)?;
            let means = tape.plane_mean(&seen)?;
            let squeezed = block.squeeze.convolve(tape, flat, Conv2d::same(1), &means, Activation::Relu)?;
            let weights = block.excite.convolve(tape, flat, Conv2d::same(1), &squeezed, Activation::Sigmoid)?;
            let weighed = tape.scale_planes(&h, &weights)?;
            tape.add(x, &weighed)
        })
    }
}

/// A 3×3 convolution and GELU.
fn gelu_of(tape: &mut Tape, flat: &View, weights: &Weights, x: &View) -> Result<View> {
    let before = weights.convolve(tape, flat, Conv2d::same(3), x, Activation::None)?;
    tape.activation(Function::Gelu, &before)
}
