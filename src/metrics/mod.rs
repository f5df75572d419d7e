//! Image metrics, one file each; what several images' values say together.
//!
//! | asked | answered by |
//! |---|---|
//! | how far from the truth | [`mae()`], [`psnr()`], [`ssim()`], [`ms_ssim()`] |
//! | how fine | [`decorrelation()`], which needs no truth |
//! | does it explain the measurement | [`consistency()`], which needs no truth either |
//! | how much samples differ | [`diversity()`] |
//! | is the uncertainty of the right size | [`normal_coverage`], [`sample_coverage`], [`error_by_std`] |
//! | how wide must an interval be | [`ErrorRatios`] |
//! | does it lie in the right place | [`error_rank_correlations`] |
//! | is one method better than another | [`wilcoxon_signed_rank`], [`paired_t_test`] |
//!
//! Every metric takes the reconstruction first and the truth second, computes in double precision, and refuses planes
//! of different sizes or with values that are not finite.

mod calibration;
mod conformal;
mod consistency;
mod decorrelation;
mod diversity;
mod interval;
mod mae;
mod ms_ssim;
mod psnr;
mod rank;
mod significance;
mod ssim;

pub use calibration::{
    ErrorRankCorrelation, Prediction, StdBin, coverage, error_by_std, error_rank_correlation, error_rank_correlations,
};
pub use conformal::{ErrorRatios, images_needed};
pub use consistency::consistency;
pub use decorrelation::{Decorrelation, decorrelation};
pub use diversity::diversity;
pub use interval::{NOMINAL_LEVELS, normal_coverage, normal_factor, sample_coverage};
pub use mae::{mae, mae_aligned};
pub use ms_ssim::{MS_SSIM_EXPONENTS, MsSsim, ms_ssim, ms_ssim_scales};
pub use psnr::psnr;
pub use rank::rank_correlation;
pub use significance::{PairedT, SignedRank, paired_t_test, wilcoxon_signed_rank};
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
