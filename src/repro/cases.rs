//! The images that methods are tested on.

use std::path::Path;

use super::part::{HASH_START, hash};
use crate::data::{Photographs, Plane, Split, read_npy};
use crate::evaluate::{field_pair, photograph_pair};
use crate::inverse::{DefocusPair, FresnelSetup};
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
pub struct Cases {
    /// What they are.
    pub name: String,
    /// They.
    pub all: Vec<Case>,
}

impl Cases {
    /// A fingerprint of every value that a method is given or compared with.
    pub fn fingerprint(&self) -> String {
        let plane = |state: u64, plane: &Plane| hash(state, bytemuck::cast_slice(plane.values()));
        let case = |state: u64, case: &Case| {
            let state = hash(state, case.name.as_bytes());
            [case.pair.plus(), case.pair.minus(), &case.truth].into_iter().fold(state, plane)
        };
        format!("{:016x}", self.all.iter().fold(HASH_START, case))
    }

    /// The first `count` of them.
    pub fn first(&self, count: usize) -> Self {
        Self { name: self.name.clone(), all: self.all.iter().take(count).cloned().collect() }
    }
}

/// The paper's synthetic benchmark: the centres of photographs as phases, without noise. At most `count` of those that are large
/// enough.
///
/// # Errors
/// [`Error::File`] if there are none.
pub fn photographs(
    name: &str,
    folder: &Path,
    split: Split,
    setup: &FresnelSetup,
    size: usize,
    count: usize,
) -> Result<Cases> {
    let side = size + 2 * setup.margin();
    let centres = Photographs::open(folder, split, side)?.centres(side)?;
    let cases = centres.iter().take(count).enumerate().map(|(i, gray)| {
        let simulated = photograph_pair(gray, setup)?;
        let (pair, truth) = (simulated.pair, simulated.phase);
        Ok(Case { name: format!("photograph {}", i + 1), pair, truth, setup: *setup, noisy: false })
    });
    Ok(Cases { name: name.into(), all: cases.collect::<Result<_>>()? })
}

/// `count` views of a measured field with this wavelength and pixel in µm, evenly spaced, propagated to the distance at which `a = λ d / px²` is the one that models
/// are trained at, with noise of a level.
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
) -> Result<Cases> {
    let (shape, values) = read_npy(file)?;
    let &[views, 2, height, width] = shape.as_slice() else {
        return Err(Error::file(file, format!("has shape {shape:?}; expected [views, 2, height, width]")));
    };
    let setup = FresnelSetup::new(wavelength, pixel, trained.parameter_a() * pixel * pixel / wavelength)?;
    let plane = |view: usize, channel: usize| {
        let start = (2 * view + channel) * height * width;
        Plane::new(height, width, values[start..start + height * width].to_vec())
    };
    let count = count.clamp(1, views);
    let case = |k: usize| {
        let view = k * views / count;
        let (truth, amplitude) = (plane(view, 0)?, plane(view, 1)?);
        let pair = field_pair(&truth, &amplitude, &setup, noise, 1000 + view as u64)?;
        Ok(Case { name: format!("view {view}"), pair, truth, setup, noisy: noise > 0.0 })
    };
    Ok(Cases { name: name.into(), all: (0..count).map(case).collect::<Result<_>>()? })
}
