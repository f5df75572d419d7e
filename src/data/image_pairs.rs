//! Paired images of one's own: a coarse image and the fine one behind it, under one name in two folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::image_file::read_gray;
use super::pair::{ResolutionPair, unit_range};
use super::photographs::{Split, images_below};
use crate::{Error, Result};

const EXPECTED: &str = "Expected are coarse/NAME.tif and fine/NAME.tif (or PNG, JPEG), several dozens of them";

/// The files of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePair {
    /// What was measured.
    pub coarse: PathBuf,
    /// The image behind it, of the same field of view.
    pub fine: PathBuf,
}

/// The images of a folder by their paths in it, without what the file's kind adds to the name.
fn by_name(folder: &Path) -> Result<BTreeMap<PathBuf, PathBuf>> {
    if !folder.is_dir() {
        return Err(Error::file(folder, format!("is no folder. {EXPECTED}")));
    }
    let mut named = BTreeMap::new();
    for file in images_below(folder)? {
        let name = file.strip_prefix(folder).unwrap_or(&file).with_extension("");
        if let Some(other) = named.insert(name, file.clone()) {
            return Err(Error::file(
                file,
                format!("has the name of {}; of a pair there is one of each", other.display()),
            ));
        }
    }
    Ok(named)
}

/// The pairs of a side of the split, sorted by name: `root/coarse/NAME.tif` and `root/fine/NAME.tif`, in folders below if one likes, as TIFF,
/// PNG or JPEG. Every eighth, by a hash of its name, is held out.
///
/// # Errors
/// [`Error::File`] if one of the folders is missing, an image has no counterpart or two, or the side of the split is empty.
pub fn list_image_pairs(root: &Path, split: Split) -> Result<Vec<ImagePair>> {
    let (coarse, mut fine) = (by_name(&root.join("coarse"))?, by_name(&root.join("fine"))?);
    let mut pairs = Vec::new();
    for (name, coarse) in coarse {
        let Some(fine) = fine.remove(&name) else {
            return Err(Error::file(coarse, format!("has no counterpart {} in the folder fine", name.display())));
        };
        if split.takes(&name) {
            pairs.push(ImagePair { coarse, fine });
        }
    }
    if let Some((name, alone)) = fine.into_iter().next() {
        return Err(Error::file(alone, format!("has no counterpart {} in the folder coarse", name.display())));
    }
    if pairs.is_empty() {
        return Err(Error::file(
            root,
            format!(
                "holds no pairs of the {split:?} split. {EXPECTED}; an eighth, by a hash of the names, is held out for tests"
            ),
        ));
    }
    Ok(pairs)
}

impl ImagePair {
    /// The pair in gray, each image scaled to [0, 1] by its own minimum and maximum.
    ///
    /// # Errors
    /// Those of [`read_gray`]; [`Error::File`] if the fine image's size is no whole multiple of the coarse one's.
    pub fn read(&self) -> Result<ResolutionPair> {
        let image = |file| read_gray(file).map(|plane| vec![unit_range(&plane)]);
        ResolutionPair::new(image(&self.coarse)?, image(&self.fine)?)
            .map_err(|e| Error::file(&self.fine, e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Plane, write_png16, write_tiff};

    #[test]
    fn pairs_are_found_by_name_and_split_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let missing = || list_image_pairs(root, Split::All).unwrap_err().to_string();
        assert!(missing().contains("coarse") && missing().contains("fine/NAME.tif"), "{}", missing());
        let coarse = Plane::from_fn(4, 6, |y, x| 500.0 + (y * 6 + x) as f32);
        let fine = Plane::from_fn(8, 12, |y, x| ((y * 12 + x) % 7) as f32 / 7.0);
        for i in 0..20 {
            write_tiff(root.join(format!("coarse/day {}/{i}.tif", i % 2)), &[&coarse]).unwrap();
            write_png16(root.join(format!("fine/day {}/{i}.png", i % 2)), &fine, 0.0, 1.0).unwrap();
        }
        let [all, train, held_out] =
            [Split::All, Split::Train, Split::HeldOut].map(|split| list_image_pairs(root, split).unwrap());
        assert_eq!((all.len(), train.len() + held_out.len()), (20, 20));
        assert!(train.iter().all(|pair| !held_out.contains(pair)) && !held_out.is_empty());
        assert!(all.iter().all(|pair| pair.coarse.file_stem() == pair.fine.file_stem()));
        let pair = all[0].read().unwrap();
        assert_eq!((pair.factor(), pair.low()[0].at(0, 0), pair.low()[0].at(3, 5)), (2, 0.0, 1.0));

        write_tiff(root.join("fine/alone.tif"), &[&fine]).unwrap();
        assert!(missing().contains("no counterpart alone in the folder coarse"), "{}", missing());
        write_tiff(root.join("coarse/alone.tif"), &[&fine]).unwrap();
        let factor_1 = list_image_pairs(root, Split::All).unwrap();
        assert_eq!(factor_1[0].read().unwrap().factor(), 1);
        write_tiff(root.join("coarse/alone.tif"), &[&coarse.crop(0, 0, 3, 5).unwrap()]).unwrap();
        assert!(factor_1[0].read().unwrap_err().to_string().contains("alone.tif"));
        write_png16(root.join("coarse/alone.png"), &fine, 0.0, 1.0).unwrap();
        assert!(missing().contains("has the name of"), "{}", missing());
    }
}
