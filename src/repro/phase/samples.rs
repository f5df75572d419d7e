//! What samples say: mean, deviation, and how far they can be believed.

use crate::Result;
use crate::data::Plane;
use crate::inverse::PHASE_RANGE;
use crate::metrics::{Prediction, error_rank_correlations, mae, normal_coverage, sample_coverage};

/// The nominal level of coverage that charts over T and over the number of samples show.
pub const SHOWN_LEVEL: f64 = 0.9;

/// Mean and standard deviation of samples, pixel by pixel, and the truth. All in rad.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Their mean.
    pub mean: Plane,
    /// Their standard deviation.
    pub std: Plane,
    /// The truth.
    pub truth: Plane,
}

impl Predicted {
    /// Of at least two samples.
    pub fn of(samples: &[Plane], truth: &Plane) -> Self {
        let n = samples.len() as f64;
        let at = |i: usize| samples.iter().map(move |s| f64::from(s.values()[i]));
        let (height, width) = (truth.height(), truth.width());
        let mean = Plane::from_fn(height, width, |y, x| (at(y * width + x).sum::<f64>() / n) as f32);
        let std = Plane::from_fn(height, width, |y, x| {
            let (i, centre) = (y * width + x, f64::from(mean.at(y, x)));
            (at(i).map(|v| (v - centre).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt() as f32
        });
        Self { mean, std, truth: truth.clone() }
    }

    /// `|mean − truth|`.
    pub fn error(&self) -> Plane {
        Plane::from_fn(self.mean.height(), self.mean.width(), |y, x| (self.mean.at(y, x) - self.truth.at(y, x)).abs())
    }
}

/// How good the predictions for several images are, and how honest.
#[derive(Debug, Clone, PartialEq)]
pub struct Honesty {
    /// Mean absolute error as a fraction of 3.5 rad, not aligned.
    pub mae: f64,
    /// Mean standard deviation as the same fraction.
    pub std: f64,
    /// Coverage at [`SHOWN_LEVEL`] of Gaussian intervals.
    pub coverage: f64,
    /// Rank correlation of standard deviation and error within each image.
    pub within: Vec<f64>,
    /// The same over all pixels.
    pub pooled: Option<f64>,
}

impl Honesty {
    /// Of these predictions.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) if there are none, or a value is not finite.
    pub fn of(predicted: &[Predicted]) -> Result<Self> {
        let predictions = predictions(predicted)?;
        let range = f64::from(PHASE_RANGE);
        let n = predicted.len() as f64;
        let errors = predicted.iter().map(|p| mae(&p.mean, &p.truth, range)).collect::<Result<Vec<_>>>()?;
        let correlations = error_rank_correlations(&predictions)?;
        Ok(Self {
            mae: errors.iter().sum::<f64>() / n,
            std: predicted.iter().map(|p| f64::from(p.std.mean()) / range).sum::<f64>() / n,
            coverage: normal_coverage(&predictions, &[SHOWN_LEVEL])?[0],
            within: correlations.within.into_iter().flatten().collect(),
            pooled: correlations.pooled,
        })
    }

    /// The mean of the correlations within images; NaN if there are none.
    pub fn mean_within(&self) -> f64 {
        self.within.iter().sum::<f64>() / self.within.len() as f64
    }
}

/// As the metrics take them.
///
/// # Errors
/// Those of [`Prediction::new`].
pub fn predictions(predicted: &[Predicted]) -> Result<Vec<Prediction<'_>>> {
    predicted.iter().map(|p| Prediction::new(&p.mean, &p.std, &p.truth)).collect()
}

/// [`sample_coverage`] over several images, each pixel counting the same, at those levels that so many samples allow.
///
/// # Errors
/// Those of [`sample_coverage`].
pub fn coverage_by_samples(samples: &[Vec<Plane>], truths: &[&Plane], levels: &[f64]) -> Result<Vec<(f64, f64)>> {
    let least = samples.iter().map(Vec::len).min().unwrap_or(0);
    let possible = |level: &&f64| (1.0 + **level) / (1.0 - **level) - 1e-9 <= least as f64;
    let levels: Vec<f64> = levels.iter().filter(possible).copied().collect();
    let pixels: usize = truths.iter().map(|t| t.values().len()).sum();
    let mut covered = vec![0.0; levels.len()];
    for (samples, truth) in samples.iter().zip(truths) {
        let share = truth.values().len() as f64 / pixels as f64;
        let observed = sample_coverage(samples, truth, &levels)?;
        covered.iter_mut().zip(observed).for_each(|(sum, o)| *sum += share * o);
    }
    Ok(levels.into_iter().zip(covered).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_samples() {
        let samples: Vec<Plane> = [1.0f32, 2.0, 6.0].map(|v| Plane::from_fn(2, 3, |y, _| v + y as f32)).to_vec();
        let predicted = Predicted::of(&samples, &Plane::from_fn(2, 3, |_, _| 2.5));
        assert_eq!((predicted.mean.at(0, 1), predicted.mean.at(1, 2)), (3.0, 4.0));
        assert!((predicted.std.at(1, 0) - 7f32.sqrt()).abs() < 1e-6);
        assert_eq!(predicted.error().at(1, 1), 1.5);
    }

    #[test]
    fn levels_that_need_more_samples_are_left_out() {
        let samples: Vec<Plane> = (0..9).map(|i| Plane::from_fn(2, 2, |_, _| i as f32)).collect();
        let (inside, outside) = (Plane::from_fn(2, 2, |_, _| 4.0), Plane::from_fn(2, 2, |_, _| 20.0));
        let of = coverage_by_samples(&[samples.clone(), samples], &[&inside, &outside], &[0.5, 0.8, 0.9]).unwrap();
        assert_eq!(of, [(0.5, 0.5), (0.8, 0.5)]);
    }
}
