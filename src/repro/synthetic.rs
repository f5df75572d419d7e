//! Photographs for a machine that has none: enough to see that everything runs, not to learn from.

use std::path::Path;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::Result;
use crate::data::{Plane, write_png16};

/// Side in pixels: twice a test image of the smoke scale and its margins.
const SIDE: usize = 200;
const TRAIN: u64 = 16;
const TEST: u64 = 3;

/// Writes `train-photographs` and `test-photographs` below `root`; those that are there already are left as they are.
///
/// # Errors
/// [`Error::File`](crate::Error::File) if a file cannot be written.
pub fn draw_photographs(root: &Path) -> Result<()> {
    for number in 0..TRAIN + TEST {
        let side = if number < TRAIN { "train" } else { "test" };
        let path = root.join(format!("{side}-photographs/drawn-{number:02}.png"));
        if !path.is_file() {
            write_png16(path, &photograph(number), 0.0, 1.0)?;
        }
    }
    Ok(())
}

/// Waves whose strength falls with their frequency, as in photographs, and a few discs for edges; in 0..1.
fn photograph(number: u64) -> Plane {
    let mut random = ChaCha8Rng::seed_from_u64(number);
    let waves: [[f32; 4]; 12] = std::array::from_fn(|_| {
        let frequency = 2f32.powf(random.random_range(0.0..5.0));
        let angle = random.random_range(0.0..std::f32::consts::PI);
        let step = std::f32::consts::TAU * frequency / SIDE as f32;
        [step * angle.cos(), step * angle.sin(), random.random_range(0.0..std::f32::consts::TAU), frequency.recip()]
    });
    let discs: [[f32; 4]; 6] = std::array::from_fn(|_| {
        let mut place = || random.random_range(0.0..SIDE as f32);
        let (y, x) = (place(), place());
        [y, x, random.random_range(8.0..40.0), random.random_range(-0.6..0.6)]
    });
    let plane = Plane::from_fn(SIDE, SIDE, |y, x| {
        let (y, x) = (y as f32, x as f32);
        let smooth: f32 =
            waves.iter().map(|[fy, fx, phase, strength]| strength * (fy * y + fx * x + phase).sin()).sum();
        let inside = |[cy, cx, radius, _]: &&[f32; 4]| (y - cy).hypot(x - cx) < *radius;
        smooth + discs.iter().filter(inside).map(|disc| disc[3]).sum::<f32>()
    });
    let (low, high) = plane.min_max();
    plane.map(|v| (v - low) / (high - low))
}
