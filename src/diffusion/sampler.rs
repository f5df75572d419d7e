//! Sampling (algorithm 2): from a condition to samples of the target, their mean and standard deviation, and the
//! schedule's own map of uncertainty.
//!
//! The rate `λ` is computed once for a measurement; with it, the schedule of the whole run is one map and `T` numbers. A
//! step is the noise network and one fused kernel. All samples of a batch run side by side, and number `j` of sample `i` at
//! step `s` depends on the seed alone, so the samples do not depend on how they are batched,
//! but where kernels are [measured](crate::gpu::OpenOptions::tuning) for each size of batch.

use std::collections::HashMap;

use super::groups::{largest_group, while_memory_lasts};
use super::{Model, Network, ScheduleKind};
use crate::gpu::{Behind, Gpu};
use crate::kernels::reverse_step::{self, Reverse};
use crate::kernels::{elementwise, pad, statistics};
use crate::random;
use crate::tape::{Memory, Plan, PlanOptions, Tape};
use crate::tensor::{Shape, TensorId, View};
use crate::{Error, Result};

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
    /// Store the noise network's feature maps and 3×3 weights as halves ([`Tape::store_halves`]). The latent, the schedule and the
    /// network's answer stay in single precision. For the U-Net ([`Network::UNet`]) alone: SR3's network is refused, since its group
    /// norms take no halves.
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
    batch: usize,
    /// `∫τ dt`.
    pace: f32,
    gpu: Gpu,
    rate: Plan,
    start: Plan,
    step: Plan,
    finish: Plan,
    measured: View,
    rate_map: View,
    views: Views,
}

/// The tensors of a batch.
struct Views {
    parameters: View,
    condition: View,
    lambda: View,
    input: View,
    rng: View,
    tau: View,
    sums: View,
    targets: View,
    mean: View,
    deviation: View,
}

/// What a batch records: its start, a step, its end. One set of tensors for the three of them, so that a tensor has the same
/// number in each.
struct Recording {
    start: Tape,
    step: Tape,
    finish: Tape,
    views: Views,
}

impl Recording {
    /// On an empty tape, for `batch` samples of a condition and a result of these shapes.
    fn new(
        mut tape: Tape,
        model: &Model,
        options: &SampleOptions,
        (condition, result): (Shape, Shape),
        batch: usize,
    ) -> Result<Self> {
        tape.freeze();
        let views = Views {
            parameters: tape.persistent("parameters", model.parameters().shape())?,
            condition: tape.persistent("condition", condition)?,
            lambda: tape.persistent("rate", Shape { c: result.c, ..condition })?,
            input: tape
                .persistent("noise network input", Shape { n: batch, c: model.input_channels(), ..condition })?,
            rng: tape.persistent("random state", Shape::vector(4))?,
            tau: tape.persistent("tau", Shape::new(options.steps, 1, 1, 1))?,
            sums: tape.persistent("sums of tau's powers", reverse_step::sums(options.steps))?,
            targets: tape.persistent("samples", Shape { n: batch, ..result })?,
            mean: tape.persistent("mean", result)?,
            deviation: tape.persistent("standard deviation", result)?,
        };
        let v = &views;
        let [x_part, gamma, z] = model.split_input(&v.input)?;
        let discretisation = options.discretisation;
        let reverse = Reverse {
            rng: &v.rng,
            lambda: &v.lambda,
            tau: &v.tau,
            sums: &v.sums,
            gamma: &gamma,
            z: &z,
            discretisation,
        };
        let mut start = tape.fork();
        start.push([elementwise::copy(&v.condition, &x_part, false)?]);
        start.push(reverse_step::start(&reverse)?);
        let mut finish = tape.fork();
        finish.push([pad::crop(&z, &v.targets)?, statistics::mean_std(&v.targets, &v.mean, &v.deviation)?]);
        let mut step = tape.fork();
        if options.halves {
            step.store_halves()?;
        }
        let prediction = model.record_noise(&mut step, &v.parameters, &v.input)?;
        step.push(reverse_step::step(&reverse, &prediction, options.variant)?);
        Ok(Self { start, step, finish, views })
    }

    /// Refuses a batch that is too large for the adapter.
    fn check_limits(&self) -> Result<()> {
        [&self.start, &self.step, &self.finish].into_iter().try_for_each(Tape::check_limits)
    }
}

