//! `[data]`: the phase task's measurements, and the patches of every task.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::in_range;
use crate::inverse::FresnelSetup;
use crate::{Error, Result};

/// `[data]`: the patches of a step, which every task has; and the phase task's photographs and simulated measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSection {
    /// Folder of photographs; every eighth file, by a hash of its name, is held out.
    pub photographs: PathBuf,
    /// Side of a target's patch in pixels, a multiple of what the networks halve it by.
    pub patch: usize,
    /// Patches a step.
    pub batch: usize,
    /// Wavelength in µm.
    pub wavelength_um: f64,
    /// Pixel in µm.
    pub pixel_um: f64,
    /// Defocus in µm.
    pub defocus_um: f64,
    /// The noise level of a pair is uniform in 0..this.
    pub noise: f64,
    /// Share of pairs without any noise.
    pub noiseless: f64,
    /// Weight of patches whose phase is the photograph itself, as in the paper.
    pub photograph: f32,
    /// Weight of patches whose phase is a blurred photograph.
    pub blurred: f32,
    /// Weight of patches whose phase is a photograph with a random range.
    pub random_range: f32,
    /// Weight of patches with smooth cell-like objects on a flat background.
    pub cells: f32,
    /// Probability that an object also absorbs a little.
    pub amplitude_probability: f32,
    /// The strongest modulation of the amplitude, as a fraction.
    pub amplitude_depth: f32,
}

impl Default for DataSection {
    fn default() -> Self {
        let paper = FresnelSetup::default();
        Self {
            photographs: PathBuf::from("data/train-photographs"),
            patch: 64,
            batch: 8,
            wavelength_um: paper.wavelength_um(),
            pixel_um: paper.pixel_um(),
            defocus_um: paper.defocus_um(),
            noise: 0.2,
            noiseless: 0.0,
            photograph: 1.0,
            blurred: 0.0,
            random_range: 0.0,
            cells: 0.0,
            amplitude_probability: 0.0,
            amplitude_depth: 0.0,
        }
    }
}

impl DataSection {
    /// Refuses values out of their range.
    pub(super) fn check(&self) -> Result<()> {
        in_range(&[
            ("data.patch", self.patch as f64, 16.0, 4096.0),
            ("data.batch", self.batch as f64, 1.0, 4096.0),
            ("data.wavelength_um", self.wavelength_um, 1e-3, 1e3),
            ("data.pixel_um", self.pixel_um, 1e-3, 1e3),
            ("data.defocus_um", self.defocus_um, 1e-6, 1e4),
            ("data.noise", self.noise, 0.0, 10.0),
            ("data.noiseless", self.noiseless, 0.0, 1.0),
            ("data.photograph", f64::from(self.photograph), 0.0, 1e6),
            ("data.blurred", f64::from(self.blurred), 0.0, 1e6),
            ("data.random_range", f64::from(self.random_range), 0.0, 1e6),
            ("data.cells", f64::from(self.cells), 0.0, 1e6),
            ("data.amplitude_probability", f64::from(self.amplitude_probability), 0.0, 1.0),
            ("data.amplitude_depth", f64::from(self.amplitude_depth), 0.0, 0.9),
        ])?;
        if self.photograph + self.blurred + self.random_range + self.cells <= 0.0 {
            return Err(Error::input(
                "data.photograph, blurred, random_range and cells are all 0; one must be positive",
            ));
        }
        Ok(())
    }
}
