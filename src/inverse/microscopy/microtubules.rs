//! Microtubules: long stiff tubes, most of them from a common centre.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::canvas::Canvas;
use super::filament::{Filament, anywhere, normal};
use crate::data::Plane;

/// Filaments in a field, per µm of its side.
const PER_UM: (f64, f64) = (1.2, 3.2);

pub(super) fn draw(side: usize, pitch: f64, rng: &mut ChaCha8Rng) -> Plane {
    let mut canvas = Canvas::new(side, pitch);
    let extent = canvas.extent();
    // The organising centre mostly lies outside a field of a few µm.
    let centre = [(); 2].map(|()| rng.random_range(-1.0..2.0) * extent);
    let count = (rng.random_range(PER_UM.0..PER_UM.1) * extent).round() as usize;
    for _ in 0..count.max(3) {
        let middle = anywhere(&canvas, rng);
        let outward = (middle[0] - centre[0]).atan2(middle[1] - centre[1]);
        // Some run across the others.
        let spread = if rng.random::<f64>() < 0.2 { 1.2 } else { 0.3 };
        let heading = outward + normal(spread, rng);
        let filament = Filament {
            length: rng.random_range(6.0..30.0),
            curvature: 0.22,
            persistence: 1.5,
            // The tube's radius and the antibodies on it.
            thickness: 0.022,
            brightness: rng.random_range(0.7..1.2),
        };
        filament.draw(&mut canvas, middle, heading, rng);
    }
    canvas.finish()
}
