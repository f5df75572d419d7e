//! Resampling.

use image::{ImageBuffer, Luma, imageops};

use super::Plane;
use crate::{Error, Result};

/// How many pixels of the coarser grid a value of the finer one may depend on, to either side: the reach of the kernel.
pub(super) const LANCZOS_REACH: usize = 3;

/// The plane on a grid of `height × width`, by Lanczos-3 interpolation with the kernel widened to the coarser of the two grids, so
/// that shrinking does not alias: what Pillow calls `LANCZOS`, without its rounding to 8 bits. Values outside [0, 1] are cut, as
/// of any picture.
///
/// # Errors
/// [`Error::Shape`] if a size is zero.
pub fn resize_lanczos(plane: &Plane, height: usize, width: usize) -> Result<Plane> {
    if height == 0 || width == 0 {
        return Err(Error::shape(format!("a plane resized to {height} × {width}; both must be at least 1")));
    }
    let (from_height, from_width) = (plane.height() as u32, plane.width() as u32);
    let picture = ImageBuffer::<Luma<f32>, _>::from_raw(from_width, from_height, plane.values().to_vec())
        .ok_or_else(|| Error::shape("a picture of another size than its pixels"))?;
    let resized = imageops::resize(&picture, width as u32, height as u32, imageops::FilterType::Lanczos3);
    Plane::new(height, width, resized.into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in one dimension: `Σ L((i − c)/s) v_i / Σ L((i − c)/s)`, `L(t) = sinc(t) sinc(t/3)` for `|t| < 3`.
    fn lanczos(values: &[f64], size: usize) -> Vec<f64> {
        let sinc = |t: f64| if t == 0.0 { 1.0 } else { (std::f64::consts::PI * t).sin() / (std::f64::consts::PI * t) };
        let ratio = values.len() as f64 / size as f64;
        let scale = ratio.max(1.0);
        let at = |o: usize| {
            let centre = (o as f64 + 0.5) * ratio - 0.5;
            let weights = (0..values.len()).map(|i| (i as f64 - centre) / scale);
            let weights = weights.map(|t| if t.abs() < 3.0 { sinc(t) * sinc(t / 3.0) } else { 0.0 });
            let (sum, total) = weights.zip(values).fold((0.0, 0.0), |(s, t), (w, v)| (s + w * v, t + w));
            sum / total
        };
        (0..size).map(at).collect()
    }

    #[test]
    fn it_is_lanczos_of_three_lobes_widened_when_shrinking() {
        let row: Vec<f64> = (0..24).map(|i| 0.5 + 0.3 * (f64::from(i * i) * 0.21).sin()).collect();
        for size in [6, 24, 31, 48, 72] {
            let plane = Plane::from_fn(9, 24, |_, x| row[x] as f32);
            let resized = resize_lanczos(&plane, 4, size).unwrap();
            let expected = lanczos(&row, size);
            for (y, x) in (0..4).flat_map(|y| (0..size).map(move |x| (y, x))) {
                let error = (f64::from(resized.at(y, x)) - expected[x]).abs();
                assert!(
                    error < 3e-6,
                    "{size}: ({y}, {x}) is off by {error}, more than f32's rounding of 13 terms twice"
                );
            }
        }
        assert!(resize_lanczos(&Plane::from_fn(3, 3, |_, _| 0.0), 0, 4).is_err());
    }
}
