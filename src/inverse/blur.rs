//! Gaussian blur.

use super::field::mirrored;
use crate::data::Plane;
use crate::{Error, Result};

/// The plane convolved with a Gaussian of standard deviation `sigma` pixels, cut at 4 σ, mirrors on the borders.
/// Separable: rows, then columns. σ = 0 returns the plane as it is.
///
/// # Errors
/// [`Error::Input`] unless σ is finite and not negative.
pub fn gaussian_blur(plane: &Plane, sigma: f32) -> Result<Plane> {
    if !(sigma.is_finite() && sigma >= 0.0) {
        return Err(Error::input(format!("the blur's σ is {sigma} pixels; it must be finite and not negative")));
    }
    if sigma == 0.0 {
        return Ok(plane.clone());
    }
    let kernel = gaussian_kernel(sigma);
    let (height, width) = (plane.height(), plane.width());
    let reach = (kernel.len() / 2) as isize;
    // A row with its mirrored surroundings, so that the inner loop needs no border test.
    let convolve = |line: &dyn Fn(usize) -> f32, n: usize| -> Vec<f32> {
        let padded: Vec<f32> = (-reach..n as isize + reach).map(|i| line(mirrored(i, n))).collect();
        padded.windows(kernel.len()).map(|w| w.iter().zip(&kernel).map(|(v, k)| v * k).sum()).collect()
    };
    let rows: Vec<Vec<f32>> = (0..height).map(|y| convolve(&|x| plane.at(y, x), width)).collect();
    let columns: Vec<Vec<f32>> = (0..width).map(|x| convolve(&|y| rows[y][x], height)).collect();
    Ok(Plane::from_fn(height, width, |y, x| columns[x][y]))
}

/// Samples of a Gaussian at −r..=r, r = ⌈4σ⌉, with sum 1.
fn gaussian_kernel(sigma: f32) -> Vec<f32> {
    let sigma = f64::from(sigma);
    let reach = (4.0 * sigma).ceil() as i64;
    let values: Vec<f64> = (-reach..=reach).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = values.iter().sum();
    values.into_iter().map(|v| (v / sum) as f32).collect()
}
