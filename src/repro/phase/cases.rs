//! The images that methods are tested on.

use std::path::{Path, PathBuf};

use crate::data::{Plane, photograph_centre, read_npy};
use crate::evaluate::{field_pair, photograph_pair};
use crate::inverse::{DefocusPair, FresnelSetup};
use crate::repro::method::Cases;
use crate::{Error, Result};

/// One measurement with its truth.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// The measurement.
    pub pair: DefocusPair,
    /// The true phase in rad.
    pub truth: Plane,
    /// How it was measured.
    pub setup: FresnelSetup,
    /// Whether it carries noise.
    pub noisy: bool,
}

/// Images of one kind, which make one column of a table.
#[derive(Debug, Clone)]
pub struct PhaseCases {
    /// What they are.
    pub name: String,
    /// They.
    pub all: Vec<Case>,
    /// What their truths are.
    pub truth: &'static str,
}

/// The truths of most.
pub const TRUE_PHASE: &str = "true phase";

impl Cases for PhaseCases {
    fn name(&self) -> &str {
        &self.name
    }

    fn images(&self) -> impl Iterator<Item = (&str, Vec<&Plane>)> {
        self.all.iter().map(|case| (case.name.as_str(), vec![case.pair.plus(), case.pair.minus(), &case.truth]))
    }
}

impl PhaseCases {
    /// The first `count` of them.
    pub fn first(&self, count: usize) -> Self {
        Self { all: self.all.iter().take(count).cloned().collect(), ..self.clone() }
    }
}

/// The paper's synthetic benchmark: the centres of photographs as phases, without noise. Of the files in their order, those that
/// are large enough; `skip` of them are left out, then `count` at most are taken.
///
/// # Errors
/// [`Error::Input`] if there are none; [`Error::File`] if one cannot be read.
pub fn photographs(
    name: &str,
    files: &[PathBuf],
    setup: &FresnelSetup,
    size: usize,
    [skip, count]: [usize; 2],
) -> Result<PhaseCases> {
    let side = size + 2 * setup.margin();
    let large = files.iter().filter_map(|path| photograph_centre(path, side).transpose());
    let case = |(i, gray): (usize, Result<Plane>)| {
        let simulated = photograph_pair(&gray?, setup)?;
        let (pair, truth) = (simulated.pair, simulated.phase);
        Ok(Case { name: format!("photograph {}", i + 1), pair, truth, setup: *setup, noisy: false })
    };
    let all = large.skip(skip).take(count).enumerate().map(case).collect::<Result<Vec<_>>>()?;
    if all.is_empty() {
        return Err(Error::input(format!(
            "of {} {name} none is at least {1} × {1} pixels, twice a test image and its margins",
            files.len(),
            2 * side
        )));
    }
    Ok(PhaseCases { name: name.into(), all, truth: TRUE_PHASE })
}

/// `count` views of a measured field with this wavelength and pixel in µm, evenly spaced, propagated to the distance at which `a = λ d / px²` is the one that models are
/// trained at, with noise of a level.
///
/// # Errors
/// [`Error::File`] if the file is of another shape.
pub fn field(
    name: &str,
    file: &Path,
    (wavelength, pixel): (f64, f64),
    trained: &FresnelSetup,
    count: usize,
    noise: f32,
) -> Result<PhaseCases> {
    let views = views(file, count)?;
    let setup = FresnelSetup::new(wavelength, pixel, trained.parameter_a() * pixel * pixel / wavelength)?;
    let case = |View { number, phase: truth, amplitude }: View| {
        let pair = field_pair(&truth, &amplitude, &setup, noise, 1000 + number as u64)?;
        Ok(Case { name: format!("view {number}"), pair, truth, setup, noisy: noise > 0.0 })
    };
    let all = views.into_iter().map(case).collect::<Result<_>>()?;
    Ok(PhaseCases { name: name.into(), all, truth: TRUE_PHASE })
}

/// A view of a measured field.
pub struct View {
    /// Its number in the file.
    pub number: usize,
    /// Phase in rad.
    pub phase: Plane,
    /// Amplitude.
    pub amplitude: Plane,
}

/// The first view of a measured field.
///
/// # Errors
/// Those of [`views`].
pub fn first_view(file: &Path) -> Result<View> {
    Ok(views(file, 1)?.swap_remove(0))
}

/// `count` views of a measured field, evenly spaced; at least one.
///
/// # Errors
/// [`Error::File`] if the file is of another shape, or holds none.
pub fn views(file: &Path, count: usize) -> Result<Vec<View>> {
    let (shape, values) = read_npy(file)?;
    let &[views, 2, height, width] = shape.as_slice() else {
        return Err(Error::file(file, format!("has shape {shape:?}; expected [views, 2, height, width]")));
    };
    if views == 0 {
        return Err(Error::file(
            file,
            format!("has shape {shape:?}, so it holds no views; there must be at least one"),
        ));
    }
    let plane = |view: usize, channel: usize| {
        let start = (2 * view + channel) * height * width;
        Plane::new(height, width, values[start..start + height * width].to_vec())
    };
    let count = count.clamp(1, views);
    let view = |k: usize| {
        let number = k * views / count;
        Ok(View { number, phase: plane(number, 0)?, amplitude: plane(number, 1)? })
    };
    (0..count).map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::write_npy;

    #[test]
    fn views_are_spread_evenly_and_a_file_without_any_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("field.npy");
        write_npy(&file, &[3, 2, 1, 1], &[0.0, 0.1, 1.0, 1.1, 2.0, 2.1]).unwrap();
        let numbers = |count| views(&file, count).unwrap().iter().map(|v| v.number).collect::<Vec<_>>();
        assert_eq!((numbers(0), numbers(2), numbers(9)), (vec![0], vec![0, 1], vec![0, 1, 2]));
        let view = first_view(&file).unwrap();
        assert_eq!((view.phase.values(), view.amplitude.values()), (&[0.0][..], &[0.1][..]));
        write_npy(&file, &[0, 2, 4, 4], &[]).unwrap();
        for error in [views(&file, 4).err().unwrap(), first_view(&file).err().unwrap()] {
            assert!(error.to_string().contains("field.npy") && error.to_string().contains("no views"), "{error}");
        }
        write_npy(&file, &[3], &[0.0; 3]).unwrap();
        assert!(views(&file, 1).err().unwrap().to_string().contains("[views, 2, height, width]"));
    }
}
