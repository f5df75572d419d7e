//! The training configuration, as TOML, with every value checked; and the part of it that weights carry with them.

mod data;
mod model;
mod task;
#[cfg(test)]
mod tests;
mod training;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use data::DataSection;
pub use model::{Condition, DfcanSection, ModelSection, NetworkKind, Predicts, Schedule, Sr3Section, Target};
pub use task::{MicroscopySection, MicroscopySource, PhotographSet, SuperResolutionSection, Task};
pub use training::{Loss, TrainingSection, Weight};

use crate::diffusion::{Hyper, Model, ModelConfig, ScheduleWeights, StepOptions};
use crate::{Error, Result};

/// A training run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// What is learned.
    pub task: Task,
    /// Sizes and kind.
    pub model: ModelSection,
    /// The patches of a step, and the phase task's photographs and simulated measurement.
    pub data: DataSection,
    /// The microscopy task's images.
    #[serde(skip_serializing_if = "is_default")]
    pub microscopy: MicroscopySection,
    /// The super-resolution task's photographs.
    #[serde(skip_serializing_if = "is_default")]
    pub super_resolution: SuperResolutionSection,
    /// Optimiser, length, outputs.
    pub training: TrainingSection,
}

/// Sections of other tasks are not written.
fn is_default<T: Default + PartialEq>(section: &T) -> bool {
    *section == T::default()
}

/// Refuses the first of `(key, value, low, high)` whose value does not lie in its range.
fn in_range(values: &[(&str, f64, f64, f64)]) -> Result<()> {
    match values.iter().find(|(_, value, low, high)| !(*low..=*high).contains(value)) {
        None => Ok(()),
        Some((key, value, low, high)) => Err(Error::input(format!("{key} = {value}; it must lie in {low} to {high}"))),
    }
}

impl TrainConfig {
    /// Reads and checks a TOML file. Missing keys take the values of the paper's phase task, also for another task; but `data.patch` and
    /// `data.batch`, of which the paper names none, take this project's. Unknown keys are refused.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or a value is out of its range.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        let config: Self =
            toml::from_str(&text).map_err(|e| Error::file(path, e.to_string().trim_end().to_string()))?;
        config.check().map_err(|e| Error::file(path, e.to_string()))?;
        Ok(config)
    }

    /// Refuses values out of their range, and settings that exclude each other.
    ///
    /// # Errors
    /// [`Error::Input`] that names the key, the value and the range.
    pub fn check(&self) -> Result<()> {
        self.model.check()?;
        self.data.check()?;
        self.training.check()?;
        self.check_task()?;
        let (scales, patch) = (self.model.scales, self.data.patch);
        let model = Model::new(self.model_config())?;
        let multiple = model.multiple();
        if !patch.is_multiple_of(multiple) {
            return Err(Error::input(format!(
                "data.patch = {patch}; with {scales} scales it must be a multiple of {multiple}"
            )));
        }
        if ![1, self.factor()].contains(&model.scale()) {
            return Err(Error::input(format!(
                "model.dfcan.scale = {}; the target is {} times as dense as what was measured, the scale must be that or 1",
                model.scale(),
                self.factor()
            )));
        }
        if self.training.loss != Loss::Mse && self.model.schedule != Schedule::None {
            return Err(Error::input(
                "training.loss is what a model with model.schedule = \"none\" is trained by; leave it out",
            ));
        }
        if self.training.noise_weight == Weight::Snr && matches!(self.model.schedule, Schedule::Fixed | Schedule::None)
        {
            return Err(Error::input(
                "training.noise_weight = \"snr\" needs a learned schedule, not model.schedule = \"fixed\" or \"none\"",
            ));
        }
        Ok(())
    }

    /// Refuses what belongs to another task.
    fn check_task(&self) -> Result<()> {
        let (name, patch) = (self.task.name(), self.data.patch);
        let foreign = |what: &str, of: Task| {
            Error::input(format!("{what} is for task = \"{}\"; it has no meaning for \"{name}\"", of.name()))
        };
        if self.task != Task::Microscopy && !is_default(&self.microscopy) {
            return Err(foreign("the section [microscopy]", Task::Microscopy));
        }
        if self.task != Task::SuperResolution && !is_default(&self.super_resolution) {
            return Err(foreign("the section [super_resolution]", Task::SuperResolution));
        }
        let ModelSection { condition, target, .. } = self.model;
        let of_phases = condition != Condition::Pair || target == Target::TieResidual;
        if self.task != Task::Phase && of_phases {
            return Err(foreign("model.condition or model.target", Task::Phase));
        }
        if self.task == Task::Phase && target == Target::Residual {
            return Err(Error::input(
                "model.target = \"residual\" is of an image that was enlarged; for task = \"phase\" there is \"tie-residual\"",
            ));
        }
        match self.task {
            Task::Phase => {}
            Task::Microscopy => self.microscopy.check()?,
            Task::SuperResolution => self.super_resolution.check(patch)?,
        }
        let factor = self.factor();
        if !patch.is_multiple_of(factor) {
            return Err(Error::input(format!(
                "data.patch = {patch}; the fine grid has {factor} pixels to a coarse one, of which a patch must be a multiple"
            )));
        }
        Ok(())
    }

    /// The model: channels follow from the task, all else stands in `[model]`.
    pub fn model_config(&self) -> ModelConfig {
        let channels = match self.task {
            Task::Phase => [self.model.condition.channels(), 1],
            Task::Microscopy => [1, 1],
            Task::SuperResolution => [self.super_resolution.channels(); 2],
        };
        self.model.model(channels, self.factor())
    }

    /// How a training step is recorded.
    pub fn step_options(&self) -> StepOptions {
        let (data, training) = (&self.data, &self.training);
        StepOptions {
            batch: data.batch,
            height: data.patch,
            width: data.patch,
            weights: self.loss_weights(),
            stratified_times: training.stratified_times,
            noise_weight: training.noise_weight.into(),
            regression: training.loss.into(),
            micro_batch: training.micro_batch,
            recompute: training.recompute,
            average: training.ema > 0.0,
        }
    }

    /// How many times as dense as the measured image the target is, along each side.
    pub fn factor(&self) -> usize {
        match self.task {
            Task::Phase => 1,
            Task::Microscopy => self.microscopy.factor(),
            Task::SuperResolution => self.super_resolution.factor,
        }
    }

    /// The optimiser's settings at a step, before any halving on a plateau.
    pub fn hyper(&self, step: u64) -> Hyper {
        self.training.hyper(step)
    }

    /// The weights of the losses.
    pub fn loss_weights(&self) -> ScheduleWeights {
        let t = &self.training;
        ScheduleWeights { beta: t.weight_beta, prior: t.weight_prior, gamma: t.weight_gamma }
    }
}
