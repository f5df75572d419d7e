//! `[model]`: what is trained.

use serde::{Deserialize, Serialize};

use super::in_range;
use crate::diffusion::{FixedSchedule, ModelConfig, Parametrization, ScheduleKind};
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
    /// Base filters of the noise network.
    pub noise_base: usize,
    /// Base filters of the rate network.
    pub rate_base: usize,
    /// Scales of the U-Nets.
    pub scales: usize,
    /// Kernel of the transposed convolutions.
    pub up_kernel: usize,
    /// Hidden units of the time networks.
    pub hidden: usize,
    /// `k` of the start `ρ = k t²`.
    pub start: f32,
    /// `β` of the first step of a fixed schedule.
    pub beta_first: f64,
    /// `β` of its last step.
    pub beta_last: f64,
    /// The steps that these two refer to.
    pub beta_steps: usize,
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
            noise_base: paper.noise_base,
            rate_base: paper.rate_base,
            scales: paper.scales,
            up_kernel: paper.up_kernel,
            hidden: paper.hidden,
            start: paper.start,
            beta_first: fixed.first,
            beta_last: fixed.last,
            beta_steps: fixed.steps,
        }
    }
}

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
        if self.predicts == Predicts::Velocity && self.schedule == Schedule::None {
            return Err(Error::input("model.predicts = \"velocity\" needs a schedule, not model.schedule = \"none\""));
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
        Ok(())
    }

    /// The model's configuration, for a condition and a target of these channels.
    pub(super) fn model(&self, [condition_channels, target_channels]: [usize; 2]) -> ModelConfig {
        ModelConfig {
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
