//! Whether a predicted uncertainty can be believed.

use super::rank::spearman;
use super::{check_planes, differences};
use crate::data::Plane;
use crate::{Error, Result};

/// What was predicted for one image, how sure the prediction was, and what is true; of one size, every value finite, no
/// standard deviation negative.
#[derive(Debug, Clone, Copy)]
pub struct Prediction<'a> {
    mean: &'a Plane,
    std: &'a Plane,
    truth: &'a Plane,
}

impl<'a> Prediction<'a> {
    /// A prediction `mean ± std` of `truth`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes differ, [`Error::Input`] if a value is not finite or a standard deviation negative.
    pub fn new(mean: &'a Plane, std: &'a Plane, truth: &'a Plane) -> Result<Self> {
        check_planes(mean, truth)?;
        check_planes(std, mean)?;
        match std.values().iter().find(|s| **s < 0.0) {
            None => Ok(Self { mean, std, truth }),
            Some(s) => Err(Error::input(format!("a standard deviation is {s}; none may be negative"))),
        }
    }

    /// How many pixels' truth lies within `mean ± k·std`, ends included.
    pub(super) fn within(&self, k: f64) -> usize {
        self.std_and_error().filter(|(s, e)| *e <= k * s).count()
    }

    pub(super) fn pixels(&self) -> usize {
        self.mean.values().len()
    }

    /// The standard deviation and the error `|mean − truth|` of every pixel.
    pub(super) fn std_and_error(&self) -> impl Iterator<Item = (f64, f64)> {
        let std = self.std.values().iter().map(|&s| f64::from(s));
        std.zip(differences(self.mean, self.truth).map(f64::abs))
    }
}

/// The fraction of pixels whose truth lies within `mean ± k·std`. For a calibrated Gaussian prediction: 0.683 at k = 1,
/// 0.954 at k = 2.
///
/// # Errors
/// Those of [`Prediction::new`], and [`Error::Input`] if `k` is not positive.
pub fn coverage(mean: &Plane, std: &Plane, truth: &Plane, k: f64) -> Result<f64> {
    let prediction = Prediction::new(mean, std, truth)?;
    if !(k.is_finite() && k > 0.0) {
        return Err(Error::input(format!(
            "an interval of {k} standard deviations; the number must be positive and finite"
        )));
    }
    Ok(prediction.within(k) as f64 / prediction.pixels() as f64)
}

/// Spearman's rank correlation of the predicted standard deviation with the error made, `|mean − truth|`: 1 if the
/// prediction orders the pixels by error. `None` if either is the same everywhere.
///
/// # Errors
/// Those of [`Prediction::new`].
pub fn error_rank_correlation(mean: &Plane, std: &Plane, truth: &Plane) -> Result<Option<f64>> {
    let (std, errors): (Vec<_>, Vec<_>) = Prediction::new(mean, std, truth)?.std_and_error().unzip();
    Ok(spearman(&std, &errors))
}

/// How the predicted standard deviations of several images order the errors made.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorRankCorrelation {
    /// [`error_rank_correlation`] of each image: does it point at the pixels that are wrong?
    pub within: Vec<Option<f64>>,
    /// The same over all pixels of all images at once: this also asks whether it points at the images that are wrong.
    pub pooled: Option<f64>,
}

/// Spearman's rank correlation of standard deviation and error within each image and over all pixels of all of them.
/// Images may differ in size; in the pooled value each counts by its pixels.
///
/// # Errors
/// [`Error::Input`] if there is no image.
pub fn error_rank_correlations(predictions: &[Prediction<'_>]) -> Result<ErrorRankCorrelation> {
    check_some(predictions)?;
    let correlation = |pixels: &mut dyn Iterator<Item = (f64, f64)>| {
        let (std, errors): (Vec<_>, Vec<_>) = pixels.unzip();
        spearman(&std, &errors)
    };
    Ok(ErrorRankCorrelation {
        within: predictions.iter().map(|p| correlation(&mut p.std_and_error())).collect(),
        pooled: correlation(&mut predictions.iter().flat_map(Prediction::std_and_error)),
    })
}

/// Pixels of about the same predicted standard deviation, and how wrong they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StdBin {
    /// The root mean square of their standard deviations.
    pub std: f64,
    /// The root mean square of their errors. It equals `std` where the prediction is calibrated, whatever its law.
    pub error: f64,
    /// How many they are.
    pub pixels: usize,
}

/// The pixels of all images in `bins` groups of rising standard deviation, as equal in number as can be (Levi et al.,
/// 2022). Pixels of equal standard deviation come in the order of the images.
///
/// # Errors
/// [`Error::Input`] if there is no image, no bin, or more bins than pixels.
pub fn error_by_std(predictions: &[Prediction<'_>], bins: usize) -> Result<Vec<StdBin>> {
    check_some(predictions)?;
    let mut pixels: Vec<(f64, f64)> = predictions.iter().flat_map(Prediction::std_and_error).collect();
    let n = pixels.len();
    if bins == 0 || bins > n {
        return Err(Error::input(format!("{bins} bins of {n} pixels; there must be at least one pixel in each")));
    }
    pixels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let group = |i: usize| &pixels[i * n / bins..(i + 1) * n / bins];
    let rms = |values: &mut dyn Iterator<Item = f64>, n: usize| (values.map(|v| v * v).sum::<f64>() / n as f64).sqrt();
    let bin = |pixels: &[(f64, f64)]| StdBin {
        std: rms(&mut pixels.iter().map(|p| p.0), pixels.len()),
        error: rms(&mut pixels.iter().map(|p| p.1), pixels.len()),
        pixels: pixels.len(),
    };
    Ok((0..bins).map(|i| bin(group(i))).collect())
}

pub(super) fn check_some(predictions: &[Prediction<'_>]) -> Result<()> {
    if predictions.is_empty() {
        return Err(Error::input("calibration was asked of no image; give at least one prediction"));
    }
    Ok(())
}