impl Sampler {
    /// Prepares sampling of measurements of `height × width` with the flat parameters `flat`. Other sizes than multiples of
    /// [`Model::multiple`] are reflected at the lower and right border and cropped again.
    ///
    /// # Errors
    /// [`Error::Input`] for settings out of range, parameters of another model, or halves for another network than the U-Net,
    /// [`Error::Limit`] if not even a single sample fits, [`Error::Device`] for halves on an adapter without them, other device errors.
    pub fn new(gpu: &Gpu, model: &Model, flat: &[f32], size: (usize, usize), options: SampleOptions) -> Result<Self> {
        if options.steps == 0 || options.steps > 100_000 || options.samples == 0 || options.samples > 100_000 {
            return Err(Error::input(format!(
                "{} samples with {} steps; both must lie in 1 to 100000",
                options.samples, options.steps
            )));
        }
        if flat.len() != model.parameters().len() || size.0 == 0 || size.1 == 0 {
            return Err(Error::input(format!(
                "{} parameters for a model of {}, images of {} × {}; both must fit and none be empty",
                flat.len(),
                model.parameters().len(),
                size.0,
                size.1
            )));
        }
        let padded = model.padded(gpu.caps(), size);
        let config = model.config();
        if config.schedule == ScheduleKind::None {
            return Err(Error::input(
                "a model without a schedule has nothing to sample; a Predictor gives its one answer",
            ));
        }
        if options.halves && config.network != Network::UNet {
            return Err(Error::input(
                "half precision is for the U-Net; the group norms of SR3's network take none: sample it in single precision",
            ));
        }
        let x = Shape::new(1, config.condition_channels, padded.0, padded.1);
        let target = Shape { c: config.target_channels, ..x };
        // What goes in and out has the measurement's own size.
        let own = |shape: Shape| Shape { h: size.0, w: size.1, ..shape };

        // The rate: once for a measurement.
        let mut tape = Tape::on(gpu);
        tape.freeze();
        let theta = tape.persistent("parameters", model.parameters().shape())?;
        let measured = tape.persistent("measured condition", own(x))?;
        let condition = tape.persistent("condition", x)?;
        let lambda = tape.persistent("rate", target)?;
        let rate_map = tape.persistent("rate of the measurement", own(target))?;
        tape.push([pad::reflect_pad(&measured, &condition)?]);
        model.record_rate(&mut tape, &theta, &condition, &lambda)?;
        tape.push([pad::crop(&lambda, &rate_map)?]);
        largest_group(1, |_| tape.check_limits())?;
        let rate = tape.plan(gpu, &HashMap::new(), PlanOptions::default())?;
        rate.write(&theta, flat)?;
        rate.prepare()?;

        let record = |tape: Tape, batch: usize| Recording::new(tape, model, &options, (x, own(target)), batch);
        let asked = if options.batch == 0 { options.samples } else { options.batch };
        let batch = largest_group(options.samples, |batch| {
            if batch > asked {
                return Err(Error::input(format!("{batch} samples side by side, {asked} were asked for")));
            }
            record(Tape::new(gpu.caps()), batch)?.check_limits()
        })?;
        let planned = |batch| {
            let Recording { start, step, finish, views: v } = record(Tape::on(gpu), batch)?;
            let mut shared: HashMap<TensorId, wgpu::Buffer> = HashMap::new();
            for (here, there) in [(&v.parameters, &theta), (&v.condition, &condition), (&v.lambda, &lambda)] {
                shared.insert(here.tensor, rate.buffer(there)?.clone());
            }
            let start = start.plan(gpu, &shared, PlanOptions::default())?;
            for view in [&v.input, &v.rng, &v.tau, &v.sums, &v.targets, &v.mean, &v.deviation] {
                shared.insert(view.tensor, start.buffer(view)?.clone());
            }
            let finish = finish.plan(gpu, &shared, PlanOptions::default())?;
            let step = step.plan(gpu, &shared, PlanOptions::default())?;
            Ok((batch, [start, step, finish], v))
        };
        // What was asked for is not made less.
        let (batch, [start, step, finish], v) = match options.batch {
            0 => while_memory_lasts(batch, planned)?,
            _ => planned(batch)?,
        };
        step.prepare()?;

        let times = (1..=options.steps).map(|i| i as f64 / options.steps as f64);
        let values: Vec<f32> = times.map(|t| model.time_rate(flat, t) as f32).collect();
        start.write(&v.tau, &values)?;
        start.write(&v.sums, &reverse_step::power_sums(&values))?;
        let pace = integral(|t| model.time_rate(flat, t)) as f32;
        let (gpu, model) = (gpu.clone(), model.clone());
        Ok(Self { model, options, size, batch, pace, gpu, rate, start, step, finish, measured, rate_map, views: v })
    }

    /// Takes another seed for what is sampled from now on.
    pub fn reseed(&mut self, seed: u64) {
        self.options.seed = seed;
    }

