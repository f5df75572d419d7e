//! What is learned, and the sections of the tasks that have one of their own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::in_range;
use crate::data::Structure;
use crate::inverse::SIGNAL_LEVELS;
use crate::{Error, Result};

/// What a model learns to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// The phase behind two defocused images.
    #[default]
    Phase,
    /// What structured illumination would show, from a widefield image.
    Microscopy,
    /// A photograph from a smaller one.
    SuperResolution,
}

impl Task {
    /// As in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Microscopy => "microscopy",
            Self::SuperResolution => "super-resolution",
        }
    }
}

/// Where microscopy images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum MicroscopySource {
    /// The set BioSR.
    #[default]
    Biosr,
    /// Specimens that are drawn, a new one for every patch.
    Simulated,
    /// Images of one's own, `coarse/NAME.tif` and `fine/NAME.tif`.
    Folder,
}

/// `[microscopy]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MicroscopySection {
    /// What is labelled, in BioSR and in drawn specimens.
    pub structure: Structure,
    /// Where the images come from.
    pub source: MicroscopySource,
    /// BioSR's folder. Its cells 1 to 15 are for tests, 46 to 50 for validation, all others are trained on. Of one's own images the folder
    /// that holds `coarse` and `fine`; every eighth, by a hash of its name, is held out.
    pub folder: PathBuf,
    /// The lowest level of signal that takes part; 1 is the noisiest. One's own images have none.
    pub first_level: u32,
    /// The highest. Missing: all that the source has, for drawn specimens [`SIGNAL_LEVELS`], in BioSR what lies there (of F-actin 12).
    pub last_level: Option<u32>,
    /// How many fine pixels one's own images have to a coarse one, along each side: 2 if nothing is said, 1 to restore images of the same size. For the
    /// other sources the structure says it.
    pub factor: Option<usize>,
}

impl Default for MicroscopySection {
    fn default() -> Self {
        Self {
            structure: Structure::Ccps,
            source: MicroscopySource::Biosr,
            folder: PathBuf::from("data/BioSR"),
            first_level: 1,
            last_level: None,
            factor: None,
        }
    }
}

impl MicroscopySection {
    /// Fine pixels to a coarse one, along each side.
    pub fn factor(&self) -> usize {
        match (self.source, self.structure) {
            (MicroscopySource::Folder, _) => self.factor.unwrap_or(2),
            (_, Structure::FActinNonlinear) => 3,
            _ => 2,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match (self.source, self.factor) {
            (MicroscopySource::Folder, factor) => {
                in_range(&[("microscopy.factor", factor.unwrap_or(2) as f64, 1.0, 16.0)])?;
            }
            (_, Some(factor)) => {
                return Err(Error::input(format!(
                    "microscopy.factor = {factor} is for source = \"folder\"; of the others microscopy.structure decides it"
                )));
            }
            (_, None) => {}
        }
        // How many levels a measured set has, its files say.
        let highest = if self.source == MicroscopySource::Simulated { SIGNAL_LEVELS } else { u32::MAX };
        let (first, last) = (self.first_level, self.last_level.unwrap_or(highest));
        if first == 0 || first > last || last > highest {
            let range = if highest == u32::MAX { "be positive".into() } else { format!("lie in 1 to {highest}") };
            let last = self.last_level.map_or(String::new(), |last| format!(" and last_level = {last}"));
            return Err(Error::input(format!(
                "microscopy.first_level = {first}{last}; levels must {range}, the last not below the first"
            )));
        }
        if self.source == MicroscopySource::Simulated && self.structure == Structure::FActinNonlinear {
            return Err(Error::input(
                "microscopy.structure = \"f-actin-nonlinear\" cannot be simulated; take \"f-actin\", or source = \"biosr\"",
            ));
        }
        Ok(())
    }
}

/// How a folder of photographs is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum PhotographSet {
    /// ImageNet's: `train/` and `val/`.
    #[default]
    Imagenet,
    /// Any folder: every eighth file, by a hash of its name, is held out.
    Folder,
}

/// `[super_resolution]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SuperResolutionSection {
    /// How the folder is split.
    pub set: PhotographSet,
    /// The folder of photographs.
    pub folder: PathBuf,
    /// Side of the middle square of a photograph that patches are taken from.
    pub image: usize,
    /// The coarse image is smaller by this factor, along each side.
    pub factor: usize,
    /// Three channels; gray otherwise.
    pub colour: bool,
}

impl Default for SuperResolutionSection {
    fn default() -> Self {
        Self {
            set: PhotographSet::Imagenet,
            folder: PathBuf::from("data/ImageNet"),
            image: 256,
            factor: 4,
            colour: true,
        }
    }
}

impl SuperResolutionSection {
    /// Channels of a photograph.
    pub fn channels(&self) -> usize {
        if self.colour { 3 } else { 1 }
    }

    pub(super) fn check(&self, patch: usize) -> Result<()> {
        in_range(&[
            ("super_resolution.image", self.image as f64, patch as f64, 65_536.0),
            ("super_resolution.factor", self.factor as f64, 2.0, 16.0),
        ])?;
        if !self.image.is_multiple_of(self.factor) {
            return Err(Error::input(format!(
                "super_resolution.image = {}; it must be a multiple of super_resolution.factor = {}",
                self.image, self.factor
            )));
        }
        Ok(())
    }
}
