//! The training step (equation 6), recorded once and replayed: networks, losses, gradients and Adam in one submission.

mod cost;
mod record;
mod regression;
mod views;

use std::collections::HashMap;

use super::groups::while_memory_lasts;
use super::{Model, ScheduleKind};
use crate::gpu::{Gpu, Submission};
use crate::kernels::adam::Hyper;
use crate::kernels::losses::ScheduleWeights;
use crate::random::{self, Random, Stream};
use crate::tape::{Memory, Plan, PlanOptions, Tape};
use crate::tensor::View;
use crate::{Error, Result};
pub use cost::StepCost;
use cost::micro_batch;
use record::record;
pub use regression::RegressionLoss;
use views::{Part, Views};

/// The loss terms of one step, unweighted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Losses {
    /// `L_∞`; without a schedule the mean squared error of the target.
    pub noise: f32,
    /// `L_β`.
    pub beta: f32,
    /// `L_prior`.
    pub prior: f32,
    /// `L_γ`.
    pub gamma: f32,
    /// Without a schedule, `1 − SSIM` of the target, if it is part of the loss.
    pub dissimilarity: f32,
}

impl Losses {
    /// The weighted sum.
    pub fn total(&self, weights: &ScheduleWeights) -> f32 {
        let schedule = weights.beta * self.beta + weights.prior * self.prior + weights.gamma * self.gamma;
        self.noise + schedule + regression::DISSIMILARITY_WEIGHT * self.dissimilarity
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
    /// The moving average of the parameters; the parameters themselves where none is kept.
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

/// What weighs the squared error of the noise over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoiseWeight {
    /// Nothing: every time counts the same (the paper's).
    #[default]
    Uniform,
    /// `−½ SNR'/SNR`, the weight of the variational bound that the paper drops (appendix E.3), for comparison. Needs a
    /// schedule that is learned: the weight has gradients to it.
    Snr,
}

/// How a training step is recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOptions {
    /// Samples a step.
    pub batch: usize,
    /// Height of a target's patch; a condition's is [`Model::scale`] times smaller and a multiple of [`Model::multiple`].
    pub height: usize,
    /// Width of a target's patch, likewise.
    pub width: usize,
    /// Weights of the schedule's losses.
    pub weights: ScheduleWeights,
    /// Spread the times of a batch evenly with one random offset, instead of drawing each on its own. Both are uniform on
    /// [0, 1]; the spread ones vary less from step to step.
    pub stratified_times: bool,
    /// What weighs the noise loss over time.
    pub noise_weight: NoiseWeight,
    /// What a model without a schedule is trained by.
    pub regression: RegressionLoss,
    /// Samples that go through the networks side by side, the last ones maybe fewer. The step is the same up to rounding; less
    /// of it is in memory at once. `None`: all of them, or as many as the adapter's bindings and memory hold.
    pub micro_batch: Option<usize>,
    /// Compute the inside of the networks' blocks again for the gradients instead of keeping it: the same step bit for bit, with
    /// about a third less memory for values on the way and a third more operations.
    pub recompute: bool,
    /// Keep a moving average of the parameters, at the rate of the step's [`Hyper`]. Without one the optimiser moves two ninths less.
    pub average: bool,
}

impl StepOptions {
    /// A step on `batch` patches of `height × width`, as in the paper.
    pub fn new(batch: usize, height: usize, width: usize) -> Self {
        Self {
            batch,
            height,
            width,
            weights: ScheduleWeights::default(),
            stratified_times: false,
            noise_weight: NoiseWeight::Uniform,
            regression: RegressionLoss::SquaredError,
            micro_batch: None,
            recompute: false,
            average: false,
        }
    }
}

/// A model being trained: one recorded step and the state that it advances.
pub struct Trainer {
    model: Model,
    options: StepOptions,
    gpu: Gpu,
    plan: Plan,
    views: Views,
    step: u64,
    seed: u64,
}

impl Trainer {
    /// Records and plans a training step and uploads `state`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the patch does not suit the networks, [`Error::Input`] if the state belongs to another model or the
    /// micro-batch is empty, [`Error::Limit`] if not even a single sample fits, device errors if the plan does not fit.
    pub fn new(gpu: &Gpu, model: Model, options: StepOptions, state: &TrainerState) -> Result<Self> {
        let planned = |micro_batch| {
            let mut tape = Tape::on(gpu);
            let views = record(&mut tape, &model, &StepOptions { micro_batch: Some(micro_batch), ..options })?;
            if let Some(p) = model.parameters().iter().find(|p| !tape.has_gradient(&p.range)) {
                return Err(Error::shape(format!("the optimiser refuses \"{}\": no gradient reaches it", p.name)));
            }
            Ok((tape.plan(gpu, &HashMap::new(), PlanOptions::default())?, views))
        };
        let most = micro_batch(gpu.caps(), &model, &options)?;
        // What was asked for is not made less.
        let (plan, views) = match options.micro_batch {
            Some(_) => planned(most)?,
            None => while_memory_lasts(most, planned)?,
        };
        let trainer = Self { model, options, gpu: gpu.clone(), plan, views, step: state.step, seed: state.seed };
        trainer.upload(state)?;
        Ok(trainer)
    }

