//! Pairs of a coarse image and the fine one behind it: what super-resolution learns from.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::resize::{LANCZOS_REACH, resize_lanczos};
use super::{Plane, oriented};
use crate::{Error, Result};

/// What a network is given and what it should answer: a plane a channel, values in [0, 1].
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The condition: the coarse image, enlarged to the fine grid by Lanczos-3 interpolation unless it was asked for as it is.
    pub x: Vec<Plane>,
    /// The target: the fine image.
    pub y: Vec<Plane>,
}

/// A coarse image and a fine one of the same field of view, values in [0, 1]: as many channels, the fine grid `factor` times as
/// dense along both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolutionPair {
    low: Vec<Plane>,
    high: Vec<Plane>,
    factor: usize,
}

impl ResolutionPair {
    /// A pair from the planes of its channels.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no channels or not equally many, or the sizes are no whole multiple of each other, the same
    /// along both sides; [`Error::Input`] if a value lies outside [0, 1].
    pub fn new(low: Vec<Plane>, high: Vec<Plane>) -> Result<Self> {
        let sizes = |planes: &[Plane]| planes.iter().map(|p| (p.height(), p.width())).collect::<Vec<_>>();
        let (coarse, fine) = (sizes(&low), sizes(&high));
        let factor = coarse.first().zip(fine.first()).map_or(0, |(l, h)| h.0 / l.0);
        let fits = |(l, h): (&(usize, usize), &(usize, usize))| *h == (factor * l.0, factor * l.1) && *h == fine[0];
        if factor == 0 || coarse.len() != fine.len() || !coarse.iter().zip(&fine).all(fits) {
            return Err(Error::shape(format!(
                "a coarse image of {coarse:?} (rows, columns of each channel) and a fine one of {fine:?}; the fine one must be the \
                 same whole multiple of the coarse along both sides"
            )));
        }
        expect_unit_range(low.iter().chain(&high))?;
        Ok(Self { low, high, factor })
    }

    /// The coarse image, a plane a channel.
    pub fn low(&self) -> &[Plane] {
        &self.low
    }

    /// The fine image, a plane a channel.
    pub fn high(&self) -> &[Plane] {
        &self.high
    }

    /// How many times as dense the fine grid is.
    pub fn factor(&self) -> usize {
        self.factor
    }

    /// The whole field of view.
    ///
    /// # Errors
    /// None for a pair that [`ResolutionPair::new`] has accepted.
    pub fn whole(&self) -> Result<Example> {
        self.window(0, 0, self.high[0].height(), self.high[0].width())
    }

    /// The window of `height × width` pixels of the fine grid whose corner is row `top`, column `left`; all four multiples of
    /// the factor. It is a window of [`ResolutionPair::whole`]: what surrounds it takes part in the interpolation.
    ///
    /// # Errors
    /// [`Error::Shape`] if the window does not lie inside or on the coarse grid.
    pub fn window(&self, top: usize, left: usize, height: usize, width: usize) -> Result<Example> {
        let factor = self.factor;
        if [top, left, height, width].iter().any(|n| !n.is_multiple_of(factor)) {
            return Err(Error::shape(format!(
                "a window of {height} × {width} at ({top}, {left}) of a pair with {factor} fine pixels to a coarse one; all four \
                 must be multiples of that"
            )));
        }
        let y = self.high.iter().map(|p| p.crop(top, left, height, width)).collect::<Result<_>>()?;
        // On the coarse grid, with the kernel's reach around it where there is something.
        let span = |start: usize, length: usize, limit: usize| {
            let (start, end) = (start / factor, (start + length) / factor);
            let from = start.saturating_sub(LANCZOS_REACH + 1);
            (from, (end + LANCZOS_REACH + 1).min(limit) - from, (start - from) * factor)
        };
        let enlarge = |plane: &Plane| {
            let (y0, rows, inner_top) = span(top, height, plane.height());
            let (x0, columns, inner_left) = span(left, width, plane.width());
            let surrounded = plane.crop(y0, x0, rows, columns)?;
            resize_lanczos(&surrounded, rows * factor, columns * factor)?.crop(inner_top, inner_left, height, width)
        };
        Ok(Example { x: self.low.iter().map(enlarge).collect::<Result<_>>()?, y })
    }

