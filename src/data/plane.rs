use crate::{Error, Result};

/// One channel of an image: `height × width` values of `f32`, row by row. Units are the caller's.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl Plane {
    /// A plane from its values, row by row.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not `height · width` values, or none.
    pub fn new(height: usize, width: usize, values: Vec<f32>) -> Result<Self> {
        if height == 0 || width == 0 || Some(values.len()) != height.checked_mul(width) {
            return Err(Error::shape(format!(
                "a plane of {height} × {width} needs that many values and at least one, {} were given",
                values.len()
            )));
        }
        Ok(Self { height, width, values })
    }

    /// A plane whose value at row `y` and column `x` is `f(y, x)`. Sizes of zero become one.
    pub fn from_fn(height: usize, width: usize, mut f: impl FnMut(usize, usize) -> f32) -> Self {
        let (height, width) = (height.max(1), width.max(1));
        let values = (0..height * width).map(|i| f(i / width, i % width)).collect();
        Self { height, width, values }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values, row by row, to change in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The value at row `y`, column `x`.
    pub fn at(&self, y: usize, x: usize) -> f32 {
        self.values[y * self.width + x]
    }

    /// The same plane with every value replaced by `f(value)`.
    pub fn map(&self, f: impl FnMut(f32) -> f32) -> Self {
        Self { values: self.values.iter().copied().map(f).collect(), ..*self }
    }

    /// The window of `height × width` whose upper left corner is row `top`, column `left`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the window does not lie inside the plane.
    pub fn crop(&self, top: usize, left: usize, height: usize, width: usize) -> Result<Self> {
        let beyond = |start: usize, length: usize, end: usize| start.checked_add(length).is_none_or(|e| e > end);
        if height == 0 || width == 0 || beyond(top, height, self.height) || beyond(left, width, self.width) {
            return Err(Error::shape(format!(
                "a window of {height} × {width} at ({top}, {left}) does not lie inside {} × {}",
                self.height, self.width
            )));
        }
        Ok(Self::from_fn(height, width, |y, x| self.at(top + y, left + x)))
    }

    /// Smallest and largest value.
    pub fn min_max(&self) -> (f32, f32) {
        self.values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), &v| (lo.min(v), hi.max(v)))
    }

    /// The mean of planes of one size, pixel by pixel: of an image's channels, say.
    ///
    /// # Panics
    /// If there is none, or they differ in size.
    pub fn mean_of(planes: &[Self]) -> Self {
        let count = planes.len() as f32;
        Self::from_fn(planes[0].height, planes[0].width, |y, x| planes.iter().map(|p| p.at(y, x)).sum::<f32>() / count)
    }

    /// The mean of all values, summed in `f64`.
    pub fn mean(&self) -> f32 {
        (self.values.iter().map(|&v| f64::from(v)).sum::<f64>() / self.values.len() as f64) as f32
    }
}
