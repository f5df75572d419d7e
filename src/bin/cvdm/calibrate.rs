//! `cvdm calibrate`: how far the standard deviations of a model's samples can be believed, found on images that it has not seen.

use std::path::{Path, PathBuf};

use clap::Args;
use cvdm::calibration::{Calibration, spread};
use cvdm::config::{Schedule, Task};
use cvdm::data::{Plane, Split, photograph_windows, photographs_of, write_atomically};
use cvdm::evaluate::{aligned, photograph_pair};
use cvdm::gpu::Gpu;
use cvdm::inverse::{DefocusPair, FresnelSetup, NoiseLaw, add_noise};
use cvdm::metrics::{ErrorRatios, Prediction, normal_factor};
use cvdm::picture::reliability_chart;
use cvdm::reconstruct::{Reconstructor, SuperResolver};
use cvdm::tasks::test_images;
use cvdm::weights::{Weights, load_weights};
use cvdm::{Error, Result};

use super::options::{Bar, Sampling, UNWRITTEN, at_least_one, clear, fresh_folder};

/// Arguments of `cvdm calibrate`.
#[derive(Args)]
pub struct Calibrate {
    /// The weights.
    #[arg(long)]
    weights: PathBuf,
    /// For phases: folder of photographs, none of which was trained on.
    #[arg(long)]
    photographs: Option<PathBuf>,
    /// Take only the held-out eighth of the folder.
    #[arg(long, requires = "photographs")]
    held_out: bool,
    /// For phases: windows of each photograph and noise level.
    #[arg(long, default_value = "1", value_parser = at_least_one, requires = "photographs")]
    windows: usize,
    /// For phases: noise levels of the measurements; all of a photograph's count as one image.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [0.0], requires = "photographs")]
    noise: Vec<f32>,
    /// Side of windows and images in pixels.
    #[arg(long, default_value = "128", value_parser = at_least_one)]
    size: usize,
    /// At most this many photographs or images.
    #[arg(long, default_value = "100", value_parser = at_least_one)]
    count: usize,
    /// Folder for the results.
    #[arg(long)]
    out: PathBuf,
    /// Replace what the folder holds.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    sampling: Sampling,
}

/// What this command writes.
const OUTPUTS: [&str; 3] = ["weights.safetensors", "table.md", "reliability.png"];

/// What a model said of one plane, and what is true.
struct Answer {
    mean: Plane,
    std: Plane,
    spread: Plane,
    truth: Plane,
}

impl Answer {
    fn new(mean: Plane, std: Plane, truth: Plane) -> Self {
        Self { mean, spread: spread(&std), std, truth }
    }
}

/// The errors in units of one of an answer's planes.
fn errors<'a>(answers: &'a [Vec<Answer>], unit: impl Fn(&'a Answer) -> &'a Plane) -> Result<ErrorRatios> {
    let of = |a: &'a Answer| Prediction::new(&a.mean, unit(a), &a.truth);
    let images = answers.iter().map(|image| image.iter().map(of).collect());
    ErrorRatios::new(&images.collect::<Result<Vec<_>>>()?)
}

/// Writes `weights.safetensors` with the calibration, `table.md` and `reliability.png`.
pub fn run(args: &Calibrate, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    let weights = load_weights(&args.weights)?;
    if weights.config.model.schedule == Schedule::None {
        return Err(Error::input("these weights give one answer and no deviation that could be calibrated"));
    }
    if args.sampling.samples < 2 {
        return Err(Error::input("one sample has no deviation; give --samples 2 or more"));
    }
    let (answers, out) = match weights.config.task {
        Task::Phase => phases(args, &weights, open)?,
        Task::Microscopy | Task::SuperResolution => images(args, &weights, open)?,
    };
    let in_spread = errors(&answers, |a| &a.spread)?;
    let in_std = errors(&answers, |a| &a.std)?;
    let calibration = Calibration::fit(&in_spread, &args.sampling.options())?;
    let table = table(&calibration, &in_spread, &in_std);
    clear(&out, |name| OUTPUTS.contains(&name))?;
    Weights { calibration: Some(calibration), ..weights }.save(&out.join(OUTPUTS[0]))?;
    write_atomically(out.join(OUTPUTS[1]), |f| f.write_all(table.as_bytes()))?;
    chart(&in_spread, &in_std, &out.join(OUTPUTS[2]))?;
    say!("{table}\ncalibrated weights, this table and a chart are in {}", out.display());
    Ok(())
}

