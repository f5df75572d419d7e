//! Phase from two defocused images by the transport of intensity equation: the classical baseline.
//!
//! `−k ∂I/∂z = ∇·(I ∇φ)` is solved in the Fourier domain, once ([`tie_single`]) or with the iterative correction for
//! uneven intensity that needs no parameter, US-TIE ([`us_tie`]; Zhang et al., "On a universal solution to the
//! transport-of-intensity equation", 2020).

use rustfft::num_complex::Complex64;

use super::field::mirrored;
use super::fresnel::{DefocusPair, FresnelSetup};
use crate::data::Plane;
use crate::fft2::{Fft2, frequencies};
use crate::{Error, Result};

/// How an image goes on beyond its borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boundary {
    /// Periodically: right for images simulated on a periodic grid, and four times faster.
    #[default]
    Periodic,
    /// As if mirrors stood on the borders: no phase gradient across them, whatever lies on opposite borders. For objects
    /// with flat surroundings that differ from side to side. The longest wave is twice as long as with
    /// [`Boundary::Periodic`], and noise on it is amplified four times more; and where the phase does slope across a
    /// border, as in a photograph, the result is worse than the periodic one.
    Mirror,
}

/// How [`us_tie`] solves, and when it stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UsTieOptions {
    /// `r` in `L/(L² + r/px⁴)`, without unit: damps the low frequencies, where noise is amplified most.
    pub regularisation: f64,
    /// Most iterations done.
    pub max_iterations: usize,
    /// Solved once `max|D|` has fallen to this fraction of its measured value.
    pub tolerance: f64,
    /// Given up once `max|D|` grows by more than this fraction in one iteration.
    pub max_growth: f64,
    /// What lies beyond the borders.
    pub boundary: Boundary,
}

impl UsTieOptions {
    /// For simulated images: `r` is the machine epsilon, that is, no damping except at frequency zero.
    pub fn simulated() -> Self {
        Self {
            regularisation: f64::EPSILON,
            max_iterations: 100,
            tolerance: 1e-3,
            max_growth: 0.05,
            boundary: Boundary::Periodic,
        }
    }

    /// For measured images: `r = 5e-9`.
    pub fn measured() -> Self {
        Self { regularisation: 5e-9, ..Self::simulated() }
    }
}

/// Why [`us_tie`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The equation holds to within the tolerance.
    Converged,
    /// The residual began to grow.
    Diverged,
    /// The iteration limit was reached.
    IterationLimit,
}

/// What [`us_tie`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct UsTieResult {
    /// The phase in rad, of zero mean (a constant phase leaves no trace in an image).
    pub phase: Plane,
    /// Iterations done.
    pub iterations: usize,
    /// Why it stopped.
    pub stop: StopReason,
    /// `max|D|` at the end as a fraction of its measured value.
    pub residual: f64,
}

/// The phase by US-TIE. With `D = (I_d − I_−d)/2d`, `I0 = (I_d + I_−d)/2`, `L = −4π²(fx² + fy²)` and `φ = 0`, repeat
/// `δ = Re F⁻¹{F(−k D/max I0) · L/(L² + r/px⁴)}`, `D ← D + ∇·(I0 ∇δ)/k`, `φ ← φ + δ`.
///
/// The derivatives are spectral. No phase can explain the mean of `D`, nor what lies on the Nyquist lines of an even
/// side (waves without direction have no real first derivative): both are left out of `D` from the start, or its
/// maximum could never fall.
///
/// # Errors
/// [`Error::Input`] if no pixel of `I0` is positive, or an option lies outside its domain.
pub fn us_tie(pair: &DefocusPair, setup: &FresnelSetup, options: &UsTieOptions) -> Result<UsTieResult> {
    let in_domain = |v: f64| v.is_finite() && v >= 0.0;
    if !in_domain(options.tolerance) || !in_domain(options.max_growth) {
        return Err(Error::input(format!(
            "tolerance {} and largest growth {} must be finite and not negative",
            options.tolerance, options.max_growth
        )));
    }
    let mut tie = Tie::new(pair, setup, options.regularisation, options.boundary)?;
    let measured = tie.residual();
    let (mut residual, mut iterations) = (measured, 0);
    let stop = loop {
        if residual <= options.tolerance * measured {
            break StopReason::Converged;
        }
        if iterations == options.max_iterations {
            break StopReason::IterationLimit;
        }
        tie.step();
        iterations += 1;
        let before = residual;
        residual = tie.residual();
        if residual.is_nan() || residual > before * (1.0 + options.max_growth) {
            break StopReason::Diverged;
        }
    };
    let residual = if measured > 0.0 { residual / measured } else { 0.0 };
    Ok(UsTieResult { phase: tie.phase(), iterations, stop, residual })
}

