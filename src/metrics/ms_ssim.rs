//! Multi-scale structural similarity (Wang et al., 2003).

use super::ssim::{Grid, WINDOW, similarity};
use super::{check_planes, check_range};
use crate::Result;
use crate::data::Plane;

/// The exponents of the five scales, finest first, as published; rounded, they sum to 1.0001.
pub const MS_SSIM_EXPONENTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// A multi-scale similarity, and how many scales it was computed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MsSsim {
    /// The similarity in [0, 1].
    pub value: f64,
    /// 5, or fewer if the image was too small; values of different numbers of scales are not comparable.
    pub scales: usize,
}

/// The product over scales of contrast-structure (see [`ssim`](super::ssim())), on the coarsest scale of the full
/// similarity, each raised to its exponent; between scales 2 × 2 pixels are averaged (at odd sides, the image is first
/// continued by zeros). Negative means count as 0.
///
/// Borders and halving are pytorch-msssim's, and so is the limit of 160 pixels; the paper's code mirrors the image and
/// halves by a filter and every second pixel, which gives other digits.
///
/// Five scales need a shorter side of more than 160 pixels. On smaller images the coarsest scales are left out, as many
/// as needed for a shorter side of more than `10 · 2^(scales − 1)`, and the exponents of the others divided by their
/// sum. The result says how many scales were used.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the sizes differ or a side is below 11,
/// [`Error::Input`](crate::Error::Input) if a value is not finite or the range not positive.
pub fn ms_ssim(a: &Plane, b: &Plane, range: f64) -> Result<MsSsim> {
    check_planes(a, b)?;
    check_range(range)?;
    let scales = ms_ssim_scales(a.height().min(a.width()));
    let exponents = &MS_SSIM_EXPONENTS[..scales];
    // All five are used as published, or values would differ from everyone else's in the fifth digit.
    let total: f64 = if scales == MS_SSIM_EXPONENTS.len() { 1.0 } else { exponents.iter().sum() };
    let (mut a, mut b) = (Grid::from(a), Grid::from(b));
    let mut value = 1.0;
    for (scale, exponent) in exponents.iter().enumerate() {
        if scale > 0 {
            (a, b) = (halved(&a), halved(&b));
        }
        let one = similarity(&a, &b, range)?;
        let factor = if scale + 1 == scales { one.ssim } else { one.contrast_structure };
        value *= factor.max(0.0).powf(exponent / total);
    }
    Ok(MsSsim { value, scales })
}

/// How many scales [`ms_ssim`] uses of an image with this shorter side: at least 1, at most 5. Values of different numbers of scales
/// are not comparable.
pub fn ms_ssim_scales(side: usize) -> usize {
    (1..=MS_SSIM_EXPONENTS.len()).rev().find(|s| side > (WINDOW - 1) << (s - 1)).unwrap_or(1)
}

/// Means of 2 × 2 pixels. An odd side gets a zero before its first and after its last pixel, so that the pairs begin
/// outside; the zeros count in the mean.
fn halved(grid: &Grid) -> Grid {
    let (odd_y, odd_x) = (grid.height % 2, grid.width % 2);
    let at = |y: usize, x: usize| match (y.checked_sub(odd_y), x.checked_sub(odd_x)) {
        (Some(y), Some(x)) if y < grid.height && x < grid.width => grid.values[y * grid.width + x],
        _ => 0.0,
    };
    let (height, width) = (grid.height.div_ceil(2), grid.width.div_ceil(2));
    let mean = |y: usize, x: usize| (at(y, x) + at(y, x + 1) + at(y + 1, x) + at(y + 1, x + 1)) / 4.0;
    let values = (0..height * width).map(|i| mean(2 * (i / width), 2 * (i % width))).collect();
    Grid { height, width, values }
}
