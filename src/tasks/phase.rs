//! The phase imaging task: from photographs to training pairs, and from a measured pair to what the networks see.

use std::path::PathBuf;

use super::{Batch, Source};
use crate::config::{Condition, DataSection, ModelSection, Target, TrainConfig};
use crate::data::{Photographs, Plane, Split, photographs_of};
use crate::inverse::{
    Boundary, CellShape, DefocusPair, FresnelSetup, MAX_TRAINING_NOISE, NoiseLaw, PHASE_RANGE, PhaseMix, add_noise,
    normalise_pair, phase_to_target, simulate_cropped, target_to_phase, tie_single, training_noise_level,
};
use crate::{Error, Result};

/// Regularisation of the condition's transport-of-intensity channel: half strength at a period of 350 pixels, so that noise in
/// the lowest frequencies stays bounded and an object that fills a patch keeps its strength.
const TIE_REGULARISATION: f64 = 1e-7;

/// The quantile of the transport-of-intensity channel that is placed at phase 0. The equation leaves a constant open; objects lie
/// in a medium of phase 0, so that the darkest part of the image is the best guess at it.
const TIE_ANCHOR: f64 = 0.05;

/// Residuals are this many times as large to the networks as they are in the target's range [−1, 1], where their standard deviation
/// is a half to two thirds of the phase's own.
const RESIDUAL_GAIN: f32 = 2.0;

/// The optical setting of a configuration.
///
/// # Errors
/// [`Error::Input`] if a length is not positive.
pub fn setup(data: &DataSection) -> Result<FresnelSetup> {
    FresnelSetup::new(data.wavelength_um, data.pixel_um, data.defocus_um)
}

/// What the networks see of a measured pair, and how their answer becomes a phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The condition's channels, each `height × width`.
    channels: Vec<Plane>,
    target: Target,
}

impl Measurement {
    /// Prepares a pair for a model.
    ///
    /// # Errors
    /// [`Error::Input`] if the pair's mean intensity is not positive, or the target is a residual of a solution that the
    /// condition does not hold; those of the transport-of-intensity solution.
    pub fn new(pair: &DefocusPair, setup: &FresnelSetup, model: &ModelSection) -> Result<Self> {
        model.check_target()?;
        for (name, image) in [("+d", pair.plus()), ("−d", pair.minus())] {
            let mean = image.mean();
            if mean.is_nan() || mean <= 0.0 {
                return Err(Error::input(format!(
                    "the image at {name} has the mean intensity {mean}; it must be positive"
                )));
            }
        }
        let mut channels = normalise_pair(pair).to_vec();
        if model.condition == Condition::PairTie {
            channels.push(anchored_tie(pair, setup)?);
        }
        Ok(Self { channels, target: model.target })
    }

    /// The condition, a plane a channel.
    pub fn condition(&self) -> &[Plane] {
        &self.channels
    }

    /// The classical solution that the target is relative to; none if it is the phase itself.
    fn base(&self) -> Option<&Plane> {
        // The transport-of-intensity channel comes last; `new` refuses this target without one.
        (self.target == Target::TieResidual).then(|| &self.channels[self.channels.len() - 1])
    }

    /// The diffusion's target for a phase in rad.
    pub fn target(&self, phase: &Plane) -> Plane {
        let mut target = phase_to_target(phase);
        if let Some(base) = self.base() {
            for (t, b) in target.values_mut().iter_mut().zip(base.values()) {
                *t = RESIDUAL_GAIN * (*t - b);
            }
        }
        target
    }

    /// The phase in rad that a target stands for.
    pub fn phase(&self, target: &Plane) -> Plane {
        let mut phase = target.clone();
        if let Some(base) = self.base() {
            for (p, b) in phase.values_mut().iter_mut().zip(base.values()) {
                *p = *p / RESIDUAL_GAIN + b;
            }
        }
        target_to_phase(&phase)
    }

    /// The standard deviation in rad that one of the target stands for.
    pub fn deviation(&self, target: &Plane) -> Plane {
        let gain = if self.base().is_some() { RESIDUAL_GAIN } else { 1.0 };
        target.map(|v| v * PHASE_RANGE / (2.0 * gain))
    }
}

/// The one-pass transport-of-intensity solution that models are given, in rad, of zero mean.
///
/// # Errors
/// [`Error::Input`] if the pair's mean intensity is not positive.
pub fn one_pass_tie(pair: &DefocusPair, setup: &FresnelSetup) -> Result<Plane> {
    // Intensities relative to the illumination: a measured pair may come in any unit.
    let mean = 0.5 * (pair.plus().mean() + pair.minus().mean());
    if mean.is_nan() || mean <= 0.0 {
        return Err(Error::input(format!(
            "the pair's mean intensity is {mean}; intensities must be positive on average"
        )));
    }
    let relative = DefocusPair::new(pair.plus().map(|v| v / mean), pair.minus().map(|v| v / mean))?;
    tie_single(&relative, setup, TIE_REGULARISATION, Boundary::Periodic)
}

/// The same in the target's units, with its dark end at −1.
fn anchored_tie(pair: &DefocusPair, setup: &FresnelSetup) -> Result<Plane> {
    let phase = one_pass_tie(pair, setup)?;
    let mut sorted = phase.values().to_vec();
    let rank = (TIE_ANCHOR * (sorted.len() - 1) as f64) as usize;
    let (_, &mut dark, _) = sorted.select_nth_unstable_by(rank, f32::total_cmp);
    Ok(phase.map(|v| (2.0 * (v - dark) / PHASE_RANGE - 1.0).clamp(-5.0, 5.0)))
}

