//! The training configuration, as TOML, with every value checked; and the part of it that weights carry with them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::diffusion::{
    FixedSchedule, Hyper, ModelConfig, NoiseWeight, Parametrization, ScheduleKind, ScheduleWeights,
};
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

/// What the networks see of the measurement.
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

/// What the diffusion describes.
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

/// What weighs the noise loss over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Nothing (the paper's).
    #[default]
    Uniform,
    /// `−½ SNR'/SNR`, the variational bound's, which the paper drops (appendix E.3).
    Snr,
}

/// `[model]`: sizes and kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSection {
    /// Where the schedule comes from.
    pub schedule: Schedule,
    /// What the networks see.
    pub condition: Condition,
    /// What the diffusion describes.
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

    /// The model's configuration.
    pub fn model(&self) -> ModelConfig {
        ModelConfig {
            condition_channels: self.condition.channels(),
            target_channels: 1,
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

/// `[data]`: photographs and the simulated measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSection {
    /// Folder of photographs; every eighth file, by a hash of its name, is held out.
    pub photographs: PathBuf,
    /// Side of a patch in pixels, a multiple of 16.
    pub patch: usize,
    /// Patches a step.
    pub batch: usize,
    /// Wavelength in µm.
    pub wavelength_um: f64,
    /// Pixel in µm.
    pub pixel_um: f64,
    /// Defocus in µm.
    pub defocus_um: f64,
    /// The noise level of a pair is uniform in 0..this.
    pub noise: f64,
    /// Share of pairs without any noise.
    pub noiseless: f64,
    /// Weight of patches whose phase is the photograph itself, as in the paper.
    pub photograph: f32,
    /// Weight of patches whose phase is a blurred photograph.
    pub blurred: f32,
    /// Weight of patches whose phase is a photograph with a random range.
    pub random_range: f32,
    /// Weight of patches with smooth cell-like objects on a flat background.
    pub cells: f32,
    /// Probability that an object also absorbs a little.
    pub amplitude_probability: f32,
    /// The strongest modulation of the amplitude, as a fraction.
    pub amplitude_depth: f32,
}

impl Default for DataSection {
    fn default() -> Self {
        Self {
            photographs: PathBuf::from("data/train-photographs"),
            patch: 64,
            batch: 8,
            wavelength_um: 0.521,
            pixel_um: 0.21,
            defocus_um: 2.0,
            noise: 0.2,
            noiseless: 0.0,
            photograph: 1.0,
            blurred: 0.0,
            random_range: 0.0,
            cells: 0.0,
            amplitude_probability: 0.0,
            amplitude_depth: 0.0,
        }
    }
}

/// `[training]`: optimiser, length, outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSection {
    /// Optimiser steps.
    pub steps: u64,
    /// Adam's step size at the start.
    pub learning_rate: f64,
    /// Adam's step size at the end, reached along half a cosine. Equal to `learning_rate` by default: no decay.
    pub final_learning_rate: Option<f64>,
    /// Steps over which the step size rises from zero.
    pub warmup: u64,
    /// Adam's decay of the first moment.
    pub beta1: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Rate of the moving average of the weights; 0 for none.
    pub ema: f64,
    /// Spread the times of a batch evenly.
    pub stratified_times: bool,
    /// What weighs the noise loss over time.
    pub noise_weight: Weight,
    /// Patches that go through the networks side by side; a step adds their gradients up and is the same up to rounding. Missing:
    /// all of `data.batch`, or, where a tensor would exceed the adapter's limit, as many as fit. Smaller ones need less memory.
    pub micro_batch: Option<usize>,
    /// Compute the inside of the networks' blocks again for the gradients instead of keeping it: the same step bit for bit, with
    /// less than half of the memory for values on the way and about a third more operations (ARCHITECTURE.md has figures).
    pub recompute: bool,
    /// `w_β`.
    pub weight_beta: f32,
    /// `w_p`.
    pub weight_prior: f32,
    /// `w_γ α`. 0 leaves `L_γ` out (the ablation of appendix K).
    pub weight_gamma: f32,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between lines of the log.
    pub log_every: u64,
}

