//! The two-dimensional Fourier transform of complex fields of any size, in double precision.

use std::sync::Arc;

use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

/// Plans and work space for transforms of one size.
///
/// The layout is that of [`crate::data::Plane`]: row by row. Forward is unnormalised, inverse divides by the number
/// of pixels, so that one undoes the other. Frequencies lie as in [`frequencies`].
pub(crate) struct Fft2 {
    height: usize,
    width: usize,
    along_rows: [Arc<dyn Fft<f64>>; 2],
    along_columns: [Arc<dyn Fft<f64>>; 2],
    transposed: Vec<Complex64>,
    scratch: Vec<Complex64>,
}

impl Fft2 {
    /// Plans for fields of `height × width`.
    pub(crate) fn new(height: usize, width: usize) -> Self {
        let mut planner = FftPlanner::new();
        let mut both = |n| [planner.plan_fft_forward(n), planner.plan_fft_inverse(n)];
        let (along_rows, along_columns) = (both(width), both(height));
        let scratch = along_rows.iter().chain(&along_columns).map(|p| p.get_inplace_scratch_len()).max().unwrap_or(0);
        Self {
            height,
            width,
            along_rows,
            along_columns,
            transposed: vec![Complex64::default(); height * width],
            scratch: vec![Complex64::default(); scratch],
        }
    }

    /// Transforms `field` in place.
    pub(crate) fn forward(&mut self, field: &mut [Complex64]) {
        self.transform(field, 0);
    }

    /// Undoes [`Fft2::forward`] in place.
    pub(crate) fn inverse(&mut self, field: &mut [Complex64]) {
        self.transform(field, 1);
        let scale = 1.0 / field.len() as f64;
        field.iter_mut().for_each(|v| *v *= scale);
    }

    fn transform(&mut self, field: &mut [Complex64], direction: usize) {
        self.along_rows[direction].process_with_scratch(field, &mut self.scratch);
        transpose(field, &mut self.transposed, self.height, self.width);
        self.along_columns[direction].process_with_scratch(&mut self.transposed, &mut self.scratch);
        transpose(&self.transposed, field, self.width, self.height);
    }
}

/// Writes the transpose of the `height × width` matrix `from`, tile by tile so that both sides stay in cache.
fn transpose(from: &[Complex64], to: &mut [Complex64], height: usize, width: usize) {
    const TILE: usize = 16;
    for y0 in (0..height).step_by(TILE) {
        for x0 in (0..width).step_by(TILE) {
            for y in y0..(y0 + TILE).min(height) {
                for x in x0..(x0 + TILE).min(width) {
                    to[x * height + y] = from[y * width + x];
                }
            }
        }
    }
}

/// The frequencies of an `n`-point transform in cycles per unit of `spacing`: 0, 1, …, then the negative ones. At even
/// `n` the Nyquist frequency counts as negative.
pub(crate) fn frequencies(n: usize, spacing: f64) -> Vec<f64> {
    let span = n as f64 * spacing;
    (0..n).map(|i| if i < n.div_ceil(2) { i as f64 } else { i as f64 - n as f64 } / span).collect()
}