/// The phase in rad, of zero mean, by one Tikhonov-regularised inversion that takes the intensity in focus as constant, namely
/// its mean. One pair of transforms. (The first iteration of [`us_tie`] is the same divided by the largest intensity, which
/// its convergence needs, and which makes it too small as an answer of its own.)
///
/// # Errors
/// Those of [`us_tie`]; [`Error::Input`] too if the mean intensity is not positive.
pub fn tie_single(pair: &DefocusPair, setup: &FresnelSetup, regularisation: f64, boundary: Boundary) -> Result<Plane> {
    let mut tie = Tie::new(pair, setup, regularisation, boundary)?;
    tie.divisor = tie.intensity.iter().sum::<f64>() / tie.intensity.len() as f64;
    if tie.divisor <= 0.0 {
        return Err(Error::input(format!(
            "the two images' mean intensity is {}; intensities without offset are needed",
            tie.divisor
        )));
    }
    tie.solve();
    Ok(tie.phase())
}

/// The state of the iteration, on the grid of the image or, with mirrors, on one of twice its sides.
struct Tie {
    width: usize,
    image: (usize, usize),
    fft: Fft2,
    /// `2π(fx + i fy)`, 0 on the Nyquist lines. As `i` times it, this is the transform of `∂x + i∂y`: one complex field carries
    /// both components of a gradient, and the real part of `(∂x − i∂y)(Jx + iJy)` is the divergence of `J`.
    gradient: Vec<Complex64>,
    /// `L/(L² + r/px⁴)`.
    inverse_laplacian: Vec<f64>,
    wave_number: f64,
    intensity: Vec<f64>,
    /// What `D` is divided by: the largest intensity in focus, as the iteration's convergence needs.
    divisor: f64,
    /// `D`.
    derivative: Vec<f64>,
    /// Transform of the last `δ`, then work space.
    work: Vec<Complex64>,
    /// Transform of `φ`: transforming the sum once is cheaper than every summand.
    phase: Vec<Complex64>,
}

