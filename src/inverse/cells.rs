//! Cell-like thickness maps: domes with uneven outlines in an empty medium, with a nucleus and granules, soft where
//! they meet.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::data::Plane;
use crate::{Error, Result};

/// What cells in a frame look like. Lengths are fractions of the frame's shorter side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellShape {
    /// Most cells in a frame; at least one is drawn.
    pub max_count: usize,
    /// Smallest and largest mean radius.
    pub radius: (f32, f32),
    /// How much of the local thickness the photograph's texture may take away: 0 none, 1 all of it.
    pub texture: f32,
    /// Share of frames in which every cell lies inside the window, with medium all around, as one records a single cell. In the others
    /// cells may be cut, and then nothing that is measured tells what lies outside.
    pub inside: f32,
    /// Share of the frame's sides that is looked at in the end, around its middle: simulators crop a margin.
    pub window: f32,
}

impl Default for CellShape {
    fn default() -> Self {
        Self { max_count: 5, radius: (0.1, 0.38), texture: 0.6, inside: 0.5, window: 1.0 }
    }
}

/// The number of harmonics that bend an outline.
const HARMONICS: usize = 4;

/// A dome over a bent ellipse.
struct Dome {
    centre: (f32, f32),
    radii: (f32, f32),
    /// Cosine and sine of the ellipse's angle.
    axis: (f32, f32),
    /// Amplitude and phase of the outline's harmonics 2, 3, …
    outline: [(f32, f32); HARMONICS],
    /// Half the width of the soft edge, as a fraction of the radius.
    softness: f32,
    /// 0.5 is an ellipsoid, smaller is flatter with steeper sides.
    power: f32,
    height: f32,
}

/// A granule: a small Gaussian bump.
struct Granule {
    centre: (f32, f32),
    sigma: f32,
    height: f32,
}

struct Cell {
    body: Dome,
    nucleus: Dome,
    granules: Vec<Granule>,
    /// How strongly the texture shows.
    texture: f32,
}

/// A thickness map of the texture's size: 0 in the medium, of the order of 1 in cells. `texture` spans [0, 1].
pub(super) fn draw_cells(texture: &Plane, shape: &CellShape, rng: &mut ChaCha8Rng) -> Result<Plane> {
    let (small, large) = shape.radius;
    if shape.max_count == 0
        || !(small > 0.0 && small < large && large.is_finite())
        || ![shape.texture, shape.inside, shape.window].iter().all(|share| (0.0..=1.0).contains(share))
        || shape.window == 0.0
    {
        return Err(Error::input(format!(
            "cells need a count of at least 1, radii 0 < smallest < largest, texture, inside and window in [0, 1], no empty window; given was {shape:?}"
        )));
    }
    let (height, width) = (texture.height(), texture.width());
    let inside = rng.random::<f32>() < shape.inside;
    // A cell that must fit fills more of its frame when it is alone.
    let count =
        if inside { rng.random_range(1..=shape.max_count.min(2)) } else { rng.random_range(1..=shape.max_count) };
    let cells: Vec<Cell> = (0..count).map(|_| Cell::draw(height, width, shape, inside, rng)).collect();
    let at = |y: usize, x: usize| {
        let t = texture.at(y, x);
        // Cells that touch press against each other rather than pile up: a soft maximum, `(Σ hᵖ)^(1/p)`.
        cells.iter().map(|c| c.thickness(y as f32, x as f32, t).powi(4)).sum::<f32>().powf(0.25)
    };
    Ok(Plane::from_fn(height, width, at))
}

