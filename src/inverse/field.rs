//! Complex light fields, and padding for planes whose surroundings are unknown.

use rustfft::num_complex::Complex64;

use crate::data::Plane;
use crate::{Error, Result};

/// A monochromatic light field on a pixel grid, row by row: intensity `|u|²`, phase `arg u` in rad.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    height: usize,
    width: usize,
    pub(super) values: Vec<Complex64>,
}

impl Field {
    /// The field `amplitude · exp(i phase)`; amplitude 1 everywhere if none is given.
    ///
    /// # Errors
    /// [`Error::Shape`] if the planes differ in size, [`Error::Input`] if a value is not finite.
    pub fn new(phase: &Plane, amplitude: Option<&Plane>) -> Result<Self> {
        check_finite("phase", phase)?;
        let polar = |a: f32, p: f32| Complex64::from_polar(f64::from(a), f64::from(p));
        let values = match amplitude {
            None => phase.values().iter().map(|&p| polar(1.0, p)).collect(),
            Some(amplitude) => {
                check_same_size("amplitude", amplitude, "phase", phase)?;
                check_finite("amplitude", amplitude)?;
                amplitude.values().iter().zip(phase.values()).map(|(&a, &p)| polar(a, p)).collect()
            }
        };
        Ok(Self { height: phase.height(), width: phase.width(), values })
    }

    /// A field of this size with other values.
    pub(super) fn with(&self, values: Vec<Complex64>) -> Self {
        debug_assert_eq!(values.len(), self.values.len());
        Self { values, ..*self }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The complex values, row by row.
    pub fn values(&self) -> &[Complex64] {
        &self.values
    }

    /// What a camera records: `|u|²`.
    pub fn intensity(&self) -> Plane {
        self.plane(|u| u.norm_sqr())
    }

    /// The phase wrapped into (−π, π], in rad.
    pub fn wrapped_phase(&self) -> Plane {
        self.plane(|u| u.arg())
    }

    /// The sum of `|u|²` over all pixels.
    pub fn energy(&self) -> f64 {
        self.values.iter().map(|u| u.norm_sqr()).sum()
    }

    fn plane(&self, f: impl Fn(&Complex64) -> f64) -> Plane {
        Plane::from_fn(self.height, self.width, |y, x| f(&self.values[y * self.width + x]) as f32)
    }
}

/// The plane continued by `margin` pixels on every side as if mirrors stood on its borders (`d c b a | a b c d | d c b a`).
///
/// For fields that have no surroundings: propagation and spectral derivatives treat a field as periodic, and the jump
/// between opposite borders would otherwise diffract into it. A margin of any size is possible, the mirrors face each
/// other.
pub fn mirror_pad(plane: &Plane, margin: usize) -> Plane {
    let (height, width) = (plane.height(), plane.width());
    Plane::from_fn(height + 2 * margin, width + 2 * margin, |y, x| {
        plane.at(mirrored(y as isize - margin as isize, height), mirrored(x as isize - margin as isize, width))
    })
}

/// The pixel inside `0..n` that position `i` shows with mirrors on both borders.
pub(super) fn mirrored(i: isize, n: usize) -> usize {
    let i = i.rem_euclid(2 * n as isize) as usize;
    i.min(2 * n - 1 - i)
}

pub(super) fn check_same_size(name: &str, plane: &Plane, other_name: &str, other: &Plane) -> Result<()> {
    if (plane.height(), plane.width()) == (other.height(), other.width()) {
        return Ok(());
    }
    Err(Error::shape(format!(
        "{name} is {} × {} and {other_name} {} × {}; both must have the same size",
        plane.height(),
        plane.width(),
        other.height(),
        other.width()
    )))
}

pub(super) fn check_finite(name: &str, plane: &Plane) -> Result<()> {
    match plane.values().iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::input(format!(
            "{name} holds {} at row {}, column {}; every value must be finite",
            plane.values()[i],
            i / plane.width(),
            i % plane.width()
        ))),
    }
}
