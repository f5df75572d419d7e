//! Fresnel propagation, and the pair of defocused images that phase retrieval starts from.

use rustfft::num_complex::Complex64;

use super::field::{Field, check_finite, check_same_size};
use crate::data::Plane;
use crate::fft2::{Fft2, frequencies};
use crate::{Error, Result};

/// The optical setting of a two-shot phase measurement; all lengths in micrometres, in the object plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FresnelSetup {
    wavelength_um: f64,
    pixel_um: f64,
    defocus_um: f64,
}

impl Default for FresnelSetup {
    /// The paper's setting (section 4.2): 0.521 µm light, 0.21 µm pixels, ±2 µm defocus.
    fn default() -> Self {
        Self { wavelength_um: 0.521, pixel_um: 0.21, defocus_um: 2.0 }
    }
}

/// Which way a field is propagated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Along the light, by `+d`.
    Plus,
    /// Against the light, by `−d`.
    Minus,
}

impl FresnelSetup {
    /// A setting from wavelength, pixel size and defocus distance `d` (the two images lie at `±d`).
    ///
    /// # Errors
    /// [`Error::Input`] unless all three are positive and finite.
    pub fn new(wavelength_um: f64, pixel_um: f64, defocus_um: f64) -> Result<Self> {
        for (name, value) in [("wavelength", wavelength_um), ("pixel size", pixel_um), ("defocus distance", defocus_um)]
        {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::input(format!("the {name} is {value} µm; it must be a positive, finite length")));
            }
        }
        Ok(Self { wavelength_um, pixel_um, defocus_um })
    }

    /// Wavelength λ in µm.
    pub fn wavelength_um(&self) -> f64 {
        self.wavelength_um
    }

    /// Pixel size in the object plane in µm.
    pub fn pixel_um(&self) -> f64 {
        self.pixel_um
    }

    /// Defocus distance d in µm.
    pub fn defocus_um(&self) -> f64 {
        self.defocus_um
    }

    /// Wave number `k = 2π/λ` in rad/µm.
    pub fn wave_number(&self) -> f64 {
        std::f64::consts::TAU / self.wavelength_um
    }

    /// `a = λ d / px²`, the one number through which the setting enters an image on a pixel grid. A network trained at
    /// one setting serves every other with the same `a`.
    pub fn parameter_a(&self) -> f64 {
        self.wavelength_um * self.defocus_um / (self.pixel_um * self.pixel_um)
    }

    /// How many pixels from a border a propagated field feels what lies beyond it.
    ///
    /// A component of frequency `f` is shifted sideways by `λ d f`; at the grid's highest frequency, `1/(2 px)`, that
    /// is `a/2` pixels. Diffraction softens this geometric limit over Fresnel zones, `√a` pixels wide. Four of them are
    /// added: what still reaches photographs of 3.5 rad is then about 0.005 of the incident intensity (root mean
    /// square), and falls only slowly with the distance. 32 pixels for the paper's setting.
    pub fn margin(&self) -> usize {
        let a = self.parameter_a();
        (a / 2.0 + 4.0 * a.sqrt()).ceil() as usize
    }

    /// `exp(−iπ λ d f²)` for every frequency of an axis of `n` pixels; the transfer function is the product of two.
    fn transfer(&self, n: usize, side: Side) -> Vec<Complex64> {
        let distance = match side {
            Side::Plus => self.defocus_um,
            Side::Minus => -self.defocus_um,
        };
        let chirp = -std::f64::consts::PI * self.wavelength_um * distance;
        frequencies(n, self.pixel_um).into_iter().map(|f| Complex64::cis(chirp * f * f)).collect()
    }

    fn apply_transfer(&self, spectrum: &[Complex64], height: usize, width: usize, side: Side) -> Vec<Complex64> {
        let (down, across) = (self.transfer(height, side), self.transfer(width, side));
        spectrum.iter().enumerate().map(|(i, u)| u * down[i / width] * across[i % width]).collect()
    }
}

