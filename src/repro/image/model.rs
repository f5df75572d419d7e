//! What turns coarse images into fine ones, and how it is trained.

use crate::Result;
use crate::config::{
    MicroscopySection, MicroscopySource, PhotographSet, Schedule, SuperResolutionSection, TrainConfig,
};
use crate::data::Structure;
use crate::repro::Session;

/// What the images show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A structure in cells.
    Structure(Structure),
    /// Anything.
    Photographs,
}

/// What turns a coarse image into a fine one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Lanczos-3 interpolation.
    Lanczos,
    /// One pass of the diffusion models' network.
    Regression,
    /// DFCAN.
    Dfcan,
    /// A fixed schedule. With photographs, where the network is SR3's, this is SR3.
    Cddpm,
    /// The paper's.
    Cvdm,
}

/// A method of table 1 or 4: a model is trained for each kind of image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageMethod {
    /// The kind.
    pub of: Of,
    /// The model.
    pub model: Model,
}

impl ImageMethod {
    /// How it is trained; [`Model::Lanczos`] like the diffusion model, whose data it shares.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) if there are no photographs.
    pub fn configured(self, session: &Session, seed: u64) -> Result<TrainConfig> {
        let (numbers, data) = (&session.numbers, &session.data);
        let of_task = match self.of {
            Of::Structure(_) => &numbers.microscopy,
            Of::Photographs => &numbers.super_resolution,
        };
        let mut config = match self.model {
            Model::Dfcan => numbers.dfcan.config(of_task, seed),
            Model::Regression => of_task.config(Schedule::None, seed),
            Model::Cddpm => of_task.config(Schedule::Fixed, seed),
            Model::Lanczos | Model::Cvdm => of_task.config(Schedule::Learned, seed),
        };
        match self.of {
            Of::Structure(structure) => {
                config.microscopy = MicroscopySection { structure, ..config.microscopy };
                match &data.biosr {
                    Some(set) => config.microscopy.folder.clone_from(&set.folder),
                    None => config.microscopy.source = MicroscopySource::Simulated,
                }
            }
            Of::Photographs => {
                let (set, folder) = match &data.imagenet {
                    Some(set) => (PhotographSet::Imagenet, &set.folder),
                    None => (PhotographSet::Folder, &data.photographs()?.train),
                };
                let image = numbers.photograph_side;
                config.super_resolution =
                    SuperResolutionSection { set, folder: folder.clone(), image, ..config.super_resolution };
            }
        }
        Ok(config)
    }
}
