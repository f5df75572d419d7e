//! The tasks: what a model learns from, and what it is tested on.
//!
//! Training asks a [`Source`] for batches and knows nothing else of a task. Microscopy and super-resolution learn alike, from
//! [`Pairs`] of a coarse image and the fine one behind it; the phase task simulates its own.

mod kept;
pub mod microscopy;
mod pairs;
pub mod phase;
pub mod super_resolution;
mod testing;

use std::path::PathBuf;

pub use pairs::{ImageTarget, PairSource, Pairs};
pub use testing::{TestImage, images_of, test_images};

use crate::config::{Task, TrainConfig};
use crate::data::Split;
use crate::{Error, Result};

/// A batch: targets `[N, Cy, H, W]` and conditions `[N, Cx, H, W]`, smaller if the network enlarges; in the networks' range [−1, 1].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Conditions.
    pub x: Vec<f32>,
    /// Targets.
    pub y: Vec<f32>,
}

/// What training batches come from.
pub trait Source: Sync {
    /// The batch of a training step, a function of the configuration and the step alone.
    ///
    /// # Errors
    /// Those of reading files and of the simulation.
    fn batch(&self, step: u64) -> Result<Batch>;

    /// What is drawn from, for people: "98 photographs".
    fn describe(&self) -> String;

    /// The files that batches are drawn from; none if all is simulated.
    fn files(&self) -> Vec<PathBuf>;
}

/// The training batches of a configuration.
///
/// # Errors
/// [`Error::File`] if its data are not where it says.
pub fn source(config: &TrainConfig) -> Result<Box<dyn Source>> {
    Ok(match config.task {
        Task::Phase => Box::new(phase::PhaseSource::open(config)?),
        Task::Microscopy | Task::SuperResolution => {
            Box::new(PairSource::new(pairs(config, Split::Train, config.data.patch)?, config)?)
        }
    })
}

/// The pairs of a configuration on one side of the split. Simulated ones are `side × side` fine pixels; measured ones have the size
/// of their files.
///
/// # Errors
/// [`Error::File`] if the data are not where the configuration says; [`Error::Input`] for the phase task, which has none.
pub fn pairs(config: &TrainConfig, split: Split, side: usize) -> Result<Box<dyn Pairs>> {
    match config.task {
        Task::Phase => Err(Error::input(
            "task = \"phase\" has no pairs of a coarse and a fine image; its measurements are pairs of defocused ones",
        )),
        Task::Microscopy => microscopy::open(config, split, side),
        Task::SuperResolution => {
            Ok(Box::new(super_resolution::PhotographPairs::open(&config.super_resolution, split)?))
        }
    }
}
