//! From a measurement to what is behind it, with its uncertainty: [`Estimator`] for any task in the networks' range; on top of it
//! [`Reconstructor`] for phases and [`SuperResolver`] for images.

mod image;
mod phase;

use std::time::Instant;

pub use image::SuperResolver;
pub use phase::{PhaseResult, Reconstructor, SETUP_TOLERANCE};

use crate::config::Task;
use crate::data::Plane;
use crate::diffusion::{Predictor, Reconstruction, SampleOptions, Sampler, ScheduleKind};
use crate::gpu::Gpu;
use crate::weights::Weights;
use crate::{Error, Result};

/// What a model says about a measurement, a plane a channel of the target. A model without diffusion has neither samples nor a
/// schedule: its deviation, rate and `∫β dt` are zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Mean of the samples.
    pub mean: Vec<Plane>,
    /// Their standard deviation.
    pub std: Vec<Plane>,
    /// The rate `λ(x)`.
    pub rate: Vec<Plane>,
    /// `∫β dt`: uncertainty without a sample.
    pub beta_integral: Vec<Plane>,
    /// The samples, if they were asked for.
    pub samples: Vec<Vec<Plane>>,
    /// Time it took, in seconds.
    pub seconds: f64,
}

impl Estimate {
    /// The same in other units: `value` of every plane of a target, `deviation` of every one of a difference of targets.
    pub fn in_units(self, value: impl Fn(&Plane) -> Plane, deviation: impl Fn(&Plane) -> Plane) -> Self {
        let values = |planes: Vec<Plane>| planes.iter().map(&value).collect();
        Self {
            mean: values(self.mean),
            std: self.std.iter().map(deviation).collect(),
            samples: self.samples.into_iter().map(values).collect(),
            ..self
        }
    }
}

/// A model prepared for one size.
enum Ready {
    Diffusion(Box<Sampler>),
    OnePass(Box<Predictor>),
}

impl Ready {
    fn new(gpu: &Gpu, weights: &Weights, size: (usize, usize), options: SampleOptions) -> Result<Self> {
        let Weights { model, parameters, .. } = weights;
        Ok(match model.config().schedule {
            ScheduleKind::None if options.halves => {
                return Err(Error::input(
                    "half precision is for sampling; a model without a schedule answers in single precision",
                ));
            }
            ScheduleKind::None => Self::OnePass(Box::new(Predictor::new(gpu, model, parameters, size)?)),
            _ => Self::Diffusion(Box::new(Sampler::new(gpu, model, parameters, size, options)?)),
        })
    }

    fn answer(&mut self, x: &[f32], keep: bool, progress: impl FnMut() -> Result<()>) -> Result<Reconstruction> {
        match self {
            Self::Diffusion(sampler) => sampler.sample(x, keep, progress),
            Self::OnePass(predictor) => {
                let mean = predictor.predict(x)?;
                let none = vec![0.0; mean.len()];
                let samples = if keep { vec![mean.clone()] } else { Vec::new() };
                Ok(Reconstruction { mean, std: none.clone(), rate: none.clone(), beta_integral: none, samples })
            }
        }
    }
}

/// Weights on a device, ready for conditions of any size. What was prepared for the last size is kept.
pub struct Estimator {
    gpu: Gpu,
    weights: Weights,
    options: SampleOptions,
    ready: Option<((usize, usize), Ready)>,
}

impl Estimator {
    /// Takes weights and sampling settings.
    pub fn new(gpu: &Gpu, weights: Weights, options: SampleOptions) -> Self {
        Self { gpu: gpu.clone(), weights, options, ready: None }
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Takes another seed for what is sampled from now on; nothing is prepared anew.
    pub fn reseed(&mut self, seed: u64) {
        self.options.seed = seed;
        if let Some((_, Ready::Diffusion(sampler))) = &mut self.ready {
            sampler.reseed(seed);
        }
    }

    /// Sampling steps of an answer to a condition of this height and width, in as many groups as its samples fall into; none of a
    /// model without diffusion. Prepares that size, as the answer would.
    ///
    /// # Errors
    /// [`Error::Limit`] if not even a single sample fits the adapter, device errors.
    pub fn steps(&mut self, size: (usize, usize)) -> Result<u64> {
        let SampleOptions { samples, steps, .. } = self.options;
        Ok(match self.prepared(size)? {
            Ready::Diffusion(sampler) => (samples.div_ceil(sampler.batch()) * steps) as u64,
            Ready::OnePass(_) => 0,
        })
    }

    /// The model prepared for a size, if it is not already.
    fn prepared(&mut self, size: (usize, usize)) -> Result<&mut Ready> {
        let ready = match self.ready.take().filter(|(prepared, _)| *prepared == size) {
            Some(ready) => self.ready.insert(ready),
            None => self.ready.insert((size, Ready::new(&self.gpu, &self.weights, size, self.options)?)),
        };
        Ok(&mut ready.1)
    }

    /// What the model says about a condition, a plane a channel; all in the networks' range [−1, 1]. `progress` is told after each
    /// sampling step and may stop the work by an error; `keep` asks for the single samples.
    ///
    /// # Errors
    /// [`Error::Shape`] if the condition has other channels than the model takes, or these differ in size; device errors.
    pub fn estimate(
        &mut self,
        condition: &[Plane],
        keep: bool,
        progress: impl FnMut() -> Result<()>,
    ) -> Result<Estimate> {
        let started = Instant::now();
        let channels = self.weights.model.config().condition_channels;
        let sizes: Vec<_> = condition.iter().map(|p| (p.height(), p.width())).collect();
        let size = match sizes.first() {
            Some(&size) if sizes.len() == channels && sizes.iter().all(|s| *s == size) => size,
            _ => {
                return Err(Error::shape(format!(
                    "a condition of {sizes:?} (rows, columns of each channel); the model takes {channels} of one size"
                )));
            }
        };
        let values: Vec<f32> = condition.iter().flat_map(|plane| plane.values().iter().copied()).collect();
        let result = self.prepared(size)?.answer(&values, keep, progress)?;
        let scale = self.weights.model.scale();
        let (height, width) = (size.0 * scale, size.1 * scale);
        let planes = |values: Vec<f32>| {
            values.chunks(height * width).map(|plane| Plane::new(height, width, plane.to_vec())).collect::<Result<_>>()
        };
        Ok(Estimate {
            mean: planes(result.mean)?,
            std: planes(result.std)?,
            rate: planes(result.rate)?,
            beta_integral: planes(result.beta_integral)?,
            samples: result.samples.into_iter().map(planes).collect::<Result<_>>()?,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}

/// Refuses weights of another task than these.
///
/// # Errors
/// [`Error::Input`] that names them.
pub fn expect_task(weights: &Weights, tasks: &[Task]) -> Result<()> {
    let given = weights.config.task;
    if tasks.contains(&given) {
        return Ok(());
    }
    let names: Vec<_> = tasks.iter().map(|task| format!("\"{}\"", task.name())).collect();
    Err(Error::input(format!(
        "the weights were trained for task = \"{}\", not for {}",
        given.name(),
        names.join(" or ")
    )))
}
