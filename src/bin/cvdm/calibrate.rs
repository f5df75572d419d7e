//! `cvdm calibrate`: how far the standard deviations of a model's samples can be believed, found on images that it has not seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use cvdm::calibration::{Calibration, LEVELS, spread};
use cvdm::config::{Schedule, Task};
use cvdm::data::{Plane, Split, photograph_windows, photographs_of, write_atomically};
use cvdm::evaluate::{aligned, photograph_pair};
use cvdm::gpu::Gpu;
use cvdm::inverse::{DefocusPair, FresnelSetup, NoiseLaw, add_noise};
use cvdm::metrics::{ErrorRatios, Prediction, images_needed, normal_factor};
use cvdm::picture::reliability_chart;
use cvdm::reconstruct::{Reconstructor, SuperResolver};
use cvdm::tasks::{TestImage, test_images};
use cvdm::weights::{Weights, load_weights};
use cvdm::{Error, Result};

use super::options::{Bar, Sampling, UNWRITTEN, at_least_one, expect_distinct, fresh_folder};

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
    /// At most this many photographs or images. An interval of 0.9 takes 9 of them.
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

/// What there is to answer, and what to call it.
struct Work<M> {
    /// Of each image, which counts as one, its measurements.
    images: Vec<Vec<M>>,
    /// What they are, for people.
    kind: String,
}

/// What a model said of one plane, and what is true.
struct Answer {
    mean: Plane,
    std: Plane,
    spread: Plane,
    truth: Plane,
}

impl Answer {
    /// # Errors
    /// Those of [`Prediction::new`], before more is computed.
    fn new(mean: Plane, std: Plane, truth: Plane) -> Result<Self> {
        let answer = Self { mean, spread: spread(&std), std, truth };
        answer.in_units_of(&answer.spread)?;
        Ok(answer)
    }

    fn in_units_of<'a>(&'a self, unit: &'a Plane) -> Result<Prediction<'a>> {
        Prediction::new(&self.mean, unit, &self.truth)
    }
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
    let written = args.out.join(OUTPUTS[0]).canonicalize();
    if written.is_ok_and(|written| args.weights.canonicalize().is_ok_and(|given| given.parent() == written.parent())) {
        return Err(Error::file(&args.out, "holds the weights that are to be calibrated; choose another folder"));
    }
    match weights.config.task {
        Task::Phase => {
            let setup = cvdm::phase::setup(&weights.config.data)?;
            let work = photographs(args, &weights, &setup)?;
            let new = |gpu: &Gpu| Ok(Reconstructor::new(gpu, weights.clone(), args.sampling.options()));
            calibrate(args, &weights, work, open, new, |reconstructor, (pair, truth), seed, bar| {
                reconstructor.reseed(seed);
                let steps = reconstructor.steps(&pair, &setup)?;
                let result = reconstructor.reconstruct(&pair, &setup, false, bar.watch(steps))?;
                // A constant phase leaves no trace in intensities: nothing could say how far it is wrong.
                let truth = aligned(&truth, &result.phase);
                Ok(vec![Answer::new(result.phase, result.std, truth)?])
            })
        }
        Task::Microscopy | Task::SuperResolution => {
            let work = images(args, &weights)?;
            let new = |gpu: &Gpu| SuperResolver::new(gpu, weights.clone(), args.sampling.options());
            calibrate(args, &weights, work, open, new, |resolver, image, seed, bar| {
                resolver.reseed(seed);
                let steps = resolver.steps((image.coarse[0].height(), image.coarse[0].width()))?;
                let result = resolver.resolve(&image.coarse, false, bar.watch(steps))?;
                let channels = result.mean.into_iter().zip(result.std).zip(image.truth);
                channels.map(|((mean, std), truth)| Answer::new(mean, std, truth)).collect()
            })
        }
    }
}

/// Answers all measurements, by turns with seeds of their own, so that what is found holds for any seed; then writes what was found.
fn calibrate<E, M>(
    args: &Calibrate,
    weights: &Weights,
    work: Work<M>,
    open: impl FnOnce() -> Result<Gpu>,
    new: impl FnOnce(&Gpu) -> Result<E>,
    mut answer: impl FnMut(&mut E, M, u64, &mut Bar) -> Result<Vec<Answer>>,
) -> Result<()> {
    let out = fresh_folder(&args.out, args.force)?;
    let interrupt = cvdm::interrupt::install(UNWRITTEN)?;
    let mut estimator = new(&open()?)?;
    let measurements = work.images.iter().map(Vec::len).sum();
    let mut bar = Bar::new("calibrating", &args.sampling, measurements, interrupt);
    let mut seeds = (0..).map(|number| args.sampling.seed.wrapping_add(number));
    let mut answer_image = |image: Vec<M>| {
        let mut answers = Vec::new();
        for (measured, seed) in image.into_iter().zip(&mut seeds) {
            answers.extend(answer(&mut estimator, measured, seed, &mut bar)?);
        }
        Ok(answers)
    };
    let answers = work.images.into_iter().map(&mut answer_image).collect::<Result<Vec<_>>>();
    bar.finish();
    let answers = answers?;
    let in_spread = errors(&answers, |a| &a.spread)?;
    let in_std = errors(&answers, |a| &a.std)?;
    let calibration = Calibration::fit(&in_spread, work.kind, &args.sampling.options())?;
    let table = table(&calibration, &in_spread, &in_std);
    // Drawn first: whatever fails, there are no weights of a calibration that was not finished.
    chart(&in_spread, &in_std, &out.join(OUTPUTS[2]))?;
    Weights { calibration: Some(calibration), ..weights.clone() }.save(&out.join(OUTPUTS[0]))?;
    write_atomically(out.join(OUTPUTS[1]), |f| f.write_all(table.as_bytes()))?;
    say!("{table}\ncalibrated weights, this table and a chart are in {}", out.display());
    Ok(())
}

