//! Fluorescence microscopy: labelled structures, seen through a lens.
//!
//! `x = K ∗ y + η` in place of the BioSR set: structures are drawn finer than either image, the truth is what structured
//! illumination would show (twice the lens's cut-off), the measurement what a camera behind the lens counts, in photons and with
//! its read noise.

mod actin;
mod canvas;
mod filament;
mod microtubules;
mod otf;
mod pits;
mod reticulum;

use rand_distr::{Distribution, Poisson, StandardNormal};
use rustfft::num_complex::Complex64;

pub use self::otf::incoherent_otf;
use super::random::{Purpose, generator};
use crate::data::{Plane, ResolutionPair, downscale, unit_range};
use crate::fft2::{Fft2, frequencies};
use crate::{Error, Result};

/// Signal levels of a measurement, as many as the paper speaks of.
pub const SIGNAL_LEVELS: u32 = 10;
/// Photons in the brightest pixel at level 1 and level 10.
const PHOTONS: (f64, f64) = (12.0, 1200.0);
/// Standard deviation of the camera's read noise in electrons.
const READ_NOISE: f64 = 1.6;
/// Light from everywhere, in parts of the brightest pixel.
const BACKGROUND: f64 = 0.03;
/// Share of the light that comes from out of focus, and how widely it is spread (standard deviation in µm).
const HAZE: (f64, f64) = (0.2, 0.45);
/// Points of the drawing along each side of a pixel of the truth.
const OVERSAMPLING: usize = 2;
/// Pixels of the measurement are this many times as large as those of the truth.
const FACTOR: usize = 2;
/// What is drawn and thrown away around the field of view, in µm: seven Airy radii, three times the haze's spread.
const MARGIN_UM: f64 = 1.5;

/// The most pixels on a side that are drawn, with the margin: some 16 GB.
const LARGEST: usize = 8192;

/// What is labelled, ordered by complexity as in the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Specimen {
    /// Clathrin-coated pits: small shells, rings in projection.
    Pits,
    /// Endoplasmic reticulum: a mesh of tubules.
    Reticulum,
    /// Microtubules: long smooth curves.
    Microtubules,
    /// Actin: bundles that cross over a mesh of short filaments.
    Actin,
}

impl Specimen {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Pits, Self::Reticulum, Self::Microtubules, Self::Actin];

    /// A name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pits => "clathrin-coated pits",
            Self::Reticulum => "endoplasmic reticulum",
            Self::Microtubules => "microtubules",
            Self::Actin => "F-actin",
        }
    }
}

/// The lens and the pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Microscope {
    aperture: f64,
    wavelength_um: f64,
    pixel_um: f64,
}

impl Default for Microscope {
    /// BioSR's: numerical aperture 1.3, green light (0.525 µm), pixels of 31.3 nm in the truth and 62.6 nm in the measurement.
    fn default() -> Self {
        Self { aperture: 1.3, wavelength_um: 0.525, pixel_um: 0.0313 }
    }
}

impl Microscope {
    /// A lens of a numerical aperture for light of a wavelength (both of emission, in µm), and the pixel of the truth in µm in the
    /// specimen; the measurement's is twice as large.
    ///
    /// # Errors
    /// [`Error::Input`] unless all are positive and finite, and the truth's pixel is small enough to hold its resolution:
    /// at most `λ/(8 NA)`.
    pub fn new(aperture: f64, wavelength_um: f64, pixel_um: f64) -> Result<Self> {
        let domain = [aperture, wavelength_um, pixel_um].iter().all(|v| v.is_finite() && *v > 0.0);
        if !domain || pixel_um > wavelength_um / (8.0 * aperture) {
            return Err(Error::input(format!(
                "a microscope of numerical aperture {aperture} at {wavelength_um} µm with pixels of {pixel_um} µm; all must be \
                 positive, the pixel at most λ/(8 NA)"
            )));
        }
        Ok(Self { aperture, wavelength_um, pixel_um })
    }

    /// Pixel of the truth in µm.
    pub fn pixel_um(&self) -> f64 {
        self.pixel_um
    }

