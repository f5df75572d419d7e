//! How wide an interval must be, so that the pixels of a new image lie in it as often as it says.

use super::Prediction;
use super::calibration::check_some;
use super::interval::check_levels;
use crate::{Error, Result};

/// Images that an interval of a level needs, between 0 and 1: `level / (1 − level)`, 9 for 0.9.
pub fn images_needed(level: f64) -> usize {
    (level / (1.0 - level) - 1e-9).ceil() as usize
}

/// The errors of predictions in units of their standard deviations, image by image.
///
/// What counts as one image may have several predictions: windows of one photograph, channels of one picture.
#[derive(Debug, Clone)]
pub struct ErrorRatios {
    /// Of every pixel `|mean − truth| / std` and its image, the largest first. Infinite where the deviation is zero and the error is not.
    falling: Vec<(f64, usize)>,
    /// Pixels of each image.
    pixels: Vec<usize>,
}

impl ErrorRatios {
    /// Of these images' predictions.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no image, or one without a prediction.
    pub fn new(images: &[Vec<Prediction<'_>>]) -> Result<Self> {
        images.iter().try_for_each(|predictions| check_some(predictions))?;
        if images.is_empty() {
            check_some(&[])?;
        }
        let ratio = |(std, error): (f64, f64)| if error == 0.0 { 0.0 } else { error / std };
        let of_image = |(image, predictions): (usize, &Vec<Prediction<'_>>)| {
            let ratios: Vec<_> = predictions.iter().flat_map(Prediction::std_and_error).map(ratio).collect();
            ratios.into_iter().map(move |r| (r, image))
        };
        let mut falling: Vec<_> = images.iter().enumerate().flat_map(of_image).collect();
        falling.sort_by(|a, b| b.0.total_cmp(&a.0));
        let pixels = images.iter().map(|predictions| predictions.iter().map(Prediction::pixels).sum()).collect();
        Ok(Self { falling, pixels })
    }

    /// Images that there are.
    pub fn images(&self) -> usize {
        self.pixels.len()
    }

    /// The mean share of an image's pixels whose truth lies within `mean ± k·std`, ends included.
    pub fn coverage(&self, k: f64) -> f64 {
        let shares = (0..self.images()).map(|image| self.covered(image, k));
        shares.sum::<f64>() / self.images() as f64
    }

    fn covered(&self, image: usize, k: f64) -> f64 {
        let outside = self.falling.iter().take_while(|(ratio, _)| *ratio > k).filter(|(_, i)| *i == image);
        1.0 - outside.count() as f64 / self.pixels[image] as f64
    }

    /// How many standard deviations an interval must reach to either side of the mean, so that at least a share `level` of a new image's
    /// pixels can be expected in it.
    ///
    /// Conformal risk control (Angelopoulos et al., 2022, equation 4), where the risk is the share of an image's pixels outside: the
    /// least factor `k` at which `(n R(k) + 1) / (n + 1) ≤ 1 − level`, `R(k)` being the mean risk of the `n` images. What is promised
    /// holds if the new image might as well have been one of these, whatever law the errors have.
    ///
    /// # Errors
    /// [`Error::Input`] if the level does not lie between 0 and 1, there are fewer than [`images_needed`], or more pixels than
    /// may lie outside have an error and no deviation.
    pub fn factor(&self, level: f64) -> Result<f64> {
        self.factor_without(level, None)
    }

    /// The mean share of an image's pixels that lie in its interval, if the factor comes from all other images: what to expect of one more.
    ///
    /// # Errors
    /// Those of [`ErrorRatios::factor`] with one image less.
    pub fn coverage_left_out(&self, level: f64) -> Result<f64> {
        let covered = |image| Ok(self.covered(image, self.factor_without(level, Some(image))?));
        let shares = (0..self.images()).map(covered).sum::<Result<f64>>()?;
        Ok(shares / self.images() as f64)
    }

    fn factor_without(&self, level: f64, left_out: Option<usize>) -> Result<f64> {
        check_levels(&[level])?;
        let n = (self.images() - usize::from(left_out.is_some())) as f64;
        // The sum of the images' risks; rounding must not ask for another image.
        let allowed = (1.0 - level) * (n + 1.0) - 1.0;
        if allowed < -1e-9 {
            let needed = images_needed(level);
            return Err(Error::input(format!(
                "an interval of {level} needs at least {needed} images, {n} were given; give more or ask for a lower level"
            )));
        }
        let mut risk = 0.0;
        let others = self.falling.iter().filter(|(_, image)| Some(*image) != left_out);
        for &(ratio, image) in others {
            risk += 1.0 / self.pixels[image] as f64;
            // Those with a larger ratio lie outside of an interval that ends here.
            if risk > allowed + 1e-9 {
                return match ratio.is_finite() {
                    true => Ok(ratio),
                    false => Err(Error::input(format!(
                        "too many pixels have an error and a standard deviation of zero for any interval of {level}; draw several samples"
                    ))),
                };
            }
        }
        Ok(0.0)
    }
}
