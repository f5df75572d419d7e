//! Filaments: smooth random curves with labels along them.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};

use super::canvas::Canvas;

/// Distance between labels along a filament in µm.
const STEP: f64 = 0.008;

/// A normal number of mean 0.
pub(super) fn normal(spread: f64, rng: &mut ChaCha8Rng) -> f64 {
    let value: f64 = StandardNormal.sample(rng);
    spread * value
}

/// What a filament looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filament {
    /// Length in µm.
    pub(super) length: f64,
    /// Standard deviation of its curvature, in 1/µm.
    pub(super) curvature: f64,
    /// Length over which the curvature changes, in µm.
    pub(super) persistence: f64,
    /// Standard deviation of a label's distance from the axis, in µm.
    pub(super) thickness: f64,
    /// Light per µm.
    pub(super) brightness: f64,
}

impl Filament {
    /// Draws it from its middle to both ends; `heading` is the angle to the horizontal there.
    pub(super) fn draw(&self, canvas: &mut Canvas, middle: [f64; 2], heading: f64, rng: &mut ChaCha8Rng) {
        let curvature = normal(self.curvature, rng);
        // Seen from the middle, a curve that bends left ahead bends right behind.
        self.half(canvas, middle, heading, curvature, rng);
        self.half(canvas, middle, heading + std::f64::consts::PI, -curvature, rng);
    }

    /// Half the length, with a curvature that forgets itself (an Ornstein–Uhlenbeck process) and labels of uneven strength.
    fn half(&self, canvas: &mut Canvas, start: [f64; 2], mut heading: f64, mut curvature: f64, rng: &mut ChaCha8Rng) {
        let memory = (-STEP / self.persistence).exp();
        let renewal = self.curvature * (1.0 - memory * memory).sqrt();
        let [mut y, mut x] = start;
        for _ in 0..(0.5 * self.length / STEP) as usize {
            let (sin, cos) = heading.sin_cos();
            let aside = normal(self.thickness, rng);
            let label: f64 = Exp1.sample(rng);
            canvas.add([y + aside * cos, x - aside * sin], label * self.brightness * STEP);
            y += STEP * sin;
            x += STEP * cos;
            heading += curvature * STEP;
            curvature = memory * curvature + normal(renewal, rng);
        }
    }
}

/// A uniform position on the canvas.
pub(super) fn anywhere(canvas: &Canvas, rng: &mut ChaCha8Rng) -> [f64; 2] {
    let extent = canvas.extent();
    [rng.random_range(0.0..extent), rng.random_range(0.0..extent)]
}
