//! The training step (equation 6), recorded once and replayed: networks, losses, gradients and Adam in one submission.

use std::collections::HashMap;

use super::{Model, ScheduleKind};
use crate::gpu::Gpu;
use crate::kernels::{adam, elementwise, losses, noising, schedule};
use crate::random::{self, Random, Stream};
use crate::tape::{Memory, Plan, PlanOptions, Tape};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// Weights of the losses (section 2): `L = L_∞ + w_β L_β + w_p L_prior + w_γ α L_γ`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossWeights {
    /// `w_β`.
    pub beta: f32,
    /// `w_p`.
    pub prior: f32,
    /// `w_γ α`.
    pub gamma: f32,
}

impl Default for LossWeights {
    /// 2, 2 and 2 · 1e-3, as in the authors' code.
    fn default() -> Self {
        Self { beta: 2.0, prior: 2.0, gamma: 2e-3 }
    }
}

/// Settings of the optimiser and of the draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyper {
    /// Adam's step size.
    pub learning_rate: f32,
    /// Adam's decay of the first moment.
    pub beta1: f32,
    /// Adam's decay of the second moment.
    pub beta2: f32,
    /// Adam's ε.
    pub epsilon: f32,
    /// Rate of the exponential moving average of the parameters; 0 keeps a plain copy.
    pub ema: f32,
    /// Spread the times of a batch evenly, with one random offset, instead of drawing each on its own. Both are uniform on
    /// [0, 1]; the spread one varies less from step to step.
    pub stratified_times: bool,
}

impl Default for Hyper {
    /// The paper's: 1e-4, (0.9, 0.999); no moving average.
    fn default() -> Self {
        Self { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ema: 0.0, stratified_times: false }
    }
}

/// The loss terms of one step, unweighted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Losses {
    /// `L_∞`.
    pub noise: f32,
    /// `L_β`.
    pub beta: f32,
    /// `L_prior`.
    pub prior: f32,
    /// `L_γ`.
    pub gamma: f32,
}

impl Losses {
    /// The weighted sum.
    pub fn total(&self, weights: &LossWeights) -> f32 {
        self.noise + weights.beta * self.beta + weights.prior * self.prior + weights.gamma * self.gamma
    }
}

/// Everything needed to go on with a training run.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerState {
    /// Flat parameters.
    pub parameters: Vec<f32>,
    /// Adam's first moments.
    pub first_moments: Vec<f32>,
    /// Adam's second moments.
    pub second_moments: Vec<f32>,
    /// The moving average of the parameters.
    pub average: Vec<f32>,
    /// Steps done.
    pub step: u64,
    /// Seed of all draws.
    pub seed: u64,
}

impl TrainerState {
    /// The start of a run.
    pub fn new(model: &Model, seed: u64) -> Self {
        let parameters = model.parameters().initial(seed);
        let zeros = vec![0.0; parameters.len()];
        Self {
            average: parameters.clone(),
            first_moments: zeros.clone(),
            second_moments: zeros,
            parameters,
            step: 0,
            seed,
        }
    }
}
