//! Training from pairs of a coarse image and the fine one behind it.

use std::path::PathBuf;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::{Batch, Source};
use crate::Result;
use crate::config::TrainConfig;
use crate::data::{Example, Plane, ResolutionPair, unit_to_network};
use crate::diffusion::Model;

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

    /// What it shows, for people.
    fn name(&self, number: u64) -> String;

    /// What all of them are, for people: "35 images of cells".
    fn describe(&self) -> String;

    /// The files that they are read from; none if they are simulated.
    fn files(&self) -> Vec<PathBuf>;
}

/// Patches of [`Pairs`] as training batches.
pub struct PairSource {
    pairs: Box<dyn Pairs>,
    patch: usize,
    batch: usize,
    seed: u64,
    coarse: bool,
}

impl PairSource {
    /// Patches as the configuration asks for: conditions enlarged to the target's size, unless the network enlarges by itself.
    ///
    /// # Errors
    /// Those of [`Model::new`].
    pub fn new(pairs: Box<dyn Pairs>, config: &TrainConfig) -> Result<Self> {
        let coarse = Model::new(config.model_config())?.scale() > 1;
        Ok(Self { pairs, patch: config.data.patch, batch: config.data.batch, seed: config.training.seed, coarse })
    }

    fn example(&self, number: u64) -> Result<Example> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ WHICH_PAIR);
        random.set_stream(number);
        let pair = self.pairs.count().map_or(number, |count| random.random_range(0..count));
        let pair = self.pairs.pair(pair)?;
        let patch = if self.coarse { ResolutionPair::coarse_patch } else { ResolutionPair::patch };
        patch(&pair, self.patch, self.seed, number)
    }
}

/// In the networks' range, one plane after the other.
fn values(planes: &[Plane]) -> impl Iterator<Item = f32> {
    planes.iter().flat_map(|plane| unit_to_network(plane).values().to_vec())
}

impl Source for PairSource {
    fn batch(&self, step: u64) -> Result<Batch> {
        let mut batch = Batch::default();
        for i in 0..self.batch as u64 {
            let example = self.example(step * self.batch as u64 + i)?;
            batch.x.extend(values(&example.x));
            batch.y.extend(values(&example.y));
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
