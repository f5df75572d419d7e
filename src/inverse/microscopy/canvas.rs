//! Where fluorophores are put down.

use crate::data::Plane;

/// A square of light sources; positions are µm from its corner, down and across.
pub(super) struct Canvas {
    plane: Plane,
    pitch: f64,
}

impl Canvas {
    /// An empty square of `side` points, `pitch` µm apart.
    pub(super) fn new(side: usize, pitch: f64) -> Self {
        Self { plane: Plane::from_fn(side, side, |_, _| 0.0), pitch }
    }

    /// Length of a side in µm.
    pub(super) fn extent(&self) -> f64 {
        self.plane.height() as f64 * self.pitch
    }

    /// Adds a point source, shared among the four points around it. Outside the square nothing happens.
    pub(super) fn add(&mut self, [down, across]: [f64; 2], light: f64) {
        let side = self.plane.height();
        // The middle of point (0, 0) lies half a pitch inside.
        let (y, x) = (down / self.pitch - 0.5, across / self.pitch - 0.5);
        let (y0, x0) = (y.floor(), x.floor());
        for (dy, dx) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
            let (row, column) = (y0 + dy, x0 + dx);
            let inside = |i: f64| i >= 0.0 && i < side as f64;
            if inside(row) && inside(column) {
                let share = (1.0 - (y - row).abs()) * (1.0 - (x - column).abs());
                self.plane.values_mut()[row as usize * side + column as usize] += (light * share) as f32;
            }
        }
    }

    /// The sources as they lie.
    pub(super) fn finish(self) -> Plane {
        self.plane
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_lies_where_it_was_put_and_none_is_lost() {
        let mut canvas = Canvas::new(8, 0.5);
        assert_eq!(canvas.extent(), 4.0);
        canvas.add([1.75, 2.25], 1.0);
        canvas.add([3.1, 0.9], 2.0);
        canvas.add([-3.0, 1.0], 5.0);
        canvas.add([1.0, 9.0], 5.0);
        let plane = canvas.finish();
        assert_eq!(plane.at(3, 4), 1.0, "on the middle of a point");
        assert!((plane.values().iter().sum::<f32>() - 3.0).abs() < 1e-6);
        let middle = |f: fn(usize, usize) -> usize| {
            let shares = (0..64).filter(|&i| i != 3 * 8 + 4).map(|i| f(i / 8, i % 8) as f32 * plane.values()[i]);
            (shares.sum::<f32>() / 2.0 + 0.5) * 0.5
        };
        assert!((middle(|y, _| y) - 3.1).abs() < 1e-5 && (middle(|_, x| x) - 0.9).abs() < 1e-5);
    }
}
