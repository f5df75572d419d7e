//! Resolution by image decorrelation analysis (Descloux, Grußmayer and Radenovic, Nature Methods 16, 2019).

use std::cmp::Ordering;

use rustfft::num_complex::Complex64;

use super::check_planes;
use crate::data::Plane;
use crate::fft2::{Fft2, frequencies};
use crate::{Error, Result};

/// Pixels over which a border fades into the mean.
const FADE: usize = 20;
/// Radii a curve is sampled at.
const RADII: usize = 50;
/// High-pass filters a pass, besides the strongest one.
const FILTERS: usize = 10;
/// The weakest high-pass.
const WEAKEST: f64 = 0.15;
/// How far a curve must fall behind its maximum for it to count.
const DROP: f64 = 5e-4;
/// The smallest correlation that a maximum may have.
const LEAST_AMPLITUDE: f64 = 0.05;
/// How far above the first pass's highest frequency the second one looks.
const REFINED: f64 = 0.4;

/// The highest frequency at which an image still correlates with its phases alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decorrelation {
    /// That frequency `k_c` as a fraction of Nyquist's.
    pub cutoff: f64,
    /// The period that belongs to it, `2 / k_c` pixels: the resolution.
    pub period: f64,
    /// The correlation there, from 0.05 to 1.
    pub amplitude: f64,
}

/// Resolution of a single image without a reference. For its spectrum `I` and radii `R` with Nyquist's frequency at 1,
/// ```text
/// d(r) = Σ_{R<r} |I| / √(Σ_{R<1} |I|² · #{R<r})
/// ```
/// is the correlation of `I` with its own phases `I/|I|` up to `r`: signal raises it, noise lowers it. `k_c` is the highest
/// frequency of a maximum of `d` over a set of high-passed copies `I (1 − exp(−2 g² R²))`, in a first pass over `g` from
/// `2/k₀` (`k₀`: the maximum without a filter) to 0.15 and a second one around the best `g` and `R`.
/// `None` if no curve has a maximum of at least 0.05: noise alone, or nothing at all.
///
/// An image of points or texture filtered by a circular optical transfer function gives 0.85 to 0.94 of its cut-off with
/// white noise of up to 1 % of its largest value; with 3 % single results reach 0.99. It is less where the object itself has
/// little at high frequencies (about 0.75 for sharp discs) or where noise covers them. An even side loses its last row or
/// column. The mean is taken off, which changes nothing in the high-passed copies and makes the rest independent of a
/// constant.
///
/// # Errors
/// [`Error::Shape`] if a side is below 41 pixels, of which 20 fade at either end; [`Error::Input`] if a value is not finite.
pub fn decorrelation(image: &Plane) -> Result<Option<Decorrelation>> {
    check_planes(image, image)?;
    let least = 2 * FADE + 1;
    if image.height() < least || image.width() < least {
        return Err(Error::shape(format!(
            "decorrelation analysis needs sides of at least {least} pixels; the image is {} × {}",
            image.height(),
            image.width()
        )));
    }
    let spectrum = Spectrum::of(image);
    let radii = evenly(0.0, 1.0);
    let unfiltered = spectrum.maximum(&radii, None);
    let strongest = unfiltered.map_or(spectrum.side / 2.0, |m| 2.0 / m.radius);
    let filters: Vec<f64> =
        std::iter::once(spectrum.side / 4.0).chain(logarithmically(strongest, WEAKEST, FILTERS)).collect();
    let first: Vec<_> = filters.iter().map(|&g| spectrum.maximum(&radii, Some(g))).collect();

    let highest = first.iter().chain([&unfiltered]).flatten().map(|m| m.radius).fold(0.0, f64::max);
    if highest == 0.0 {
        return Ok(None);
    }
    let window = evenly((highest - radii[1]).max(0.0), (highest + REFINED).min(1.0));
    // The weakest of the filters that reach the highest frequency, between its neighbours; a filter stronger than all if
    // only the unfiltered image does.
    let (from, to) = match first.iter().rposition(|m| m.is_some_and(|m| m.radius == highest)) {
        Some(best) => (filters[best.saturating_sub(1)], filters[(best + 1).min(FILTERS)]),
        None => (spectrum.side, filters[0]),
    };
    let second = logarithmically(from, to, FILTERS).map(|g| spectrum.maximum(&window, Some(g)));

    let maxima = first.into_iter().chain(second).chain([unfiltered]).flatten();
    let best = maxima.filter(|m| m.amplitude >= LEAST_AMPLITUDE).max_by(Maximum::compare);
    Ok(best.map(|m| Decorrelation { cutoff: m.radius, period: 2.0 / m.radius, amplitude: m.amplitude }))
}

