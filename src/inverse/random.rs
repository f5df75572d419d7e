//! Seeded random numbers for the simulators.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// What a sequence of numbers is for. Each purpose has a sequence of its own under every seed, so that drawing more
/// for one leaves the others as they were.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    NoisePlus = 1,
    NoiseMinus = 2,
    NoiseLevel = 3,
    PhaseVariant = 4,
    PhaseShape = 5,
    Amplitude = 6,
    Specimen = 7,
    Photons = 8,
    ReadNoise = 9,
}

/// The generator for `purpose` under `seed`: counter based, the same numbers on every machine.
pub(super) fn generator(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose as u64);
    rng
}
