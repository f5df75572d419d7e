//! The paper's two sets of photographs, with their official splits: HCOCO and ImageNet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Plane;
use super::image_file::{read_gray, read_rgb};
use super::pair::{ResolutionPair, expect_unit_range};
use super::photographs::{Split, images_below, list_photographs};
use super::resize::resize_lanczos;
use crate::{Error, Result};

/// Whether a folder is laid out as HCOCO, or as the whole collection around it.
pub fn is_hcoco(root: &Path) -> bool {
    [root.join("real_images"), root.join("HCOCO/real_images")].iter().any(|folder| folder.is_dir())
}

/// The photographs of a split of any folder: by [`list_hcoco`] if it is laid out as HCOCO, else by [`list_photographs`].
///
/// # Errors
/// Those of either.
pub fn photographs_of(root: &Path, split: Split) -> Result<Vec<PathBuf>> {
    if is_hcoco(root) { list_hcoco(root, split) } else { list_photographs(root, split) }
}

/// The real photographs of HCOCO, sorted by path. `root` is the folder HCOCO or that of the whole collection iHarmony4 around it:
/// ```text
/// HCOCO/real_images/c10005.jpg …   HCOCO_train.txt   HCOCO_test.txt        or IHD_train.txt and IHD_test.txt beside HCOCO
/// ```
/// The lists name composites (`c10005_1363048_1.jpg`); each stands for the photograph it was made from. A photograph of which the
/// test list names any composite is held out, whatever the other list says. Without lists, photographs are split by
/// [`list_photographs`].
///
/// # Errors
/// [`Error::File`] if there is no folder `real_images`, one list of the two is missing, or a listed photograph is.
pub fn list_hcoco(root: &Path, split: Split) -> Result<Vec<PathBuf>> {
    let inner = root.join("HCOCO");
    let folder = if inner.is_dir() { inner } else { root.to_path_buf() };
    let photographs = folder.join("real_images");
    if !photographs.is_dir() {
        return Err(Error::file(
            &folder,
            "holds no folder real_images. Expected is HCOCO/real_images/*.jpg with HCOCO_train.txt and HCOCO_test.txt, as in the \
             HCOCO part of the set \"iHarmony4\" (github.com/bcmi/Image-Harmonization-Dataset-iHarmony4)",
        ));
    }
    let beside = folder.parent().unwrap_or(&folder);
    let candidates = [(&*folder, "HCOCO"), (&*folder, "IHD"), (beside, "IHD")];
    let list = |side: &str| {
        let paths = candidates.map(|(place, name)| place.join(format!("{name}_{side}.txt")));
        paths.into_iter().find(|path| path.is_file())
    };
    let (train, test) = match (list("train"), list("test")) {
        (None, None) => return list_photographs(&photographs, split),
        (Some(train), Some(test)) => (listed(&train)?, listed(&test)?),
        (Some(only), None) | (None, Some(only)) => {
            return Err(Error::file(&only, "stands alone; both lists, _train.txt and _test.txt, are needed, or none"));
        }
    };
    let wanted: BTreeSet<&String> = match split {
        Split::Train => train.difference(&test).collect(),
        Split::HeldOut => test.iter().collect(),
        Split::All => train.union(&test).collect(),
    };
    let stem = |path: &Path| path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let files: Vec<_> = images_below(&photographs)?.into_iter().filter(|path| wanted.contains(&stem(path))).collect();
    let found: BTreeSet<String> = files.iter().map(|path| stem(path)).collect();
    match wanted.iter().find(|name| !found.contains(**name)) {
        Some(missing) => Err(Error::file(
            &photographs,
            format!(
                "lacks {} of {} listed photographs, the first is {missing}",
                wanted.len() - found.len(),
                wanted.len()
            ),
        )),
        None if files.is_empty() => Err(Error::file(&folder, format!("lists no photograph of the {split:?} split"))),
        None => Ok(files),
    }
}

