//! The methods of microscopy and of super-resolution, and their scores on test images.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::cases::ImageCases;
use super::model::{ImageMethod, Model, Of};
use crate::config::TrainConfig;
use crate::data::{Plane, resize_lanczos};
use crate::diffusion::SampleOptions;
use crate::evaluate::{self, score_image};
use crate::gpu::Gpu;
use crate::metrics::{consistency, decorrelation, diversity};
use crate::reconstruct::{Estimate, SuperResolver};
use crate::repro::Session;
use crate::repro::method::{Method, Solved};
use crate::repro::report::Better;
use crate::repro::scale::Numbers;
use crate::repro::table::Metric;
use crate::tasks::TestImage;
use crate::weights::Weights;
use crate::{Error, Result};

/// The numbers of a method on one image in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImageScores {
    /// Those that every program of this crate reports.
    #[serde(flatten)]
    pub scores: evaluate::ImageScores,
    /// Mean absolute error of the first sample alone.
    pub mae_one_sample: f64,
    /// PSNR of the first sample alone, in dB.
    pub psnr_one_sample: f64,
    /// Resolution by decorrelation analysis in nm, where the pixel is known and the analysis finds one.
    pub resolution_nm: Option<f64>,
    /// PSNR in dB between the answer made coarse again and the measurement; where that is how it was made.
    pub consistency: Option<f64>,
    /// Mean standard deviation of the samples.
    pub diversity: Option<f64>,
}

/// MS-SSIM.
pub const MS_SSIM: Metric<ImageScores> = Metric::new("MS-SSIM", "", 3, Better::Higher, |s| s.scores.ms_ssim);
/// Mean absolute error.
pub const MAE: Metric<ImageScores> = Metric::new("MAE", "", 4, Better::Lower, |s| s.scores.mae);
/// PSNR.
pub const PSNR: Metric<ImageScores> = Metric::new("PSNR", "dB", 2, Better::Higher, |s| s.scores.psnr);
/// SSIM.
pub const SSIM: Metric<ImageScores> = Metric::new("SSIM", "", 3, Better::Higher, |s| s.scores.ssim);
/// Resolution by decorrelation analysis.
pub const RESOLUTION: Metric<ImageScores> =
    Metric::new("resolved distance", "nm", 0, Better::Lower, |s| s.resolution_nm.unwrap_or(f64::NAN));
/// Diversity of samples.
pub const DIVERSITY: Metric<ImageScores> =
    Metric::new("diversity", "", 4, Better::Neither, |s| s.diversity.unwrap_or(f64::NAN));
/// Whether the answer explains the measurement.
pub const CONSISTENCY: Metric<ImageScores> =
    Metric::new("consistency", "dB", 1, Better::Higher, |s| s.consistency.unwrap_or(f64::NAN));
/// Error of a single sample.
pub const MAE_ONE_SAMPLE: Metric<ImageScores> =
    Metric::new("MAE, one sample", "", 4, Better::Lower, |s| s.mae_one_sample);
/// PSNR of a single sample.
pub const PSNR_ONE_SAMPLE: Metric<ImageScores> =
    Metric::new("PSNR, one sample", "dB", 2, Better::Higher, |s| s.psnr_one_sample);
/// Time of an answer.
pub const TIME: Metric<ImageScores> = Metric::new("time", "s an image", 2, Better::Neither, |s| s.scores.seconds);

/// A method, ready to answer.
pub enum Solver {
    /// Interpolates.
    Lanczos,
    /// Asks a network.
    Network(Box<SuperResolver>),
}

impl Method for ImageMethod {
    type Cases = ImageCases;
    type Scores = ImageScores;
    type Solver = Solver;

    fn name(self) -> String {
        let name = match (self.model, self.of) {
            (Model::Lanczos, _) => "Lanczos",
            (Model::Regression, Of::Structure(_)) => "U-Net, one pass",
            (Model::Regression, Of::Photographs) => "SR3's U-Net, one pass",
            (Model::Dfcan, _) => "DFCAN",
            (Model::Cddpm, Of::Structure(_)) => "CDDPM",
            (Model::Cddpm, Of::Photographs) => "SR3",
            (Model::Cvdm, _) => "CVDM",
        };
        name.into()
    }

    fn full_name(self) -> String {
        match self.of {
            Of::Structure(structure) => format!("{} for {}", self.name(), structure.folder()),
            Of::Photographs => format!("{} for super-resolution", self.name()),
        }
    }

