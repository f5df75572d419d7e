//! Whether a predicted uncertainty can be believed.

use super::{check_planes, differences};
use crate::data::Plane;
use crate::{Error, Result};

/// The fraction of pixels whose truth lies within `mean ± k·std`. For a calibrated Gaussian prediction: 0.683 at k = 1,
/// 0.954 at k = 2.
///
/// # Errors
/// [`Error::Shape`] if the sizes differ, [`Error::Input`] if a value is not finite, a standard deviation negative, or
/// `k` not positive.
pub fn coverage(mean: &Plane, std: &Plane, truth: &Plane, k: f64) -> Result<f64> {
    check_planes(mean, truth)?;
    check_std(std, mean)?;
    if !(k.is_finite() && k > 0.0) {
        return Err(Error::input(format!(
            "an interval of {k} standard deviations; the number must be positive and finite"
        )));
    }
    let within = differences(mean, truth).zip(std.values()).filter(|(d, s)| d.abs() <= k * f64::from(**s)).count();
    Ok(within as f64 / mean.values().len() as f64)
}

/// Spearman's rank correlation of the predicted standard deviation with the error made, `|mean − truth|`: 1 if the
/// prediction orders the pixels by error. `None` if either is the same everywhere.
///
/// # Errors
/// [`Error::Shape`] if the sizes differ, [`Error::Input`] if a value is not finite or a standard deviation negative.
pub fn error_rank_correlation(mean: &Plane, std: &Plane, truth: &Plane) -> Result<Option<f64>> {
    check_planes(mean, truth)?;
    check_std(std, mean)?;
    let errors: Vec<f64> = differences(mean, truth).map(f64::abs).collect();
    let std: Vec<f64> = std.values().iter().map(|&v| f64::from(v)).collect();
    Ok(correlation(&ranks(&std), &ranks(&errors)))
}

/// Spearman's rank correlation of two planes' values, equal values sharing their mean rank. `None` if either plane is
/// constant.
///
/// # Errors
/// [`Error::Shape`] if the sizes differ, [`Error::Input`] if a value is not finite.
pub fn rank_correlation(a: &Plane, b: &Plane) -> Result<Option<f64>> {
    check_planes(a, b)?;
    let [a, b] = [a, b].map(|p| ranks(&p.values().iter().map(|&v| f64::from(v)).collect::<Vec<_>>()));
    Ok(correlation(&a, &b))
}

fn check_std(std: &Plane, mean: &Plane) -> Result<()> {
    check_planes(std, mean)?;
    match std.values().iter().find(|s| **s < 0.0) {
        None => Ok(()),
        Some(s) => Err(Error::input(format!("a standard deviation is {s}; none may be negative"))),
    }
}

/// Ranks from 0; equal values share the mean of the ranks they occupy.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    // Compared with ==, not total_cmp: 0 and −0 are a tie.
    for group in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let shared = first as f64 + (group.len() - 1) as f64 / 2.0;
        group.iter().for_each(|&i| ranks[i] = shared);
        first += group.len();
    }
    ranks
}

/// Pearson's correlation; `None` if either side is constant.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}
