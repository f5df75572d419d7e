//! Which network predicts: one interface to the paper's U-Net and the two of its baselines.

use crate::kernels::conv2d::Activation;
use crate::kernels::elementwise;
use crate::nets::{Dfcan, DfcanConfig, Parameters, Sr3, Sr3Config, UNet, UNetConfig};
use crate::tape::Tape;
use crate::tensor::View;
use crate::{Error, Result};

use super::{ModelConfig, ScheduleKind};

/// The network that predicts the noise, or the target where there is no schedule. Its base filters are
/// [`ModelConfig::noise_base`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Network {
    /// The paper's U-Net, for phases and microscopy.
    #[default]
    UNet,
    /// SR3's, which the paper takes for photographs (section 4.3, appendix L): [`ModelConfig::scales`] resolutions of 1, 2, 4, 8, 8 … times
    /// the base filters, those of a widely used reimplementation and not of SR3's publication ([`Sr3Config`]). SR3 tells its network one noise
    /// level a sample, by a value added to every channel. Here the level is γ of every pixel, which no such value could tell; it is a channel
    /// of the input, as for the U-Net, and SR3's layers for a single level are left out. A fixed schedule's γ comes the same way, as a map of one value.
    Sr3(Sr3Size),
    /// DFCAN, which answers in one pass: [`ScheduleKind::None`] alone.
    Dfcan(DfcanSize),
}

/// What SR3's network has besides base filters and resolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sr3Size {
    /// Residual blocks at each resolution on the way down.
    pub blocks: usize,
    /// Groups of the norms.
    pub groups: usize,
    /// Heads of the attention.
    pub heads: usize,
}

impl Default for Sr3Size {
    /// A widely used reimplementation's; the publication has three blocks.
    fn default() -> Self {
        Self { blocks: 2, groups: 32, heads: 1 }
    }
}

/// What DFCAN has besides channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DfcanSize {
    /// Residual groups.
    pub groups: usize,
    /// Blocks of a group.
    pub blocks: usize,
    /// The attention squeezes the channels by this factor.
    pub reduction: usize,
    /// Spectra are resampled to this height and width.
    pub attention_size: usize,
    /// How much larger the target is than the condition along each side, 1 or more.
    pub scale: usize,
    /// About the mean of its answers before training ([`DfcanConfig::start_mean`]).
    pub start_mean: f32,
}

impl Default for DfcanSize {
    /// That of its publication.
    fn default() -> Self {
        let DfcanConfig { groups, blocks, reduction, attention_size, scale, start_mean, .. } = DfcanConfig::PAPER;
        Self { groups, blocks, reduction, attention_size, scale, start_mean }
    }
}

/// The network with its place among the parameters.
#[derive(Debug, Clone)]
pub(super) enum Backbone {
    UNet(UNet),
    Sr3(Box<Sr3>),
    Dfcan(Dfcan),
}

impl Backbone {
    /// Adds the parameters of a configuration's network, from `in_channels` to the target's.
    pub fn new(config: &ModelConfig, in_channels: usize, parameters: &mut Parameters) -> Result<Self> {
        let &ModelConfig { target_channels: out_channels, noise_base: base, scales, up_kernel, .. } = config;
        const PREFIX: &str = "noise";
        Ok(match config.network {
            Network::UNet => {
                let size = UNetConfig { in_channels, out_channels, base, scales, up_kernel, head: Activation::None };
                Self::UNet(UNet::new(size, parameters, PREFIX)?)
            }
            Network::Sr3(Sr3Size { blocks, groups, heads }) => {
                let multipliers = (0..scales).map(|level| 1 << level.min(3)).collect();
                let encoding = false;
                let size = Sr3Config { in_channels, out_channels, base, multipliers, blocks, groups, heads, encoding };
                Self::Sr3(Box::new(Sr3::new(size, parameters, PREFIX)?))
            }
            Network::Dfcan(DfcanSize { groups, blocks, reduction, attention_size, scale, start_mean }) => {
                if config.schedule != ScheduleKind::None {
                    return Err(Error::input("a DFCAN answers in one pass; it takes no schedule"));
                }
                let channels = base;
                let size = DfcanConfig {
                    in_channels,
                    out_channels,
                    channels,
                    groups,
                    blocks,
                    reduction,
                    attention_size,
                    scale,
                    start_mean,
                };
                Self::Dfcan(Dfcan::new(size, parameters, PREFIX)?)
            }
        })
    }

    /// Image sizes must be a multiple of this.
    pub fn multiple(&self) -> usize {
        match self {
            Self::UNet(net) => net.config().multiple(),
            Self::Sr3(net) => net.config().multiple(),
            Self::Dfcan(_) => 1,
        }
    }

    /// How much larger the output is along each side.
    pub fn scale(&self) -> usize {
        match self {
            Self::Dfcan(net) => net.config().scale,
            _ => 1,
        }
    }

    /// Records the network; all in the range [−1, 1].
    pub fn record(&self, tape: &mut Tape, flat: &View, input: &View) -> Result<View> {
        match self {
            Self::UNet(net) => net.record(tape, flat, input),
            Self::Sr3(net) => net.record(tape, flat, input, None),
            Self::Dfcan(net) => {
                // It was made for images in [0, 1] and ends in a sigmoid. No gradient is asked for of the condition.
                let unit = tape.intermediate("condition in [0, 1]", input.shape)?;
                tape.push([elementwise::affine(input, 0.5, 0.5, &unit, false)?]);
                let answer = net.record(tape, flat, &unit)?;
                let y = tape.intermediate("answer in [-1, 1]", answer.shape)?;
                tape.affine_into(2.0, -1.0, &answer, &y)?;
                Ok(y)
            }
        }
    }
}