/// Photographs as phases, at every level of noise.
fn phases(
    args: &Calibrate,
    weights: &Weights,
    open: impl FnOnce() -> Result<Gpu>,
) -> Result<(Vec<Vec<Answer>>, PathBuf)> {
    let folder = args.photographs.as_ref().ok_or_else(|| {
        Error::input("nothing to calibrate on: give --photographs, a folder of photographs that were not trained on")
    })?;
    let setup = cvdm::phase::setup(&weights.config.data)?;
    let measured = measurements(args, folder, &setup)?;
    let out = fresh_folder(&args.out, args.force)?;
    let interrupt = cvdm::interrupt::install(UNWRITTEN)?;
    let mut reconstructor = Reconstructor::new(&open()?, weights.clone(), args.sampling.options());
    let mut bar = Bar::new("calibrating", &args.sampling, measured.iter().map(Vec::len).sum(), interrupt);
    let mut answer = |(pair, truth): (DefocusPair, Plane)| {
        let steps = reconstructor.steps(&pair, &setup)?;
        let result = reconstructor.reconstruct(&pair, &setup, false, bar.watch(steps))?;
        // A constant phase leaves no trace in intensities: nothing could say how far it is wrong.
        let truth = aligned(&truth, &result.phase);
        Ok(Answer::new(result.phase, result.std, truth))
    };
    let answers = measured.into_iter().map(|image| image.into_iter().map(&mut answer).collect()).collect::<Result<_>>();
    bar.finish();
    Ok((answers?, out))
}

/// Of each photograph that is large enough its pairs and phases, each window at each level of noise.
fn measurements(args: &Calibrate, folder: &Path, setup: &FresnelSetup) -> Result<Vec<Vec<(DefocusPair, Plane)>>> {
    let files = photographs_of(folder, if args.held_out { Split::HeldOut } else { Split::All })?;
    let side = args.size + 2 * setup.margin();
    let mut images = Vec::new();
    for file in files.iter() {
        if images.len() == args.count {
            break;
        }
        let mut measured = Vec::new();
        for (number, window) in photograph_windows(file, side, args.windows)?.iter().enumerate() {
            let simulated = photograph_pair(window, setup)?;
            for &noise in &args.noise {
                let seed = (images.len() * args.windows + number) as u64;
                let pair = add_noise(&simulated.pair, noise, NoiseLaw::default(), seed)?;
                measured.push((pair, simulated.phase.clone()));
            }
        }
        if !measured.is_empty() {
            images.push(measured);
        }
    }
    match images.is_empty() {
        false => Ok(images),
        true => Err(Error::file(
            folder,
            format!(
                "of {} photographs none is at least {1} × {1} pixels, twice a window and its margins",
                files.len(),
                2 * side
            ),
        )),
    }
}

/// The held-out side of the weights' own data.
fn images(
    args: &Calibrate,
    weights: &Weights,
    open: impl FnOnce() -> Result<Gpu>,
) -> Result<(Vec<Vec<Answer>>, PathBuf)> {
    if args.photographs.is_some() {
        return Err(Error::input(
            "--photographs is for phases; these weights are calibrated on the held-out side of their own data",
        ));
    }
    let images = test_images(&weights.config, args.size, args.count)?;
    let out = fresh_folder(&args.out, args.force)?;
    let interrupt = cvdm::interrupt::install(UNWRITTEN)?;
    let mut resolver = SuperResolver::new(&open()?, weights.clone(), args.sampling.options())?;
    let mut bar = Bar::new("calibrating", &args.sampling, images.len(), interrupt);
    let mut answers = Vec::new();
    for image in images {
        let steps = resolver.steps((image.coarse[0].height(), image.coarse[0].width()))?;
        let result = resolver.resolve(&image.coarse, false, bar.watch(steps))?;
        let channels = result.mean.into_iter().zip(result.std).zip(image.truth);
        answers.push(channels.map(|((mean, std), truth)| Answer::new(mean, std, truth)).collect());
    }
    bar.finish();
    Ok((answers, out))
}

fn table(calibration: &Calibration, in_spread: &ErrorRatios, in_std: &ErrorRatios) -> String {
    let mut text = format!(
        "{} images, {}\n\n| level | factor | within mean ± factor·spread, image left out | z | within mean ± z·std |\n\
         |---|---|---|---|---|\n",
        calibration.images, calibration.sampled
    );
    for interval in &calibration.intervals {
        let z = normal_factor(interval.level);
        // Of the least images that a level takes none can be left out.
        let left_out = in_spread.coverage_left_out(interval.level).map_or("–".into(), |share| format!("{share:.3}"));
        text += &format!(
            "| {} | {:.3} | {left_out} | {z:.3} | {:.3} |\n",
            interval.level,
            interval.factor,
            in_std.coverage(z)
        );
    }
    text
}

/// What intervals hold, as of a Gaussian and calibrated.
fn chart(in_spread: &ErrorRatios, in_std: &ErrorRatios, path: &Path) -> Result<()> {
    let levels = || (1..20).map(|i| f64::from(i) / 20.0);
    let gaussian = levels().map(|level| (level, in_std.coverage(normal_factor(level)))).collect();
    let calibrated = levels().filter_map(|level| Some((level, in_spread.coverage_left_out(level).ok()?))).collect();
    let curves = [("standard deviations of a Gaussian", gaussian), ("calibrated on the other images", calibrated)];
    reliability_chart("Reliability", curves).write_png(path)
}
