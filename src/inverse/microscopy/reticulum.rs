//! Endoplasmic reticulum: tubules along the bent edges of a Voronoi diagram, three to a junction, and a few sheets.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use crate::data::Plane;

/// Mean distance of neighbouring meshes in µm.
const MESH: (f64, f64) = (0.65, 1.05);
/// Share of edges without a tubule, and of meshes that are sheets.
const MISSING: f64 = 0.22;
const SHEETS: f64 = 0.05;
/// Standard deviation of a tubule's profile in µm.
const RADIUS: (f64, f64) = (0.03, 0.045);
/// Light of a sheet, in parts of a tubule's, and how patchy it is.
const SHEET: (f64, f64) = (0.33, 0.4);
/// How unevenly the label lies.
const GRAIN: f32 = 0.35;

/// A sum of plane waves: smooth noise of standard deviation 1.
struct Waves(Vec<[f64; 3]>);

impl Waves {
    /// Wavelengths between `shortest` and three times that, in µm.
    fn new(shortest: f64, rng: &mut ChaCha8Rng) -> Self {
        let wave = |rng: &mut ChaCha8Rng| {
            let number = std::f64::consts::TAU / (shortest * rng.random_range(1.0..3.0));
            let (sin, cos) = rng.random_range(0.0..std::f64::consts::TAU).sin_cos();
            [number * sin, number * cos, rng.random_range(0.0..std::f64::consts::TAU)]
        };
        Self((0..8).map(|_| wave(rng)).collect())
    }

    fn at(&self, y: f64, x: f64) -> f64 {
        self.0.iter().map(|[ky, kx, phase]| (ky * y + kx * x + phase).sin()).sum::<f64>()
            / (0.5 * self.0.len() as f64).sqrt()
    }
}

/// One mesh: its middle, and a number that tells it from others.
#[derive(Clone, Copy)]
struct Site {
    y: f64,
    x: f64,
    id: u64,
}

/// Sites on a jittered grid, which has one in every cell.
struct Sites {
    spacing: f64,
    columns: usize,
    sites: Vec<Site>,
    seed: u64,
}

impl Sites {
    fn new(extent: f64, rng: &mut ChaCha8Rng) -> Self {
        let spacing = rng.random_range(MESH.0..MESH.1);
        // Two more on every side, as positions are bent and neighbours looked up.
        let columns = (extent / spacing).ceil() as usize + 6;
        let place = |i: usize, rng: &mut ChaCha8Rng| (i as f64 - 3.0 + rng.random_range(0.02..0.98)) * spacing;
        let site = |i: usize, rng: &mut ChaCha8Rng| Site {
            y: place(i / columns, rng),
            x: place(i % columns, rng),
            id: i as u64,
        };
        let sites = (0..columns * columns).map(|i| site(i, rng)).collect();
        Self { spacing, columns, sites, seed: rng.random() }
    }

    /// The sites that can be nearest to a position or border on the one that is.
    fn around(&self, y: f64, x: f64) -> impl Iterator<Item = &Site> {
        let cell = |v: f64| ((v / self.spacing).floor() as isize + 3).clamp(2, self.columns as isize - 3) as usize;
        let (row, column) = (cell(y), cell(x));
        (row - 2..=row + 2)
            .flat_map(move |r| &self.sites[r * self.columns + column - 2..=r * self.columns + column + 2])
    }

    /// What is special to a mesh or an edge, whichever side it is seen from.
    fn nature(&self, a: u64, b: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed ^ (a.min(b) << 32) ^ a.max(b))
    }
}

/// A tubule as it is drawn.
#[derive(Clone, Copy)]
struct Tubule {
    radius: f64,
    light: f64,
}

pub(super) fn draw(side: usize, pitch: f64, rng: &mut ChaCha8Rng) -> Plane {
    let extent = side as f64 * pitch;
    let sites = Sites::new(extent, rng);
    let bend = [Waves::new(0.7, rng), Waves::new(0.7, rng)];
    let amplitude = 0.12 * sites.spacing;
    let (strength, patches) = (Waves::new(2.5, rng), Waves::new(0.25, rng));
    let edge = |a: &Site, b: &Site| {
        let mut nature = sites.nature(a.id, b.id);
        let present = nature.random::<f64>() >= MISSING;
        let tubule = Tubule { radius: nature.random_range(RADIUS.0..RADIUS.1), light: nature.random_range(0.6..1.1) };
        present.then_some(tubule)
    };
    let mut natures = std::collections::HashMap::new();
    let mut grain = ChaCha8Rng::seed_from_u64(rng.random());
    Plane::from_fn(side, side, |row, column| {
        let (y, x) = ((row as f64 + 0.5) * pitch, (column as f64 + 0.5) * pitch);
        let (wy, wx) = (y + amplitude * bend[0].at(y, x), x + amplitude * bend[1].at(y, x));
        let squared = |s: &Site| (s.y - wy).powi(2) + (s.x - wx).powi(2);
        let Some(home) = sites.around(wy, wx).min_by(|a, b| squared(a).total_cmp(&squared(b))) else { return 0.0 };
        let mut light = 0.0f64;
        for other in sites.around(wy, wx).filter(|s| s.id != home.id) {
            // To the line half way between the two: the edge, as no third site is nearer.
            let distance = (squared(other) - squared(home)) / (2.0 * (other.y - home.y).hypot(other.x - home.x));
            if distance < 3.5 * RADIUS.1 {
                let key = (home.id.min(other.id), home.id.max(other.id));
                if let Some(tubule) = natures.entry(key).or_insert_with(|| edge(home, other)) {
                    light = light.max(tubule.light * (-0.5 * (distance / tubule.radius).powi(2)).exp());
                }
            }
        }
        if sites.nature(home.id, home.id).random::<f64>() < SHEETS {
            light = light.max(SHEET.0 * (1.0 + SHEET.1 * patches.at(y, x)).max(0.0));
        }
        let label: f32 = StandardNormal.sample(&mut grain);
        let uneven = (1.0 + 0.3 * strength.at(y, x)).max(0.2) as f32 * (1.0 + GRAIN * label).max(0.0);
        light as f32 * uneven
    })
}
