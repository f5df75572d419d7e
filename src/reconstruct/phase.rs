//! From a measured pair to a phase image with its uncertainty.

use super::{Estimator, expect_task};
use crate::config::Task;
use crate::data::Plane;
use crate::diffusion::SampleOptions;
use crate::gpu::Gpu;
use crate::inverse::{DefocusPair, FresnelSetup};
use crate::tasks::phase::{self, Measurement};
use crate::weights::Weights;
use crate::{Error, Result};

/// How far a set-up's `a = λ d / px²` may lie from the one that the weights were trained at, as a fraction.
pub const SETUP_TOLERANCE: f64 = 0.03;

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

/// Weights on a device, ready to reconstruct pairs of any size.
pub struct Reconstructor {
    estimator: Estimator,
}

impl Reconstructor {
    /// Takes weights and sampling settings.
    pub fn new(gpu: &Gpu, weights: Weights, options: SampleOptions) -> Self {
        Self { estimator: Estimator::new(gpu, weights, options) }
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        self.estimator.weights()
    }

    /// Refuses a set-up that the weights do not serve.
    ///
    /// # Errors
    /// [`Error::Input`] if the weights belong to another task, or were trained at another `λ·d/px²`.
    fn check(&self, setup: &FresnelSetup) -> Result<()> {
        let weights = self.weights();
        expect_task(weights, &[Task::Phase])?;
        let trained = phase::setup(&weights.config.data)?.parameter_a();
        let given = setup.parameter_a();
        if (given / trained - 1.0).abs() > SETUP_TOLERANCE {
            return Err(Error::input(format!(
                "the set-up has λ·d/px² = {given:.2}, the weights were trained at {trained:.2}; with this wavelength and \
                 pixel they serve a defocus of ±{:.3} µm",
                setup.defocus_um() * trained / given
            )));
        }
        Ok(())
    }

    /// Takes another seed for what is sampled from now on.
    pub fn reseed(&mut self, seed: u64) {
        self.estimator.reseed(seed);
    }

    /// Sampling steps of a reconstruction from this pair, measured with `setup` ([`Estimator::steps`]).
    ///
    /// # Errors
    /// As there, and for a set-up that [`Reconstructor::reconstruct`] refuses, before anything is prepared for it.
    pub fn steps(&mut self, pair: &DefocusPair, setup: &FresnelSetup) -> Result<u64> {
        self.check(setup)?;
        self.estimator.steps((pair.height(), pair.width()))
    }

    /// Reconstructs the phase of a pair that was measured with `setup`. `progress` is told after each sampling step and may
    /// stop the work by an error; `keep` asks for the single samples.
    ///
    /// # Errors
    /// [`Error::Input`] if the weights belong to another task or the set-up is not the one that they were trained for, or the
    /// pair has no usable intensities; device errors.
    pub fn reconstruct(
        &mut self,
        pair: &DefocusPair,
        setup: &FresnelSetup,
        keep: bool,
        progress: impl FnMut() -> Result<()>,
    ) -> Result<PhaseResult> {
        self.check(setup)?;
        let measurement = Measurement::new(pair, setup, &self.weights().config.model)?;
        let estimate = self
            .estimator
            .estimate(measurement.condition(), keep, progress)?
            .in_units(|target| measurement.phase(target), |target| measurement.deviation(target));
        // The target has one channel.
        let one = |mut planes: Vec<Plane>| planes.swap_remove(0);
        Ok(PhaseResult {
            phase: one(estimate.mean),
            std: one(estimate.std),
            rate: one(estimate.rate),
            beta_integral: one(estimate.beta_integral),
            samples: estimate.samples.into_iter().map(one).collect(),
            seconds: estimate.seconds,
        })
    }
}