    /// The highest frequency that the lens passes, `2 NA/λ`, in cycles per µm. The truth goes up to twice that.
    pub fn cutoff(&self) -> f64 {
        2.0 * self.aperture / self.wavelength_um
    }

    /// The finest period in the measurement, `λ/(2 NA)`, in µm.
    pub fn resolution_um(&self) -> f64 {
        1.0 / self.cutoff()
    }
}

/// A field of view without noise: its truth, and the light that reaches the camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    truth: Plane,
    light: Plane,
}

impl Scene {
    /// Draws a specimen: `side × side` pixels of the truth, a function of the four arguments alone. The drawing goes on beyond the
    /// field of view, so that opposite borders do not see each other.
    ///
    /// # Errors
    /// [`Error::Shape`] if `side` is zero, odd, or with its margin above 8192.
    pub fn draw(specimen: Specimen, microscope: &Microscope, side: usize, seed: u64) -> Result<Self> {
        if side == 0 || !side.is_multiple_of(FACTOR) {
            return Err(Error::shape(format!("a field of view of {side} pixels; it must be a positive, even number")));
        }
        let margin = (MARGIN_UM / microscope.pixel_um / FACTOR as f64).ceil() as usize * FACTOR;
        if side.saturating_add(margin.saturating_mul(2)) > LARGEST {
            return Err(Error::shape(format!(
                "a field of view of {side} pixels and a margin of {margin} around it; at most {LARGEST} in all are drawn"
            )));
        }
        let fine = (side + 2 * margin) * OVERSAMPLING;
        let pitch = microscope.pixel_um / OVERSAMPLING as f64;
        let mut rng = generator(seed, Purpose::Specimen);
        let labels = match specimen {
            Specimen::Pits => pits::draw(fine, pitch, &mut rng),
            Specimen::Reticulum => reticulum::draw(fine, pitch, &mut rng),
            Specimen::Microtubules => microtubules::draw(fine, pitch, &mut rng),
            Specimen::Actin => actin::draw(fine, pitch, &mut rng),
        };
        let cutoff = microscope.cutoff();
        let sharp = |f: f64| incoherent_otf(f / (2.0 * cutoff));
        let (haze, spread) = HAZE;
        let seen = |f: f64| {
            let blurred = (-2.0 * (std::f64::consts::PI * spread * f).powi(2)).exp();
            (1.0 - haze) * incoherent_otf(f / cutoff) + haze * blurred
        };
        let [truth, light] = filtered(&labels, pitch, [&sharp, &seen]);
        // A pixel collects the light of its whole area.
        let window = |plane: &Plane, cell: usize| {
            let pixels = downscale(plane, cell * OVERSAMPLING)?;
            let (start, size) = (margin / cell, side / cell);
            pixels.crop(start, start, size, size)
        };
        Ok(Self { truth: unit_range(&window(&truth, 1)?), light: unit_range(&window(&light, FACTOR)?) })
    }

    /// What structured illumination shows, in [0, 1].
    pub fn truth(&self) -> &Plane {
        &self.truth
    }

    /// The light that reaches the camera, without background and noise, in [0, 1].
    pub fn light(&self) -> &Plane {
        &self.light
    }

    /// The camera's count at a level from 1 (darkest) to [`SIGNAL_LEVELS`]: Poisson numbers of photons, 12 in the brightest pixel at
    /// level 1 and 1200 at level 10 with equal ratios between, over a background of 3 %; and Gaussian read noise of 1.6 electrons.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such level.
    pub fn expose(&self, level: u32, seed: u64) -> Result<Plane> {
        let photons = peak_photons(level)?;
        let (mut arrivals, mut reading) = (generator(seed, Purpose::Photons), generator(seed, Purpose::ReadNoise));
        let mut count = |light: f32| {
            let expected = photons * (BACKGROUND + (1.0 - BACKGROUND) * f64::from(light));
            // The mean lies between 0.3 and 1200, where the distribution exists.
            let counted = Poisson::new(expected).map_or(expected, |law| law.sample(&mut arrivals));
            let noise: f64 = StandardNormal.sample(&mut reading);
            (counted + READ_NOISE * noise) as f32
        };
        Ok(self.light.map(&mut count))
    }

