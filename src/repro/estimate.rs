//! What a reproduction will cost, told before it starts: memory by recording alone, time from the first steps.

use std::fmt;
use std::time::Instant;

use super::methods::Method;
use super::page::duration;
use super::{Session, Subject};
use crate::Result;
use crate::config::Schedule;
use crate::diffusion::{Hyper, Model, SampleOptions, Sampler, StepOptions, Trainer, TrainerState};

/// Steps that are timed, after one that compiles.
const TIMED: usize = 2;

/// The cost of a reproduction on a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The device.
    pub adapter: String,
    /// Batch and side of a training step.
    pub batch: (usize, usize),
    /// Samples of a micro-batch.
    pub micro_batch: usize,
    /// Memory of a training step of CVDM in bytes.
    pub memory: u64,
    /// Seconds of a training step of CVDM.
    pub training_step: f64,
    /// Seconds of a sampling step of one sample.
    pub sampling_step: f64,
    /// Trainings, and iterations of each.
    pub trainings: (usize, u64),
    /// Sampling steps of one sample each.
    pub sampling_steps: u64,
}

impl Estimate {
    /// Seconds of everything.
    pub fn seconds(&self) -> f64 {
        self.of_training() + self.of_sampling()
    }

    fn of_training(&self) -> f64 {
        self.training_step * self.trainings.0 as f64 * self.trainings.1 as f64
    }

    fn of_sampling(&self) -> f64 {
        self.sampling_step * self.sampling_steps as f64
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (batch, side) = self.batch;
        let (trainings, iterations) = self.trainings;
        writeln!(f, "on {}:", self.adapter)?;
        writeln!(
            f,
            "  a training step of CVDM on {batch} × {side}², in micro-batches of {}, takes {:.0} MiB and {:.3} s",
            self.micro_batch,
            self.memory as f64 / (1 << 20) as f64,
            self.training_step
        )?;
        writeln!(f, "  {trainings} trainings of {iterations} iterations: about {}", duration(self.of_training()))?;
        writeln!(
            f,
            "  {} sampling steps of one sample, {:.3} s each: about {}",
            self.sampling_steps,
            self.sampling_step,
            duration(self.of_sampling())
        )?;
        write!(f, "  together about {}, less what is finished already", duration(self.seconds()))
    }
}

/// An evaluation that a subject will ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The method, which is trained for it.
    pub method: Method,
    /// The training seed.
    pub seed: u64,
    /// What the images are called; equal plans are one part.
    pub cases: String,
    /// How many there are.
    pub images: usize,
    /// How they are sampled.
    pub sampling: SampleOptions,
}

/// Measures a few steps on the session's device and counts what the subjects will ask for.
///
/// # Errors
/// Those of a training step that does not fit, and device errors.
pub fn estimate(session: &Session, subjects: &[Subject]) -> Result<Estimate> {
    let mut planned: Vec<Planned> = Vec::new();
    for subject in subjects {
        for one in subject.plan(session)? {
            if !planned.contains(&one) {
                planned.push(one);
            }
        }
    }
    let mut trained: Vec<(Method, u64)> = Vec::new();
    for one in planned.iter().filter(|one| one.method != Method::UsTie) {
        if !trained.contains(&(one.method, one.seed)) {
            trained.push((one.method, one.seed));
        }
    }
    let of_one = |p: &Planned| if p.method.samples() { p.images * p.sampling.samples * p.sampling.steps } else { 0 };
    let numbers = &session.numbers;
    let config = numbers.training(Schedule::Learned, &session.data.train, 1);
    let (model, patch) = (Model::new(config.model_config())?, config.data.patch);
    let options = StepOptions {
        weights: config.loss_weights(),
        micro_batch: config.training.micro_batch,
        recompute: config.training.recompute,
        ..StepOptions::new(config.data.batch, patch, patch)
    };
    let (micro_batch, memory) = Trainer::estimate(session.gpu.caps(), &model, options)?;
    let state = TrainerState::new(&model, 1);
    let training_step = {
        let mut trainer = Trainer::new(&session.gpu, model.clone(), options, &state)?;
        let pixels = config.data.batch * patch * patch;
        let (x, y) = (vec![0.0; pixels * model.config().condition_channels], vec![0.0; pixels]);
        timed(|| {
            trainer.step(&x, &y, &Hyper::default())?;
            trainer.wait()
        })?
    };
    let size = numbers.test_size;
    let sampling = SampleOptions { steps: 1, ..numbers.sampling };
    let sampler = Sampler::new(&session.gpu, &model, &state.parameters, (size, size), sampling)?;
    let condition = vec![0.0; model.config().condition_channels * size * size];
    let sampling_step = timed(|| sampler.sample(&condition, false, || Ok(())).map(drop))?;
    Ok(Estimate {
        adapter: session.gpu.summary().name.clone(),
        batch: (config.data.batch, patch),
        micro_batch,
        memory: memory.total(),
        training_step,
        sampling_step: sampling_step / sampling.samples as f64,
        trainings: (trained.len(), config.training.steps),
        sampling_steps: planned.iter().map(|p| of_one(p) as u64).sum(),
    })
}

/// Seconds of a step, after one that compiles.
fn timed(mut step: impl FnMut() -> Result<()>) -> Result<f64> {
    step()?;
    let started = Instant::now();
    (0..TIMED).try_for_each(|_| step())?;
    Ok(started.elapsed().as_secs_f64() / TIMED as f64)
}