    fn config(self, session: &Session, seed: u64) -> Result<Option<TrainConfig>> {
        (self.model != Model::Lanczos).then(|| self.configured(session, seed)).transpose()
    }

    fn samples(self) -> bool {
        matches!(self.model, Model::Cddpm | Model::Cvdm)
    }

    fn sampling(self, numbers: &Numbers) -> SampleOptions {
        match self.of {
            Of::Structure(_) => numbers.microscopy.sampling,
            Of::Photographs => numbers.super_resolution.sampling,
        }
    }

    fn seconds(scores: &ImageScores) -> f64 {
        scores.scores.seconds
    }

    fn solver(self, gpu: &Gpu, weights: Option<Weights>, sampling: SampleOptions) -> Result<Solver> {
        Ok(match weights {
            None => Solver::Lanczos,
            Some(weights) => Solver::Network(Box::new(SuperResolver::new(gpu, weights, sampling)?)),
        })
    }

    fn solve(
        solver: &mut Solver,
        cases: &ImageCases,
        image: usize,
        progress: impl FnMut() -> Result<()>,
    ) -> Result<Solved<ImageScores>> {
        let case = &cases.all[image];
        let answer = match solver {
            Solver::Lanczos => interpolated(case, cases.factor)?,
            Solver::Network(model) => model.resolve(&case.coarse, true, progress)?,
        };
        let scores = scored(cases, case, &answer)?;
        let Estimate { mean, std, rate, beta_integral, samples, .. } = answer;
        // A rate may be one for all channels.
        let spread = |planes: Vec<Plane>| -> Vec<Plane> { planes.iter().cycle().take(mean.len()).cloned().collect() };
        let (rate, beta_integral) = (spread(rate), spread(beta_integral));
        Ok(Solved { scores, maps: [mean, std, rate, beta_integral].concat(), samples: samples.concat() })
    }
}

fn interpolated(case: &TestImage, factor: usize) -> Result<Estimate> {
    let started = Instant::now();
    let enlarge = |p: &Plane| resize_lanczos(p, p.height() * factor, p.width() * factor);
    let mean = case.coarse.iter().map(enlarge).collect::<Result<Vec<_>>>()?;
    let none: Vec<Plane> = mean.iter().map(|p| p.map(|_| 0.0)).collect();
    let (std, rate, beta_integral) = (none.clone(), none.clone(), none);
    Ok(Estimate { mean, std, rate, beta_integral, samples: Vec::new(), seconds: started.elapsed().as_secs_f64() })
}

fn scored(cases: &ImageCases, case: &TestImage, answer: &Estimate) -> Result<ImageScores> {
    let of = |image: &[Plane]| score_image(image, &case.truth, answer.seconds);
    let scores = of(&answer.mean)?;
    let first = answer.samples.first().map(|sample| of(sample)).transpose()?.unwrap_or(scores);
    let resolution_nm = match cases.pixel_um {
        Some(pixel) => decorrelation(&answer.mean[0])?.map(|d| 1e3 * pixel * d.period),
        None => None,
    };
    Ok(ImageScores {
        scores,
        mae_one_sample: first.mae,
        psnr_one_sample: first.psnr,
        resolution_nm,
        consistency: cases.pixel_um.is_none().then(|| made_coarse_again(&answer.mean, case)).transpose()?,
        diversity: (answer.samples.len() > 1).then(|| diversity_of(&answer.samples)).transpose()?,
    })
}

/// Of photographs, which are shrunk by Lanczos interpolation: the mean over channels.
fn made_coarse_again(answer: &[Plane], case: &TestImage) -> Result<f64> {
    let of = |(fine, coarse): (&Plane, &Plane)| {
        let shrink = |p: &Plane| Ok(vec![resize_lanczos(p, coarse.height(), coarse.width())?]);
        // Of an exact answer it is infinite, and JSON has no such number.
        consistency(fine, std::slice::from_ref(coarse), 1.0, shrink).map(|db| db.min(200.0))
    };
    let values = answer.iter().zip(&case.coarse).map(of).collect::<Result<Vec<_>>>()?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

fn diversity_of(samples: &[Vec<Plane>]) -> Result<f64> {
    let channels = samples[0].len();
    let of = |channel: usize| diversity(&samples.iter().map(|s| s[channel].clone()).collect::<Vec<_>>());
    let values = (0..channels).map(of).collect::<Result<Vec<_>>>()?;
    values.iter().map(|v| Ok::<_, Error>(v / channels as f64)).sum()
}
