//! Clathrin-coated pits: caps of a sphere that close as they mature, seen from above.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::canvas::Canvas;
use super::filament::{anywhere, normal};
use crate::data::Plane;

/// Pits per µm².
const DENSITY: (f64, f64) = (0.6, 1.6);
/// Share of pits that lie close to another.
const CLUSTERED: f64 = 0.3;
/// Labels on a pit, and loose ones per µm² with their light in parts of a pit's.
const LABELS: usize = 160;
const LOOSE: (f64, f64) = (4.0, 0.02);

pub(super) fn draw(side: usize, pitch: f64, rng: &mut ChaCha8Rng) -> Plane {
    let mut canvas = Canvas::new(side, pitch);
    let area = canvas.extent().powi(2);
    let count = (rng.random_range(DENSITY.0..DENSITY.1) * area).round() as usize;
    let mut centres: Vec<[f64; 2]> = Vec::new();
    for _ in 0..count.max(1) {
        let near = !centres.is_empty() && rng.random::<f64>() < CLUSTERED;
        let centre = if near {
            let other = centres[rng.random_range(0..centres.len())];
            other.map(|v| v + normal(0.22, rng))
        } else {
            anywhere(&canvas, rng)
        };
        centres.push(centre);
        draw_pit(&mut canvas, centre, rng);
    }
    for _ in 0..(LOOSE.0 * area) as usize {
        let place = anywhere(&canvas, rng);
        canvas.add(place, LOOSE.1 * rng.random_range(0.2..1.8));
    }
    canvas.finish()
}

fn draw_pit(canvas: &mut Canvas, centre: [f64; 2], rng: &mut ChaCha8Rng) {
    // From a flat patch to an almost closed shell: the older, the larger, brighter and rounder.
    let age = rng.random::<f64>();
    let radius = 0.035 + 0.065 * age + normal(0.008, rng).abs();
    let lowest = 0.7 - 1.5 * age;
    let light = (0.35 + age) * normal(0.3, rng).exp();
    let squash = rng.random_range(0.75..1.0);
    let (sin, cos) = rng.random_range(0.0..std::f64::consts::PI).sin_cos();
    for _ in 0..LABELS {
        // Uniform on the cap: the height on a sphere is uniform.
        let height: f64 = rng.random_range(lowest..1.0);
        let distance = radius * (1.0 - height * height).sqrt();
        let (down, across) = rng.random_range(0.0..std::f64::consts::TAU).sin_cos();
        let (long, short) = (distance * across, distance * down * squash);
        let place = [centre[0] + long * sin + short * cos, centre[1] + long * cos - short * sin];
        canvas.add(place, light / LABELS as f64);
    }
}
