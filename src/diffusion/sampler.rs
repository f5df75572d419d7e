//! Sampling (algorithm 2): from a condition to samples of the target, their mean and standard deviation, and the
//! schedule's own map of uncertainty.
//!
//! The rate `λ` is computed once for a measurement; with it, the schedule of the whole run is one map and `T` numbers. A
//! step is the noise network and one fused kernel. All samples of a batch run side by side, and number `j` of sample `i` at
//! step `s` depends on the seed alone, so the samples do not depend on how they are batched,
//! but where kernels are [measured](crate::gpu::OpenOptions::tuning) for each size of batch.

mod moments;
mod record;

use super::groups::while_memory_lasts;
use super::{Model, Network, ScheduleKind};
use crate::gpu::{Behind, Gpu};
use crate::kernels::reverse_step;
use crate::random;
use crate::tape::{Memory, Plan};
use crate::{Error, Result};
use moments::Moments;
use record::{Group, Rate, Shapes, largest};

pub use crate::kernels::reverse_step::{Discretisation, Variant};

/// How to sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleOptions {
    /// Steps `T`. Need not be the training's.
    pub steps: usize,
    /// Samples of each measurement.
    pub samples: usize,
    /// Samples computed side by side at most; more need more memory. 0 for all of them. Where the adapter's bindings hold fewer,
    /// they go in several groups; a sample is the same in any.
    pub batch: usize,
    /// The reverse step.
    pub variant: Variant,
    /// How `β(t)` becomes steps.
    pub discretisation: Discretisation,
    /// Seed of all draws.
    pub seed: u64,
    /// Store the noise network's feature maps and 3×3 weights as halves ([`store_halves`](crate::tape::Tape::store_halves)). The latent, the
    /// schedule and the network's answer stay in single precision. For the U-Net ([`Network::UNet`]) alone: SR3's network is refused, since
    /// its group norms take no halves.
    pub halves: bool,
}

impl Default for SampleOptions {
    /// 100 steps, 8 samples side by side, the paper's variance.
    fn default() -> Self {
        Self {
            steps: 100,
            samples: 8,
            batch: 0,
            variant: Variant::Ancestral,
            discretisation: Discretisation::Product,
            seed: 1,
            halves: false,
        }
    }
}

/// What sampling returns. Every map is `[Cy, H, W]` of the measurement's own size.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstruction {
    /// Mean of the samples.
    pub mean: Vec<f32>,
    /// Their standard deviation (0 for a single sample).
    pub std: Vec<f32>,
    /// The rate `λ(x)`.
    pub rate: Vec<f32>,
    /// `∫β dt = λ(x) ∫τ dt`: uncertainty without a sample.
    pub beta_integral: Vec<f32>,
    /// The samples, if they were asked for.
    pub samples: Vec<Vec<f32>>,
}

/// A model ready to sample measurements of one size.
pub struct Sampler {
    model: Model,
    options: SampleOptions,
    size: (usize, usize),
    /// `∫τ dt`.
    pace: f32,
    gpu: Gpu,
    rate: Rate,
    group: Group,
}

/// Refuses settings out of range, and what does not belong to the model.
fn check(model: &Model, flat: &[f32], size: (usize, usize), options: &SampleOptions) -> Result<()> {
    if options.steps == 0 || options.steps > 100_000 || options.samples == 0 || options.samples > 100_000 {
        return Err(Error::input(format!(
            "{} samples with {} steps; both must lie in 1 to 100000",
            options.samples, options.steps
        )));
    }
    model.expect(flat, size)?;
    if model.config().schedule == ScheduleKind::None {
        return Err(Error::input("a model without a schedule has nothing to sample; a Predictor gives its one answer"));
    }
    if options.halves && model.config().network != Network::UNet {
        return Err(Error::input(
            "half precision is for the U-Net; the group norms of SR3's network take none: sample it in single precision",
        ));
    }
    Ok(())
}

impl Sampler {
    /// Prepares sampling of measurements of `height × width` with the flat parameters `flat`. Other sizes than multiples of
    /// [`Model::multiple`] are reflected at the lower and right border and cropped again.
    ///
    /// # Errors
    /// [`Error::Input`] for settings out of range, parameters of another model, or halves for another network than the U-Net,
    /// [`Error::Limit`] if not even a single sample fits, [`Error::Device`] for halves on an adapter without them, other device errors.
    pub fn new(gpu: &Gpu, model: &Model, flat: &[f32], size: (usize, usize), options: SampleOptions) -> Result<Self> {
        check(model, flat, size, &options)?;
        let shapes = Shapes::of(model, size);
        let rate = Rate::new(gpu, model, flat, &shapes)?;
        let most = largest(gpu.caps(), model, &options, &shapes)?;
        let planned = |samples| Group::new(gpu, model, &options, &shapes, &rate, samples);
        // What was asked for is not made less.
        let group = match options.batch {
            0 => while_memory_lasts(most, planned)?,
            _ => planned(most)?,
        };
        group.step.prepare()?;
        let times = (1..=options.steps).map(|i| i as f64 / options.steps as f64);
        let values: Vec<f32> = times.map(|t| model.time_rate(flat, t) as f32).collect();
        group.start.write(&group.views.tau, &values)?;
        group.start.write(&group.views.sums, &reverse_step::power_sums(&values))?;
        let pace = integral(|t| model.time_rate(flat, t)) as f32;
        Ok(Self { model: model.clone(), options, size, pace, gpu: gpu.clone(), rate, group })
    }