    /// Samples that are computed side by side.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// All memory that it holds: that of the rate's plan, and of the start, a step and the end of a batch.
    pub fn memory(&self) -> Memory {
        [&self.rate, &self.start, &self.step, &self.finish].into_iter().map(Plan::memory).sum()
    }

    /// The plan of a step, for counting and timing.
    pub fn step_plan(&self) -> &Plan {
        &self.step
    }

    /// All plans, each with how often [`Sampler::sample`] replays it, for counting.
    pub fn plans(&self) -> [(&Plan, usize); 4] {
        let groups = self.options.samples.div_ceil(self.batch);
        [(&self.rate, 1), (&self.start, groups), (&self.step, groups * self.options.steps), (&self.finish, groups)]
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
        self.rate.write(&self.measured, x)?;
        self.rate.run()?;
        let rate = self.rate.read(&self.rate_map)?;

        let mut kept = Vec::new();
        let mut moments = Moments::default();
        let mut first = 0;
        while first < samples {
            // The last batch may overlap the one before: a sample's number, not its place, decides what it is.
            let from = first.min(samples - self.batch);
            let fresh = first - from;
            self.start.write(&self.views.rng, &random::state(seed, 0, from as u32))?;
            self.start.run()?;
            let mut behind = Behind::default();
            for i in (1..=steps).rev() {
                self.step.write(&self.views.rng, &random::state(seed, i as u32, from as u32))?;
                behind.wait(&self.gpu, self.step.run()?)?;
                progress()?;
            }
            self.finish.run()?;
            if keep || fresh > 0 {
                let all = self.finish.read(&self.views.targets)?;
                let len = all.len() / self.batch;
                let new: Vec<Vec<f32>> = all.chunks(len).skip(fresh).map(<[f32]>::to_vec).collect();
                if fresh > 0 {
                    new.iter().for_each(|sample| moments.merge(1, sample, &vec![0.0; sample.len()]));
                }
                if keep {
                    kept.extend(new);
                }
            }
            if fresh == 0 {
                let mean = self.finish.read(&self.views.mean)?;
                let std = self.finish.read(&self.views.deviation)?;
                moments.merge(self.batch, &mean, &std);
            }
            first = from + self.batch;
        }
        let beta_integral = rate.iter().map(|v| v * self.pace).collect();
        let (mean, std) = moments.finish();
        if let Some(bad) = mean.iter().chain(&std).find(|v| !v.is_finite()) {
            return Err(Error::input(format!(
                "sampling ended in {bad}, with {steps} steps by Discretisation::{:?}: take more steps, the exponential discretisation, or a model \
                 that was trained for longer (errors of one that predicts the noise are divided by √γ)",
                self.options.discretisation
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

/// Mean and squared deviations over groups of samples, merged by Chan's formula.
#[derive(Default)]
struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn merge(&mut self, n: usize, mean: &[f32], std: &[f32]) {
        let n = n as f64;
        if self.mean.is_empty() {
            self.mean = vec![0.0; mean.len()];
            self.squares = vec![0.0; mean.len()];
        }
        let total = self.count + n;
        for (i, (&m, &s)) in mean.iter().zip(std).enumerate() {
            let delta = f64::from(m) - self.mean[i];
            self.mean[i] += delta * n / total;
            self.squares[i] += f64::from(s).powi(2) * (n - 1.0) + delta * delta * self.count * n / total;
        }
        self.count = total;
    }

    fn finish(self) -> (Vec<f32>, Vec<f32>) {
        let divisor = (self.count - 1.0).max(1.0);
        let std = self.squares.iter().map(|s| (s / divisor).sqrt() as f32).collect();
        (self.mean.into_iter().map(|m| m as f32).collect(), std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_groups_are_the_moments_of_all() {
        let samples = [1.0f32, 4.0, -2.0, 7.0, 3.5];
        let of = |s: &[f32]| {
            let mean = s.iter().sum::<f32>() / s.len() as f32;
            let squares = s.iter().map(|v| (v - mean).powi(2)).sum::<f32>();
            (mean, (squares / (s.len() as f32 - 1.0).max(1.0)).sqrt())
        };
        let mut moments = Moments::default();
        for group in [&samples[..2], &samples[2..3], &samples[3..]] {
            let (mean, std) = of(group);
            moments.merge(group.len(), &[mean], &[std]);
        }
        let (mean, std) = moments.finish();
        let want = of(&samples);
        assert!((mean[0] - want.0).abs() < 1e-6 && (std[0] - want.1).abs() < 1e-6);
    }
}