    /// Patch number `number` of `side × side` fine pixels, a pure function of pair, seed and number: a place, one of the square's
    /// eight symmetries.
    ///
    /// # Errors
    /// [`Error::Shape`] if the image is smaller, or `side` no multiple of the factor.
    pub fn patch(&self, side: usize, seed: u64, number: u64) -> Result<Example> {
        let ([top, left], symmetry) = self.place(side, seed, number)?;
        Ok(self.window(top, left, side, side)?.oriented(symmetry))
    }

    /// The same patch with the condition as it was measured, on the coarse grid: what networks see that enlarge it themselves.
    ///
    /// # Errors
    /// As [`ResolutionPair::patch`].
    pub fn coarse_patch(&self, side: usize, seed: u64, number: u64) -> Result<Example> {
        let ([top, left], symmetry) = self.place(side, seed, number)?;
        let window = |planes: &[Plane], divisor: usize| {
            let crop = |p: &Plane| p.crop(top / divisor, left / divisor, side / divisor, side / divisor);
            planes.iter().map(crop).collect::<Result<Vec<_>>>()
        };
        Ok(Example { x: window(&self.low, self.factor)?, y: window(&self.high, 1)? }.oriented(symmetry))
    }

    /// Corner, in fine pixels, and symmetry of a patch.
    fn place(&self, side: usize, seed: u64, number: u64) -> Result<([usize; 2], u8)> {
        let (height, width) = (self.low[0].height(), self.low[0].width());
        let coarse = side / self.factor;
        if coarse > height || coarse > width || !side.is_multiple_of(self.factor) {
            return Err(Error::shape(format!(
                "patches of {side} × {side} from an image of {} × {}; it must be at least as large, and patches a multiple of {}",
                height * self.factor,
                width * self.factor,
                self.factor
            )));
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        let corner = [height, width].map(|n| random.random_range(0..=n - coarse) * self.factor);
        Ok((corner, random.random_range(0..8u8)))
    }
}

impl Example {
    fn oriented(self, symmetry: u8) -> Self {
        let turn = |planes: Vec<Plane>| planes.iter().map(|p| oriented(p, symmetry)).collect();
        Self { x: turn(self.x), y: turn(self.y) }
    }
}

/// Refuses an image, a plane a channel, with a value outside [0, 1]. Interpolation would cut it without a word.
///
/// # Errors
/// [`Error::Input`] that names the value and what to do.
pub fn expect_unit_range<'a>(planes: impl IntoIterator<Item = &'a Plane>) -> Result<()> {
    match planes.into_iter().flat_map(Plane::values).find(|v| !(0.0..=1.0).contains(*v)) {
        None => Ok(()),
        Some(v) => Err(Error::input(format!(
            "an image holds the value {v}; scale all to [0, 1] first, dividing by the largest that there can be (255 for 8 bits)"
        ))),
    }
}

/// The plane scaled from its minimum and maximum to [0, 1]; zeros if it is flat.
pub fn unit_range(plane: &Plane) -> Plane {
    let (low, high) = plane.min_max();
    if high <= low {
        return plane.map(|_| 0.0);
    }
    // Divided once: the maximum becomes exactly 1.
    plane.map(|v| (v - low) / (high - low))
}

/// From [0, 1] to the networks' range [−1, 1].
pub fn unit_to_network(plane: &Plane) -> Plane {
    plane.map(|v| 2.0 * v - 1.0)
}

