//! Super-resolution: a photograph from a smaller one.

use std::path::{Path, PathBuf};

use super::Pairs;
use super::kept::Kept;
use crate::config::{PhotographSet, SuperResolutionSection};
use crate::data::{
    ResolutionPair, Split, list_imagenet, photographs_of, read_gray_centre, read_super_resolution, resize_lanczos,
};
use crate::{Error, Result};

/// The middle squares of photographs, and the same shrunk by Lanczos-3 interpolation. A photograph is read when it is asked for, and kept as
/// long as there is room.
pub struct PhotographPairs {
    files: Vec<PathBuf>,
    section: SuperResolutionSection,
    kept: Kept,
}

impl PhotographPairs {
    /// Lists the photographs of a side of the split.
    ///
    /// # Errors
    /// Those of [`list_imagenet`] and [`photographs_of`].
    pub fn open(section: &SuperResolutionSection, split: Split) -> Result<Self> {
        let files = match section.set {
            PhotographSet::Imagenet => list_imagenet(&section.folder, split)?,
            PhotographSet::Folder => photographs_of(&section.folder, split)?,
        };
        Ok(Self { kept: Kept::new(files.len()), files, section: section.clone() })
    }

    fn file(&self, number: u64) -> Result<&PathBuf> {
        usize::try_from(number).ok().and_then(|i| self.files.get(i)).ok_or_else(|| {
            Error::input(format!("photograph {number} of a set; there are {}, numbered from 0", self.files.len()))
        })
    }

    fn read(&self, file: &Path) -> Result<ResolutionPair> {
        let SuperResolutionSection { image, factor, colour, .. } = self.section;
        if colour {
            return read_super_resolution(file, image, factor);
        }
        let high = read_gray_centre(file, image)?;
        let low = resize_lanczos(&high, image / factor, image / factor)?;
        ResolutionPair::new(vec![low], vec![high]).map_err(|e| Error::file(file, e.to_string()))
    }
}

impl Pairs for PhotographPairs {
    fn count(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }

    fn pair(&self, number: u64) -> Result<ResolutionPair> {
        let file = self.file(number)?;
        self.kept.get(number as usize, || self.read(file))
    }

    fn name(&self, number: u64) -> String {
        let name = self.file(number).ok().and_then(|f| f.file_name());
        name.map_or_else(|| format!("photograph {number}"), |n| n.to_string_lossy().into_owned())
    }

    fn describe(&self) -> String {
        format!("{} photographs", self.files.len())
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }
}
