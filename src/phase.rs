//! The phase imaging task: from photographs to training pairs, and from a measured pair to what the networks see.

use crate::config::{Condition, DataSection, TrainConfig};
use crate::data::{Photographs, Plane, Split};
use crate::inverse::{
    Boundary, DefocusPair, FresnelSetup, NoiseLaw, PHASE_RANGE, PhaseMix, add_noise, normalise_pair, phase_to_target,
    simulate_cropped, tie_single,
};
use crate::{Error, Result};

/// Regularisation of the condition's transport-of-intensity channel: half strength at a period of 200 pixels, so that noise
/// in the lowest frequencies of a training patch stays bounded.
const TIE_REGULARISATION: f64 = 1e-6;

/// The optical setting of a configuration.
///
/// # Errors
/// [`Error::Input`] if a length is not positive.
pub fn setup(data: &DataSection) -> Result<FresnelSetup> {
    FresnelSetup::new(data.wavelength_um, data.pixel_um, data.defocus_um)
}

/// The channels that the networks see of a measured pair, each `height × width`.
///
/// # Errors
/// Those of the transport-of-intensity solution.
pub fn condition(pair: &DefocusPair, setup: &FresnelSetup, kind: Condition) -> Result<Vec<Plane>> {
    let mut channels = normalise_pair(pair).to_vec();
    if kind == Condition::PairTie {
        // Intensities relative to the illumination: a measured pair may come in any unit.
        let mean = 0.5 * (pair.plus().mean() + pair.minus().mean());
        if mean.is_nan() || mean <= 0.0 {
            return Err(Error::input(format!(
                "the pair's mean intensity is {mean}; intensities must be positive on average"
            )));
        }
        let relative = DefocusPair::new(pair.plus().map(|v| v / mean), pair.minus().map(|v| v / mean))?;
        let phase = tie_single(&relative, setup, TIE_REGULARISATION, Boundary::Periodic)?;
        channels.push(phase.map(|v| (2.0 * v / PHASE_RANGE).clamp(-4.0, 4.0)));
    }
    Ok(channels)
}

/// A batch: conditions `[N, Cx, H, W]` and targets `[N, 1, H, W]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Conditions.
    pub x: Vec<f32>,
    /// Targets.
    pub y: Vec<f32>,
}

/// Simulated training pairs, each a pure function of the seed and its number.
pub struct PhaseSource {
    photographs: Photographs,
    config: TrainConfig,
    setup: FresnelSetup,
    mix: PhaseMix,
}

impl PhaseSource {
    /// Opens the photographs of a configuration.
    ///
    /// # Errors
    /// [`Error::File`] if there are none, or none large enough for a patch and its margin.
    pub fn open(config: &TrainConfig) -> Result<Self> {
        let data = &config.data;
        let setup = setup(data)?;
        let side = data.patch + 2 * setup.margin();
        let photographs = Photographs::open(&data.photographs, Split::Train, side)?;
        let mix = PhaseMix {
            photograph: data.photograph,
            blurred: data.blurred,
            random_range: data.random_range,
            cells: data.cells,
            amplitude_probability: data.amplitude_probability,
            amplitude_depth: data.amplitude_depth,
            ..PhaseMix::paper()
        };
        Ok(Self { photographs, config: config.clone(), setup, mix })
    }

    /// How many photographs there are to draw from.
    pub fn photographs(&self) -> usize {
        self.photographs.len()
    }

    /// The batch of a training step.
    ///
    /// # Errors
    /// Those of the simulation.
    pub fn batch(&self, step: u64) -> Result<Batch> {
        let data = &self.config.data;
        let side = data.patch + 2 * self.setup.margin();
        let mut batch = Batch { x: Vec::new(), y: Vec::new() };
        for i in 0..data.batch as u64 {
            let number = step * data.batch as u64 + i;
            let gray = self.photographs.patch(self.config.training.seed, number, side);
            // The simulator's draws hang on one number; the two halves of the key must not collide for nearby seeds.
            let seed = self.config.training.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number;
            let object = self.mix.draw(&gray, seed)?;
            let clean = simulate_cropped(&object.phase, object.amplitude.as_ref(), &self.setup)?;
            let level =
                f64::from(crate::inverse::training_noise_level(seed)) / f64::from(crate::inverse::MAX_TRAINING_NOISE);
            let noisy = add_noise(&clean.pair, (level * data.noise) as f32, NoiseLaw::default(), seed)?;
            for channel in condition(&noisy, &self.setup, self.config.model.condition)? {
                batch.x.extend(crop_to(&channel, data.patch)?.values());
            }
            batch.y.extend(phase_to_target(&crop_to(&clean.phase, data.patch)?).values());
        }
        Ok(batch)
    }
}

/// The simulator's window is exactly the patch; anything else is a defect worth a clear message.
fn crop_to(plane: &Plane, side: usize) -> Result<Plane> {
    plane.crop(0, 0, side, side)
}
