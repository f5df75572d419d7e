//! Schedules over time: the monotone networks `τ(t)` and `ρ(t)` (equation 5), and the fixed linear schedule of CDDPM.

use std::ops::Range;

use crate::nets::{Init, Parameters};

/// A monotone scalar network: `t · f(t)` with `f(t) = l1(t) + l3(sigmoid(l2(l1(t))))`, `l1: 1→1`, `l2: 1→H`, `l3: H→1`.
///
/// All weights but the biases of `l2` are used by their absolute value, so that the network and its derivative are
/// non-negative for every parameter value. Its parameters lie next to each other in the flat tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeNetwork {
    /// Where the parameters lie: `3H + 3` values, `l1.weight, l1.bias, l2.weight, l2.bias, l3.weight, l3.bias`.
    pub range: Range<usize>,
    /// `H`.
    pub hidden: usize,
}

impl TimeNetwork {
    /// Adds a network that starts near `t · (slope · t + level)`: with `slope = k`, `level = 0` it is `ρ ≈ k t²`, with
    /// `slope = 0`, `level = 2k` it is `τ ≈ 2 k t`, and the two satisfy `τ = ρ'` (equation 4) from the start.
    pub fn new(parameters: &mut Parameters, prefix: &str, hidden: usize, slope: f32, level: f32) -> Self {
        // Not exactly zero: the derivative of |w| there is zero, and the weight would never move.
        let small = |v: f32| Init::Constant(v.max(1e-3));
        let start = parameters.len();
        let name = |part: &str| format!("{prefix}.{part}");
        parameters.add(name("l1.weight"), &[1], small(slope));
        parameters.add(name("l1.bias"), &[1], small(0.0));
        parameters.add(name("l2.weight"), &[hidden], Init::Uniform(1e-3, 1.0));
        parameters.add(name("l2.bias"), &[hidden], Init::Uniform(-1.0, 1.0));
        parameters.add(name("l3.weight"), &[hidden], Init::Uniform(1e-5, 1e-4));
        parameters.add(name("l3.bias"), &[1], small(level));
        Self { range: start..parameters.len(), hidden }
    }

    /// The network's value, first and second derivative at time `t`, in double precision, from the flat parameters.
    pub fn evaluate(&self, flat: &[f32], t: f64) -> [f64; 3] {
        let p = &flat[self.range.clone()];
        let h = self.hidden;
        let raw = |i: usize| f64::from(p[i]);
        let (a, b, d) = (raw(0).abs(), raw(1).abs(), raw(3 * h + 2).abs());
        let u = a * t + b;
        let [mut f, mut f1, mut f2] = [u + d, 1.0, 0.0];
        for i in 0..h {
            let (w, c, v) = (raw(2 + i).abs(), raw(2 + h + i), raw(2 + 2 * h + i).abs());
            let s = 1.0 / (1.0 + (-(w * u + c)).exp());
            let slope = s * (1.0 - s);
            f += v * s;
            f1 += v * w * slope;
            f2 += v * w * w * slope * (1.0 - 2.0 * s);
        }
        let (f1, f2) = (a * f1, a * a * f2);
        [t * f, f + t * f1, 2.0 * f1 + t * f2]
    }
}

/// CDDPM's schedule: `β` linear from `first` to `last` over `steps` steps, the same for every pixel, taken as continuous in
/// time so that sampling may use another number of steps.
///
/// Step `i` of `T = steps` has the rate at `i/T`, `β = first + (last − first) i/T`: `first` is that of `t = 0`, which is no step, and the first
/// step's is a little above it (1.5e-4 instead of 1e-4 for [`Self::PHASE`]). With evenly spaced numbers from `first` to `last`, as usual
/// elsewhere, it would be exactly that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedSchedule {
    /// `β` at `t = 0`, where the first step begins.
    pub first: f64,
    /// `β` of the last step.
    pub last: f64,
    /// Steps that the two refer to.
    pub steps: usize,
}

impl FixedSchedule {
    /// The paper's for phase imaging: 1e-4 to 0.02, 400 steps.
    pub const PHASE: Self = Self { first: 1e-4, last: 0.02, steps: 400 };

    /// `τ(t)`, the rate of a unit of time (with `λ = 1`).
    pub fn rate(&self, t: f64) -> f64 {
        self.steps as f64 * (self.first + (self.last - self.first) * t)
    }

    /// `ρ(t) = ∫ τ`, so that `γ = exp(−ρ)`.
    pub fn integral(&self, t: f64) -> f64 {
        self.steps as f64 * (self.first * t + 0.5 * (self.last - self.first) * t * t)
    }
}
