//! From a measured pair to a phase image with its uncertainty.

use std::time::Instant;

use crate::data::Plane;
use crate::diffusion::{Predictor, Reconstruction, SampleOptions, Sampler, ScheduleKind};
use crate::gpu::Gpu;
use crate::inverse::{DefocusPair, FresnelSetup};
use crate::phase::{self, Measurement};
use crate::weights::Weights;
use crate::{Error, Result};

/// How far a set-up's `a = λ d / px²` may lie from the one that the weights were trained at, as a fraction.
const SETUP_TOLERANCE: f64 = 0.03;

/// A reconstructed phase. A model without diffusion has neither samples nor a schedule: its deviation, rate and `∫β dt` are zero.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseResult {
    /// Mean of the samples, in rad.
    pub phase: Plane,
    /// Their standard deviation, in rad.
    pub std: Plane,
    /// The rate `λ(x)`.
    pub rate: Plane,
    /// `∫β dt`: uncertainty without a sample.
    pub beta_integral: Plane,
    /// The samples in rad, if they were asked for.
    pub samples: Vec<Plane>,
    /// Time it took, in seconds.
    pub seconds: f64,
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
            ScheduleKind::None => Self::OnePass(Box::new(Predictor::new(gpu, model, parameters, size)?)),
            _ => Self::Diffusion(Box::new(Sampler::new(gpu, model, parameters, size, options)?)),
        })
    }

    fn answer(&self, x: &[f32], keep: bool, progress: impl FnMut() -> Result<()>) -> Result<Reconstruction> {
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

/// Weights on a device, ready to reconstruct pairs of any size.
pub struct Reconstructor {
    gpu: Gpu,
    weights: Weights,
    options: SampleOptions,
    ready: Option<((usize, usize), Ready)>,
}

impl Reconstructor {
    /// Takes weights and sampling settings.
    pub fn new(gpu: &Gpu, weights: Weights, options: SampleOptions) -> Self {
        Self { gpu: gpu.clone(), weights, options, ready: None }
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Reconstructs the phase of a pair that was measured with `setup`. `progress` is told after each sampling step and may
    /// stop the work by an error; `keep` asks for the single samples.
    ///
    /// # Errors
    /// [`Error::Input`] if the set-up is not the one that the weights were trained for, or the pair has no usable
    /// intensities; device errors.
    pub fn reconstruct(
        &mut self,
        pair: &DefocusPair,
        setup: &FresnelSetup,
        keep: bool,
        progress: impl FnMut() -> Result<()>,
    ) -> Result<PhaseResult> {
        let started = Instant::now();
        let config = &self.weights.config;
        let trained = phase::setup(&config.data)?.parameter_a();
        let given = setup.parameter_a();
        if (given / trained - 1.0).abs() > SETUP_TOLERANCE {
            return Err(Error::input(format!(
                "the set-up has λ·d/px² = {given:.2}, the weights were trained at {trained:.2}; with this wavelength and \
                 pixel they serve a defocus of ±{:.3} µm",
                setup.defocus_um() * trained / given
            )));
        }
        let size = (pair.height(), pair.width());
        let measurement = Measurement::new(pair, setup, &config.model)?;
        let ready = self.ready.take().filter(|(s, _)| *s == size);
        let (_, ready) = match ready {
            Some(ready) => self.ready.insert(ready),
            None => {
                let ready = Ready::new(&self.gpu, &self.weights, size, self.options)?;
                self.ready.insert((size, ready))
            }
        };
        let result = ready.answer(&measurement.condition(), keep, progress)?;
        let plane = |values: Vec<f32>| Plane::new(size.0, size.1, values);
        let samples =
            result.samples.into_iter().map(|s| plane(s).map(|p| measurement.phase(&p))).collect::<Result<_>>()?;
        Ok(PhaseResult {
            phase: measurement.phase(&plane(result.mean)?),
            std: measurement.deviation(&plane(result.std)?),
            rate: plane(result.rate)?,
            beta_integral: plane(result.beta_integral)?,
            samples,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
