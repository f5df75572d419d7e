//! Phases to train on, made from photographs.
//!
//! The paper turns every photograph into a phase of 0 to 3.5 rad. Such objects fill the frame, have sharp edges and
//! always span the whole range; cells do none of that. The other variants here close the gap: soft photographs, weak
//! ones, and objects that lie like cells in an empty medium.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::blur::gaussian_blur;
use super::cells::draw_cells;
use super::field::check_finite;
use super::random::{Purpose, generator};
use super::scaling::PHASE_RANGE;
use crate::data::Plane;
use crate::{Error, Result};

pub use super::cells::CellShape;

/// The paper's phase (section 4.2): `3.5 rad × gray`, gray scaled to [0, 1] by its own minimum and maximum. A patch
/// without contrast gives phase 0.
pub fn photograph_phase(gray: &Plane) -> Plane {
    scaled(gray, PHASE_RANGE)
}

/// An object a pair of images can be simulated of.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseObject {
    /// Phase in rad, 0 ≤ φ ≤ 3.5.
    pub phase: Plane,
    /// Amplitude around 1; none for a pure phase object.
    pub amplitude: Option<Plane>,
}

/// How a photograph becomes a phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PhaseVariant {
    /// [`photograph_phase`].
    Photograph,
    /// The photograph blurred by a Gaussian of σ ~ U(0, 8) pixels, then as [`PhaseVariant::Photograph`].
    Blurred,
    /// The photograph over a range of U(0.5, 3.5) rad instead of 3.5.
    RandomRange,
    /// Cell-like objects in a medium of phase 0, filled with blurred photograph; range U(0.5, 3.5) rad.
    Cells(CellShape),
}

/// Shares of the variants in training, and how often an object also absorbs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhaseMix {
    /// Weight of [`PhaseVariant::Photograph`].
    pub photograph: f32,
    /// Weight of [`PhaseVariant::Blurred`].
    pub blurred: f32,
    /// Weight of [`PhaseVariant::RandomRange`].
    pub random_range: f32,
    /// Weight of [`PhaseVariant::Cells`].
    pub cells: f32,
    /// Shape of those cells.
    pub cell_shape: CellShape,
    /// Probability that the amplitude is not 1 everywhere.
    pub amplitude_probability: f32,
    /// The strongest amplitude modulation: U(0, this) is drawn, the amplitude then spans 1 ± that.
    pub amplitude_depth: f32,
}

impl PhaseMix {
    /// The paper's training data: photographs only, pure phase.
    pub fn paper() -> Self {
        Self {
            photograph: 1.0,
            blurred: 0.0,
            random_range: 0.0,
            cells: 0.0,
            cell_shape: CellShape::default(),
            amplitude_probability: 0.0,
            amplitude_depth: 0.0,
        }
    }

    /// For networks that are to serve cells as well as photographs.
    pub fn robust() -> Self {
        Self {
            photograph: 0.35,
            blurred: 0.15,
            random_range: 0.15,
            cells: 0.35,
            amplitude_probability: 0.3,
            amplitude_depth: 0.1,
            ..Self::paper()
        }
    }

    /// An object made from a photograph, by a variant drawn according to the weights. The same seed and photograph give
    /// the same object.
    ///
    /// # Errors
    /// [`Error::Input`] if weights, probability or depth lie outside their domain, or those of [`training_phase`].
    pub fn draw(&self, gray: &Plane, seed: u64) -> Result<PhaseObject> {
        let weights = [self.photograph, self.blurred, self.random_range, self.cells];
        let total: f32 = weights.iter().sum();
        let domain = weights.iter().all(|w| *w >= 0.0) && total.is_finite() && total > 0.0;
        if !domain || !(0.0..=1.0).contains(&self.amplitude_probability) || !(0.0..1.0).contains(&self.amplitude_depth)
        {
            return Err(Error::input(format!(
                "a mix of phases needs weights ≥ 0 that do not all vanish, a probability in [0, 1] and a depth in [0, 1); given was {self:?}"
            )));
        }
        let mut rng = generator(seed, Purpose::PhaseVariant);
        let mut rest = rng.random::<f32>() * total;
        let variants = [
            PhaseVariant::Photograph,
            PhaseVariant::Blurred,
            PhaseVariant::RandomRange,
            PhaseVariant::Cells(self.cell_shape),
        ];
        let chosen = weights.iter().position(|&w| {
            rest -= w;
            rest < 0.0
        });
        // Rounding may leave a rest of zero after the last weight: then the last possible variant is meant.
        let chosen = chosen.or_else(|| weights.iter().rposition(|&w| w > 0.0)).unwrap_or(0);
        let phase = training_phase(gray, variants[chosen], seed)?;
        let absorbs = rng.random::<f32>() < self.amplitude_probability && self.amplitude_depth > 0.0;
        let amplitude = if absorbs { Some(weak_amplitude(gray, &phase, self.amplitude_depth, seed)?) } else { None };
        Ok(PhaseObject { phase, amplitude })
    }
}

/// The phase in rad, of the photograph's size, that `variant` makes of a photograph (any scale of gray). A function of
/// photograph, variant and seed alone.
///
/// # Errors
/// [`Error::Input`] if a gray value is not finite, or the cells' shape lies outside its domain.
pub fn training_phase(gray: &Plane, variant: PhaseVariant, seed: u64) -> Result<Plane> {
    check_finite("the photograph", gray)?;
    let mut rng = generator(seed, Purpose::PhaseShape);
    match variant {
        PhaseVariant::Photograph => Ok(photograph_phase(gray)),
        PhaseVariant::Blurred => Ok(photograph_phase(&gaussian_blur(gray, rng.random_range(0.0..8.0))?)),
        PhaseVariant::RandomRange => Ok(scaled(gray, random_range(&mut rng))),
        PhaseVariant::Cells(shape) => {
            let range = random_range(&mut rng);
            let texture = scaled(&gaussian_blur(gray, rng.random_range(1.0..5.0))?, 1.0);
            Ok(scaled(&draw_cells(&texture, &shape, &mut rng)?, range))
        }
    }
}

fn random_range(rng: &mut ChaCha8Rng) -> f32 {
    rng.random_range(0.5..PHASE_RANGE)
}

/// Smooth absorption inside the object: where the phase is 0 the amplitude is 1.
fn weak_amplitude(gray: &Plane, phase: &Plane, max_depth: f32, seed: u64) -> Result<Plane> {
    let mut rng = generator(seed, Purpose::Amplitude);
    let depth = rng.random_range(0.0..max_depth);
    let texture = scaled(&gaussian_blur(gray, rng.random_range(1.0..6.0))?, 2.0);
    let inside = scaled(phase, 1.0);
    let at = |y, x| 1.0 + depth * (texture.at(y, x) - 1.0) * (4.0 * inside.at(y, x)).min(1.0);
    Ok(Plane::from_fn(gray.height(), gray.width(), at))
}

/// The plane scaled from its minimum and maximum to [0, `range`]; zeros if it is flat.
fn scaled(plane: &Plane, range: f32) -> Plane {
    let (lo, hi) = plane.min_max();
    if hi <= lo {
        return plane.map(|_| 0.0);
    }
    // Divided first: the maximum becomes exactly 1, then exactly the range.
    plane.map(|v| (v - lo) / (hi - lo) * range)
}
