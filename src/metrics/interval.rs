//! How often the truth lies in the interval that a prediction names.

use statrs::distribution::{ContinuousCDF, Normal};

use super::calibration::check_some;
use super::{Prediction, check_planes};
use crate::data::Plane;
use crate::{Error, Result};

/// The levels that tables of coverage list.
pub const NOMINAL_LEVELS: [f64; 4] = [0.5, 0.8, 0.9, 0.95];

/// How many standard deviations a Gaussian's central interval of a level reaches to either side: 1.645 for 0.9.
pub fn normal_factor(level: f64) -> f64 {
    Normal::standard().inverse_cdf(0.5 * (1.0 + level))
}

/// For each nominal level the fraction of pixels, over all images, whose truth lies within `mean ± z·std`,
/// `z = Φ⁻¹((1 + level) / 2)`: the level itself if the prediction is Gaussian and calibrated.
///
/// # Errors
/// [`Error::Input`] if there is no image or a level does not lie between 0 and 1.
pub fn normal_coverage(predictions: &[Prediction<'_>], levels: &[f64]) -> Result<Vec<f64>> {
    check_some(predictions)?;
    check_levels(levels)?;
    let pixels: usize = predictions.iter().map(Prediction::pixels).sum();
    let observed = |&level: &f64| {
        let z = normal_factor(level);
        predictions.iter().map(|p| p.within(z)).sum::<usize>() as f64 / pixels as f64
    };
    Ok(levels.iter().map(observed).collect())
}

/// For each nominal level the fraction of pixels whose truth lies in the central interval of the samples, ends
/// included: the level itself if truth and samples come from one distribution, whatever it is.
///
/// The interval's ends are the `p = (1 ∓ level) / 2` quantiles of the `n` samples at rank `p (n + 1)`, linear between
/// neighbours (definition 6 of Hyndman and Fan, 1996; NumPy's `weibull`). The truth falls below the k-th smallest of `n`
/// such samples with probability `k / (n + 1)`, so that this definition alone keeps its level with few samples; NumPy's
/// default would cover 67 % with five at every level.
///
/// # Errors
/// [`Error::Shape`] if the sizes differ, [`Error::Input`] if a value is not finite, a level does not lie between 0 and
/// 1, or there are fewer than `(1 + level) / (1 − level)` samples: 3, 9, 19 and 39 for [`NOMINAL_LEVELS`].
pub fn sample_coverage(samples: &[Plane], truth: &Plane, levels: &[f64]) -> Result<Vec<f64>> {
    check_levels(levels)?;
    samples.iter().try_for_each(|s| check_planes(s, truth))?;
    let n = samples.len();
    // (1 − 0.95) / 2 · 40 is a little more than 1: rounding must neither move an end off its sample nor ask for another.
    let rank = |level: f64| {
        let rank = 0.5 * (1.0 - level) * (n + 1) as f64;
        if (rank - rank.round()).abs() < 1e-9 { rank.round() } else { rank }
    };
    if let Some(level) = levels.iter().find(|&&level| rank(level) < 1.0) {
        let needed = ((1.0 + level) / (1.0 - level) - 1e-9).ceil();
        return Err(Error::input(format!(
            "an interval of {level} needs at least {needed} samples, {n} were given; draw more or ask for a lower level"
        )));
    }
    let mut within = vec![0usize; levels.len()];
    let mut values = vec![0.0f32; n];
    for (i, &truth) in truth.values().iter().enumerate() {
        values.iter_mut().zip(samples).for_each(|(v, s)| *v = s.values()[i]);
        values.sort_unstable_by(f32::total_cmp);
        let truth = f64::from(truth);
        for (count, &level) in within.iter_mut().zip(levels) {
            let rank = rank(level);
            let inside = (at_rank(&values, rank)..=at_rank(&values, (n + 1) as f64 - rank)).contains(&truth);
            *count += usize::from(inside);
        }
    }
    Ok(within.into_iter().map(|count| count as f64 / truth.values().len() as f64).collect())
}

/// The value at a rank from 1 to their number, linear between neighbours, of rising values.
fn at_rank(sorted: &[f32], rank: f64) -> f64 {
    let place = (rank - 1.0).clamp(0.0, (sorted.len() - 1) as f64);
    let (below, above) = (f64::from(sorted[place.floor() as usize]), f64::from(sorted[place.ceil() as usize]));
    below + (above - below) * place.fract()
}

pub(super) fn check_levels(levels: &[f64]) -> Result<()> {
    match levels.iter().find(|l| !(**l > 0.0 && **l < 1.0)) {
        None => Ok(()),
        Some(l) => Err(Error::input(format!("the nominal level {l} of an interval; it must lie between 0 and 1"))),
    }
}
