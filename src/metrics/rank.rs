//! Ranks, and correlations of ranks.

use super::check_planes;
use crate::Result;
use crate::data::Plane;

/// Spearman's rank correlation of two planes' values, equal values sharing their mean rank. `None` if either plane is
/// constant.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the sizes differ, [`Error::Input`](crate::Error::Input) if a value is not
/// finite.
pub fn rank_correlation(a: &Plane, b: &Plane) -> Result<Option<f64>> {
    check_planes(a, b)?;
    let [a, b] = [a, b].map(|p| p.values().iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    Ok(spearman(&a, &b))
}

/// Spearman's rank correlation of two lists of the same length; `None` if either is constant.
pub(super) fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    pearson(&Ranks::of(a).ranks, &Ranks::of(b).ranks)
}

/// The ranks of a list.
pub(super) struct Ranks {
    /// From 1; equal values share the mean of the ranks they occupy.
    pub(super) ranks: Vec<f64>,
    /// How many values share each rank, from the smallest value up.
    pub(super) groups: Vec<usize>,
}

impl Ranks {
    pub(super) fn of(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_unstable_by(|&i, &j| values[i].total_cmp(&values[j]));
        let mut ranks = vec![0.0; values.len()];
        let mut groups = Vec::new();
        let mut before = 0;
        // Compared with ==, not total_cmp: 0 and −0 are a tie.
        for group in order.chunk_by(|&i, &j| values[i] == values[j]) {
            let shared = before as f64 + (group.len() + 1) as f64 / 2.0;
            group.iter().for_each(|&i| ranks[i] = shared);
            groups.push(group.len());
            before += group.len();
        }
        Self { ranks, groups }
    }
}

/// Pearson's correlation; `None` if either side is constant.
fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}
