//! `cvdm reconstruct`: a measurement to what is behind it, with its uncertainty: a phase from a pair, a fine image from a coarse one.

use std::path::{Path, PathBuf};

use clap::Args;
use cvdm::calibration::Interval;
use cvdm::config::{Schedule, Task};
use cvdm::data::{
    Plane, as_gray, as_rgb, expect_unit_range, read_gray, read_pages, read_planes, unit_range, write_tiff,
};
use cvdm::gpu::Gpu;
use cvdm::inverse::DefocusPair;
use cvdm::picture::{Colormap, Montage, Panel};
use cvdm::reconstruct::{Reconstructor, SuperResolver};
use cvdm::weights::{Weights, load_weights};
use cvdm::{Error, Result};

use super::options::{Bar, Optics, Sampling, UNWRITTEN, clear, fresh_folder};

/// Arguments of `cvdm reconstruct`.
#[derive(Args)]
pub struct Reconstruct {
    /// The weights.
    #[arg(long)]
    weights: PathBuf,
    /// For a phase the pair: one file with two pages (+d, −d), or two files. For microscopy and super-resolution one image.
    #[arg(long, num_args = 1..=2, required = true)]
    input: Vec<PathBuf>,
    /// Of a TIFF with several pages the one to take, counted from 1 (for microscopy and super-resolution).
    #[arg(long)]
    page: Option<usize>,
    /// Folder for the results.
    #[arg(long)]
    out: PathBuf,
    /// Share of the pixels that intervals are to hold, of calibrated weights [default: the highest that they have].
    #[arg(long)]
    level: Option<f64>,
    /// Write every sample as well.
    #[arg(long)]
    keep_samples: bool,
    /// Replace what the folder holds.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    optics: Optics,
    #[command(flatten)]
    sampling: Sampling,
}

impl Reconstruct {
    /// The interval that calibrated weights give, of the level that was asked for.
    ///
    /// # Errors
    /// [`Error::Input`] if one was asked for that they do not have.
    fn interval(&self, weights: &Weights) -> Result<Option<Interval>> {
        let Some(calibration) = &weights.calibration else {
            let why = match weights.config.model.schedule {
                Schedule::None => "the weights give one answer alone, and no interval around it",
                _ => "the weights are not calibrated; `cvdm calibrate` does it",
            };
            return self.level.map_or(Ok(None), |_| Err(Error::input(why)));
        };
        match (calibration.interval(self.level, &self.sampling.options()), self.level) {
            (Err(why), None) => {
                say!("intervals are left out: {why}");
                Ok(None)
            }
            (found, _) => found.map(Some),
        }
    }

    /// Says what was written, of so many seconds' work, where.
    fn report(&self, what: &str, one_pass: bool, seconds: f64, out: &Path) {
        let (samples, out) = (self.sampling.samples, out.display());
        if one_pass {
            say!("{what}, of a model that gives one answer and no uncertainty ({seconds:.1} s), is in {out}");
        } else {
            say!("{what}, standard deviation and ∫β dt of {samples} samples ({seconds:.1} s) are in {out}");
        }
    }
}

/// What half-widths promise, of weights that have some.
fn promise(weights: &Weights, interval: Interval) -> Option<String> {
    let calibration = weights.calibration.as_ref()?;
    let but = if weights.config.task == Task::Phase { " but for a constant phase" } else { "" };
    Some(format!(
        "half-widths are there too: of images like those calibrated on ({}) {} of the pixels can be expected within them{but}",
        calibration.kind, interval.level
    ))
}

/// What this command writes, of all tasks.
const OUTPUTS: [&str; 7] =
    ["phase.tif", "image.tif", "std.tif", "half_width.tif", "beta_integral.tif", "samples.tif", "reconstruction.png"];

fn read_pair(files: &[PathBuf]) -> Result<DefocusPair> {
    let planes = match files {
        [plus, minus] => vec![read_gray(plus)?, read_gray(minus)?],
        pages => read_planes(&pages[0])?,
    };
    match <[_; 2]>::try_from(planes) {
        Ok([plus, minus]) => DefocusPair::new(plus, minus),
        Err(planes) => Err(Error::file(
            &files[0],
            format!("{} images in all; a pair is two: one TIFF of two pages (+d, −d), or two files", planes.len()),
        )),
    }
}

/// The image that a model takes, in [0, 1], a plane a channel: a microscope's from its darkest to its brightest value.
fn read_image(files: &[PathBuf], page: Option<usize>, weights: &Weights) -> Result<Vec<Plane>> {
    let [file] = files else {
        return Err(Error::input(format!("{} files; these weights take one image", files.len())));
    };
    let planes = match (read_pages(file)?, page) {
        (pages, Some(number)) => {
            let count = pages.len();
            let wanted = number.checked_sub(1).and_then(|index| pages.into_iter().nth(index));
            wanted.ok_or_else(|| Error::file(file, format!("has {count} pages, and no page {number}")))?
        }
        // Colours may lie on a page each.
        (pages, None) if pages.len() == 1 || (pages.len() == 3 && weights.model.config().condition_channels == 3) => {
            pages.concat()
        }
        (pages, None) => {
            return Err(Error::file(file, format!("has {} pages; choose one of them with --page", pages.len())));
        }
    };
    match (weights.config.task, weights.model.config().condition_channels) {
        (Task::SuperResolution, 3) => in_unit_range(file, as_rgb(file, planes)?.to_vec()),
        (Task::SuperResolution, _) => in_unit_range(file, vec![as_gray(file, planes)?]),
        _ => Ok(vec![unit_range(&as_gray(file, planes)?)]),
    }
}

