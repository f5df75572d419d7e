//! From a coarse image to the fine one behind it, with its uncertainty: microscopy and super-resolution.

use super::{Estimate, Estimator, expect_task};
use crate::Result;
use crate::config::Task;
use crate::data::{Plane, expect_unit_range, resize_lanczos, unit_to_network};
use crate::diffusion::SampleOptions;
use crate::gpu::Gpu;
use crate::tasks::ImageTarget;
use crate::weights::Weights;

/// Weights of the microscopy or the super-resolution task on a device, ready for images of any size.
pub struct SuperResolver {
    estimator: Estimator,
    factor: usize,
}

impl SuperResolver {
    /// Takes weights and sampling settings.
    ///
    /// # Errors
    /// [`crate::Error::Input`] if the weights belong to another task.
    pub fn new(gpu: &Gpu, weights: Weights, options: SampleOptions) -> Result<Self> {
        expect_task(&weights, &[Task::Microscopy, Task::SuperResolution])?;
        let factor = weights.config.factor();
        Ok(Self { estimator: Estimator::new(gpu, weights, options), factor })
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        self.estimator.weights()
    }

    /// How many times as dense as the measured image the answer is, along each side.
    pub fn factor(&self) -> usize {
        self.factor
    }

    /// Takes another seed for what is sampled from now on.
    pub fn reseed(&mut self, seed: u64) {
        self.estimator.reseed(seed);
    }

    /// Sampling steps of an answer to a coarse image of this height and width ([`Estimator::steps`]).
    ///
    /// # Errors
    /// As there.
    pub fn steps(&mut self, (height, width): (usize, usize)) -> Result<u64> {
        let factor = self.enlarged();
        self.estimator.steps((height * factor, width * factor))
    }

    /// How many times the condition is as dense as the coarse image: as the answer, unless the network enlarges by itself.
    fn enlarged(&self) -> usize {
        self.factor / self.weights().model.scale()
    }

    /// The fine image behind a coarse one, both in [0, 1], a plane a channel. Nothing cuts the answer to that range. `progress` is
    /// told after each sampling step and may stop the work by an error; `keep` asks for the single samples.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the image has other channels than the model; [`crate::Error::Input`] if a value lies outside [0, 1];
    /// device errors.
    pub fn resolve(&mut self, coarse: &[Plane], keep: bool, progress: impl FnMut() -> Result<()>) -> Result<Estimate> {
        expect_unit_range(coarse)?;
        let factor = self.enlarged();
        let enlarge = |p: &Plane| match factor {
            1 => Ok(p.clone()),
            _ => resize_lanczos(p, p.height() * factor, p.width() * factor),
        };
        let condition = coarse.iter().map(|p| Ok(unit_to_network(&enlarge(p)?))).collect::<Result<Vec<_>>>()?;
        let estimate = self.estimator.estimate(&condition, keep, progress)?;
        let target = ImageTarget::from(&self.weights().config.model);
        // A network that enlarges by itself learns no residual, and needs nothing of the condition.
        let fine = |(plane, x): (&Plane, &Plane)| target.fine(plane, x);
        let images = |planes: Vec<Plane>| planes.iter().zip(&condition).map(fine).collect();
        Ok(Estimate {
            mean: images(estimate.mean),
            std: estimate.std.iter().map(|plane| target.deviation(plane)).collect(),
            samples: estimate.samples.into_iter().map(images).collect(),
            ..estimate
        })
    }
}
