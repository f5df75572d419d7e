//! Resampling in `f64`, in both dimensions at once.

#![allow(dead_code, reason = "each test program uses its own part")]

use cvdm::kernels::resize::Filter;
use cvdm::tensor::Shape;

/// The filter's value at this distance.
pub fn weight(filter: Filter, distance: f64) -> f64 {
    let d = distance.abs();
    match filter {
        Filter::Bilinear => (1.0 - d).max(0.0),
        Filter::Bicubic if d <= 1.0 => 1.5 * d.powi(3) - 2.5 * d.powi(2) + 1.0,
        Filter::Bicubic if d < 2.0 => -0.5 * d.powi(3) + 2.5 * d.powi(2) - 4.0 * d + 2.0,
        Filter::Bicubic => 0.0,
    }
}

/// The weight of every input for every output along a side, `[to][from]`, the edge repeated.
pub fn weights(filter: Filter, from: usize, to: usize) -> Vec<Vec<f64>> {
    let row = |o: usize| {
        let at = (o as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let mut row = vec![0.0; from];
        for tap in at.floor() as i64 - 2..=at.floor() as i64 + 3 {
            row[tap.clamp(0, from as i64 - 1) as usize] += weight(filter, at - tap as f64);
        }
        row
    };
    (0..to).map(row).collect()
}

/// Calls `f(index in y, index in x, weight)` for every product of the sum.
pub fn products(filter: Filter, x: Shape, y: Shape, mut f: impl FnMut(usize, usize, f64)) {
    let (rows, columns) = (weights(filter, x.h, y.h), weights(filter, x.w, y.w));
    for plane in 0..x.n * x.c {
        for (o, p) in (0..y.h).flat_map(|o| (0..y.w).map(move |p| (o, p))) {
            for (i, j) in (0..x.h).flat_map(|i| (0..x.w).map(move |j| (i, j))) {
                f((plane * y.h + o) * y.w + p, (plane * x.h + i) * x.w + j, rows[o][i] * columns[p][j]);
            }
        }
    }
}

/// `x` resampled to `ys`.
pub fn forward(filter: Filter, xs: Shape, ys: Shape, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; ys.len()];
    products(filter, xs, ys, |o, i, w| y[o] += w * x[i]);
    y
}
