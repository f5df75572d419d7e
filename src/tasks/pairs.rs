//! Training from pairs of a coarse image and the fine one behind it.

use std::path::PathBuf;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::{Batch, Source};
use crate::config::{ModelSection, Target, TrainConfig};
use crate::data::{Example, Plane, ResolutionPair, network_to_unit, unit_to_network};
use crate::diffusion::Model;
use crate::{Error, Result};

/// Keeps the draw of a pair apart from that of the patch in it, which takes the run's seed itself.
const WHICH_PAIR: u64 = 0x5bd1_e995_27d4_eb2f;

/// Coarse images with the fine ones behind them, by number.
pub trait Pairs: Sync {
    /// How many there are; `None` if there is one for every number.
    fn count(&self) -> Option<u64>;

    /// Pair number `number`, a function of that alone.
    ///
    /// # Errors
    /// [`crate::Error::Input`] if there is no such pair; those of reading files and of the simulation.
    fn pair(&self, number: u64) -> Result<ResolutionPair>;

    /// `count` of them to test on, which stand for all: evenly spaced, unless a set knows better. All if there are no more.
    fn selection(&self, count: u64) -> Vec<u64> {
        let all = self.count();
        let count = all.map_or(count, |all| all.min(count));
        (0..count).map(|i| all.map_or(i, |all| i * all / count)).collect()
    }

    /// The number of the specimen that it shows: its own, unless a set has several images of one.
    fn specimen(&self, number: u64) -> u64 {
        number
    }

    /// What it shows, for people.
    fn name(&self, number: u64) -> String;

    /// What all of them are, for people: "35 images of cells".
    fn describe(&self) -> String;

    /// The files that they are read from; none if they are simulated.
    fn files(&self) -> Vec<PathBuf>;
}

/// A residual is this many times as large to the networks as in [−1, 1]: what interpolation leaves of a photograph shrunk by 4, or of a
/// widefield image, has a standard deviation of an eighth to a fourth.
const RESIDUAL_GAIN: f32 = 4.0;

/// What a model learns of a fine image, and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageTarget {
    residual: bool,
}

impl From<&ModelSection> for ImageTarget {
    fn from(model: &ModelSection) -> Self {
        Self { residual: model.target == Target::Residual }
    }
}

impl ImageTarget {
    /// The target for a fine plane in [0, 1]; `x` is the same channel of the condition as the network sees it.
    pub fn target(self, fine: &Plane, x: &Plane) -> Plane {
        let mut target = unit_to_network(fine);
        if self.residual {
            let both = target.values_mut().iter_mut().zip(x.values());
            both.for_each(|(t, x)| *t = RESIDUAL_GAIN * (*t - x));
        }
        target
    }

    /// The fine plane in [0, 1] that a target stands for. Nothing cuts it to that range.
    pub fn fine(self, target: &Plane, x: &Plane) -> Plane {
        let mut whole = target.clone();
        if self.residual {
            whole.values_mut().iter_mut().zip(x.values()).for_each(|(t, x)| *t = *t / RESIDUAL_GAIN + x);
        }
        network_to_unit(&whole)
    }

    /// The standard deviation that one of the target stands for.
    pub fn deviation(self, target: &Plane) -> Plane {
        let gain = if self.residual { RESIDUAL_GAIN } else { 1.0 };
        target.map(|v| 0.5 * v / gain)
    }
}

/// Patches of [`Pairs`] as training batches.
pub struct PairSource {
    pairs: Box<dyn Pairs>,
    patch: usize,
    batch: usize,
    seed: u64,
    coarse: bool,
    target: ImageTarget,
}

impl PairSource {
    /// Patches as the configuration asks for: conditions enlarged to the target's size, unless the network enlarges by itself.
    ///
    /// # Errors
    /// Those of [`Model::new`].
    pub fn new(pairs: Box<dyn Pairs>, config: &TrainConfig) -> Result<Self> {
        let coarse = Model::new(config.model_config())?.scale() > 1;
        let (patch, batch, seed) = (config.data.patch, config.data.batch, config.training.seed);
        Ok(Self { pairs, patch, batch, seed, coarse, target: ImageTarget::from(&config.model) })
    }

    fn example(&self, number: u64) -> Result<Example> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ WHICH_PAIR);
        random.set_stream(number);
        let which = self.pairs.count().map_or(number, |count| random.random_range(0..count));
        let pair = self.pairs.pair(which)?;
        let patch = if self.coarse { ResolutionPair::coarse_patch } else { ResolutionPair::patch };
        patch(&pair, self.patch, self.seed, number).map_err(|e| match e {
            Error::Shape(problem) => Error::Shape(format!("{problem} ({})", self.pairs.name(which))),
            other => other,
        })
    }
}

impl Source for PairSource {
    fn batch(&self, step: u64) -> Result<Batch> {
        let mut batch = Batch::default();
        for i in 0..self.batch as u64 {
            let example = self.example(step * self.batch as u64 + i)?;
            for (coarse, fine) in example.x.iter().zip(&example.y) {
                let x = unit_to_network(coarse);
                batch.y.extend_from_slice(self.target.target(fine, &x).values());
                batch.x.extend_from_slice(x.values());
            }
        }
        Ok(batch)
    }

    fn describe(&self) -> String {
        self.pairs.describe()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.pairs.files()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_stands_for_the_image_it_was_made_of() {
        let plane = |phase: f32| Plane::from_fn(4, 6, |y, x| 0.5 + 0.4 * ((y * 7 + x) as f32 * 0.9 + phase).sin());
        let (fine, x) = (plane(0.0), unit_to_network(&plane(0.3)));
        for target in [Target::Phase, Target::Residual] {
            let of = ImageTarget::from(&ModelSection { target, ..ModelSection::default() });
            let back = of.fine(&of.target(&fine, &x), &x);
            let error = back.values().iter().zip(fine.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 1e-6, "{target:?}: {error}");
            // A deviation is half the difference of two targets that lie two of it apart.
            let (low, high) = (of.fine(&fine, &x), of.fine(&fine.map(|v| v + 0.25), &x));
            let apart = of.deviation(&fine.map(|_| 0.25)).at(1, 2);
            assert!((high.at(1, 2) - low.at(1, 2) - apart).abs() < 1e-6);
        }
        let residual = ImageTarget { residual: true };
        assert!(residual.target(&plane(0.3), &x).values().iter().all(|v| v.abs() < 1e-6), "nothing is left");
    }
}
