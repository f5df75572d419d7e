//! Learned schedules as curves over time.

use crate::weights::Weights;

/// Points of a curve, from 0 to 1.
const POINTS: usize = 201;
/// Pixels that enter a mean at most.
const PIXELS: usize = 20_000;

/// A schedule over time, averaged over pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// `(t, γ)`.
    pub gamma: Vec<(f64, f64)>,
    /// `(t, β)`.
    pub beta: Vec<(f64, f64)>,
}

/// The mean over pixels of `γ(t, x) = exp(−λ(x) ρ(t))` and `β(t, x) = λ(x) τ(t)`, for the rates `λ` of these pixels. Of many
/// pixels, evenly spaced ones are taken; there must be one at least.
pub fn curve(weights: &Weights, rates: &[f32]) -> Curve {
    let stride = rates.len().div_ceil(PIXELS).max(1);
    let rates: Vec<f64> = rates.iter().step_by(stride).map(|&v| f64::from(v)).collect();
    let mean = |f: &dyn Fn(f64) -> f64| rates.iter().map(|&v| f(v)).sum::<f64>() / rates.len() as f64;
    let times = (0..POINTS).map(|i| i as f64 / (POINTS - 1) as f64);
    let (model, flat) = (&weights.model, &weights.parameters);
    let (gamma, beta) = times
        .map(|t| {
            let (rho, tau) = (model.time_integral(flat, t), model.time_rate(flat, t));
            ((t, mean(&|rate| (-rate * rho).exp())), (t, mean(&|rate| rate * tau)))
        })
        .unzip();
    Curve { gamma, beta }
}

impl Curve {
    /// How abrupt: the largest share of the whole change of `γ` that falls within a tenth of the time; 0.1 if it falls evenly, 1
    /// if all of it falls at once.
    pub fn abruptness(&self) -> f64 {
        let window = (POINTS - 1) / 10;
        let values: Vec<f64> = self.gamma.iter().map(|p| p.1).collect();
        let whole: f64 = values.windows(2).map(|w| (w[1] - w[0]).abs()).sum();
        let steepest = values.windows(window + 1).map(|w| (w[0] - w[window]).abs()).fold(0.0, f64::max);
        if whole > 0.0 { steepest / whole } else { 0.0 }
    }

    /// `max |∂²γ/∂t²|` of the mean, by second differences.
    pub fn curvature(&self) -> f64 {
        let step = 1.0 / (POINTS - 1) as f64;
        let second = |w: &[(f64, f64)]| (w[0].1 - 2.0 * w[1].1 + w[2].1).abs() / (step * step);
        self.gamma.windows(3).map(second).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(gamma: impl Fn(f64) -> f64) -> Curve {
        let times = (0..POINTS).map(|i| i as f64 / (POINTS - 1) as f64);
        Curve { gamma: times.map(|t| (t, gamma(t))).collect(), beta: Vec::new() }
    }

    #[test]
    fn abruptness_tells_a_slope_from_a_step() {
        assert!((of(|t| 1.0 - t).abruptness() - 0.1).abs() < 1e-12);
        assert!((of(|t| f64::from(t < 0.33)).abruptness() - 1.0).abs() < 1e-12);
        assert_eq!(of(|_| 1.0).abruptness(), 0.0);
    }

    #[test]
    fn curvature_is_the_second_derivative() {
        assert!((of(|t| 1.0 - 3.0 * t * t).curvature() - 6.0).abs() < 1e-6);
    }
}
