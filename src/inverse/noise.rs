//! Camera noise for simulated pairs.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::fresnel::DefocusPair;
use super::random::{Purpose, generator};
use crate::data::Plane;
use crate::{Error, Result};

/// The largest noise level met in training: `ξ ~ U(0, 0.2)`.
pub const MAX_TRAINING_NOISE: f32 = 0.2;

/// What the second ξ in the paper's `N(ξ, ξ)` stands for.
///
/// The paper (section 4.2) says no more than that `N(ξ, ξ)` approximates Poisson noise. Its other normal distributions
/// are written with a variance, and a Poisson number has equal mean and variance; but the code published with the paper
/// draws with mean ξ and standard deviation ξ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoiseLaw {
    /// Mean ξ, standard deviation ξ: the published code, and the default here.
    #[default]
    StandardDeviation,
    /// Mean ξ, variance ξ: the paper's notation taken literally; much stronger (0.45 instead of 0.2 at ξ = 0.2).
    Variance,
}

/// A noise level for one training pair: `ξ ~ U(0, 0.2)`, a function of the seed alone.
pub fn training_noise_level(seed: u64) -> f32 {
    generator(seed, Purpose::NoiseLevel).random_range(0.0..MAX_TRAINING_NOISE)
}

/// The pair with independent `N(ξ, ξ)` noise added to every pixel of both images, ξ in units of the incident
/// intensity (which is 1). The same seed gives the same noise; ξ = 0 adds none.
///
/// # Errors
/// [`Error::Input`] unless ξ is finite and not negative.
pub fn add_noise(pair: &DefocusPair, level: f32, law: NoiseLaw, seed: u64) -> Result<DefocusPair> {
    if !(level.is_finite() && level >= 0.0) {
        return Err(Error::input(format!("the noise level is {level}; it must be finite and not negative")));
    }
    let spread = match law {
        NoiseLaw::StandardDeviation => level,
        NoiseLaw::Variance => level.sqrt(),
    };
    let noisy = |image: &Plane, purpose| {
        let mut rng = generator(seed, purpose);
        image.map(|v| {
            let unit: f32 = StandardNormal.sample(&mut rng);
            v + level + spread * unit
        })
    };
    DefocusPair::new(noisy(pair.plus(), Purpose::NoisePlus), noisy(pair.minus(), Purpose::NoiseMinus))
}
