//! What a reproduction will cost, told before it starts: memory by recording alone, time from the first steps.

use std::fmt;
use std::time::Instant;

use super::method::{Cases, Method};
use super::page::duration;
use super::training::placeless;
use super::{Session, Subject};
use crate::Result;
use crate::config::{Schedule, TrainConfig, TrainingSection};
use crate::diffusion::{Hyper, Model, SampleOptions, Sampler, StepCost, StepOptions, Trainer, TrainerState};
use crate::gpu::Gpu;

/// Steps that are timed, after one that compiles.
const TIMED: usize = 2;
/// What takes longer than this, in seconds, is not repeated, and a batch that would is not tried: it takes as long as its samples.
const LONG: f64 = 10.0;

/// The cost of a reproduction on a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The device.
    pub adapter: String,
    /// Of each network.
    pub networks: Vec<NetworkCost>,
}

/// What the trainings and evaluations of equal networks cost.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkCost {
    /// Whose they are.
    pub name: String,
    /// Batch and side of a training step.
    pub batch: (usize, usize),
    /// Samples of a micro-batch.
    pub micro_batch: usize,
    /// Memory of a training step in bytes.
    pub memory: u64,
    /// Seconds of a training step.
    pub training_step: f64,
    /// Trainings, and iterations of each.
    pub trainings: (usize, u64),
    /// Seconds of a sampling step of one sample; none without diffusion.
    pub sampling_step: f64,
    /// Sampling steps of one sample each.
    pub sampling_steps: u64,
}

impl NetworkCost {
    fn of_training(&self) -> f64 {
        self.training_step * self.trainings.0 as f64 * self.trainings.1 as f64
    }

    fn of_sampling(&self) -> f64 {
        self.sampling_step * self.sampling_steps as f64
    }
}

impl Estimate {
    /// Seconds of everything.
    pub fn seconds(&self) -> f64 {
        self.networks.iter().map(|n| n.of_training() + n.of_sampling()).sum()
    }

    /// Trainings of all networks.
    pub fn trainings(&self) -> usize {
        self.networks.iter().map(|n| n.trainings.0).sum()
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "on {}:", self.adapter)?;
        for n in &self.networks {
            let ((batch, side), (trainings, iterations)) = (n.batch, n.trainings);
            writeln!(f, "  {}", n.name)?;
            writeln!(
                f,
                "    {trainings} × {iterations} iterations on {batch} × {side}² in micro-batches of {}: {:.0} MiB, {:.3} s each, about {}",
                n.micro_batch,
                n.memory as f64 / (1 << 20) as f64,
                n.training_step,
                duration(n.of_training())
            )?;
            if n.sampling_steps > 0 {
                let (steps, each) = (n.sampling_steps, n.sampling_step);
                writeln!(
                    f,
                    "    {steps} sampling steps of one sample: {each:.3} s each, about {}",
                    duration(n.of_sampling())
                )?;
            }
        }
        write!(f, "  together about {}, less what is finished already", duration(self.seconds()))
    }
}

/// An evaluation that a subject will ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    name: String,
    config: Option<TrainConfig>,
    cases: String,
    images: usize,
    size: (usize, usize),
    sampling: Option<SampleOptions>,
}

impl Planned {
    /// A method with a training seed on images, sampled in this way.
    ///
    /// # Errors
    /// Those of [`Method::config`].
    pub fn new<M: Method>(
        session: &Session,
        method: M,
        seed: u64,
        cases: &M::Cases,
        how: SampleOptions,
    ) -> Result<Self> {
        Ok(Self {
            name: method.full_name(),
            config: method.config(session, seed)?,
            cases: cases.name().into(),
            images: cases.count(),
            size: cases.size(),
            sampling: method.samples().then_some(how),
        })
    }

    fn sampling_steps(&self) -> u64 {
        self.sampling.map_or(0, |s| (self.images * s.samples * s.steps) as u64)
    }
}

/// A method with a training seed on images, sampled as in its task's tables.
///
/// # Errors
/// Those of [`Method::config`].
pub fn planned<M: Method>(session: &Session, method: M, seed: u64, cases: &M::Cases) -> Result<Planned> {
    Planned::new(session, method, seed, cases, method.sampling(&session.numbers))
}

