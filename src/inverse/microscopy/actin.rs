//! Actin: bundles of nearly parallel filaments (stress fibres) over a mesh of short ones.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::canvas::Canvas;
use super::filament::{Filament, anywhere, normal};
use crate::data::Plane;

/// Bundles, single long filaments and short ones of the mesh, per µm² of the field.
const BUNDLES: (f64, f64) = (0.05, 0.11);
const SINGLES: (f64, f64) = (0.2, 0.5);
const MESH: (f64, f64) = (1.5, 3.5);

pub(super) fn draw(side: usize, pitch: f64, rng: &mut ChaCha8Rng) -> Plane {
    let mut canvas = Canvas::new(side, pitch);
    let area = canvas.extent().powi(2);
    let mut number = |(low, high): (f64, f64)| (rng.random_range(low..high) * area).round() as usize;
    let (bundles, singles, mesh) = (number(BUNDLES).max(2), number(SINGLES), number(MESH));
    let main = rng.random_range(0.0..std::f64::consts::PI);
    // A second direction that some bundles follow.
    let other = main + rng.random_range(0.6..1.6);
    for _ in 0..bundles {
        let around = if rng.random::<f64>() < 0.75 { main } else { other };
        let heading = around + normal(0.12, rng);
        draw_bundle(&mut canvas, heading, rng);
    }
    for _ in 0..singles {
        let heading = if rng.random::<f64>() < 0.5 { main } else { other } + normal(0.5, rng);
        let length = rng.random_range(2.0..7.0);
        let single = Filament { length, curvature: 0.15, persistence: 1.5, thickness: 0.01, brightness: 0.9 };
        let middle = anywhere(&canvas, rng);
        single.draw(&mut canvas, middle, heading, rng);
    }
    for _ in 0..mesh {
        let (length, brightness) = (rng.random_range(0.5..2.0), rng.random_range(0.2..0.6));
        let short = Filament { length, curvature: 0.5, persistence: 0.7, thickness: 0.01, brightness };
        let (middle, heading) = (anywhere(&canvas, rng), rng.random_range(0.0..std::f64::consts::TAU));
        short.draw(&mut canvas, middle, heading, rng);
    }
    canvas.finish()
}

/// Filaments side by side, each with ends of its own, so that a bundle frays and changes its strength along its way.
fn draw_bundle(canvas: &mut Canvas, heading: f64, rng: &mut ChaCha8Rng) {
    let middle = anywhere(canvas, rng);
    let width = rng.random_range(0.03..0.13);
    let (sin, cos) = heading.sin_cos();
    for _ in 0..rng.random_range(4..14) {
        let (along, aside) = (normal(3.0, rng), normal(width, rng));
        let start = [middle[0] + along * sin + aside * cos, middle[1] + along * cos - aside * sin];
        let filament = Filament {
            length: rng.random_range(4.0..14.0),
            curvature: 0.03,
            persistence: 3.0,
            thickness: 0.01,
            brightness: rng.random_range(0.6..1.2),
        };
        let heading = heading + normal(0.025, rng);
        filament.draw(canvas, start, heading, rng);
    }
}
