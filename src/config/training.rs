//! `[training]`: optimiser, length, outputs.

use serde::{Deserialize, Serialize};

use super::in_range;
use crate::diffusion::{Hyper, NoiseWeight, RegressionLoss, ScheduleWeights};
use crate::{Error, Result};

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

/// What a model without a schedule is trained by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The mean squared error in the networks' range.
    #[default]
    Mse,
    /// DFCAN's: the mean squared error plus a tenth of `1 − SSIM`, as images in [0, 1].
    MseSsim,
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
    /// What a model without a schedule is trained by.
    pub loss: Loss,
    /// Halve the step size whenever so many lines of the log in a row have not lowered the smoothed training loss. Missing: never.
    pub plateau: Option<u64>,
    /// Patches that go through the networks side by side; a step adds their gradients up and is the same up to rounding. Missing:
    /// all of `data.batch`, or, where a tensor would exceed the adapter's limit, as many as fit. Smaller ones need less memory.
    pub micro_batch: Option<usize>,
    /// Compute the inside of the networks' blocks again for the gradients instead of keeping it: the same step bit for bit, with
    /// about a third less memory for values on the way and a third more operations (ARCHITECTURE.md has figures).
    pub recompute: bool,
    /// `w_β`.
    pub weight_beta: f32,
    /// `w_p`.
    pub weight_prior: f32,
    /// `w_γ α`. 0 leaves `L_γ` out (the ablation of appendix K).
    pub weight_gamma: f32,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Steps between checkpoints, at least: one waits until twenty times the time that the last one took have gone by.
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
            loss: Loss::Mse,
            plateau: None,
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

impl TrainingSection {
    /// Refuses values out of their range.
    pub(super) fn check(&self) -> Result<()> {
        in_range(&[
            ("training.steps", self.steps as f64, 1.0, 1e9),
            ("training.learning_rate", self.learning_rate, 1e-9, 1.0),
            ("training.beta1", self.beta1, 0.0, 0.999_999),
            ("training.beta2", self.beta2, 0.0, 0.999_999_9),
            ("training.ema", self.ema, 0.0, 0.999_999),
            ("training.weight_beta", f64::from(self.weight_beta), 0.0, 1e6),
            ("training.weight_prior", f64::from(self.weight_prior), 0.0, 1e6),
            ("training.weight_gamma", f64::from(self.weight_gamma), 0.0, 1e6),
        ])?;
        if let Some(last) = self.final_learning_rate
            && !(0.0..=self.learning_rate).contains(&last)
        {
            return Err(Error::input(format!(
                "training.final_learning_rate = {last}; it must lie in 0 to training.learning_rate ({})",
                self.learning_rate
            )));
        }
        if let Some(micro) = self.micro_batch.filter(|micro| !(1..=4096).contains(micro)) {
            return Err(Error::input(format!(
                "training.micro_batch = {micro}; it must lie in 1 to 4096, or be left out"
            )));
        }
        if self.plateau == Some(0) {
            return Err(Error::input("training.plateau = 0; it must be at least 1, or be left out"));
        }
        if self.checkpoint_every == 0 || self.log_every == 0 {
            return Err(Error::input("training.checkpoint_every and training.log_every must be at least 1"));
        }
        Ok(())
    }

    /// The optimiser's settings at a step.
    pub(super) fn hyper(&self, step: u64) -> Hyper {
        let last = self.final_learning_rate.unwrap_or(self.learning_rate);
        let progress = step as f64 / self.steps.max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos());
        let decayed = last + (self.learning_rate - last) * cosine;
        let warm = if step < self.warmup { (step + 1) as f64 / self.warmup as f64 } else { 1.0 };
        Hyper {
            learning_rate: decayed * warm,
            beta1: self.beta1,
            beta2: self.beta2,
            ema_rate: self.ema,
            ..Hyper::default()
        }
    }
}

impl From<Loss> for RegressionLoss {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Mse => Self::SquaredError,
            Loss::MseSsim => Self::SquaredErrorAndSimilarity,
        }
    }
}

impl From<Weight> for NoiseWeight {
    fn from(weight: Weight) -> Self {
        match weight {
            Weight::Uniform => Self::Uniform,
            Weight::Snr => Self::Snr,
        }
    }
}