/// Simulated training pairs, each a pure function of the seed and its number.
pub struct PhaseSource {
    files: Vec<PathBuf>,
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
        let files = photographs_of(&data.photographs, Split::Train)?;
        let photographs = Photographs::read(&data.photographs, &files, side)?;
        let mix = PhaseMix {
            photograph: data.photograph,
            blurred: data.blurred,
            random_range: data.random_range,
            cells: data.cells,
            amplitude_probability: data.amplitude_probability,
            amplitude_depth: data.amplitude_depth,
            cell_shape: CellShape { window: data.patch as f32 / side as f32, ..CellShape::default() },
        };
        Ok(Self { files, photographs, config: config.clone(), setup, mix })
    }

    /// The noise level of a training pair: 0 for a share of them, otherwise uniform up to the configuration's.
    fn noise_level(&self, seed: u64) -> f32 {
        let data = &self.config.data;
        let uniform = f64::from(training_noise_level(seed)) / f64::from(MAX_TRAINING_NOISE);
        let noisy = 1.0 - data.noiseless;
        if uniform < data.noiseless { 0.0 } else { ((uniform - data.noiseless) / noisy * data.noise) as f32 }
    }
}

impl Source for PhaseSource {
    fn batch(&self, step: u64) -> Result<Batch> {
        let data = &self.config.data;
        let mut batch = Batch::default();
        for i in 0..data.batch as u64 {
            let number = step * data.batch as u64 + i;
            let gray = self.photographs.patch(self.config.training.seed, number);
            // The simulator's draws hang on one number; the two halves of the key must not collide for nearby seeds.
            let seed = self.config.training.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number;
            let object = self.mix.draw(&gray, seed)?;
            let clean = simulate_cropped(&object.phase, object.amplitude.as_ref(), &self.setup)?;
            let noisy = add_noise(&clean.pair, self.noise_level(seed), NoiseLaw::default(), seed)?;
            let measurement = Measurement::new(&noisy, &self.setup, &self.config.model)?;
            batch.x.extend(measurement.condition().iter().flat_map(Plane::values));
            batch.y.extend(measurement.target(&clean.phase).values());
        }
        Ok(batch)
    }

    fn describe(&self) -> String {
        format!("{} photographs", self.photographs.len())
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth bump in an empty medium, its pair, and the set-up.
    fn bump() -> (Plane, DefocusPair, FresnelSetup) {
        let setup = setup(&DataSection::default()).unwrap();
        let side = 64 + 2 * setup.margin();
        let centre = side as f32 / 2.0;
        let wide = Plane::from_fn(side, side, |y, x| {
            let distance = (y as f32 - centre).hypot(x as f32 - centre);
            2.0 * (-0.5 * (distance / 8.0).powi(2)).exp()
        });
        let simulated = simulate_cropped(&wide, None, &setup).unwrap();
        (simulated.phase, simulated.pair, setup)
    }

    fn model(condition: Condition, target: Target) -> ModelSection {
        ModelSection { condition, target, ..ModelSection::default() }
    }

    fn furthest(a: &Plane, b: &Plane) -> f32 {
        a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_target_stands_for_its_phase() {
        let (phase, pair, setup) = bump();
        for (condition, target) in [
            (Condition::Pair, Target::Phase),
            (Condition::PairTie, Target::Phase),
            (Condition::PairTie, Target::TieResidual),
        ] {
            let measurement = Measurement::new(&pair, &setup, &model(condition, target)).unwrap();
            assert_eq!(measurement.condition().len(), condition.channels());
            let there = measurement.target(&phase);
            assert!(furthest(&measurement.phase(&there), &phase) < 1e-5);
            // A deviation is a difference of two targets, in rad.
            let shifted = there.map(|v| v + 0.3);
            let deviation = measurement.deviation(&there.map(|_| 0.3));
            let moved = phase.at(5, 5) + deviation.at(5, 5);
            assert!((measurement.phase(&shifted).at(5, 5) - moved).abs() < 1e-5);
        }
    }

    #[test]
    fn a_residual_needs_its_solution() {
        let (_, pair, setup) = bump();
        let error = Measurement::new(&pair, &setup, &model(Condition::Pair, Target::TieResidual)).unwrap_err();
        assert!(error.to_string().contains("pair-tie"), "{error}");
    }

    #[test]
    fn little_is_left_of_a_smooth_object_that_the_classical_solution_finds() {
        let (phase, pair, setup) = bump();
        let left = |target| {
            let measurement = Measurement::new(&pair, &setup, &model(Condition::PairTie, target)).unwrap();
            let values = measurement.target(&phase);
            values.values().iter().map(|v| v.abs()).sum::<f32>() / values.values().len() as f32
        };
        let (whole, residual) = (left(Target::Phase), left(Target::TieResidual));
        assert!(residual < 0.1 * whole, "{residual} of {whole}");
    }

    #[test]
    fn the_unit_of_the_intensities_is_no_matter() {
        let (_, pair, setup) = bump();
        let brighter = DefocusPair::new(pair.plus().map(|v| 700.0 * v), pair.minus().map(|v| 700.0 * v)).unwrap();
        let see = |pair| Measurement::new(pair, &setup, &model(Condition::PairTie, Target::Phase)).unwrap();
        let (one, other) = (see(&pair), see(&brighter));
        assert!(one.condition().iter().zip(other.condition()).all(|(a, b)| furthest(a, b) < 1e-3));
    }
}
