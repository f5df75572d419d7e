//! Super-resolution: a photograph from a smaller one.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Pairs;
use crate::config::{PhotographSet, SuperResolutionSection};
use crate::data::{
    ResolutionPair, Split, list_imagenet, photographs_of, read_gray_centre, read_super_resolution, resize_lanczos,
};
use crate::{Error, Result};

/// A set whose fine images take no more memory than this, in bytes, is kept once read.
const KEPT: usize = 256 << 20;

/// The middle squares of photographs, and the same shrunk by Lanczos-3 interpolation. A photograph is read when it is asked for; those
/// of a small set are kept then, since reading a large photograph takes longer than all else about a patch.
pub struct PhotographPairs {
    files: Vec<PathBuf>,
    section: SuperResolutionSection,
    /// A place a file; none at all for a large set.
    kept: Vec<OnceLock<ResolutionPair>>,
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
        let bytes = files.len() * section.channels() * section.image.pow(2) * size_of::<f32>();
        let places = if bytes <= KEPT { files.len() } else { 0 };
        Ok(Self { files, section: section.clone(), kept: (0..places).map(|_| OnceLock::new()).collect() })
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
        match self.kept.get(number as usize) {
            None => self.read(file),
            Some(place) => match place.get() {
                Some(pair) => Ok(pair.clone()),
                None => self.read(file).map(|pair| place.get_or_init(|| pair).clone()),
            },
        }
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
