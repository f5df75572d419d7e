//! The training step (equation 6), recorded once and replayed: networks, losses, gradients and Adam in one submission.

use std::collections::HashMap;

use super::{Model, ScheduleKind};
use crate::gpu::Gpu;
use crate::kernels::adam::Hyper;
use crate::kernels::losses::ScheduleWeights;
use crate::kernels::{Call, adam, elementwise, losses, noising, schedule};
use crate::random::{self, Random, Stream};
use crate::tape::{Memory, Plan, PlanOptions, Tape};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

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
    pub fn total(&self, weights: &ScheduleWeights) -> f32 {
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
    /// Height of a patch, a multiple of [`Model::multiple`].
    pub height: usize,
    /// Width of a patch, a multiple of [`Model::multiple`].
    pub width: usize,
    /// Weights of the schedule's losses.
    pub weights: ScheduleWeights,
    /// Spread the times of a batch evenly with one random offset, instead of drawing each on its own. Both are uniform on
    /// [0, 1]; the spread ones vary less from step to step.
    pub stratified_times: bool,
    /// What weighs the noise loss over time.
    pub noise_weight: NoiseWeight,
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
        }
    }
}

/// The tensors that a step is fed with and leaves behind.
struct Views {
    x: View,
    y: View,
    times: View,
    rng: View,
    hyper: View,
    parameters: View,
    gradient: View,
    first: View,
    second: View,
    average: View,
    losses: View,
    /// `(ρ, ρ', ρ'')` by row, written from outside if the schedule is fixed.
    rho: View,
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
    /// [`Error::Shape`] if the patch does not suit the networks, [`Error::Input`] if the state belongs to another model,
    /// device errors if the plan does not fit.
    pub fn new(gpu: &Gpu, model: Model, options: StepOptions, state: &TrainerState) -> Result<Self> {
        let mut tape = Tape::on(gpu);
        let views = record(&mut tape, &model, &options)?;
        let missing = tape.parameters_without_gradient();
        if let Some(range) = missing.first() {
            let name = model.parameters().at(range.start).map_or("?", |p| &p.name);
            return Err(Error::shape(format!("the optimiser refuses \"{name}\": no gradient reaches it")));
        }
        let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default())?;
        let trainer = Self { model, options, gpu: gpu.clone(), plan, views, step: state.step, seed: state.seed };
        trainer.upload(state)?;
        Ok(trainer)
    }

    fn upload(&self, state: &TrainerState) -> Result<()> {
        let v = &self.views;
        for (view, values) in [
            (&v.parameters, &state.parameters),
            (&v.first, &state.first_moments),
            (&v.second, &state.second_moments),
            (&v.average, &state.average),
        ] {
            if values.len() != self.model.parameters().len() {
                return Err(Error::input(format!(
                    "a training state of {} values, the model has {}",
                    values.len(),
                    self.model.parameters().len()
                )));
            }
            self.plan.write(view, values)?;
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

    /// One optimiser step on conditions `x [N, Cx, H, W]` and targets `y [N, Cy, H, W]`. Submits and does not wait.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not exactly as many values, device errors of this or an earlier step.
    pub fn step(&mut self, x: &[f32], y: &[f32], hyper: &Hyper) -> Result<()> {
        let v = &self.views;
        let mut times = self.times(self.step);
        self.plan.write(&v.x, x)?;
        self.plan.write(&v.y, y)?;
        if let ScheduleKind::Fixed(fixed) = self.model.config().schedule {
            let rows = times.iter().map(|&t| fixed.integral(f64::from(t)) as f32).chain([0.0]);
            let rho: Vec<f32> = rows.flat_map(|rho| [rho, 0.0, 0.0]).collect();
            self.plan.write(&v.rho, &rho)?;
        } else {
            times.push(1.0);
            self.plan.write(&v.times, &times)?;
        }
        self.plan.write(&v.rng, &random::state(self.seed, self.step as u32, 0))?;
        self.plan.write(&v.hyper, &hyper.values(self.step as u32 + 1, 1.0))?;
        self.plan.run()?;
        self.step += 1;
        Ok(())
    }

    /// The loss terms of the last step. Waits for it.
    ///
    /// # Errors
    /// Device errors.
    pub fn losses(&self) -> Result<Losses> {
        let v = self.plan.read(&self.views.losses)?;
        Ok(Losses { noise: v[0], beta: v[1], prior: v[2], gamma: v[3] })
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
        Ok(TrainerState {
            parameters: self.plan.read(&v.parameters)?,
            first_moments: self.plan.read(&v.first)?,
            second_moments: self.plan.read(&v.second)?,
            average: self.plan.read(&v.average)?,
            step: self.step,
            seed: self.seed,
        })
    }
}

/// Records one training step.
fn record(tape: &mut Tape, model: &Model, options: &StepOptions) -> Result<Views> {
    let &StepOptions { batch: n, height: h, width: w, .. } = options;
    let config = model.config();
    let condition = Shape::new(n, config.condition_channels, h, w);
    let target = Shape::new(n, config.target_channels, h, w);
    let flat = model.parameters().shape();
    let views = Views {
        x: tape.persistent("condition", condition)?,
        y: tape.persistent("target", target)?,
        times: tape.persistent("times", Shape::vector(n + 1))?,
        rng: tape.persistent("random state", Shape::vector(4))?,
        hyper: tape.persistent("optimiser settings", Shape::vector(8))?,
        parameters: tape.persistent("parameters", flat)?,
        gradient: tape.persistent("parameters' gradient", flat)?,
        first: tape.persistent("first moments", flat)?,
        second: tape.persistent("second moments", flat)?,
        average: tape.persistent("averaged parameters", flat)?,
        losses: tape.persistent("losses", Shape::vector(4))?,
        rho: tape.persistent("rho and derivatives", Shape::new(n + 1, 3, 1, 1))?,
    };
    let theta = &views.parameters;
    tape.parameters(theta, &views.gradient)?;

    // Forward: rate, schedule, noising, noise prediction.
    let rate = tape.intermediate("rate", target)?;
    model.record_rate(tape, theta, &views.x, &rate)?;
    if let Some(rho) = model.rho() {
        tape.push(schedule::forward(&theta.range(rho.range.clone())?, &views.times, &views.rho)?);
    }
    let input = tape.intermediate("noise network input", Shape { c: model.input_channels(), ..condition })?;
    let [x_part, gamma, z] = model.split_input(&input)?;
    tape.push([elementwise::copy(&views.x, &x_part, false)?]);
    tape.push(noising::forward(&views.rng, &views.y, &rate, &views.rho, &gamma, &z)?);
    let learned = record_rate_of_time(tape, model, &views, &rate)?;
    if learned.is_some() {
        tape.watch(&input);
    }
    let prediction = model.record_noise(tape, theta, &input)?;

    // Backward: the noise loss through the noise network down to its input.
    let g = tape.intermediate("gradient of the prediction", target)?;
    match (options.noise_weight, &learned) {
        (NoiseWeight::Uniform, _) => {
            let partials = tape.intermediate("partial sums", losses::noise_partials(target))?;
            tape.push(losses::noise(&views.rng, &prediction, 1.0, &g, &views.losses, &partials)?);
        }
        (NoiseWeight::Snr, Some(of)) => {
            let partials = tape.intermediate("partial sums", losses::weighted_noise_partials(target))?;
            tape.push(losses::weighted_noise(&losses::WeightedNoise {
                rng: &views.rng,
                prediction: &prediction,
                lambda: &rate,
                rho: &views.rho,
                tau: &of.tau,
                weight: 1.0,
                gprediction: &g,
                glambda: &of.glambda,
                grho: &of.grho,
                gtau: of.gtau.as_ref(),
                losses: &views.losses,
                partials: &partials,
            })?);
        }
        (NoiseWeight::Snr, None) => {
            return Err(Error::input(
                "the weight SNR'/SNR needs a learned schedule; a fixed one takes the uniform weight",
            ));
        }
    }
    let gradients = tape.backward(&[(prediction, g)])?;
    if let Some(of) = &learned {
        let of_input =
            gradients.of(&input).ok_or_else(|| Error::shape("the noise network passed no gradient on to its input"))?;
        record_schedule_gradient(tape, model, options, &views, &rate, of, &of_input)?;
    }
    let step: Vec<Call> =
        adam::step(&views.hyper, &views.gradient, theta, &views.first, &views.second, &views.average)?;
    tape.push(step);
    Ok(views)
}

/// A learned schedule in a step: the rate of time, and where the gradients gather.
struct Learned {
    /// τ by row, `[N + 1, 1, 1, 1]`.
    tau: View,
    glambda: View,
    grho: View,
    /// None if τ is ρ' itself.
    gtau: Option<View>,
}

/// Records τ, if the schedule is learned.
fn record_rate_of_time(tape: &mut Tape, model: &Model, views: &Views, rate: &View) -> Result<Option<Learned>> {
    if model.rho().is_none() {
        return Ok(None);
    }
    let rows = views.rho.shape;
    let (tau, gtau) = match model.tau() {
        None => (views.rho.range(1..2)?, None),
        Some(network) => {
            let values = tape.intermediate("tau and derivatives", rows)?;
            let range = views.parameters.range(network.range.clone())?;
            tape.push(schedule::forward(&range, &views.times, &values)?);
            (values.range(0..1)?, Some(tape.intermediate("gradient of tau", rows)?))
        }
    };
    let glambda = tape.intermediate("gradient of the rate", rate.shape)?;
    let grho = tape.intermediate("gradient of rho", rows)?;
    Ok(Some(Learned { tau, glambda, grho, gtau }))
}

/// The schedule's own losses, and everything that flows back through γ and z into `λ`, `ρ` and `τ`.
fn record_schedule_gradient(
    tape: &mut Tape,
    model: &Model,
    options: &StepOptions,
    views: &Views,
    rate: &View,
    of: &Learned,
    of_input: &View,
) -> Result<()> {
    let theta = &views.parameters;
    let [_, ggamma, gz] = model.split_input(of_input)?;
    // A weighted noise loss has written its part already.
    let weighted = options.noise_weight == NoiseWeight::Snr;
    let partials = tape.intermediate("partial sums", noising::backward_partials(rate.shape))?;
    tape.push(noising::backward(&noising::Backward {
        rng: &views.rng,
        y: &views.y,
        lambda: rate,
        rho: &views.rho,
        ggamma: &ggamma,
        gz: &gz,
        glambda: &of.glambda,
        accumulate_lambda: weighted,
        grho: &of.grho,
        accumulate_rho: weighted,
        partials: &partials,
    })?);
    let partials = tape.intermediate("partial sums", losses::schedule_partials(rate.shape))?;
    tape.push(losses::schedule(&losses::Schedule {
        y: &views.y,
        lambda: rate,
        rho: &views.rho,
        tau: &of.tau,
        weights: options.weights,
        glambda: &of.glambda,
        accumulate_lambda: true,
        grho: &of.grho,
        accumulate_rho: true,
        gtau: of.gtau.as_ref(),
        accumulate_tau: weighted,
        losses: &views.losses,
        partials: &partials,
    })?);
    for (network, gradient) in [(model.rho(), Some(&of.grho)), (model.tau(), of.gtau.as_ref())] {
        if let (Some(network), Some(gradient)) = (network, gradient) {
            let range = theta.range(network.range.clone())?;
            let (of_parameters, add) = tape.parameter_gradient(&range)?;
            tape.push(schedule::backward(&range, &views.times, gradient, &of_parameters, add)?);
        }
    }
    tape.backward(&[(*rate, of.glambda)])?;
    Ok(())
}