/// The errors in units of one of an answer's planes.
fn errors<'a>(answers: &'a [Vec<Answer>], unit: impl Fn(&'a Answer) -> &'a Plane) -> Result<ErrorRatios> {
    let of = |answer: &'a Answer| answer.in_units_of(unit(answer));
    let images = answers.iter().map(|image| image.iter().map(of).collect());
    ErrorRatios::new(&images.collect::<Result<Vec<_>>>()?)
}

/// Of each photograph that is large enough its pairs and phases, each window at each level of noise.
fn photographs(args: &Calibrate, weights: &Weights, setup: &FresnelSetup) -> Result<Work<(DefocusPair, Plane)>> {
    let folder = args.photographs.as_ref().ok_or_else(|| {
        Error::input("nothing to calibrate on: give --photographs, a folder of photographs that were not trained on")
    })?;
    let trained_on = weights.config.data.photographs.canonicalize();
    if !args.held_out && trained_on.is_ok_and(|path| folder.canonicalize().is_ok_and(|given| given == path)) {
        return Err(Error::file(folder, "was trained on but for an eighth; --held-out takes that"));
    }
    expect_distinct("--noise", &args.noise, f32::to_string)?;
    let files = photographs_of(folder, if args.held_out { Split::HeldOut } else { Split::All })?;
    let side = args.size + 2 * setup.margin();
    let (mut images, mut small) = (Vec::new(), 0);
    for file in &files {
        if images.len() == args.count {
            break;
        }
        let mut measured = Vec::new();
        for (number, window) in photograph_windows(file, side, args.windows)?.iter().enumerate() {
            let simulated = photograph_pair(window, setup)?;
            let seed = (images.len() * args.windows + number) as u64;
            for &noise in &args.noise {
                let pair = add_noise(&simulated.pair, noise, NoiseLaw::default(), seed)?;
                measured.push((pair, simulated.phase.clone()));
            }
        }
        match measured.is_empty() {
            true => small += 1,
            false => images.push(measured),
        }
    }
    let smallest = 2 * side;
    let left_out = format!(
        "of {} photographs {small} are smaller than {smallest} × {smallest} pixels, twice a window and its margins",
        files.len()
    );
    if images.is_empty() {
        return Err(Error::file(folder, left_out));
    }
    if small > 0 {
        say!("{left_out}; they are left out");
    }
    let noise: Vec<_> = args.noise.iter().map(f32::to_string).collect();
    Ok(Work {
        images,
        kind: format!("photographs as phases, {0} × {0} pixels, noise {1}", args.size, noise.join(", ")),
    })
}

/// The held-out side of the weights' own data; images of one specimen count as one.
fn images(args: &Calibrate, weights: &Weights) -> Result<Work<TestImage>> {
    if args.photographs.is_some() {
        return Err(Error::input(
            "--photographs is for phases; these weights are calibrated on the held-out side of their own data",
        ));
    }
    let mut specimens: BTreeMap<u64, Vec<TestImage>> = BTreeMap::new();
    for image in test_images(&weights.config, args.size, args.count)? {
        specimens.entry(image.specimen).or_default().push(image);
    }
    let kind = format!("held-out images for {}, at most {1} × {1} pixels", weights.config.task.name(), args.size);
    Ok(Work { images: specimens.into_values().collect(), kind })
}

fn table(calibration: &Calibration, in_spread: &ErrorRatios, in_std: &ErrorRatios) -> String {
    let mut text = format!(
        "{} images ({}), {}\n\n| level | factor | within mean ± factor·spread, image left out | z | within mean ± z·std |\n\
         |---|---|---|---|---|\n",
        calibration.images, calibration.kind, calibration.sampled
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
    for level in LEVELS.into_iter().filter(|level| images_needed(*level) > calibration.images) {
        text += &format!("\nAn interval of {level} takes {} images.\n", images_needed(level));
    }
    text
}

/// What intervals hold, as of a Gaussian and calibrated.
fn chart(in_spread: &ErrorRatios, in_std: &ErrorRatios, path: &Path) -> Result<()> {
    let levels = || (1..20).map(|i| f64::from(i) / 20.0);
    let gaussian = levels().map(|level| (level, in_std.coverage(normal_factor(level)))).collect::<Vec<_>>();
    let left_out = |level| Some((level, in_spread.coverage_left_out(level).ok()?));
    let calibrated = levels().filter_map(left_out).collect::<Vec<_>>();
    // Of a single image none can be left out.
    let curves = [("as of a Gaussian", gaussian), ("calibrated on the other images", calibrated)];
    reliability_chart("Reliability", curves.into_iter().filter(|(_, points)| !points.is_empty())).write_png(path)
}