/// The names (without extension) of the photographs behind the composites of a list.
fn listed(list: &Path) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(list).map_err(|e| Error::file(list, format!("cannot be read: {e}")))?;
    let name = |line: &str| {
        let line = line.trim();
        // The collection's list holds its other three parts too.
        let (folders, name) = line.rsplit_once('/').unwrap_or(("", line));
        let ours = !folders.contains('/') || folders.starts_with("HCOCO/");
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        (ours && !stem.is_empty()).then(|| stem.split('_').next().unwrap_or(stem).to_owned())
    };
    Ok(text.lines().filter_map(name).collect())
}

/// ImageNet's images, sorted by path: `train/` is for training, `val/` is held out. `root` holds these two folders, or
/// `ILSVRC/Data/CLS-LOC` with them; below either, images may lie in folders of their class (`n01440764`) or not.
///
/// # Errors
/// [`Error::File`] if a folder that is asked for is missing or holds no images.
pub fn list_imagenet(root: &Path, split: Split) -> Result<Vec<PathBuf>> {
    let inner = root.join("ILSVRC/Data/CLS-LOC");
    let base = if inner.is_dir() { &inner } else { root };
    let sides: &[&str] = match split {
        Split::Train => &["train"],
        Split::HeldOut => &["val"],
        Split::All => &["train", "val"],
    };
    let mut files = Vec::new();
    for side in sides {
        let folder = base.join(side);
        let images = if folder.is_dir() { images_below(&folder)? } else { Vec::new() };
        if images.is_empty() {
            return Err(Error::file(
                &folder,
                "is missing or holds no images. Expected are train/n01440764/*.JPEG … and val/*.JPEG of the set \"ImageNet 1K\" \
                 (ILSVRC 2012), from image-net.org after registration",
            ));
        }
        files.extend(images);
    }
    Ok(files)
}

/// The middle `side × side` of a photograph, in gray; one with a shorter side below that is enlarged to it first.
///
/// # Errors
/// Those of [`read_gray`]; [`Error::File`] if it must be enlarged and holds values outside [0, 1], [`Error::Shape`] if `side` is zero.
pub fn read_gray_centre(path: &Path, side: usize) -> Result<Plane> {
    centre(&read_gray(path)?, side).map_err(|e| Error::file(path, e.to_string()))
}

/// A pair for super-resolution from the middle `side × side` of a colour photograph: three channels, the coarse image shrunk
/// `factor` times by Lanczos-3 interpolation (not rounded to 8 bits). A gray photograph counts as colour, one with a shorter side
/// below `side` is enlarged to it first.
///
/// # Errors
/// Those of [`read_rgb`]; [`Error::File`] if it holds values outside [0, 1], [`Error::Shape`] if `side` is no multiple of `factor`.
pub fn read_super_resolution(path: &Path, side: usize, factor: usize) -> Result<ResolutionPair> {
    if factor == 0 || !side.is_multiple_of(factor) {
        return Err(Error::shape(format!(
            "{side} pixels shrunk {factor} times; the side must be a multiple of the factor"
        )));
    }
    let high = read_rgb(path)?.iter().map(|p| centre(p, side)).collect::<Result<Vec<_>>>();
    let high = high.map_err(|e| Error::file(path, e.to_string()))?;
    let low = high.iter().map(|p| resize_lanczos(p, side / factor, side / factor)).collect::<Result<_>>()?;
    ResolutionPair::new(low, high).map_err(|e| Error::file(path, e.to_string()))
}

fn centre(plane: &Plane, side: usize) -> Result<Plane> {
    let (height, width) = (plane.height(), plane.width());
    let shorter = height.min(width);
    if shorter < side {
        expect_unit_range([plane])?;
        let enlarged = |n: usize| (n * side).div_ceil(shorter);
        return centre(&resize_lanczos(plane, enlarged(height), enlarged(width))?, side);
    }
    plane.crop((height - side) / 2, (width - side) / 2, side, side)
}
