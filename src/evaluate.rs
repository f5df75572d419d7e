//! How good an image is: the same numbers for every method, of phases and of images in [0, 1].

use serde::{Deserialize, Serialize};

use crate::calibration::{Calibration, LEVELS, spread};
use crate::data::Plane;
use crate::diffusion::SampleOptions;
use crate::inverse::{
    Boundary, DefocusPair, FresnelSetup, NoiseLaw, PHASE_RANGE, Simulated, UsTieOptions, add_noise, mirror_pad,
    photograph_phase, simulate_cropped, us_tie,
};
use crate::metrics::{self, ErrorRatios, Prediction, normal_factor};
use crate::{Error, Result};

/// Numbers of one method on one image. Errors are fractions of the 3.5 rad range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean absolute error as it is.
    pub mae: f64,
    /// Mean absolute error with the mean difference removed: a pair of defocused images cannot know a constant phase.
    pub mae_aligned: f64,
    /// Multi-scale structural similarity, with the mean difference removed.
    pub ms_ssim: f64,
    /// Peak signal-to-noise ratio in dB, with the mean difference removed.
    pub psnr: f64,
    /// Time it took, in seconds.
    pub seconds: f64,
}

/// How much of an image lies within intervals of one level around the mean of its samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Covered {
    /// The share that should.
    pub level: f64,
    /// The share within as many standard deviations as a Gaussian's interval has.
    pub gaussian: f64,
    /// The share within what the weights' calibration says, if it has the level.
    pub calibrated: Option<f64>,
    /// The mean half-width of the calibrated intervals, in the image's unit.
    pub half_width: Option<f64>,
}

/// How much of a phase lies within its intervals of the [`LEVELS`], with the mean difference removed: no interval can hold a constant
/// phase, which intensities do not show.
///
/// # Errors
/// Those of [`Prediction::new`].
pub fn covered(
    [phase, std, truth]: [&Plane; 3],
    calibration: Option<&Calibration>,
    options: &SampleOptions,
) -> Result<Vec<Covered>> {
    let truth = aligned(truth, phase);
    let errors_in = |unit: &Plane| ErrorRatios::new(&[vec![Prediction::new(phase, unit, &truth)?]]);
    let (in_std, in_spread) = (errors_in(std)?, errors_in(&spread(std))?);
    let covered = |level| {
        let interval = calibration.and_then(|c| c.interval(Some(level), options).ok());
        Covered {
            level,
            gaussian: in_std.coverage(normal_factor(level)),
            calibrated: interval.map(|i| in_spread.coverage(i.factor)),
            half_width: interval.map(|i| f64::from(i.half_width(std).mean())),
        }
    };
    Ok(LEVELS.map(covered).to_vec())
}

/// Wavelength and pixel of the measured HL60 cell, in µm.
pub const HL60_OPTICS: (f64, f64) = (0.647, 0.139);

/// The plane with the mean of another one.
pub fn aligned(plane: &Plane, to: &Plane) -> Plane {
    let offset = to.mean() - plane.mean();
    plane.map(|v| v + offset)
}

/// The signal-to-noise ratio of an exact answer, which is infinite, and of all nearly exact ones: JSON has no such number, and a mean none with it.
const EXACT_PSNR: f64 = 200.0;

/// Compares a phase in rad with the truth.
///
/// # Errors
/// Shape errors if the sizes differ or the image is smaller than the metrics' window.
pub fn score(phase: &Plane, truth: &Plane, seconds: f64) -> Result<Scores> {
    let range = f64::from(PHASE_RANGE);
    let aligned = aligned(phase, truth);
    Ok(Scores {
        mae: metrics::mae(phase, truth, range)?,
        mae_aligned: metrics::mae_aligned(phase, truth, range)?,
        ms_ssim: metrics::ms_ssim(&aligned, truth, range)?.value,
        psnr: metrics::psnr(&aligned, truth, range)?.min(EXACT_PSNR),
        seconds,
    })
}