/// A maximum of a curve.
#[derive(Debug, Clone, Copy)]
struct Maximum {
    radius: f64,
    amplitude: f64,
}

impl Maximum {
    /// By frequency; of several at one frequency the one that stands out most.
    fn compare(&self, other: &Self) -> Ordering {
        self.radius.total_cmp(&other.radius).then(self.amplitude.total_cmp(&other.amplitude))
    }
}

/// What a curve needs of a spectrum: radius and magnitude of every frequency below Nyquist's, by rising radius.
struct Spectrum {
    frequencies: Vec<(f64, f64)>,
    /// The longer side of the image in pixels.
    side: f64,
}

impl Spectrum {
    fn of(image: &Plane) -> Self {
        let (height, width) = (odd(image.height()), odd(image.width()));
        let mut field = faded(image, height, width);
        Fft2::new(height, width).forward(&mut field);
        // Half a pixel's spacing puts Nyquist's frequency at 1.
        let (fy, fx) = (frequencies(height, 0.5), frequencies(width, 0.5));
        let radius = |i: usize| fy[i / width].hypot(fx[i % width]);
        // A frequency that the image does not have, above all its mean, has no phase and takes no part.
        let mut frequencies: Vec<(f64, f64)> =
            field.iter().enumerate().skip(1).map(|(i, v)| (radius(i), v.norm())).collect();
        frequencies.retain(|&(radius, magnitude)| radius < 1.0 && magnitude > 0.0);
        frequencies.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { frequencies, side: height.max(width) as f64 }
    }

    /// The maximum of `d` at these rising radii after the high-pass `g`, if there is one.
    fn maximum(&self, radii: &[f64], g: Option<f64>) -> Option<Maximum> {
        let curve = self.curve(radii, g);
        let place = maximum(&curve)?;
        Some(Maximum { radius: radii[place], amplitude: curve[place] })
    }

    /// `d` at these rising radii.
    fn curve(&self, radii: &[f64], g: Option<f64>) -> Vec<f64> {
        let (mut sum, mut energy, mut count) = (0.0, 0.0, 0usize);
        let mut below = Vec::with_capacity(radii.len());
        for &(radius, magnitude) in &self.frequencies {
            while below.len() < radii.len() && radii[below.len()] <= radius {
                below.push((sum, count));
            }
            let filtered = magnitude * g.map_or(1.0, |g| -(-2.0 * (g * radius).powi(2)).exp_m1());
            (sum, energy, count) = (sum + filtered, energy + filtered * filtered, count + 1);
        }
        below.resize(radii.len(), (sum, count));
        below.into_iter().map(|(sum, n)| if n == 0 { 0.0 } else { sum / (energy * n as f64).sqrt() }).collect()
    }
}

/// Where a curve has its maximum: the largest value that is neither first nor last and from which the curve falls by
/// [`DROP`]. Points are taken off the end until there is one.
fn maximum(curve: &[f64]) -> Option<usize> {
    let mut curve = curve;
    loop {
        let (last, rest) = curve.split_last()?;
        // Of equal values the first; `max_by` would take the last.
        let place = (0..curve.len()).rev().max_by(|&i, &j| curve[i].total_cmp(&curve[j]))?;
        if place == 0 {
            return None;
        }
        let lowest = curve[place..].iter().fold(*last, |low, v| low.min(*v));
        if place + 1 < curve.len() && curve[place] - lowest >= DROP {
            return Some(place);
        }
        curve = rest;
    }
}

fn odd(side: usize) -> usize {
    side - (side + 1) % 2
}

/// The image with its mean taken off and its borders faded to zero by a raised cosine.
fn faded(image: &Plane, height: usize, width: usize) -> Vec<Complex64> {
    let pixels = (height * width) as f64;
    let at = |i: usize| f64::from(image.at(i / width, i % width));
    let mean = (0..height * width).map(at).sum::<f64>() / pixels;
    let weight = |i: usize, side: usize| match i.min(side - 1 - i) {
        near if near < FADE => (std::f64::consts::FRAC_PI_2 * near as f64 / FADE as f64).sin().powi(2),
        _ => 1.0,
    };
    let value = |i| (at(i) - mean) * weight(i / width, height) * weight(i % width, width);
    (0..height * width).map(|i| Complex64::new(value(i), 0.0)).collect()
}

/// [`RADII`] numbers from `low` to `high`.
fn evenly(low: f64, high: f64) -> Vec<f64> {
    (0..RADII).map(|i| low + (high - low) * i as f64 / (RADII - 1) as f64).collect()
}

/// `count` numbers from `from` to `to`, each the same multiple of the one before.
fn logarithmically(from: f64, to: f64, count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| from * (to / from).powf(i as f64 / (count - 1) as f64))
}
