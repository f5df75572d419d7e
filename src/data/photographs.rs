//! A folder of photographs, split by file, and patches drawn from it.

use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::image_file::{is_image, read_gray};
use super::{Fingerprint, Plane};
use crate::{Error, Result};

/// Which photographs of a folder: every eighth, by a hash of its file name, is held out, so that files keep their side when
/// others are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Seven eighths, to train on.
    Train,
    /// One eighth, never trained on.
    HeldOut,
    /// All of them.
    All,
}

impl Split {
    pub(super) fn takes(self, path: &Path) -> bool {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let held_out = Fingerprint::of(name.as_bytes()).value().is_multiple_of(8);
        match self {
            Self::All => true,
            Self::HeldOut => held_out,
            Self::Train => !held_out,
        }
    }
}

/// The image files below a folder, sorted by path; symlinks and hidden files are skipped.
pub(super) fn images_below(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Err(Error::file(
            folder,
            "is no folder; give one with photographs (`make data` fetches those that the examples use into data/)",
        ));
    }
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let entries = std::fs::read_dir(&next).map_err(|e| Error::file(&next, format!("cannot be listed: {e}")))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::file(&next, format!("cannot be listed: {e}")))?;
            let kind = entry.file_type().map_err(|e| Error::file(entry.path(), e.to_string()))?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && is_image(&entry.path()) {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The photographs of a split below a folder, sorted by path; symlinks and hidden files are skipped.
///
/// # Errors
/// [`Error::File`] if the folder is missing or holds no image of the split.
pub fn list_photographs(folder: &Path, split: Split) -> Result<Vec<PathBuf>> {
    let mut files = images_below(folder)?;
    files.retain(|path| split.takes(path));
    if files.is_empty() {
        return Err(Error::file(
            folder,
            format!(
                "holds no photographs (of the {split:?} split); expected PNG, JPEG or TIFF files in it or in its folders. \
                 scripts/fetch-data.sh fetches some"
            ),
        ));
    }
    Ok(files)
}

/// The plane at `1/factor` of its size, each pixel the mean of `factor × factor`.
///
/// # Errors
/// [`Error::Shape`] if nothing would be left.
pub fn downscale(plane: &Plane, factor: usize) -> Result<Plane> {
    let (height, width) = (plane.height() / factor.max(1), plane.width() / factor.max(1));
    if factor == 0 || height == 0 || width == 0 {
        return Err(Error::shape(format!("{} × {} downscaled {factor} times", plane.height(), plane.width())));
    }
    let area = (factor * factor) as f32;
    Ok(Plane::from_fn(height, width, |y, x| {
        let cells = (0..factor * factor).map(|i| plane.at(y * factor + i / factor, x * factor + i % factor));
        cells.sum::<f32>() / area
    }))
}

/// A photograph in gray at 1/2, 1/4 and 1/8 of its size, as long as both sides are at least `side`.
fn scales(path: &Path, side: usize) -> Result<Vec<Plane>> {
    let mut levels = Vec::new();
    let mut level = read_gray(path)?;
    while level.height() / 2 >= side && level.width() / 2 >= side && levels.len() < 3 {
        level = downscale(&level, 2)?;
        levels.push(level.clone());
    }
    Ok(levels)
}

/// The central `side × side` window of a photograph in gray at half its size; none if it is smaller.
///
/// # Errors
/// [`Error::File`] if it cannot be read.
pub fn photograph_centre(path: &Path, side: usize) -> Result<Option<Plane>> {
    Ok(photograph_windows(path, side, 1)?.pop())
}

/// So many `side × side` windows of a photograph in gray at half its size, evenly spaced along its diagonal, a single one in its centre.
/// They overlap where it is small; there are none if it is smaller than a window.
///
/// # Errors
/// [`Error::File`] if it cannot be read.
pub fn photograph_windows(path: &Path, side: usize, count: usize) -> Result<Vec<Plane>> {
    let whole = read_gray(path)?;
    if whole.height() / 2 < side || whole.width() / 2 < side {
        return Ok(Vec::new());
    }
    let half = downscale(&whole, 2)?;
    let window = |number: usize| {
        let [top, left] = [half.height(), half.width()].map(|n| match count {
            1 => (n - side) / 2,
            _ => (n - side) * number / (count - 1),
        });
        half.crop(top, left, side, side)
    };
    (0..count).map(window).collect()
}

/// Photographs in memory, at several scales, to draw patches from.
pub struct Photographs {
    /// Side of a patch.
    side: usize,
    /// Every photograph at 1/2, 1/4 … of its size, for as long as patches fit.
    scales: Vec<Vec<Plane>>,
}

impl Photographs {
    /// Reads a folder's photographs in gray. All are downscaled at least twofold, which removes the marks of JPEG.
    ///
    /// # Errors
    /// [`Error::File`] if the folder holds none, one cannot be read, or none is large enough for patches of `side`.
    pub fn open(folder: &Path, split: Split, side: usize) -> Result<Self> {
        Self::read(folder, &list_photographs(folder, split)?, side)
    }

    /// The same of these files of a folder.
    ///
    /// # Errors
    /// [`Error::File`] if one cannot be read, or none is large enough for patches of `side`.
    pub fn read(folder: &Path, files: &[PathBuf], side: usize) -> Result<Self> {
        let scales = files.iter().map(|path| scales(path, side)).collect::<Result<Vec<_>>>()?;
        let scales: Vec<_> = scales.into_iter().filter(|levels| !levels.is_empty()).collect();
        if scales.is_empty() {
            return Err(Error::file(
                folder,
                format!("holds no photograph of at least {0} × {0} pixels, twice the patch and its margin", 2 * side),
            ));
        }
        Ok(Self { side, scales })
    }

    /// How many photographs.
    pub fn len(&self) -> usize {
        self.scales.len()
    }

    /// No photographs; [`Photographs::open`] refuses that.
    pub fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    /// Patch number `number`, of the side that they were opened with, a pure function of the seed and the number: a photograph, one of its
    /// scales, a place, one of the square's eight symmetries.
    pub fn patch(&self, seed: u64, number: u64) -> Plane {
        let side = self.side;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        let levels = &self.scales[random.random_range(0..self.scales.len())];
        let level = &levels[random.random_range(0..levels.len())];
        let top = random.random_range(0..=level.height() - side);
        let left = random.random_range(0..=level.width() - side);
        let symmetry = random.random_range(0..8u8);
        oriented(&Plane::from_fn(side, side, |y, x| level.at(top + y, left + x)), symmetry)
    }
}

/// A square plane under one of the square's eight symmetries: bit 0 transposes, bit 1 turns it upside down, bit 2 left to right.
pub(super) fn oriented(plane: &Plane, symmetry: u8) -> Plane {
    let last = plane.height() - 1;
    Plane::from_fn(plane.height(), plane.width(), |y, x| {
        let (y, x) = if symmetry & 1 == 0 { (y, x) } else { (x, y) };
        let y = if symmetry & 2 == 0 { y } else { last - y };
        let x = if symmetry & 4 == 0 { x } else { last - x };
        plane.at(y, x)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::write_png16;

    fn folder(files: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..files {
            let plane = Plane::from_fn(80, 96, |y, x| ((y * 31 + x * 17 + i * 7) % 97) as f32 / 97.0);
            write_png16(folder.path().join(format!("sub/{i}.png")), &plane, 0.0, 1.0).unwrap();
        }
        folder
    }

    #[test]
    fn the_split_is_by_file_name_disjoint_and_whole() {
        let folder = folder(40);
        let list = |split| list_photographs(folder.path(), split).unwrap();
        let (train, held) = (list(Split::Train), list(Split::HeldOut));
        assert!(train.iter().all(|p| !held.contains(p)));
        assert_eq!(train.len() + held.len(), list(Split::All).len());
        assert!(!held.is_empty() && held.len() < 12);
    }

    #[test]
    fn patches_depend_on_seed_and_number_alone() {
        let folder = folder(5);
        let photographs = Photographs::open(folder.path(), Split::All, 16).unwrap();
        assert_eq!(photographs.len(), 5);
        assert_eq!(photographs.patch(1, 7), photographs.patch(1, 7));
        assert_ne!(photographs.patch(1, 7), photographs.patch(1, 8));
        assert_ne!(photographs.patch(1, 7), photographs.patch(2, 7));
        assert!(Photographs::open(folder.path(), Split::All, 64).is_err(), "too small for such patches");
    }

    #[test]
    fn missing_and_empty_folders_say_what_was_expected() {
        let empty = tempfile::tempdir().unwrap();
        let message = |p: &Path| list_photographs(p, Split::All).unwrap_err().to_string();
        assert!(message(empty.path()).contains("PNG, JPEG or TIFF"));
        assert!(message(&empty.path().join("none")).contains("none"));
    }
}
