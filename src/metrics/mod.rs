//! Image metrics, one file each.
//!
//! Every metric takes the reconstruction first and the truth second, computes in double precision, and refuses planes
//! of different sizes or with values that are not finite.

mod calibration;
mod mae;
mod ms_ssim;
mod psnr;
mod ssim;

pub use calibration::{coverage, error_rank_correlation, rank_correlation};
pub use mae::{mae, mae_aligned};
pub use ms_ssim::{MS_SSIM_EXPONENTS, MsSsim, ms_ssim};
pub use psnr::psnr;
pub use ssim::ssim;

use crate::data::Plane;
use crate::{Error, Result};

/// Refuses planes of different sizes, or with values that are not finite.
fn check_planes(a: &Plane, b: &Plane) -> Result<()> {
    if (a.height(), a.width()) != (b.height(), b.width()) {
        return Err(Error::shape(format!(
            "a metric compares planes of the same size; given were {} × {} and {} × {}",
            a.height(),
            a.width(),
            b.height(),
            b.width()
        )));
    }
    match a.values().iter().chain(b.values()).find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(v) => Err(Error::input(format!("a plane to be compared holds {v}; every value must be finite"))),
    }
}

/// Refuses a data range that is not a positive, finite number.
fn check_range(range: f64) -> Result<()> {
    if range.is_finite() && range > 0.0 {
        return Ok(());
    }
    Err(Error::input(format!("the data range is {range}; it must be positive and finite")))
}

/// `a − b`, pixel by pixel.
fn differences<'a>(a: &'a Plane, b: &'a Plane) -> impl Iterator<Item = f64> + 'a {
    a.values().iter().zip(b.values()).map(|(&a, &b)| f64::from(a) - f64::from(b))
}