/// Numbers of one method on one image of values in [0, 1], of several channels or one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImageScores {
    /// Mean absolute error.
    pub mae: f64,
    /// Peak signal-to-noise ratio in dB, 200 at most, of all channels' squared error together.
    pub psnr: f64,
    /// Structural similarity, the mean over channels.
    pub ssim: f64,
    /// Multi-scale structural similarity, the mean over channels.
    pub ms_ssim: f64,
    /// Time it took, in seconds.
    pub seconds: f64,
}

/// Compares an image with the truth, a plane a channel. What lies outside [0, 1] is cut, as of any picture.
///
/// # Errors
/// Shape errors if channels or sizes differ or the image is smaller than the metrics' window.
pub fn score_image(image: &[Plane], truth: &[Plane], seconds: f64) -> Result<ImageScores> {
    if image.len() != truth.len() || image.is_empty() {
        return Err(Error::shape(format!("an image of {} channels and a truth of {}", image.len(), truth.len())));
    }
    let cut: Vec<Plane> = image.iter().map(|plane| plane.map(|v| v.clamp(0.0, 1.0))).collect();
    let channels = || cut.iter().zip(truth);
    let mean = |values: Result<Vec<f64>>| values.map(|v| v.iter().sum::<f64>() / v.len() as f64);
    // All channels below each other: the squared error of all of them is one number.
    let stacked = |planes: &[Plane]| {
        let values: Vec<f32> = planes.iter().flat_map(|p| p.values().iter().copied()).collect();
        Plane::new(values.len() / planes[0].width(), planes[0].width(), values)
    };
    Ok(ImageScores {
        mae: mean(channels().map(|(a, b)| metrics::mae(a, b, 1.0)).collect())?,
        psnr: metrics::psnr(&stacked(&cut)?, &stacked(truth)?, 1.0)?.min(EXACT_PSNR),
        ssim: mean(channels().map(|(a, b)| metrics::ssim(a, b, 1.0)).collect())?,
        ms_ssim: mean(channels().map(|(a, b)| Ok(metrics::ms_ssim(a, b, 1.0)?.value)).collect())?,
        seconds,
    })
}

/// The mean of several images' scores.
pub fn mean(scores: &[Scores]) -> Scores {
    let n = scores.len().max(1) as f64;
    let of = |f: fn(&Scores) -> f64| scores.iter().map(f).sum::<f64>() / n;
    Scores {
        mae: of(|s| s.mae),
        mae_aligned: of(|s| s.mae_aligned),
        ms_ssim: of(|s| s.ms_ssim),
        psnr: of(|s| s.psnr),
        seconds: of(|s| s.seconds),
    }
}

/// The paper's synthetic benchmark on a photograph in gray, which must be larger than the result by the set-up's margin on
/// every side.
///
/// # Errors
/// Shape errors if it is too small.
pub fn photograph_pair(gray: &Plane, setup: &FresnelSetup) -> Result<Simulated> {
    simulate_cropped(&photograph_phase(gray), None, setup)
}

/// A measured complex field, propagated to ±d with noise of the given level. The field is mirrored at its borders, beyond
/// which nothing is known.
///
/// # Errors
/// Shape errors if phase and amplitude differ in size.
pub fn field_pair(
    phase: &Plane,
    amplitude: &Plane,
    setup: &FresnelSetup,
    noise: f32,
    seed: u64,
) -> Result<DefocusPair> {
    let margin = setup.margin();
    let wide = simulate_cropped(&mirror_pad(phase, margin), Some(&mirror_pad(amplitude, margin)), setup)?;
    add_noise(&wide.pair, noise, NoiseLaw::default(), seed)
}

/// The classical answer to a pair, timed: US-TIE with periodic borders, which does better here than mirrored ones (those
/// double the longest period, where noise is amplified most). `measured` takes the regularisation that the paper uses for
/// experiments instead of the one for noiseless simulations.
///
/// # Errors
/// Those of [`us_tie`].
pub fn classical(pair: &DefocusPair, setup: &FresnelSetup, measured: bool) -> Result<(Plane, f64)> {
    let started = std::time::Instant::now();
    let options = UsTieOptions {
        boundary: Boundary::Periodic,
        ..if measured { UsTieOptions::measured() } else { UsTieOptions::simulated() }
    };
    let phase = us_tie(pair, setup, &options)?.phase;
    Ok((phase, started.elapsed().as_secs_f64()))
}
