//! The normal distribution in `f64`.

#![allow(dead_code, reason = "each test program uses its own part")]

/// The density.
pub fn bell(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The normal distribution's upper tail for `u ≥ 0`: a series of positive terms, or a continued fraction from where it
/// converges fast.
pub fn upper_tail(u: f64) -> f64 {
    if u < 3.0 {
        let mut term = u;
        let mut sum = u;
        for n in 1..100 {
            term *= u * u / f64::from(2 * n + 1);
            sum += term;
        }
        return 0.5 - bell(u) * sum;
    }
    let fraction = (1..200).rev().fold(u, |below, k| u + f64::from(k) / below);
    bell(u) / fraction
}

/// `x Φ(x)`.
pub fn gelu(x: f64) -> f64 {
    x * if x < 0.0 { upper_tail(-x) } else { 1.0 - upper_tail(x) }
}
