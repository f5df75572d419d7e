//! `[model]`: what is trained.

use serde::{Deserialize, Serialize};

use super::{in_range, is_default};
use crate::diffusion::{DfcanSize, FixedSchedule, ModelConfig, Network, Parametrization, ScheduleKind, Sr3Size};
use crate::{Error, Result};

/// Where the noise schedule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// The paper's: per-pixel rate, two time networks.
    #[default]
    Learned,
    /// `τ := ρ'`.
    Tied,
    /// One learned rate (CVDM-simple).
    Simple,
    /// Fixed linear `β` (CDDPM).
    Fixed,
    /// No diffusion: one pass from condition to target, trained by its squared error.
    None,
}

/// What the noise network's output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Predicts {
    /// The noise (the paper's).
    #[default]
    Noise,
    /// The velocity `v = √γ ε − √σ y`.
    Velocity,
}

/// What the networks see of the measurement in the phase task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The paper's: the two defocused intensities, jointly scaled to [−1, 1].
    #[default]
    Pair,
    /// The pair and, as a third channel, the one-pass solution of the transport-of-intensity equation. It carries the phase's
    /// scale, which the pair loses by being scaled.
    PairTie,
}

impl Condition {
    /// Channels of the condition.
    pub fn channels(self) -> usize {
        match self {
            Self::Pair => 2,
            Self::PairTie => 3,
        }
    }
}

/// What the diffusion describes in the phase task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The paper's: the phase, scaled to [−1, 1].
    #[default]
    Phase,
    /// What the one-pass solution of the transport-of-intensity equation leaves to be found: the phase minus that solution.
    /// The networks then correct a classical answer instead of redoing it, which a short training can afford.
    TieResidual,
    /// For images: what interpolation leaves to be found, the fine image minus the enlarged coarse one. Instance norms before the last
    /// convolution fix the mean of what a U-Net answers, whatever it is given; a residual's mean is near zero in every image.
    Residual,
}

/// Which network predicts the noise, or the target where there is no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// The paper's U-Net.
    #[default]
    Unet,
    /// SR3's, the paper's for photographs; in the sizes of a widely used reimplementation, not of SR3's publication.
    Sr3,
    /// DFCAN, the paper's baseline for microscopy, which answers in one pass.
    Dfcan,
}

/// `[model.sr3]`: what SR3's network has besides base filters and scales.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sr3Section {
    /// Residual blocks at each resolution on the way down.
    pub blocks: usize,
    /// Groups of the norms.
    pub groups: usize,
    /// Heads of the attention.
    pub heads: usize,
}

impl Default for Sr3Section {
    fn default() -> Self {
        let Sr3Size { blocks, groups, heads } = Sr3Size::default();
        Self { blocks, groups, heads }
    }
}

/// `[model.dfcan]`: what DFCAN has besides channels (`noise_base`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DfcanSection {
    /// Residual groups.
    pub groups: usize,
    /// Blocks of a group.
    pub blocks: usize,
    /// The attention squeezes the channels by this factor.
    pub reduction: usize,
    /// Spectra are resampled to this height and width.
    pub attention_size: usize,
    /// How much the network enlarges: the task's factor, from images as they were measured, or 1, from images that were enlarged
    /// before. Missing: the task's factor.
    pub scale: Option<usize>,
    /// About the mean of its answers, between 0 and 1, before training.
    pub start_mean: f32,
}

impl Default for DfcanSection {
    fn default() -> Self {
        let DfcanSize { groups, blocks, reduction, attention_size, start_mean, .. } = DfcanSize::default();
        Self { groups, blocks, reduction, attention_size, scale: None, start_mean }
    }
}

/// `[model]`: sizes and kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSection {
    /// Where the schedule comes from.
    pub schedule: Schedule,
    /// What the networks see, in the phase task.
    pub condition: Condition,
    /// What the diffusion describes, in the phase task.
    pub target: Target,
    /// What the noise network's output means.
    pub predicts: Predicts,
    /// Which network predicts.
    pub network: NetworkKind,
    /// Base filters of the noise network; the channels of a DFCAN.
    pub noise_base: usize,
    /// Base filters of the rate network.
    pub rate_base: usize,
    /// Scales of the networks.
    pub scales: usize,
    /// Kernel of the transposed convolutions.
    pub up_kernel: usize,
    /// Hidden units of the time networks.
    pub hidden: usize,
    /// `k` of the start `ρ = k t²`.
    pub start: f32,
    /// `β` at the beginning of a fixed schedule; its first step's is a little above ([`FixedSchedule`]).
    pub beta_first: f64,
    /// `β` of its last step.
    pub beta_last: f64,
    /// The steps that these two refer to.
    pub beta_steps: usize,
    /// What SR3's network has besides.
    #[serde(skip_serializing_if = "is_default")]
    pub sr3: Sr3Section,
    /// What DFCAN has besides.
    #[serde(skip_serializing_if = "is_default")]
    pub dfcan: DfcanSection,
}

impl Default for ModelSection {
    fn default() -> Self {
        let paper = ModelConfig::default();
        let fixed = FixedSchedule::PHASE;
        Self {
            schedule: Schedule::Learned,
            condition: Condition::Pair,
            target: Target::Phase,
            predicts: Predicts::Noise,
            network: NetworkKind::Unet,
            noise_base: paper.noise_base,
            rate_base: paper.rate_base,
            scales: paper.scales,
            up_kernel: paper.up_kernel,
            hidden: paper.hidden,
            start: paper.start,
            beta_first: fixed.first,
            beta_last: fixed.last,
            beta_steps: fixed.steps,
            sr3: Sr3Section::default(),
            dfcan: DfcanSection::default(),
        }
    }
}

