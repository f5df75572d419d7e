//! Whether one method is better than another on the same images, or just luckier.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::rank::Ranks;
use crate::{Error, Result};

/// Up to this many pairs the signed-rank test counts every assignment of signs; SciPy draws the line at the same place.
const EXACT_PAIRS: usize = 50;

/// What Wilcoxon's signed-rank test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignedRank {
    /// The sum of the ranks of the pairs with `a > b`.
    pub positive: f64,
    /// The sum of the ranks of the pairs with `a < b`. The smaller of the two is the statistic that tables list.
    pub negative: f64,
    /// How many pairs differ; those that are equal are left out.
    pub pairs: usize,
    /// Two-sided: how likely sums as unequal as these are if the sign of each difference is a coin's toss.
    pub p_value: f64,
    /// Whether `p_value` is exact or that of the normal approximation.
    pub exact: bool,
}

/// Wilcoxon's signed-rank test of a metric over the same images by two methods, two-sided: it asks whether `a − b` is
/// symmetric about zero and assumes no law. Pairs that are equal are left out, as Wilcoxon did; equal differences share
/// their mean rank. With at most 50 pairs the p-value is counted over all `2ⁿ` signs, ties as they are (SciPy does so up
/// to 13 pairs if there are any); with more it is that of the normal approximation, its variance corrected for ties, not
/// for continuity. It is 1 if no pair differs.
///
/// # Errors
/// [`Error::Shape`] if the numbers of values differ, [`Error::Input`] if there are none or one is not finite.
pub fn wilcoxon_signed_rank(a: &[f64], b: &[f64]) -> Result<SignedRank> {
    let mut differences = paired_differences(a, b, 1)?;
    differences.retain(|d| *d != 0.0);
    let Ranks { ranks, groups } = Ranks::of(&differences.iter().map(|d| d.abs()).collect::<Vec<_>>());
    let sum_where = |sign: fn(&f64) -> bool| -> f64 {
        differences.iter().zip(&ranks).filter(|(d, _)| sign(d)).map(|(_, r)| r).sum()
    };
    let (positive, negative) = (sum_where(|d| *d > 0.0), sum_where(|d| *d < 0.0));
    let pairs = differences.len();
    let exact = pairs <= EXACT_PAIRS;
    let tail = if exact { exact_tail(&ranks, positive.min(negative)) } else { normal_tail(pairs, &groups, positive) };
    Ok(SignedRank { positive, negative, pairs, p_value: (2.0 * tail).min(1.0), exact })
}

/// The probability that the ranks of a random half of the pairs sum to at most `statistic`.
fn exact_tail(ranks: &[f64], statistic: f64) -> f64 {
    // Shared ranks are multiples of a half: doubled, they count sums without rounding. At 50 pairs the counts reach 2⁵⁰,
    // which f64 holds exactly.
    let doubled: Vec<usize> = ranks.iter().map(|r| (2.0 * r) as usize).collect();
    let mut ways = vec![0.0; doubled.iter().sum::<usize>() + 1];
    ways[0] = 1.0;
    let mut reached = 0;
    for rank in doubled {
        reached += rank;
        for sum in (rank..=reached).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    ways[..=(2.0 * statistic) as usize].iter().sum::<f64>() / 2f64.powi(ranks.len() as i32)
}

/// The probability of a sum at least as far from its mean to one side, by the normal approximation.
fn normal_tail(pairs: usize, groups: &[usize], sum: f64) -> f64 {
    let n = pairs as f64;
    let mean = n * (n + 1.0) / 4.0;
    let ties: f64 = groups.iter().map(|&t| (t as f64).powi(3) - t as f64).sum();
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
    Normal::standard().sf((sum - mean).abs() / variance.sqrt())
}

/// What the paired t-test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedT {
    /// The mean of `a − b`.
    pub mean_difference: f64,
    /// It in units of its standard error.
    pub t: f64,
    /// One less than the number of pairs.
    pub degrees_of_freedom: f64,
    /// Two-sided: how likely a `t` this far from zero is if the true mean difference is zero.
    pub p_value: f64,
}

/// Student's paired t-test of a metric over the same images by two methods, two-sided: `t = mean(d) √n / std(d)`,
/// `d = a − b`, with `n − 1` degrees of freedom. It assumes that the mean of `d` is about Gaussian.
///
/// # Errors
/// [`Error::Shape`] if the numbers of values differ, [`Error::Input`] if there are fewer than two, one is not finite, or
/// all differences are the same.
pub fn paired_t_test(a: &[f64], b: &[f64]) -> Result<PairedT> {
    let differences = paired_differences(a, b, 2)?;
    let n = differences.len() as f64;
    let mean_difference = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean_difference).powi(2)).sum::<f64>() / (n - 1.0);
    // Rounding leaves a variance of about (ε · |mean|)² where there is none.
    if variance.sqrt() <= 1e-14 * mean_difference.abs() {
        return Err(Error::input(format!(
            "all {n} differences are {mean_difference}: without scatter there is nothing to test a mean against"
        )));
    }
    let t = mean_difference * n.sqrt() / variance.sqrt();
    let degrees_of_freedom = n - 1.0;
    let law = StudentsT::new(0.0, 1.0, degrees_of_freedom).map_err(|e| Error::input(format!("the t-test: {e}")))?;
    Ok(PairedT { mean_difference, t, degrees_of_freedom, p_value: 2.0 * law.sf(t.abs()) })
}

/// `a − b`, checked.
fn paired_differences(a: &[f64], b: &[f64], least: usize) -> Result<Vec<f64>> {
    if a.len() != b.len() {
        return Err(Error::shape(format!(
            "a paired test takes one value of each method for every image; given were {} and {}",
            a.len(),
            b.len()
        )));
    }
    if a.len() < least {
        return Err(Error::input(format!("a paired test needs at least {least} images, {} were given", a.len())));
    }
    match a.iter().chain(b).find(|v| !v.is_finite()) {
        None => Ok(a.iter().zip(b).map(|(a, b)| a - b).collect()),
        Some(v) => Err(Error::input(format!("a value to be tested is {v}; every value must be finite"))),
    }
}
