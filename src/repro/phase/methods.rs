//! The methods of phase imaging, and their scores on test images.

use serde::{Deserialize, Serialize};

use super::cases::{Case, PhaseCases};
use crate::Result;
use crate::config::{Schedule, TrainConfig};
use crate::diffusion::SampleOptions;
use crate::evaluate::{Scores, aligned, classical, score};
use crate::gpu::Gpu;
use crate::inverse::PHASE_RANGE;
use crate::metrics;
use crate::reconstruct::{PhaseResult, Reconstructor};
use crate::repro::Session;
use crate::repro::method::{Method, Solved};
use crate::repro::report::Better;
use crate::repro::scale::Numbers;
use crate::repro::table::Metric;
use crate::weights::Weights;

/// A method of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PhaseMethod {
    /// The classical one.
    UsTie,
    /// One pass of the same U-Net.
    Regression,
    /// CDDPM with this `β` at the last of its 400 steps; the paper's is 0.02.
    Cddpm(f64),
    /// One learned schedule for all pixels.
    CvdmSimple,
    /// The paper's.
    Cvdm,
    /// The paper's without `L_γ`.
    CvdmWithoutGamma,
    /// `τ := ρ'`.
    CvdmTied,
}

/// CDDPM with the paper's range.
pub const CDDPM: PhaseMethod = PhaseMethod::Cddpm(0.02);

/// The numbers of a method on one image. Errors are fractions of the 3.5 rad range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PhaseScores {
    /// Those that every program of this crate reports.
    #[serde(flatten)]
    pub scores: Scores,
    /// Structural similarity, with the mean difference removed.
    pub ssim: f64,
    /// Aligned mean absolute error of the first sample alone.
    pub mae_one_sample: f64,
}

/// MS-SSIM, with the mean difference removed.
pub const MS_SSIM: Metric<PhaseScores> = Metric::new("MS-SSIM", "", 3, Better::Higher, |s| s.scores.ms_ssim);
/// Mean absolute error, with the mean difference removed.
pub const MAE: Metric<PhaseScores> = Metric::new("MAE", "", 3, Better::Lower, |s| s.scores.mae_aligned);
/// All of them, in the order of the tables.
pub const METRICS: [Metric<PhaseScores>; 7] = [
    MS_SSIM,
    MAE,
    Metric::new("MAE, not aligned", "", 3, Better::Lower, |s| s.scores.mae),
    Metric::new("MAE, one sample", "", 3, Better::Lower, |s| s.mae_one_sample),
    Metric::new("PSNR", "dB", 2, Better::Higher, |s| s.scores.psnr),
    Metric::new("SSIM", "", 3, Better::Higher, |s| s.ssim),
    Metric::new("time", "s an image", 2, Better::Neither, |s| s.scores.seconds),
];

impl Method for PhaseMethod {
    type Cases = PhaseCases;
    type Scores = PhaseScores;
    /// None for the classical method.
    type Solver = Option<Reconstructor>;

    fn name(self) -> String {
        match self {
            Self::UsTie => "US-TIE".into(),
            Self::Regression => "U-Net, one pass".into(),
            CDDPM => "CDDPM".into(),
            Self::Cddpm(last) => format!("CDDPM, β to {last}"),
            Self::CvdmSimple => "CVDM-simple".into(),
            Self::Cvdm => "CVDM".into(),
            Self::CvdmWithoutGamma => "CVDM without L_γ".into(),
            Self::CvdmTied => "CVDM, tied".into(),
        }
    }

    fn config(self, session: &Session, seed: u64) -> Result<Option<TrainConfig>> {
        let schedule = match self {
            Self::UsTie => return Ok(None),
            Self::Regression => Schedule::None,
            Self::Cddpm(_) => Schedule::Fixed,
            Self::CvdmSimple => Schedule::Simple,
            Self::Cvdm | Self::CvdmWithoutGamma => Schedule::Learned,
            Self::CvdmTied => Schedule::Tied,
        };
        let mut config = session.numbers.phase.config(schedule, seed);
        config.data.photographs.clone_from(&session.data.photographs()?.train);
        match self {
            Self::Cddpm(last) => config.model.beta_last = last,
            Self::CvdmWithoutGamma => config.training.weight_gamma = 0.0,
            _ => {}
        }
        Ok(Some(config))
    }

    fn samples(self) -> bool {
        !matches!(self, Self::UsTie | Self::Regression)
    }

    fn sampling(self, numbers: &Numbers) -> SampleOptions {
        numbers.phase.sampling
    }

    fn seconds(scores: &PhaseScores) -> f64 {
        scores.scores.seconds
    }

    fn solver(self, gpu: &Gpu, weights: Option<Weights>, sampling: SampleOptions) -> Result<Self::Solver> {
        Ok(weights.map(|w| Reconstructor::new(gpu, w, sampling)))
    }

    fn solve(
        solver: &mut Self::Solver,
        cases: &PhaseCases,
        image: usize,
        progress: impl FnMut() -> Result<()>,
    ) -> Result<Solved<PhaseScores>> {
        let case = &cases.all[image];
        let result = match solver {
            Some(model) => model.reconstruct(&case.pair, &case.setup, true, progress)?,
            None => by_us_tie(case)?,
        };
        let scores = scored(case, &result)?;
        let PhaseResult { phase, std, rate, beta_integral, samples, .. } = result;
        Ok(Solved { scores, maps: vec![phase, std, rate, beta_integral], samples })
    }
}

/// US-TIE with the paper's stopping rule, in the shape of the others' results.
fn by_us_tie(case: &Case) -> Result<PhaseResult> {
    let (phase, seconds) = classical(&case.pair, &case.setup, case.noisy)?;
    let none = phase.map(|_| 0.0);
    Ok(PhaseResult { phase, std: none.clone(), rate: none.clone(), beta_integral: none, samples: Vec::new(), seconds })
}

fn scored(case: &Case, result: &PhaseResult) -> Result<PhaseScores> {
    let (phase, truth, range) = (&result.phase, &case.truth, f64::from(PHASE_RANGE));
    let scores = score(phase, truth, result.seconds)?;
    let mae_one_sample = match result.samples.first() {
        Some(sample) => metrics::mae_aligned(sample, truth, range)?,
        None => scores.mae_aligned,
    };
    Ok(PhaseScores { ssim: metrics::ssim(&aligned(phase, truth), truth, range)?, scores, mae_one_sample })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_range_has_the_papers_name() {
        assert_eq!((CDDPM.name().as_str(), PhaseMethod::Cddpm(0.05).name().as_str()), ("CDDPM", "CDDPM, β to 0.05"));
    }
}