    fn upload(&self, state: &TrainerState) -> Result<()> {
        let v = &self.views;
        let kept = [
            (Some(&v.parameters), &state.parameters),
            (Some(&v.first), &state.first_moments),
            (Some(&v.second), &state.second_moments),
            (v.average.as_ref(), &state.average),
        ];
        for (view, values) in kept {
            if values.len() != self.model.parameters().len() {
                return Err(Error::input(format!(
                    "a training state of {} values, the model has {}",
                    values.len(),
                    self.model.parameters().len()
                )));
            }
            if let Some(view) = view {
                self.plan.write(view, values)?;
            }
        }
        Ok(())
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Samples that go through the networks side by side.
    pub fn micro_batch(&self) -> usize {
        self.views.parts[0].samples.len()
    }

    /// The memory of the step's plan.
    pub fn memory(&self) -> Memory {
        self.plan.memory()
    }

    /// The step's dispatches, for counting and timing.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The times of a step's samples: `t ~ U[0, 1]`.
    pub fn times(&self, step: u64) -> Vec<f32> {
        let n = self.options.batch;
        let draw = |sample: usize| {
            Random { seed: self.seed, stream: Stream::Times, step: step as u32, sample: sample as u32 }.uniform(0)
        };
        if !self.options.stratified_times {
            return (0..n).map(draw).collect();
        }
        let offset = draw(0);
        (0..n).map(|i| (offset + i as f32 / n as f32).fract()).collect()
    }

    /// One optimiser step on conditions `x [N, Cx, H, W]` and targets `y [N, Cy, s H, s W]`, `s` being [`Model::scale`]. Submits and
    /// does not wait: a loop should, for the step before the last ([`Behind`](crate::gpu::Behind)), or what it writes piles up.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not exactly as many values, [`Error::Input`] for a rate of an average that is not kept, device
    /// errors of this or an earlier step.
    pub fn step(&mut self, x: &[f32], y: &[f32], hyper: &Hyper) -> Result<Submission> {
        if hyper.ema_rate != 0.0 && self.views.average.is_none() {
            return Err(Error::input(format!(
                "a moving average of rate {}, but none is kept: set `average` in the step's options",
                hyper.ema_rate
            )));
        }
        let times = self.times(self.step);
        for part in &self.views.parts {
            self.plan.write(&part.x, self.samples_of(part, "conditions", x, &part.x)?)?;
            self.plan.write(&part.y, self.samples_of(part, "targets", y, &part.y)?)?;
            let times = &times[part.samples.clone()];
            if let ScheduleKind::Fixed(fixed) = self.model.config().schedule {
                let rows = times.iter().map(|&t| fixed.integral(f64::from(t)) as f32).chain([0.0]);
                let rho: Vec<f32> = rows.flat_map(|rho| [rho, 0.0, 0.0]).collect();
                self.plan.write(&part.rho, &rho)?;
            } else {
                let times: Vec<f32> = times.iter().copied().chain([1.0]).collect();
                self.plan.write(&part.times, &times)?;
            }
            let first = part.samples.start as u32;
            self.plan.write(&part.rng, &random::state(self.seed, self.step as u32, first))?;
        }
        self.plan.write(&self.views.hyper, &hyper.values(self.step as u32 + 1, 1.0))?;
        let submission = self.plan.run()?;
        self.step += 1;
        Ok(submission)
    }

    /// The values of a part's samples, out of the whole batch's, for the tensor `to`.
    fn samples_of<'a>(&self, part: &Part, what: &str, values: &'a [f32], to: &View) -> Result<&'a [f32]> {
        let (batch, sample) = (self.options.batch, to.shape.c * to.shape.plane());
        if values.len() != batch * sample {
            return Err(Error::shape(format!(
                "{what} of {} values, a step on {batch} samples takes {}",
                values.len(),
                batch * sample
            )));
        }
        Ok(&values[part.samples.start * sample..part.samples.end * sample])
    }

    /// The loss terms of the last step. Waits for it.
    ///
    /// # Errors
    /// Device errors.
    pub fn losses(&self) -> Result<Losses> {
        // Means over the batch, from the means over its parts.
        let of_parts = self.plan.read(&self.views.losses)?;
        let mut mean = [0.0f64; 4];
        for (part, values) in self.views.parts.iter().zip(of_parts.chunks(4)) {
            let share = part.samples.len() as f64 / self.options.batch as f64;
            mean.iter_mut().zip(values).for_each(|(mean, &value)| *mean += share * f64::from(value));
        }
        let [noise, beta, prior, gamma] = mean.map(|v| v as f32);
        Ok(match self.model.config().schedule {
            ScheduleKind::None => Losses { noise, dissimilarity: beta, ..Losses::default() },
            _ => Losses { noise, beta, prior, gamma, ..Losses::default() },
        })
    }

    /// The gradient of the last step, flat. Waits for it.
    ///
    /// # Errors
    /// Device errors.
    pub fn gradient(&self) -> Result<Vec<f32>> {
        self.plan.read(&self.views.gradient)
    }

    /// Waits for what was submitted.
    ///
    /// # Errors
    /// Device errors.
    pub fn wait(&self) -> Result<()> {
        self.gpu.wait()
    }

    /// Reads back everything needed to go on.
    ///
    /// # Errors
    /// Device errors.
    pub fn state(&self) -> Result<TrainerState> {
        let v = &self.views;
        let parameters = self.plan.read(&v.parameters)?;
        Ok(TrainerState {
            average: v.average.as_ref().map_or_else(|| Ok(parameters.clone()), |average| self.plan.read(average))?,
            parameters,
            first_moments: self.plan.read(&v.first)?,
            second_moments: self.plan.read(&v.second)?,
            step: self.step,
            seed: self.seed,
        })
    }
}