impl Default for TrainingSection {
    fn default() -> Self {
        let (hyper, weights) = (Hyper::default(), ScheduleWeights::default());
        Self {
            steps: 200_000,
            learning_rate: hyper.learning_rate,
            final_learning_rate: None,
            warmup: 0,
            beta1: hyper.beta1,
            beta2: hyper.beta2,
            ema: hyper.ema_rate,
            stratified_times: false,
            noise_weight: Weight::Uniform,
            micro_batch: None,
            recompute: false,
            weight_beta: weights.beta,
            weight_prior: weights.prior,
            weight_gamma: weights.gamma,
            seed: 1,
            checkpoint_every: 500,
            log_every: 10,
        }
    }
}

/// A training run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Sizes and kind.
    pub model: ModelSection,
    /// Photographs and the simulated measurement.
    pub data: DataSection,
    /// Optimiser, length, outputs.
    pub training: TrainingSection,
}

impl TrainConfig {
    /// Reads and checks a TOML file. Missing keys take the paper's values; unknown ones are refused.
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

    /// Refuses values out of their range.
    ///
    /// # Errors
    /// [`Error::Input`] that names the key, the value and the range.
    pub fn check(&self) -> Result<()> {
        let (m, d, t) = (&self.model, &self.data, &self.training);
        let multiple = 1usize << m.scales.saturating_sub(1);
        let ranges: [(&str, f64, f64, f64); 30] = [
            ("model.noise_base", m.noise_base as f64, 1.0, 1024.0),
            ("model.rate_base", m.rate_base as f64, 1.0, 1024.0),
            ("model.scales", m.scales as f64, 1.0, 8.0),
            ("model.up_kernel", m.up_kernel as f64, 2.0, 3.0),
            ("model.hidden", m.hidden as f64, 1.0, 65_536.0),
            ("model.start", f64::from(m.start), 1e-3, 100.0),
            ("model.beta_first", m.beta_first, 0.0, 0.999),
            ("model.beta_last", m.beta_last, 1e-9, 0.999),
            ("model.beta_steps", m.beta_steps as f64, 1.0, 1e6),
            ("data.patch", d.patch as f64, 16.0, 4096.0),
            ("data.batch", d.batch as f64, 1.0, 4096.0),
            ("data.wavelength_um", d.wavelength_um, 1e-3, 1e3),
            ("data.pixel_um", d.pixel_um, 1e-3, 1e3),
            ("data.defocus_um", d.defocus_um, 1e-6, 1e4),
            ("data.noise", d.noise, 0.0, 10.0),
            ("data.noiseless", d.noiseless, 0.0, 1.0),
            ("data.photograph", f64::from(d.photograph), 0.0, 1e6),
            ("data.blurred", f64::from(d.blurred), 0.0, 1e6),
            ("data.random_range", f64::from(d.random_range), 0.0, 1e6),
            ("data.cells", f64::from(d.cells), 0.0, 1e6),
            ("data.amplitude_probability", f64::from(d.amplitude_probability), 0.0, 1.0),
            ("data.amplitude_depth", f64::from(d.amplitude_depth), 0.0, 0.9),
            ("training.steps", t.steps as f64, 1.0, 1e9),
            ("training.learning_rate", t.learning_rate, 1e-9, 1.0),
            ("training.beta1", t.beta1, 0.0, 0.999_999),
            ("training.beta2", t.beta2, 0.0, 0.999_999_9),
            ("training.ema", t.ema, 0.0, 0.999_999),
            ("training.weight_beta", f64::from(t.weight_beta), 0.0, 1e6),
            ("training.weight_prior", f64::from(t.weight_prior), 0.0, 1e6),
            ("training.weight_gamma", f64::from(t.weight_gamma), 0.0, 1e6),
        ];
        for (key, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(Error::input(format!("{key} = {value}; it must lie in {low} to {high}")));
            }
        }
        if let Some(last) = t.final_learning_rate
            && !(0.0..=t.learning_rate).contains(&last)
        {
            return Err(Error::input(format!(
                "training.final_learning_rate = {last}; it must lie in 0 to training.learning_rate ({})",
                t.learning_rate
            )));
        }
        if let Some(micro) = t.micro_batch.filter(|micro| !(1..=4096).contains(micro)) {
            return Err(Error::input(format!(
                "training.micro_batch = {micro}; it must lie in 1 to 4096, or be left out"
            )));
        }
        if !d.patch.is_multiple_of(multiple) {
            return Err(Error::input(format!(
                "data.patch = {}; with {} scales it must be a multiple of {multiple}",
                d.patch, m.scales
            )));
        }
        if d.photograph + d.blurred + d.random_range + d.cells <= 0.0 {
            return Err(Error::input(
                "data.photograph, blurred, random_range and cells are all 0; one must be positive",
            ));
        }
        m.check_target()?;
        if t.noise_weight == Weight::Snr && matches!(m.schedule, Schedule::Fixed | Schedule::None) {
            return Err(Error::input(
                "training.noise_weight = \"snr\" needs a learned schedule, not model.schedule = \"fixed\" or \"none\"",
            ));
        }
        if m.predicts == Predicts::Velocity && m.schedule == Schedule::None {
            return Err(Error::input("model.predicts = \"velocity\" needs a schedule, not model.schedule = \"none\""));
        }
        if t.checkpoint_every == 0 || t.log_every == 0 {
            return Err(Error::input("training.checkpoint_every and training.log_every must be at least 1"));
        }
        Ok(())
    }

    /// The optimiser's settings at a step.
    pub fn hyper(&self, step: u64) -> Hyper {
        let t = &self.training;
        let last = t.final_learning_rate.unwrap_or(t.learning_rate);
        let progress = step as f64 / t.steps.max(1) as f64;
        let decayed = last + (t.learning_rate - last) * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos());
        let warm = if step < t.warmup { (step + 1) as f64 / t.warmup as f64 } else { 1.0 };
        Hyper { learning_rate: decayed * warm, beta1: t.beta1, beta2: t.beta2, ema_rate: t.ema, ..Hyper::default() }
    }

    /// What weighs the noise loss over time.
    pub fn noise_weight(&self) -> NoiseWeight {
        match self.training.noise_weight {
            Weight::Uniform => NoiseWeight::Uniform,
            Weight::Snr => NoiseWeight::Snr,
        }
    }

    /// The weights of the losses.
    pub fn loss_weights(&self) -> ScheduleWeights {
        let t = &self.training;
        ScheduleWeights { beta: t.weight_beta, prior: t.weight_prior, gamma: t.weight_gamma }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<TrainConfig, String> {
        let config: TrainConfig = toml::from_str(text).map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn an_empty_file_is_the_papers_run() {
        let config = parse("").unwrap();
        assert_eq!(config.model.model(), ModelConfig::default());
        assert_eq!(config.training.learning_rate, 1e-4);
        assert_eq!((config.training.micro_batch, config.training.recompute), (None, false));
        let config = parse("[training]\nmicro_batch = 2\nrecompute = true").unwrap();
        assert_eq!((config.training.micro_batch, config.training.recompute), (Some(2), true));
    }

    #[test]
    fn unknown_keys_and_values_out_of_range_are_refused_by_name() {
        assert!(parse("[training]\nstep = 3").unwrap_err().contains("step"));
        assert!(parse("[model]\nschedule = \"cosine\"").unwrap_err().contains("cosine"));
        assert!(parse("[data]\nbatch = 0").unwrap_err().contains("data.batch = 0"));
        assert!(parse("[data]\npatch = 60").unwrap_err().contains("multiple of 16"));
        assert!(parse("[model]\ntarget = \"tie-residual\"").unwrap_err().contains("pair-tie"));
        let fixed = "[model]\nschedule = \"fixed\"\n[training]\nnoise_weight = \"snr\"";
        assert!(parse(fixed).unwrap_err().contains("noise_weight"));
        let none = "[model]\nschedule = \"none\"\npredicts = \"velocity\"";
        assert!(parse(none).unwrap_err().contains("velocity"));
        assert!(parse("[training]\nmicro_batch = 0").unwrap_err().contains("micro_batch = 0"));
        assert!(parse("[data]\nphotograph = 0.0").unwrap_err().contains("all 0"));
        assert!(parse("[training]\nlearning_rate = nan").unwrap_err().contains("learning_rate"));
        assert!(parse("[training]\nfinal_learning_rate = 1.0").unwrap_err().contains("final_learning_rate"));
    }

    #[test]
    fn the_step_size_warms_up_and_falls_along_a_cosine() {
        let mut config = TrainConfig::default();
        config.training.steps = 100;
        config.training.learning_rate = 1e-3;
        config.training.final_learning_rate = Some(1e-5);
        config.training.warmup = 10;
        assert!((config.hyper(0).learning_rate - 1e-4).abs() < 1e-6);
        assert!(config.hyper(9).learning_rate > 9.5e-4);
        assert!((config.hyper(100).learning_rate - 1e-5).abs() < 1e-8);
    }
}