impl Tie {
    fn new(pair: &DefocusPair, setup: &FresnelSetup, regularisation: f64, boundary: Boundary) -> Result<Self> {
        if !(regularisation.is_finite() && regularisation > 0.0) {
            return Err(Error::input(format!(
                "the regularisation is {regularisation}; it must be positive (2.2e-16 for simulated images, 5e-9 for measured ones)"
            )));
        }
        let image = (pair.height(), pair.width());
        let (height, width) = match boundary {
            Boundary::Periodic => image,
            Boundary::Mirror => (2 * image.0, 2 * image.1),
        };
        let at = |plane: &Plane, i: usize| {
            let (y, x) = ((i / width) as isize, (i % width) as isize);
            f64::from(plane.at(mirrored(y, image.0), mirrored(x, image.1)))
        };
        let both = |i: usize| (at(pair.plus(), i), at(pair.minus(), i));
        let intensity: Vec<f64> = (0..height * width).map(&both).map(|(p, m)| (p + m) / 2.0).collect();
        let max_intensity = intensity.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if max_intensity <= 0.0 {
            return Err(Error::input(
                "no pixel of the two images' mean is positive; intensities without offset are needed",
            ));
        }
        let gradient = gradient_operator(height, width, setup.pixel_um());
        let damping = regularisation / setup.pixel_um().powi(4);
        let inverse_laplacian = gradient.iter().map(|g| -g.norm_sqr()).map(|l| l / (l * l + damping)).collect();

        let mut fft = Fft2::new(height, width);
        let double_distance = 2.0 * setup.defocus_um();
        let mut work: Vec<Complex64> =
            (0..height * width).map(both).map(|(p, m)| ((p - m) / double_distance).into()).collect();
        fft.forward(&mut work);
        work.iter_mut().zip(&gradient).filter(|(_, g)| **g == Complex64::ZERO).for_each(|(d, _)| *d = Complex64::ZERO);
        fft.inverse(&mut work);
        let derivative = work.iter().map(|d| d.re).collect();
        Ok(Self {
            width,
            image,
            fft,
            gradient,
            inverse_laplacian,
            wave_number: setup.wave_number(),
            intensity,
            divisor: max_intensity,
            derivative,
            work,
            phase: vec![Complex64::ZERO; height * width],
        })
    }

    /// `max|D|`; not a number if any `D` is none.
    fn residual(&self) -> f64 {
        self.derivative.iter().fold(0.0, |max: f64, d| if d.is_nan() { f64::NAN } else { max.max(d.abs()) })
    }

    /// Adds the `δ` that explains `D` to `φ`, and leaves its transform in `work`.
    fn solve(&mut self) {
        let scale = -self.wave_number / self.divisor;
        self.work.iter_mut().zip(&self.derivative).for_each(|(w, &d)| *w = (scale * d).into());
        self.fft.forward(&mut self.work);
        for ((delta, phase), l) in self.work.iter_mut().zip(&mut self.phase).zip(&self.inverse_laplacian) {
            *delta *= l;
            *phase += *delta;
        }
    }

    /// One iteration: `δ` from `D`, and what `δ` leaves unexplained as the new `D`.
    fn step(&mut self) {
        self.solve();
        self.work.iter_mut().zip(&self.gradient).for_each(|(w, g)| *w *= Complex64::I * g);
        self.fft.inverse(&mut self.work);
        self.work.iter_mut().zip(&self.intensity).for_each(|(w, &i)| *w *= i);
        self.fft.forward(&mut self.work);
        self.work.iter_mut().zip(&self.gradient).for_each(|(w, g)| *w *= Complex64::I * g.conj());
        self.fft.inverse(&mut self.work);
        let k = self.wave_number;
        self.derivative.iter_mut().zip(&self.work).for_each(|(d, w)| *d += w.re / k);
    }

    /// `φ` on the image's own grid, its mean removed.
    fn phase(mut self) -> Plane {
        self.fft.inverse(&mut self.phase);
        let (height, width) = self.image;
        let at = |y: usize, x: usize| self.phase[y * self.width + x].re;
        let mean = (0..height * width).map(|i| at(i / width, i % width)).sum::<f64>() / (height * width) as f64;
        Plane::from_fn(height, width, |y, x| (at(y, x) - mean) as f32)
    }
}

/// `2π(fx + i fy)` on a grid of the given pixel size, 0 on the Nyquist lines of even sides.
fn gradient_operator(height: usize, width: usize, pixel_um: f64) -> Vec<Complex64> {
    let (down, across) = (frequencies(height, pixel_um), frequencies(width, pixel_um));
    let is_nyquist = |i: usize, n: usize| n.is_multiple_of(2) && i == n / 2;
    let value = |y: usize, x: usize| {
        if is_nyquist(y, height) || is_nyquist(x, width) {
            return Complex64::ZERO;
        }
        Complex64::new(across[x], down[y]) * std::f64::consts::TAU
    };
    (0..height * width).map(|i| value(i / width, i % width)).collect()
}