    /// Takes another seed for what is sampled from now on.
    pub fn reseed(&mut self, seed: u64) {
        self.options.seed = seed;
    }

    /// Samples that are computed side by side.
    pub fn batch(&self) -> usize {
        self.group.samples
    }

    /// All memory that it holds: that of the rate's plan, and of the start, a step and the end of a batch.
    pub fn memory(&self) -> Memory {
        self.plans().into_iter().map(|(plan, _)| plan.memory()).sum()
    }

    /// The plan of a step, for counting and timing.
    pub fn step_plan(&self) -> &Plan {
        &self.group.step
    }

    /// All plans, each with how often [`Sampler::sample`] replays it, for counting.
    pub fn plans(&self) -> [(&Plan, usize); 4] {
        let Group { samples, start, step, finish, .. } = &self.group;
        let groups = self.options.samples.div_ceil(*samples);
        [(&self.rate.plan, 1), (start, groups), (step, groups * self.options.steps), (finish, groups)]
    }

    /// Samples the target of a condition `x [Cx, H, W]`. `progress` is told of each step of each batch, one step ahead of the
    /// device, and may stop the work by an error.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` is of another size, [`Error::Input`] if it or the answer holds NaN or infinite values, device errors, and
    /// whatever `progress` returns.
    pub fn sample(
        &mut self,
        x: &[f32],
        keep: bool,
        mut progress: impl FnMut() -> Result<()>,
    ) -> Result<Reconstruction> {
        let SampleOptions { steps, samples, seed, .. } = self.options;
        let channels = self.model.config().condition_channels;
        if x.len() != channels * self.size.0 * self.size.1 {
            return Err(Error::shape(format!(
                "a condition of {} values, expected [{channels}, {}, {}]",
                x.len(),
                self.size.0,
                self.size.1
            )));
        }
        if let Some(bad) = x.iter().find(|v| !v.is_finite()) {
            return Err(Error::input(format!("the condition holds {bad}; every value must be a finite number")));
        }
        self.rate.plan.write(&self.rate.measured, x)?;
        self.rate.plan.run()?;
        let rate = self.rate.plan.read(&self.rate.map)?;

        let &Group { samples: group, ref start, ref step, ref finish, ref views } = &self.group;
        let mut kept = Vec::new();
        let mut moments = Moments::default();
        let mut first = 0;
        while first < samples {
            // The last batch may overlap the one before: a sample's number, not its place, decides what it is.
            let from = first.min(samples - group);
            let fresh = first - from;
            start.write(&views.rng, &random::state(seed, 0, from as u32))?;
            start.run()?;
            let mut behind = Behind::default();
            for i in (1..=steps).rev() {
                step.write(&views.rng, &random::state(seed, i as u32, from as u32))?;
                behind.wait(&self.gpu, step.run()?)?;
                progress()?;
            }
            finish.run()?;
            if keep || fresh > 0 {
                let all = finish.read(&views.targets)?;
                let len = all.len() / group;
                let new: Vec<Vec<f32>> = all.chunks(len).skip(fresh).map(<[f32]>::to_vec).collect();
                if fresh > 0 {
                    new.iter().for_each(|sample| moments.merge(1, sample, &vec![0.0; sample.len()]));
                }
                if keep {
                    kept.extend(new);
                }
            }
            if fresh == 0 {
                let mean = finish.read(&views.mean)?;
                let std = finish.read(&views.deviation)?;
                moments.merge(group, &mean, &std);
            }
            first = from + group;
        }
        let beta_integral = rate.iter().map(|v| v * self.pace).collect();
        let (mean, std) = moments.finish();
        if let Some(bad) = mean.iter().chain(&std).find(|v| !v.is_finite()) {
            let stable = match self.options.discretisation {
                Discretisation::Product => ", the exponential discretisation",
                Discretisation::Exponential => "",
            };
            return Err(Error::input(format!(
                "sampling with {steps} steps ended in {bad}: take more steps{stable}, or a model that was trained for longer (errors of one that \
                 predicts the noise are divided by √γ)"
            )));
        }
        Ok(Reconstruction { mean, std, rate, beta_integral, samples: kept })
    }
}

/// Of a function over 0 to 1, by Simpson's rule: however many steps are sampled.
fn integral(f: impl Fn(f64) -> f64) -> f64 {
    const PARTS: usize = 512;
    let width = 1.0 / PARTS as f64;
    let part = |i: usize| {
        let [from, to] = [i, i + 1].map(|i| i as f64 * width);
        f(from) + 4.0 * f((from + to) / 2.0) + f(to)
    };
    (0..PARTS).map(part).sum::<f64>() * width / 6.0
}
