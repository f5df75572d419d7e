//! What a table needs to know of the methods that it compares, and of the images that they are tested on, whatever the task.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Session;
use super::scale::Numbers;
use crate::Result;
use crate::config::TrainConfig;
use crate::data::{Fingerprint, Plane};
use crate::diffusion::SampleOptions;
use crate::gpu::Gpu;
use crate::weights::Weights;

/// Images that methods are tested on.
pub trait Cases {
    /// What they are.
    fn name(&self) -> &str;
    /// Each image's name, and the planes that a method is given and compared with; the last is of the size that networks answer with.
    fn images(&self) -> impl Iterator<Item = (&str, Vec<&Plane>)>;

    /// How many there are.
    fn count(&self) -> usize {
        self.images().count()
    }

    /// A fingerprint of every value that a method is given or compared with.
    fn fingerprint(&self) -> Fingerprint {
        let plane = |state: Fingerprint, plane: &Plane| state.and(bytemuck::cast_slice(plane.values()));
        self.images().fold(Fingerprint::default(), |state, (name, planes)| {
            planes.into_iter().fold(state.and(name.as_bytes()), plane)
        })
    }

    /// Height and width of the largest image that networks answer with.
    fn size(&self) -> (usize, usize) {
        let sizes = self.images().filter_map(|(_, planes)| planes.last().map(|truth| (truth.height(), truth.width())));
        sizes.max_by_key(|(height, width)| height * width).unwrap_or_default()
    }
}

/// A method of a table.
pub trait Method: Copy + PartialEq {
    /// What it is tested on.
    type Cases: Cases;
    /// Its numbers on one image.
    type Scores: Copy + Serialize + DeserializeOwned;
    /// It, ready to answer.
    type Solver;

    /// What it is called in its table.
    fn name(self) -> String;

    /// What it is called among those of all tables.
    fn full_name(self) -> String {
        self.name()
    }

    /// How it is trained; none if it needs no training.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) if its data are missing.
    fn config(self, session: &Session, seed: u64) -> Result<Option<TrainConfig>>;

    /// Whether it draws samples, so that it has an uncertainty.
    fn samples(self) -> bool;

    /// How its task's tables sample.
    fn sampling(self, numbers: &Numbers) -> SampleOptions;

    /// Time that an answer took, in seconds.
    fn seconds(scores: &Self::Scores) -> f64;

    /// Prepares it; `weights` as it was trained.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) for weights of another task.
    fn solver(self, gpu: &Gpu, weights: Option<Weights>, sampling: SampleOptions) -> Result<Self::Solver>;

    /// Its answer to an image, scored. `progress` is told after each sampling step and may stop the work by an error.
    ///
    /// # Errors
    /// Those of reconstruction and of the metrics.
    fn solve(
        solver: &mut Self::Solver,
        cases: &Self::Cases,
        image: usize,
        progress: impl FnMut() -> Result<()>,
    ) -> Result<Solved<Self::Scores>>;
}

/// An answer.
pub struct Solved<S> {
    /// Its scores.
    pub scores: S,
    /// Planes to keep, in an order of the task's.
    pub maps: Vec<Plane>,
    /// The samples, a plane a channel, one after the other.
    pub samples: Vec<Plane>,
}
