//! How wide an interval must be, so that the pixels of a new image lie in it as often as it says.

use super::Prediction;
use super::calibration::check_some;
use super::interval::check_levels;
use crate::{Error, Result};

/// Images that an interval of a level needs, between 0 and 1: `level / (1 − level)`, 9 for 0.9.
pub fn images_needed(level: f64) -> usize {
    (level / (1.0 - level) - 1e-9).ceil() as usize
}

/// The errors of predictions in units of what was said about their size, image by image.
///
/// What counts as one image may have several predictions: windows of one photograph, channels of one picture.
#[derive(Debug, Clone)]
pub struct ErrorRatios {
    /// Of each image's pixels `|mean − truth|` over the prediction's `std`, rising. Infinite where that is zero and the error is not.
    images: Vec<Vec<f64>>,
    /// Zero and all of them, rising: where an interval may end.
    ends: Vec<f64>,
}

impl ErrorRatios {
    /// Of these images' predictions.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no image, or one without a prediction.
    pub fn new(images: &[Vec<Prediction<'_>>]) -> Result<Self> {
        images.iter().try_for_each(|predictions| check_some(predictions))?;
        check_some(images.first().map_or(&[], Vec::as_slice))?;
        let ratio = |(unit, error): (f64, f64)| if error == 0.0 { 0.0 } else { error / unit };
        let rising = |predictions: &Vec<Prediction<'_>>| {
            let mut ratios: Vec<f64> = predictions.iter().flat_map(Prediction::std_and_error).map(ratio).collect();
            ratios.sort_unstable_by(f64::total_cmp);
            ratios
        };
        let images: Vec<Vec<f64>> = images.iter().map(rising).collect();
        let mut ends: Vec<f64> = std::iter::once(0.0).chain(images.iter().flatten().copied()).collect();
        ends.sort_unstable_by(f64::total_cmp);
        Ok(Self { images, ends })
    }

    /// Images that there are.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// The mean share of an image's pixels whose truth lies within `mean ± k` units, ends included.
    pub fn coverage(&self, k: f64) -> f64 {
        self.images.iter().map(|image| covered(image, k)).sum::<f64>() / self.images() as f64
    }

    /// How many units an interval must reach to either side of the mean, so that at least a share `level` of a new image's pixels can be
    /// expected in it.
    ///
    /// Conformal risk control (Angelopoulos et al., 2022, equation 4), where the risk is the share of an image's pixels outside: the
    /// least factor `k` at which `(n R(k) + 1) / (n + 1) ≤ 1 − level`, `R(k)` being the mean risk of the `n` images. What is promised
    /// holds if the new image might as well have been one of these, whatever law the errors have.
    ///
    /// # Errors
    /// [`Error::Input`] if the level does not lie between 0 and 1, there are fewer than [`images_needed`], or more pixels than may lie
    /// outside have an error where the unit is zero.
    pub fn factor(&self, level: f64) -> Result<f64> {
        self.factor_without(level, None)
    }

    /// The mean share of an image's pixels that lie in its interval, if the factor comes from all other images: what to expect of one more.
    ///
    /// # Errors
    /// Those of [`ErrorRatios::factor`] with one image less.
    pub fn coverage_left_out(&self, level: f64) -> Result<f64> {
        let share = |(i, image): (usize, &Vec<f64>)| Ok(covered(image, self.factor_without(level, Some(i))?));
        Ok(self.images.iter().enumerate().map(share).sum::<Result<f64>>()? / self.images() as f64)
    }

    fn factor_without(&self, level: f64, left_out: Option<usize>) -> Result<f64> {
        check_levels(&[level])?;
        let others = || self.images.iter().enumerate().filter(|(i, _)| Some(*i) != left_out).map(|(_, image)| image);
        let n = others().count();
        if n < images_needed(level) {
            return Err(Error::input(format!(
                "an interval of {level} needs at least {} images, {n} were given; give more or ask for a lower level",
                images_needed(level)
            )));
        }
        // n R(k) may be as large; rounding must not move an end by a pixel.
        let allowed = (1.0 - level) * (n as f64 + 1.0) - 1.0 + 1e-9;
        let too_narrow = |k: &f64| others().map(|image| 1.0 - covered(image, *k)).sum::<f64>() > allowed;
        match self.ends.get(self.ends.partition_point(too_narrow)) {
            Some(k) if k.is_finite() => Ok(*k),
            _ => Err(Error::input(format!(
                "more than {:.3} of the pixels are wrong where no error was expected at all; no interval of {level} holds them",
                1.0 - level
            ))),
        }
    }
}

/// The share of an image's ratios up to `k`.
fn covered(rising: &[f64], k: f64) -> f64 {
    rising.partition_point(|ratio| *ratio <= k) as f64 / rising.len() as f64
}
