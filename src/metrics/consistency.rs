//! Whether a reconstruction explains what was measured.

use super::psnr::from_mse;
use super::{check_planes, check_range, differences};
use crate::data::Plane;
use crate::{Error, Result};

/// [`psnr`](super::psnr()) between `A(ŷ)` and the measurement `x`: how well the reconstruction `ŷ`, put through the
/// forward operator `A` again, repeats its measurement. `x` may have several channels; their squared errors are averaged
/// before the logarithm. `range` is that of the measurement. It needs no truth, and it says nothing about what `A` loses.
///
/// # Errors
/// Those of `forward`, [`Error::Shape`] if it returns other channels than were measured, [`Error::Input`] if a value is
/// not finite or the range not positive.
pub fn consistency(
    reconstruction: &Plane,
    measured: &[Plane],
    range: f64,
    forward: impl FnOnce(&Plane) -> Result<Vec<Plane>>,
) -> Result<f64> {
    check_range(range)?;
    let repeated = forward(reconstruction)?;
    if repeated.len() != measured.len() || measured.is_empty() {
        return Err(Error::shape(format!(
            "the forward operator returned {} channels and {} were measured; they must be as many, and at least one",
            repeated.len(),
            measured.len()
        )));
    }
    repeated.iter().zip(measured).try_for_each(|(a, b)| check_planes(a, b))?;
    let squares = |(a, b)| differences(a, b).map(|d| d * d).sum::<f64>();
    let sum: f64 = repeated.iter().zip(measured).map(squares).sum();
    let n: usize = measured.iter().map(|p| p.values().len()).sum();
    Ok(from_mse(sum / n as f64, range))
}