/// From the networks' range [−1, 1] to [0, 1].
pub fn network_to_unit(plane: &Plane) -> Plane {
    plane.map(|v| 0.5 * (v + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texture(height: usize, width: usize) -> Plane {
        Plane::from_fn(height, width, |y, x| 0.5 + 0.4 * ((y * y) as f32 * 0.11 + x as f32 * 0.7).sin())
    }

    fn pair(factor: usize) -> ResolutionPair {
        ResolutionPair::new(vec![texture(20, 26)], vec![texture(20 * factor, 26 * factor)]).unwrap()
    }

    #[test]
    fn windows_are_parts_of_the_whole() {
        for factor in [2, 3, 4] {
            let pair = pair(factor);
            let whole = pair.whole().unwrap();
            for (top, left, height, width) in [(0, 0, 8, 8), (6, 9, 8, 8), (12, 18, 8, 8), (0, 3, 20, 5)] {
                let [t, l, h, w] = [top, left, height, width].map(|n| n * factor);
                let window = pair.window(t, l, h, w).unwrap();
                assert_eq!(window.y[0], whole.y[0].crop(t, l, h, w).unwrap());
                let expected = whole.x[0].crop(t, l, h, w).unwrap();
                let error = window.x[0].values().iter().zip(expected.values()).map(|(a, b)| (a - b).abs());
                // Positions are rounded: one part in 2²³ of up to 26 pixels, times the kernel's slope.
                assert!(error.fold(0.0, f32::max) < 1e-5, "×{factor}, ({top}, {left})");
            }
            assert!(pair.window(1, 0, factor, factor).is_err() || factor == 1);
            assert!(pair.window(0, 0, 21 * factor, factor).is_err());
        }
    }

    #[test]
    fn patches_are_aligned_and_depend_on_seed_and_number_alone() {
        // A fine image whose coarse one is its means: enlarged, it must resemble the fine one wherever the patch lies.
        let fine = Plane::from_fn(48, 64, |y, x| 0.5 + 0.4 * (y as f32 * 0.13).sin() * (x as f32 * 0.1).cos());
        let coarse = crate::data::downscale(&fine, 2).unwrap();
        let pair = ResolutionPair::new(vec![coarse], vec![fine]).unwrap();
        assert_eq!(pair.factor(), 2);
        for number in 0..20 {
            let patch = pair.patch(32, 5, number).unwrap();
            assert_eq!((patch.x[0].height(), patch.y[0].width()), (32, 32));
            // Interpolated, the smooth picture is itself but at the image's border, where the kernel is one-sided. Half a pixel
            // of shift would be 0.01.
            let error = patch.x[0].values().iter().zip(patch.y[0].values()).map(|(a, b)| (a - b).abs());
            let mean = error.sum::<f32>() / 1024.0;
            assert!(mean < 0.002, "patch {number} is shifted or turned: {mean}");
        }
        assert_eq!(pair.patch(32, 5, 3).unwrap(), pair.patch(32, 5, 3).unwrap());
        assert_ne!(pair.patch(32, 5, 3).unwrap(), pair.patch(32, 5, 4).unwrap());
        // The coarse patch is the same place under the same symmetry, not resampled.
        for number in 0..8 {
            let (patch, coarse) = (pair.patch(32, 5, number).unwrap(), pair.coarse_patch(32, 5, number).unwrap());
            assert_eq!(coarse.y, patch.y);
            let means = crate::data::downscale(&patch.y[0], 2).unwrap();
            let error = coarse.x[0].values().iter().zip(means.values()).map(|(a, b)| (a - b).abs());
            assert!(error.fold(0.0, f32::max) < 1e-6, "patch {number}: the mean of four pixels, rounded twice");
        }
        assert!(pair.patch(50, 5, 3).is_err());
        assert!(pair.coarse_patch(50, 5, 3).is_err() && pair.coarse_patch(31, 5, 3).is_err());
        assert!(pair.patch(31, 5, 3).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let new = |low: &[Plane], high: &[Plane]| ResolutionPair::new(low.to_vec(), high.to_vec());
        assert!(new(&[], &[]).is_err());
        assert!(new(&[texture(4, 4)], &[texture(8, 8), texture(8, 8)]).is_err());
        assert!(new(&[texture(4, 4)], &[texture(8, 12)]).is_err());
        assert!(new(&[texture(4, 4)], &[texture(9, 9)]).is_err());
        assert!(new(&[texture(4, 4)], &[texture(3, 3)]).is_err());
        assert!(matches!(new(&[texture(4, 4).map(|v| 9.0 * v)], &[texture(8, 8)]), Err(Error::Input(_))));
        let unit = unit_range(&texture(5, 6).map(|v| 300.0 * v + 7.0));
        assert_eq!(unit.min_max(), (0.0, 1.0));
        assert_eq!(unit_range(&unit.map(|_| 4.0)).min_max(), (0.0, 0.0));
        assert_eq!(unit_to_network(&unit).min_max(), (-1.0, 1.0));
        assert_eq!(network_to_unit(&unit_to_network(&unit)).min_max(), (0.0, 1.0));
    }
}