    /// Measurement and truth as the loader of BioSR gives them: both scaled to [0, 1] by their own minimum and maximum.
    ///
    /// # Errors
    /// Those of [`Scene::expose`].
    pub fn pair(&self, level: u32, seed: u64) -> Result<ResolutionPair> {
        ResolutionPair::new(vec![unit_range(&self.expose(level, seed)?)], vec![self.truth.clone()])
    }
}

/// Photons expected in the brightest pixel at a level.
///
/// # Errors
/// [`Error::Input`] if there is no such level.
pub fn peak_photons(level: u32) -> Result<f64> {
    if !(1..=SIGNAL_LEVELS).contains(&level) {
        return Err(Error::input(format!("signal level {level}; there are levels 1 to {SIGNAL_LEVELS}")));
    }
    let (first, last) = PHOTONS;
    Ok(first * (last / first).powf(f64::from(level - 1) / f64::from(SIGNAL_LEVELS - 1)))
}

/// The plane under two transfer functions of radial frequency (cycles per µm), on a periodic grid; negative rounding is cut.
fn filtered(plane: &Plane, pitch: f64, transfers: [&dyn Fn(f64) -> f64; 2]) -> [Plane; 2] {
    let (height, width) = (plane.height(), plane.width());
    let mut fft = Fft2::new(height, width);
    let mut spectrum: Vec<Complex64> = plane.values().iter().map(|&v| f64::from(v).into()).collect();
    fft.forward(&mut spectrum);
    let (down, across) = (frequencies(height, pitch), frequencies(width, pitch));
    transfers.map(|transfer| {
        let at = |(i, v): (usize, &Complex64)| v * transfer(down[i / width].hypot(across[i % width]));
        let mut values: Vec<Complex64> = spectrum.iter().enumerate().map(at).collect();
        fft.inverse(&mut values);
        Plane::from_fn(height, width, |y, x| values[y * width + x].re.max(0.0) as f32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point in the middle of `side × side` fine points, as the truth and the camera see it.
    fn point(microscope: &Microscope, side: usize) -> [Plane; 2] {
        let middle = Plane::from_fn(side, side, |y, x| if (y, x) == (side / 2, side / 2) { 1.0 } else { 0.0 });
        let cutoff = microscope.cutoff();
        let pitch = microscope.pixel_um() / OVERSAMPLING as f64;
        filtered(&middle, pitch, [&|f| incoherent_otf(f / (2.0 * cutoff)), &|f| incoherent_otf(f / cutoff)])
    }

    #[test]
    fn a_point_becomes_an_airy_disc_half_as_wide_in_the_truth() {
        let microscope = Microscope::default();
        let pitch = microscope.pixel_um() / OVERSAMPLING as f64;
        // `(2 J₁(v)/v)²` at `v = 2π NA r/λ`: half at r = 0.2572 λ/NA, no light at 0.6098 λ/NA.
        for (plane, scale) in point(&microscope, 512).iter().zip([0.5, 1.0]) {
            let at = |r: f64| {
                let steps = r / pitch;
                let (below, part) = (steps.floor(), steps.fract() as f32);
                let value = |i: f64| plane.at(256, 256 + i as usize) / plane.at(256, 256);
                value(below) * (1.0 - part) + value(below + 1.0) * part
            };
            let radius = scale * microscope.wavelength_um / microscope.aperture;
            // Between points the profile is taken as straight: it bends by less than 0.02 in half a step.
            assert!((at(0.2572 * radius) - 0.5).abs() < 0.02, "{}", at(0.2572 * radius));
            assert!(at(0.6098 * radius) < 0.01);
        }
    }

    #[test]
    fn opposite_borders_hardly_see_each_other() {
        let microscope = Microscope::default();
        let [_, seen] = point(&microscope, 512);
        let distance = (MARGIN_UM / microscope.pixel_um() * OVERSAMPLING as f64) as usize;
        let furthest = (distance..256).map(|i| seen.at(256, 256 + i)).fold(0.0, f32::max);
        // The Airy pattern's envelope there, 8/(π v³) at v = 23.
        assert!(furthest < 2.2e-4 * seen.at(256, 256), "{furthest}");
    }
}
