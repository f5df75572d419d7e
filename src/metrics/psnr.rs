//! Peak signal-to-noise ratio.

use super::{check_planes, check_range, differences};
use crate::Result;
use crate::data::Plane;

/// `10 log10(range² / mean (a − b)²)` in dB; infinite for equal planes.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the sizes differ, [`Error::Input`](crate::Error::Input) if a value is not
/// finite or the range not positive.
pub fn psnr(a: &Plane, b: &Plane, range: f64) -> Result<f64> {
    check_planes(a, b)?;
    check_range(range)?;
    Ok(from_mse(differences(a, b).map(|d| d * d).sum::<f64>() / a.values().len() as f64, range))
}

/// The ratio in dB at a mean squared error.
pub(super) fn from_mse(mse: f64, range: f64) -> f64 {
    10.0 * (range * range / mse).log10()
}