/// What of a configuration decides its cost: neither seed nor weights of losses, the values of a fixed schedule or the structure.
fn cost_key(config: &TrainConfig) -> TrainConfig {
    let mut config = placeless(config);
    let default = TrainConfig::default();
    config.microscopy = default.microscopy;
    config.model.beta_last = default.model.beta_last;
    let TrainingSection { steps, loss, micro_batch, recompute, .. } = config.training;
    config.training = TrainingSection { steps, loss, micro_batch, recompute, ..default.training };
    config
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
    // By network: its configurations, and what is asked of it.
    let mut networks: Vec<(TrainConfig, Vec<&Planned>)> = Vec::new();
    for one in &planned {
        let Some(key) = one.config.as_ref().map(cost_key) else { continue };
        match networks.iter_mut().find(|(known, _)| *known == key) {
            Some((_, asked)) => asked.push(one),
            None => networks.push((key, vec![one])),
        }
    }
    let cost = |(config, asked): &(TrainConfig, Vec<&Planned>)| cost(&session.gpu, config, asked);
    Ok(Estimate {
        adapter: session.gpu.summary().name.clone(),
        networks: networks.iter().map(cost).collect::<Result<_>>()?,
    })
}

fn cost(gpu: &Gpu, config: &TrainConfig, asked: &[&Planned]) -> Result<NetworkCost> {
    let mut names: Vec<&str> = Vec::new();
    let mut trained: Vec<&TrainConfig> = Vec::new();
    for one in asked {
        if !names.contains(&one.name.as_str()) {
            names.push(&one.name);
        }
        trained.extend(one.config.iter().filter(|c| !trained.contains(c)).collect::<Vec<_>>());
    }
    let (model, options) = (Model::new(config.model_config())?, config.step_options());
    let StepCost { micro_batch, memory, .. } = StepCost::of(gpu.caps(), &model, &options)?;
    let state = TrainerState::new(&model, 1);
    let of_batch = |batch: usize| -> Result<f64> {
        let options = StepOptions { batch, ..options };
        let mut trainer = Trainer::new(gpu, model.clone(), options, &state)?;
        let pixels = batch * options.height * options.width;
        let (model, coarse) = (model.config(), model.scale().pow(2));
        let (x, y) = (vec![0.0; pixels / coarse * model.condition_channels], vec![0.0; pixels * model.target_channels]);
        timed(|| {
            trainer.step(&x, &y, &Hyper::default())?;
            trainer.wait()
        })
    };
    let of_all = options.batch as f64 * of_batch(1)?;
    let training_step = if of_all > LONG { of_all } else { of_batch(options.batch)? };
    let sampling_steps = asked.iter().map(|one| one.sampling_steps()).sum();
    let largest = asked.iter().filter_map(|one| Some((one.sampling?, one.size))).max_by_key(|(_, (h, w))| h * w);
    let sampling_step = match largest.filter(|_| config.model.schedule != Schedule::None) {
        None => 0.0,
        Some((how, size)) => {
            let condition = vec![0.0; model.config().condition_channels * size.0 * size.1];
            let of_samples = |samples: usize| -> Result<f64> {
                let how = SampleOptions { steps: 1, samples, ..how };
                let mut sampler = Sampler::new(gpu, &model, &state.parameters, size, how)?;
                timed(|| sampler.sample(&condition, false, || Ok(())).map(drop)).map(|s| s / samples as f64)
            };
            let of_one = of_samples(1)?;
            if how.samples == 1 || of_one * how.samples as f64 > LONG { of_one } else { of_samples(how.samples)? }
        }
    };
    Ok(NetworkCost {
        name: names.join("; "),
        batch: (options.batch, options.height),
        micro_batch,
        memory: memory.total(),
        training_step,
        trainings: (trained.len(), config.training.steps),
        sampling_step,
        sampling_steps,
    })
}

/// Seconds of a step, after one that compiles.
fn timed(mut step: impl FnMut() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    step()?;
    let first = started.elapsed().as_secs_f64();
    if first > LONG {
        return Ok(first);
    }
    let started = Instant::now();
    (0..TIMED).try_for_each(|_| step())?;
    Ok(started.elapsed().as_secs_f64() / TIMED as f64)
}
