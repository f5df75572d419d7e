//! Mean absolute error.

use super::{check_planes, check_range, differences};
use crate::Result;
use crate::data::Plane;

/// `mean |a − b| / range`: the mean absolute error as a fraction of the data range (3.5 for a phase in rad).
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the sizes differ, [`Error::Input`](crate::Error::Input) if a value is not
/// finite or the range not positive.
pub fn mae(a: &Plane, b: &Plane, range: f64) -> Result<f64> {
    mae_around(a, b, range, 0.0)
}

/// [`mae`] after the difference of the two means is removed: for quantities known up to a constant, like a phase.
///
/// # Errors
/// Those of [`mae`].
pub fn mae_aligned(a: &Plane, b: &Plane, range: f64) -> Result<f64> {
    check_planes(a, b)?;
    let offset = differences(a, b).sum::<f64>() / a.values().len() as f64;
    mae_around(a, b, range, offset)
}

fn mae_around(a: &Plane, b: &Plane, range: f64, offset: f64) -> Result<f64> {
    check_planes(a, b)?;
    check_range(range)?;
    let sum: f64 = differences(a, b).map(|d| (d - offset).abs()).sum();
    Ok(sum / a.values().len() as f64 / range)
}