/// Of any map of a network: the paper's have 1024.
const MOST_CHANNELS: usize = 4096;

impl ModelSection {
    /// Refuses values out of their range and choices that exclude each other.
    pub(super) fn check(&self) -> Result<()> {
        in_range(&[
            ("model.noise_base", self.noise_base as f64, 1.0, 1024.0),
            ("model.rate_base", self.rate_base as f64, 1.0, 1024.0),
            ("model.scales", self.scales as f64, 1.0, 8.0),
            ("model.up_kernel", self.up_kernel as f64, 2.0, 3.0),
            ("model.hidden", self.hidden as f64, 1.0, 65_536.0),
            ("model.start", f64::from(self.start), 1e-3, 100.0),
            ("model.beta_first", self.beta_first, 0.0, 0.999),
            ("model.beta_last", self.beta_last, 1e-9, 0.999),
            ("model.beta_steps", self.beta_steps as f64, 1.0, 1e6),
        ])?;
        for (key, base) in [("model.noise_base", self.noise_base), ("model.rate_base", self.rate_base)] {
            let deepest = base << (self.scales - 1);
            if deepest > MOST_CHANNELS {
                return Err(Error::input(format!(
                    "{key} = {base} and model.scales = {} make {deepest} channels at the deepest scale; at most {MOST_CHANNELS} are possible",
                    self.scales
                )));
            }
        }
        in_range(&[
            ("model.sr3.blocks", self.sr3.blocks as f64, 1.0, 16.0),
            ("model.sr3.groups", self.sr3.groups as f64, 1.0, 1024.0),
            ("model.sr3.heads", self.sr3.heads as f64, 1.0, 64.0),
            ("model.dfcan.groups", self.dfcan.groups as f64, 1.0, 64.0),
            ("model.dfcan.blocks", self.dfcan.blocks as f64, 1.0, 64.0),
            ("model.dfcan.reduction", self.dfcan.reduction as f64, 1.0, 1024.0),
        ])?;
        if self.network == NetworkKind::Dfcan && !self.noise_base.is_multiple_of(self.dfcan.reduction) {
            return Err(Error::input(format!(
                "model.noise_base = {} does not divide by model.dfcan.reduction = {}, which its attention asks for",
                self.noise_base, self.dfcan.reduction
            )));
        }
        if self.predicts == Predicts::Velocity && self.schedule == Schedule::None {
            return Err(Error::input("model.predicts = \"velocity\" needs a schedule, not model.schedule = \"none\""));
        }
        for (name, kind, given) in
            [("sr3", NetworkKind::Sr3, !is_default(&self.sr3)), ("dfcan", NetworkKind::Dfcan, !is_default(&self.dfcan))]
        {
            if given && self.network != kind {
                return Err(Error::input(format!(
                    "the section [model.{name}] has no meaning without network = \"{name}\""
                )));
            }
        }
        if self.network == NetworkKind::Dfcan && self.schedule != Schedule::None {
            return Err(Error::input(
                "model.network = \"dfcan\" answers in one pass; it needs model.schedule = \"none\"",
            ));
        }
        self.check_target()
    }

    /// Refuses a residual as target where the condition lacks the solution that it is a residual of.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn check_target(&self) -> Result<()> {
        if self.target == Target::TieResidual && self.condition != Condition::PairTie {
            return Err(Error::input("model.target = \"tie-residual\" needs model.condition = \"pair-tie\""));
        }
        if self.target == Target::Residual && self.network == NetworkKind::Dfcan {
            return Err(Error::input(
                "model.target = \"residual\" is not for network = \"dfcan\", whose answer lies in 0 to 1",
            ));
        }
        Ok(())
    }

    /// The model's configuration, for a condition and a target of these channels, the target `factor` times as dense as what was
    /// measured.
    pub(super) fn model(&self, [condition_channels, target_channels]: [usize; 2], factor: usize) -> ModelConfig {
        let network = match self.network {
            NetworkKind::Unet => Network::UNet,
            NetworkKind::Sr3 => {
                let Sr3Section { blocks, groups, heads } = self.sr3;
                Network::Sr3(Sr3Size { blocks, groups, heads })
            }
            NetworkKind::Dfcan => {
                let DfcanSection { groups, blocks, reduction, attention_size, scale, start_mean } = self.dfcan;
                let scale = scale.unwrap_or(factor);
                Network::Dfcan(DfcanSize { groups, blocks, reduction, attention_size, scale, start_mean })
            }
        };
        ModelConfig {
            network,
            condition_channels,
            target_channels,
            noise_base: self.noise_base,
            rate_base: self.rate_base,
            scales: self.scales,
            up_kernel: self.up_kernel,
            hidden: self.hidden,
            start: self.start,
            parametrization: match self.predicts {
                Predicts::Noise => Parametrization::Noise,
                Predicts::Velocity => Parametrization::Velocity,
            },
            schedule: match self.schedule {
                Schedule::Learned => ScheduleKind::Learned,
                Schedule::Tied => ScheduleKind::Tied,
                Schedule::Simple => ScheduleKind::Simple,
                Schedule::Fixed => ScheduleKind::Fixed(FixedSchedule {
                    first: self.beta_first,
                    last: self.beta_last,
                    steps: self.beta_steps,
                }),
                Schedule::None => ScheduleKind::None,
            },
        }
    }
}
