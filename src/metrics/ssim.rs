//! Structural similarity (Wang et al., 2004).

use super::{check_planes, check_range};
use crate::data::Plane;
use crate::{Error, Result};

/// Side of the Gaussian window in pixels.
pub(super) const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const K1: f64 = 0.01;
const K2: f64 = 0.03;

/// The mean of
/// `(2 μa μb + c1)(2 σab + c2) / ((μa² + μb² + c1)(σa² + σb² + c2))`, `c1 = (0.01 range)²`, `c2 = (0.03 range)²`,
/// with moments weighted by an 11 × 11 Gaussian of σ = 1.5, over all windows that lie inside the image. It is 1 for
/// equal planes.
///
/// Borders: no image is continued, so that the outer 5 pixels are no window's centre. pytorch-msssim does the same;
/// scikit-image mirrors the image and then leaves the same 5 pixels out of the mean. scikit-image gives this value with
/// `gaussian_weights=True, sigma=1.5, use_sample_covariance=False` and the `data_range` alone; by default its window is a
/// uniform 7 × 7 and its variances divide by one less than the window's pixels.
///
/// # Errors
/// [`Error::Shape`] if the sizes differ or a side is below 11, [`Error::Input`] if a value is not finite or the range
/// not positive.
pub fn ssim(a: &Plane, b: &Plane, range: f64) -> Result<f64> {
    check_planes(a, b)?;
    check_range(range)?;
    Ok(similarity(&Grid::from(a), &Grid::from(b), range)?.ssim)
}

/// One scale's means over all windows.
pub(super) struct Similarity {
    /// The full product.
    pub(super) ssim: f64,
    /// Its second factor alone, contrast and structure.
    pub(super) contrast_structure: f64,
}

/// A plane in double precision.
pub(super) struct Grid {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) values: Vec<f64>,
}

impl From<&Plane> for Grid {
    fn from(plane: &Plane) -> Self {
        let values = plane.values().iter().map(|&v| f64::from(v)).collect();
        Self { height: plane.height(), width: plane.width(), values }
    }
}

pub(super) fn similarity(a: &Grid, b: &Grid, range: f64) -> Result<Similarity> {
    if a.height < WINDOW || a.width < WINDOW {
        return Err(Error::shape(format!(
            "structural similarity needs sides of at least {WINDOW} pixels; the planes are {} × {}",
            a.height, a.width
        )));
    }
    let kernel = gaussian_window();
    let moment = |f: &dyn Fn(f64, f64) -> f64| {
        let product = a.values.iter().zip(&b.values).map(|(&a, &b)| f(a, b)).collect();
        weighted_means(&Grid { height: a.height, width: a.width, values: product }, &kernel)
    };
    let (mean_a, mean_b) = (moment(&|a, _| a), moment(&|_, b| b));
    let (square_a, square_b, product) = (moment(&|a, _| a * a), moment(&|_, b| b * b), moment(&|a, b| a * b));
    let (c1, c2) = ((K1 * range).powi(2), (K2 * range).powi(2));
    let (mut ssim, mut contrast_structure) = (0.0, 0.0);
    for i in 0..mean_a.len() {
        let (ma, mb) = (mean_a[i], mean_b[i]);
        let (var_a, var_b, covariance) = (square_a[i] - ma * ma, square_b[i] - mb * mb, product[i] - ma * mb);
        let cs = (2.0 * covariance + c2) / (var_a + var_b + c2);
        contrast_structure += cs;
        ssim += cs * (2.0 * ma * mb + c1) / (ma * ma + mb * mb + c1);
    }
    let n = mean_a.len() as f64;
    Ok(Similarity { ssim: ssim / n, contrast_structure: contrast_structure / n })
}

/// One side of the separable window, sum 1.
fn gaussian_window() -> [f64; WINDOW] {
    let value = |i: usize| (-0.5 * ((i as f64 - (WINDOW / 2) as f64) / SIGMA).powi(2)).exp();
    let sum: f64 = (0..WINDOW).map(value).sum();
    std::array::from_fn(|i| value(i) / sum)
}

/// The weighted mean in every window that lies inside the grid, row by row.
fn weighted_means(grid: &Grid, kernel: &[f64; WINDOW]) -> Vec<f64> {
    let width = grid.width - WINDOW + 1;
    let rows: Vec<f64> = grid
        .values
        .chunks_exact(grid.width)
        .flat_map(|row| row.windows(WINDOW).map(|w| w.iter().zip(kernel).map(|(v, k)| v * k).sum()))
        .collect();
    let below = |y: usize, x: usize| kernel.iter().enumerate().map(|(i, k)| k * rows[(y + i) * width + x]).sum();
    (0..(grid.height - WINDOW + 1) * width).map(|i| below(i / width, i % width)).collect()
}
