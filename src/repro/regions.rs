//! Structure and background of a phase image, told apart by its truth.

use crate::data::Plane;

/// Which pixels are which. Pixels in between belong to neither.
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    /// Pixels of structure.
    pub structure: Vec<bool>,
    /// Pixels of background.
    pub background: Vec<bool>,
}

impl Regions {
    /// Of a photograph, which fills its frame: structure is the quarter of the pixels with the steepest gradient of the true
    /// phase (central differences), background the half with the flattest.
    pub fn by_gradient(truth: &Plane) -> Self {
        let (height, width) = (truth.height(), truth.width());
        let slope = |y: usize, x: usize| {
            let across = truth.at(y, (x + 1).min(width - 1)) - truth.at(y, x.saturating_sub(1));
            let down = truth.at((y + 1).min(height - 1), x) - truth.at(y.saturating_sub(1), x);
            across.hypot(down)
        };
        let slopes: Vec<f32> = (0..height * width).map(|i| slope(i / width, i % width)).collect();
        let mut sorted = slopes.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let (half, three_quarters) = (sorted[(sorted.len() - 1) / 2], sorted[3 * (sorted.len() - 1) / 4]);
        Self {
            structure: slopes.iter().map(|&s| s > three_quarters).collect(),
            background: slopes.iter().map(|&s| s <= half).collect(),
        }
    }

    /// Of an object in an empty medium: structure is where the true phase lies above a quarter of its range, background where it
    /// lies below a tenth.
    pub fn by_value(truth: &Plane) -> Self {
        let (low, high) = truth.min_max();
        let level = |fraction: f32| low + fraction * (high - low);
        let (background, structure) = (level(0.1), level(0.25));
        Self {
            structure: truth.values().iter().map(|&v| v > structure).collect(),
            background: truth.values().iter().map(|&v| v < background).collect(),
        }
    }

    /// The means of a map over structure and background; NaN over a region without pixels.
    pub fn means(&self, map: &Plane) -> [f64; 2] {
        [&self.structure, &self.background].map(|mask| {
            let inside = values(map, mask);
            inside.iter().map(|&v| f64::from(v)).sum::<f64>() / inside.len() as f64
        })
    }
}

/// The values of a map where a mask is set.
pub fn values(map: &Plane, mask: &[bool]) -> Vec<f32> {
    map.values().iter().zip(mask).filter(|(_, inside)| **inside).map(|(v, _)| *v).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_structure_and_what_is_flat_background() {
        let step = Plane::from_fn(8, 16, |_, x| if x < 8 { 0.0 } else { 1.0 });
        let regions = Regions::by_gradient(&step);
        for i in 0..8 * 16 {
            let at_the_edge = matches!(i % 16, 7 | 8);
            assert_eq!((regions.structure[i], regions.background[i]), (at_the_edge, !at_the_edge), "pixel {i}");
        }
        assert_eq!(regions.means(&step), [0.5, 0.5]);
    }

    #[test]
    fn an_object_is_structure_and_its_medium_background() {
        let object = Plane::from_fn(4, 4, |y, _| [0.0, 0.2, 0.5, 1.0][y]);
        let regions = Regions::by_value(&object);
        let rows = |mask: &[bool]| [0, 4, 8, 12].map(|i| mask[i]);
        assert_eq!(rows(&regions.structure), [false, false, true, true]);
        assert_eq!(rows(&regions.background), [true, false, false, false]);
        assert_eq!(regions.means(&object), [0.75, 0.0]);
    }
}