impl Cell {
    fn draw(height: usize, width: usize, shape: &CellShape, inside: bool, rng: &mut ChaCha8Rng) -> Self {
        let side = height.min(width) as f32;
        let mut radius = side * rng.random_range(shape.radius.0..shape.radius.1);
        let mut margin = [0.1, 0.1];
        if inside {
            // Stretched by at most 1.15, bent by at most 0.154, with a soft edge of at most 0.15: 1.5 radii hold all but a rim of height 0.
            radius = radius.min(0.32 * shape.window * side);
            margin = [height, width].map(|length| 0.5 * (1.0 - shape.window) + 1.5 * radius / length as f32);
        }
        let [down, across] = margin.map(|m| rng.random_range(m..1.0 - m));
        let centre = (height as f32 * down, width as f32 * across);
        let body = Dome::draw(centre, radius, rng);
        // Inside the body: at most 0.3 of the radius off centre, at most 0.55 of it wide.
        let shift = |rng: &mut ChaCha8Rng| radius * rng.random_range(-0.2..0.2);
        let nucleus_centre = (centre.0 + shift(rng), centre.1 + shift(rng));
        let mut nucleus = Dome::draw(nucleus_centre, radius * rng.random_range(0.3..0.55), rng);
        nucleus.height = rng.random_range(0.0..0.7);
        let granule = |rng: &mut ChaCha8Rng| {
            let (angle, distance) =
                (rng.random_range(0.0..std::f32::consts::TAU), radius * 0.75 * rng.random::<f32>().sqrt());
            Granule {
                centre: (centre.0 + distance * angle.sin(), centre.1 + distance * angle.cos()),
                sigma: (radius * rng.random_range(0.02..0.07)).max(0.8),
                height: rng.random_range(-0.15..0.35),
            }
        };
        let granules = (0..rng.random_range(0..12)).map(|_| granule(rng)).collect();
        Self { body, nucleus, granules, texture: shape.texture * rng.random::<f32>() }
    }

    fn thickness(&self, y: f32, x: f32, texture: f32) -> f32 {
        let body = self.body.at(y, x);
        if body == 0.0 {
            return 0.0;
        }
        let granules: f32 = self.granules.iter().map(|g| g.at(y, x)).sum();
        let content = 1.0 - self.texture * (1.0 - texture) + self.nucleus.at(y, x) + granules;
        body * content.max(0.0)
    }
}

impl Dome {
    fn draw(centre: (f32, f32), radius: f32, rng: &mut ChaCha8Rng) -> Self {
        let stretch: f32 = rng.random_range(0.75..1.33);
        let (sin, cos) = rng.random_range(0.0..std::f32::consts::PI).sin_cos();
        let outline = std::array::from_fn(|i| {
            let strength = 0.12 / (i + 2) as f32;
            (rng.random_range(-strength..strength), rng.random_range(0.0..std::f32::consts::TAU))
        });
        Self {
            centre,
            radii: (radius * stretch.sqrt(), radius / stretch.sqrt()),
            axis: (cos, sin),
            outline,
            softness: rng.random_range(0.03..0.15),
            power: rng.random_range(0.3..0.7),
            height: rng.random_range(0.5..1.0),
        }
    }

    fn at(&self, y: f32, x: f32) -> f32 {
        let (dy, dx) = (y - self.centre.0, x - self.centre.1);
        let along = (dx * self.axis.0 + dy * self.axis.1) / self.radii.0;
        let across = (dy * self.axis.0 - dx * self.axis.1) / self.radii.1;
        let angle = across.atan2(along);
        let bend: f32 = self.outline.iter().enumerate().map(|(i, (a, p))| a * ((i + 2) as f32 * angle + p).cos()).sum();
        let rho = along.hypot(across) / (1.0 + bend);
        // The bare dome `(1 − ρ²)^power` has an infinite slope at its rim; a little outside help and a smooth step tame it.
        let reach = 1.0 + self.softness;
        if rho >= reach {
            return 0.0;
        }
        let dome = (1.0 - (rho / reach).powi(2)).powf(self.power);
        self.height * dome * smoothstep((reach - rho) / (2.0 * self.softness))
    }
}

impl Granule {
    fn at(&self, y: f32, x: f32) -> f32 {
        let distance = ((y - self.centre.0).powi(2) + (x - self.centre.1).powi(2)) / (self.sigma * self.sigma);
        self.height * (-0.5 * distance).exp()
    }
}

/// 0 below 0, 1 above 1, smooth in between.
fn smoothstep(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
