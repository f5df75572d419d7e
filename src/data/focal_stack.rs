//! Brightfield images at equally spaced distances from focus.

use std::path::{Path, PathBuf};

use super::Plane;
use super::image_file::{is_image, read_gray, read_gray_pages};
use crate::{Error, Result};

/// Images of one field of view at `z = k·Δz`, k counted from the image in focus, ordered by z along the light.
#[derive(Debug, Clone, PartialEq)]
pub struct FocalStack {
    planes: Vec<Plane>,
    spacing_um: f64,
    focus: usize,
}

impl FocalStack {
    /// A stack of images `spacing_um` apart; number `focus` (counted from 0) lies in focus, the middle one if none is given.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes of the images differ; [`Error::Input`] if the spacing is not positive and finite, or there are none, no
    /// such image, or no middle one.
    pub fn new(planes: Vec<Plane>, spacing_um: f64, focus: Option<usize>) -> Result<Self> {
        let size = |p: &Plane| (p.height(), p.width());
        if let Some(first) = planes.first()
            && let Some((i, other)) = planes.iter().enumerate().find(|(_, p)| size(p) != size(first))
        {
            let (one, other) = (size(first), size(other));
            return Err(Error::shape(format!(
                "image {i} of a focal stack is {} × {}, the first {} × {}",
                other.0, other.1, one.0, one.1
            )));
        }
        if !(spacing_um.is_finite() && spacing_um > 0.0) {
            return Err(Error::input(format!(
                "the images lie {spacing_um} µm apart; it must be a positive, finite length"
            )));
        }
        let count = planes.len();
        match focus.or_else(|| (count % 2 == 1).then_some(count / 2)) {
            Some(focus) if focus < count => Ok(Self { planes, spacing_um, focus }),
            Some(focus) => Err(Error::input(format!("image {focus} of {count} in focus; it is counted from 0"))),
            None => {
                Err(Error::input(format!("a focal stack of {count} images has no middle one; say which is in focus")))
            }
        }
    }

    /// Reads the pages of a TIFF (in order, colours as gray), or the image files of a folder in the order of the last number in their names:
    /// `stack_00.png`, `stack_01.png` … Numbers must follow each other; where they start is no matter.
    ///
    /// # Errors
    /// [`Error::File`] if nothing can be read, or a file has no number, or one that is there twice, or one is missing; those of
    /// [`FocalStack::new`].
    pub fn open(path: &Path, spacing_um: f64, focus: Option<usize>) -> Result<Self> {
        let planes = if path.is_dir() {
            numbered(path)?.iter().map(read_gray).collect::<Result<_>>()?
        } else {
            read_gray_pages(path)?
        };
        Self::new(planes, spacing_um, focus).map_err(|e| Error::file(path, e.to_string()))
    }

    /// The images, ordered by z.
    pub fn planes(&self) -> &[Plane] {
        &self.planes
    }

    /// Their distances from focus in µm.
    pub fn positions_um(&self) -> Vec<f64> {
        (0..self.planes.len()).map(|i| (i as f64 - self.focus as f64) * self.spacing_um).collect()
    }

    /// The image in focus.
    pub fn in_focus(&self) -> &Plane {
        &self.planes[self.focus]
    }

    /// The images at `+d` and `−d`, d in µm.
    ///
    /// # Errors
    /// [`Error::Input`] if `d` is no positive multiple of the spacing (within a thousandth of it), or lies outside the stack.
    pub fn pair(&self, d: f64) -> Result<[&Plane; 2]> {
        let steps = d / self.spacing_um;
        let k = steps.round();
        let at = |k: f64| {
            let index = self.focus as f64 + k;
            (index >= 0.0).then(|| self.planes.get(index as usize)).flatten()
        };
        match (at(k), at(-k)) {
            (Some(plus), Some(minus)) if k >= 1.0 && (steps - k).abs() < 1e-3 => Ok([plus, minus]),
            _ => Err(Error::input(format!(
                "there are no images at ±{d} µm: {} images lie {} µm apart, number {} in focus",
                self.planes.len(),
                self.spacing_um,
                self.focus
            ))),
        }
    }
}