/// A photograph as it was read, unless it is one in other units, as float TIFFs can be.
fn in_unit_range(file: &Path, planes: Vec<Plane>) -> Result<Vec<Plane>> {
    expect_unit_range(&planes).map_err(|e| Error::file(file, e.to_string()))?;
    Ok(planes)
}

/// Reconstructs what the weights were trained for.
pub fn run(args: &Reconstruct, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    let weights = load_weights(&args.weights)?;
    match weights.config.task {
        Task::Phase => phase(args, weights, open),
        Task::Microscopy | Task::SuperResolution => image(args, weights, open),
    }
}

/// Writes `image.tif`, `std.tif` and `half_width.tif` (in [0, 1], a page a channel), `beta_integral.tif`, `samples.tif` if asked for, and
/// `reconstruction.png`, which shows means over the channels.
fn image(args: &Reconstruct, weights: Weights, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    let coarse = read_image(&args.input, args.page, &weights)?;
    let one_pass = weights.config.model.schedule == Schedule::None;
    let interval = args.interval(&weights)?;
    let promise = interval.and_then(|interval| promise(&weights, interval));
    let out = fresh_folder(&args.out, args.force)?;
    let interrupt = cvdm::interrupt::install(UNWRITTEN)?;
    let mut resolver = SuperResolver::new(&open()?, weights, args.sampling.options())?;
    let mut bar = Bar::new("sampling", &args.sampling, 1, interrupt);
    let steps = resolver.steps((coarse[0].height(), coarse[0].width()))?;
    let result = resolver.resolve(&coarse, args.keep_samples, bar.watch(steps))?;
    bar.finish();
    clear(&out, |name| OUTPUTS.contains(&name))?;
    let write = |name: &str, planes: &[Plane]| write_tiff(out.join(name), &planes.iter().collect::<Vec<_>>());
    write("image.tif", &result.mean)?;
    if !one_pass {
        write("std.tif", &result.std)?;
        write("beta_integral.tif", &result.beta_integral)?;
    }
    if let Some(interval) = interval {
        write("half_width.tif", &result.std.iter().map(|std| interval.half_width(std)).collect::<Vec<_>>())?;
    }
    if args.keep_samples {
        write("samples.tif", &result.samples.concat())?;
    }
    let [measured, mean, std, integral] =
        [&coarse, &result.mean, &result.std, &result.beta_integral].map(|planes| Plane::mean_of(planes));
    let answer = if one_pass { "the answer" } else { "mean of the samples" };
    let mut montage = Montage::new()
        .title("A fine image from a coarse one")
        .row("images", [Panel::new("measured", &measured), Panel::new(answer, &mean)]);
    if !one_pass {
        let uncertainty = [("standard deviation", &std), ("∫β dt", &integral)];
        montage = montage.row("uncertainty", uncertainty.map(|(name, p)| Panel::new(name, p).map(Colormap::Magma)));
    }
    montage.write_png(out.join("reconstruction.png"))?;
    args.report("image", one_pass, result.seconds, &out);
    if let Some(promise) = promise {
        say!("{promise}");
    }
    Ok(())
}

/// Writes `phase.tif`, `std.tif` and `half_width.tif` (rad), `beta_integral.tif`, `samples.tif` if asked for, and `reconstruction.png`.
fn phase(args: &Reconstruct, weights: Weights, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    if args.page.is_some() {
        return Err(Error::input(
            "--page chooses one image; a phase is reconstructed from two, the pages of a file or two files",
        ));
    }
    let pair = read_pair(&args.input)?;
    let one_pass = weights.config.model.schedule == Schedule::None;
    let setup = args.optics.setup()?;
    if let Some(assumed) = args.optics.assumed() {
        say!("{assumed}");
    }
    let interval = args.interval(&weights)?;
    let promise = interval.and_then(|interval| promise(&weights, interval));
    let out = fresh_folder(&args.out, args.force)?;
    let interrupt = cvdm::interrupt::install(UNWRITTEN)?;
    let mut reconstructor = Reconstructor::new(&open()?, weights, args.sampling.options());
    let mut bar = Bar::new("sampling", &args.sampling, 1, interrupt);
    let steps = reconstructor.steps(&pair, &setup)?;
    let result = reconstructor.reconstruct(&pair, &setup, args.keep_samples, bar.watch(steps))?;
    bar.finish();
    clear(&out, |name| OUTPUTS.contains(&name))?;
    write_tiff(out.join("phase.tif"), &[&result.phase])?;
    if !one_pass {
        write_tiff(out.join("std.tif"), &[&result.std])?;
        write_tiff(out.join("beta_integral.tif"), &[&result.beta_integral])?;
    }
    if let Some(interval) = interval {
        write_tiff(out.join("half_width.tif"), &[&interval.half_width(&result.std)])?;
    }
    if args.keep_samples {
        write_tiff(out.join("samples.tif"), &result.samples.iter().collect::<Vec<_>>())?;
    }
    let mean = |name: &str| Panel::new(name, &result.phase).map(Colormap::Viridis).unit("rad");
    let montage = Montage::new()
        .title("Phase from two defocused images")
        .row("measured", [Panel::new("image at +d", pair.plus()), Panel::new("image at −d", pair.minus())]);
    let montage = if one_pass {
        montage.row("regression", [mean("phase")])
    } else {
        let std = Panel::new("standard deviation", &result.std).map(Colormap::Magma).unit("rad");
        montage.row("CVDM", [mean("mean phase"), std, Panel::new("∫β dt", &result.beta_integral).map(Colormap::Magma)])
    };
    montage.write_png(out.join("reconstruction.png"))?;
    args.report("phase", one_pass, result.seconds, &out);
    if let Some(promise) = promise {
        say!("{promise}");
    }
    Ok(())
}