/// The field after Fresnel propagation by `±d`: `F⁻¹(F(u) · H)` with `H = exp(∓iπ λ d (fx² + fy²))`, on a periodic
/// grid. The common factor `exp(ikz)` is left out. `|H| = 1`, so energy is kept and [`Side::Minus`] undoes
/// [`Side::Plus`].
pub fn propagate(field: &Field, setup: &FresnelSetup, side: Side) -> Field {
    let mut fft = Fft2::new(field.height(), field.width());
    let mut values = field.values.clone();
    fft.forward(&mut values);
    let mut values = setup.apply_transfer(&values, field.height(), field.width(), side);
    fft.inverse(&mut values);
    field.with(values)
}

/// Two images of one object, intensities in units of the incident light, taken at `+d` and `−d`.
#[derive(Debug, Clone, PartialEq)]
pub struct DefocusPair {
    plus: Plane,
    minus: Plane,
}

impl DefocusPair {
    /// A measured pair: `plus` lies downstream of focus, at `+d`; `minus` upstream, at `−d`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes differ, [`Error::Input`] if a value is not finite.
    pub fn new(plus: Plane, minus: Plane) -> Result<Self> {
        check_same_size("the image at +d", &plus, "the image at −d", &minus)?;
        check_finite("the image at +d", &plus)?;
        check_finite("the image at −d", &minus)?;
        Ok(Self { plus, minus })
    }

    /// The image at `+d`.
    pub fn plus(&self) -> &Plane {
        &self.plus
    }

    /// The image at `−d`.
    pub fn minus(&self) -> &Plane {
        &self.minus
    }

    /// Rows of either image.
    pub fn height(&self) -> usize {
        self.plus.height()
    }

    /// Columns of either image.
    pub fn width(&self) -> usize {
        self.plus.width()
    }
}

/// The pair of noiseless images `I_±d = |F⁻¹(F(A exp(iφ)) H_±d)|²` of an object with the given phase in rad and
/// amplitude (1 if none), on a periodic grid: opposite borders touch. See [`simulate_cropped`].
///
/// # Errors
/// [`Error::Shape`] if amplitude and phase differ in size, [`Error::Input`] if a value is not finite.
pub fn simulate_pair(phase: &Plane, amplitude: Option<&Plane>, setup: &FresnelSetup) -> Result<DefocusPair> {
    let field = Field::new(phase, amplitude)?;
    let mut fft = Fft2::new(field.height(), field.width());
    let mut spectrum = field.values.clone();
    fft.forward(&mut spectrum);
    let mut image = |side| {
        let mut values = setup.apply_transfer(&spectrum, field.height(), field.width(), side);
        fft.inverse(&mut values);
        field.with(values).intensity()
    };
    DefocusPair::new(image(Side::Plus), image(Side::Minus))
}

/// A simulated measurement and the answer it should lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// The images.
    pub pair: DefocusPair,
    /// The phase in rad in the same window.
    pub phase: Plane,
}

/// Simulates on the whole of `phase` and keeps what lies at least [`FresnelSetup::margin`] pixels inside, where
/// opposite borders are not felt. For a result of `h × w`, give `(h + 2 margin) × (w + 2 margin)`: real surroundings
/// where there are some, else a [`mirror_pad`](super::mirror_pad)ded object.
///
/// # Errors
/// Those of [`simulate_pair`], and [`Error::Shape`] if nothing would be left.
pub fn simulate_cropped(phase: &Plane, amplitude: Option<&Plane>, setup: &FresnelSetup) -> Result<Simulated> {
    let margin = setup.margin();
    let inside = |n: usize| n.checked_sub(2 * margin).filter(|&n| n > 0);
    let (Some(height), Some(width)) = (inside(phase.height()), inside(phase.width())) else {
        return Err(Error::shape(format!(
            "a phase of {} × {} leaves nothing after {margin} pixels are cut from each side; give a larger one",
            phase.height(),
            phase.width()
        )));
    };
    let pair = simulate_pair(phase, amplitude, setup)?;
    let crop = |plane: &Plane| plane.crop(margin, margin, height, width);
    Ok(Simulated { pair: DefocusPair::new(crop(&pair.plus)?, crop(&pair.minus)?)?, phase: crop(phase)? })
}