/// The image files of a folder in the order of their numbers.
fn numbered(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::file(folder, format!("cannot be listed: {e}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if !path.is_file() || !is_image(&path) || name.starts_with('.') {
            continue;
        }
        let number = name.rsplit(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
        match number.and_then(|digits| digits.parse::<u64>().ok()) {
            Some(number) => files.push((number, path)),
            None => {
                return Err(Error::file(&path, "has no number in its name, which says where in the stack it belongs"));
            }
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::file(
            folder,
            "holds no images; expected is a focal stack as numbered PNG, JPEG or TIFF files, or the path of one TIFF with a page \
             for each distance",
        ));
    }
    for pair in files.windows(2) {
        let (before, after) = (pair[0].0, pair[1].0);
        if after == before {
            return Err(Error::file(&pair[1].1, format!("has the number {after}, as another image of the stack")));
        }
        if after != before + 1 {
            return Err(Error::file(
                folder,
                format!("lacks image {} of its stack; {after} follows {before}", before + 1),
            ));
        }
    }
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tiff::encoder::{TiffEncoder, colortype};

    use super::*;
    use crate::data::{write_png16, write_tiff};

    fn plane(level: usize) -> Plane {
        Plane::from_fn(3, 4, |_, _| level as f32 / 16.0)
    }

    fn level(plane: &Plane) -> f32 {
        (plane.at(0, 0) * 16.0).round()
    }

    #[test]
    fn numbered_files_and_pages_are_ordered_by_z() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..5 {
            // Not in the order of letters: 8, 9, 10, 11, 12.
            write_png16(folder.path().join(format!("2024 z{} d.png", 8 + i)), &plane(i), 0.0, 1.0).unwrap();
        }
        std::fs::write(folder.path().join("notes.txt"), "z in steps of 2 µm").unwrap();
        let stack = FocalStack::open(folder.path(), 2.0, None).unwrap();
        assert_eq!(stack.planes().iter().map(level).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(stack.positions_um(), [-4.0, -2.0, 0.0, 2.0, 4.0]);
        assert_eq!(level(stack.in_focus()), 2.0);
        assert_eq!(stack.pair(4.0).unwrap().map(level), [4.0, 0.0]);
        for d in [0.0, -2.0, 3.0, 6.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(stack.pair(d), Err(Error::Input(_))), "±{d}");
        }
        let tiff = folder.path().join("sub/stack.tif");
        let planes: Vec<Plane> = (0..4).map(plane).collect();
        write_tiff(&tiff, &planes.iter().collect::<Vec<_>>()).unwrap();
        assert!(FocalStack::open(&tiff, 2.0, None).unwrap_err().to_string().contains("no middle one"));
        assert_eq!(FocalStack::open(&tiff, 0.5, Some(1)).unwrap().positions_um(), [-0.5, 0.0, 0.5, 1.0]);
        // A page of three channels is one image, not three.
        let colour = folder.path().join("colour.tif");
        let mut encoder = TiffEncoder::new(File::create(&colour).unwrap()).unwrap();
        for page in [0, 51, 102] {
            encoder.write_image::<colortype::RGB8>(2, 1, &[page; 6]).unwrap();
        }
        let stack = FocalStack::open(&colour, 2.0, None).unwrap();
        let levels: Vec<f32> = stack.planes().iter().map(|p| (p.at(0, 0) * 5.0).round()).collect();
        assert_eq!((levels, stack.positions_um()), (vec![0.0, 1.0, 2.0], vec![-2.0, 0.0, 2.0]));
    }

    #[test]
    fn stacks_that_are_not_whole_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let problem = || FocalStack::open(folder.path(), 1.0, None).unwrap_err().to_string();
        assert!(problem().contains("holds no images"));
        let write = |name: &str, plane: &Plane| write_png16(folder.path().join(name), plane, 0.0, 1.0).unwrap();
        write("a1.png", &plane(1));
        write("a3.png", &plane(1));
        assert!(problem().contains("lacks image 2"));
        write("a2.png", &Plane::from_fn(3, 5, |_, _| 0.0));
        assert!(problem().contains("3 × 5"));
        write("b02.png", &plane(1));
        assert!(problem().contains("as another image"));
        write("focus.png", &plane(1));
        assert!(problem().contains("no number"));
        let new = |spacing, focus| FocalStack::new((0..3).map(plane).collect(), spacing, focus);
        assert!(new(1.0, Some(3)).is_err());
        assert!(new(0.0, None).is_err() && new(f64::NAN, None).is_err());
        assert!(FocalStack::new(vec![], 1.0, None).is_err());
    }
}
