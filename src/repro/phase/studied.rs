//! What the figures of uncertainty look at: many samples of the same images.

use super::cases::{Case, PhaseCases};
use super::methods::{PhaseMethod, PhaseScores};
use super::samples::Predicted;
use crate::Result;
use crate::data::Plane;
use crate::diffusion::SampleOptions;
use crate::repro::Session;
use crate::repro::evaluation::{Evaluated, evaluated};
use crate::repro::regions::Regions;

/// The images of one kind, CVDM's samples of them, and where structure is.
pub struct Studied {
    /// The images.
    pub cases: PhaseCases,
    /// CVDM on them, samples kept.
    pub evaluated: Evaluated<PhaseScores>,
    /// Structure and background of each.
    pub regions: Vec<Regions>,
}

impl Studied {
    /// Samples the images, or finds their samples.
    ///
    /// # Errors
    /// Those of [`evaluated`].
    pub fn get(session: &mut Session, cases: PhaseCases, seed: u64, regions: fn(&Plane) -> Regions) -> Result<Self> {
        let evaluated = sampled(session, PhaseMethod::Cvdm, seed, &cases)?;
        let regions = cases.all.iter().map(|case| regions(&case.truth)).collect();
        Ok(Self { cases, evaluated, regions })
    }
}

/// Many samples of a method, kept.
///
/// # Errors
/// Those of [`evaluated`].
pub fn sampled(
    session: &mut Session,
    method: PhaseMethod,
    seed: u64,
    cases: &PhaseCases,
) -> Result<Evaluated<PhaseScores>> {
    let sampling = SampleOptions { samples: session.numbers.studied_samples, ..session.numbers.phase.sampling };
    evaluated(session, method, seed, cases, sampling, true)
}

/// Predictions from the first `count` samples of each image.
///
/// # Errors
/// [`Error::File`](crate::Error::File) if samples cannot be read.
pub fn predicted(evaluated: &Evaluated<PhaseScores>, cases: &PhaseCases, count: usize) -> Result<Vec<Predicted>> {
    let of = |(i, case): (usize, &Case)| {
        let samples = evaluated.samples(i)?;
        Ok(Predicted::of(&samples[..count.min(samples.len())], &case.truth))
    };
    cases.all.iter().enumerate().map(of).collect()
}
