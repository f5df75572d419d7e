//! `cvdm reconstruct`: a measured pair to a phase image with its uncertainty.

use std::path::PathBuf;

use clap::Args;
use cvdm::data::{read_planes, write_tiff};
use cvdm::gpu::Gpu;
use cvdm::inverse::DefocusPair;
use cvdm::picture::{Colormap, Montage, Panel};
use cvdm::reconstruct::Reconstructor;
use cvdm::weights::load_weights;
use cvdm::{Error, Progress, Result};

use super::options::{Optics, Sampling, fresh_folder, watch};

/// Arguments of `cvdm reconstruct`.
#[derive(Args)]
pub struct Reconstruct {
    /// The weights.
    #[arg(long)]
    weights: PathBuf,
    /// The pair: one file with two pages (+d, −d), or two files.
    #[arg(long, num_args = 1..=2, required = true)]
    input: Vec<PathBuf>,
    /// Folder for the results.
    #[arg(long)]
    out: PathBuf,
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

fn read_pair(files: &[PathBuf]) -> Result<DefocusPair> {
    let mut planes = Vec::new();
    for file in files {
        planes.extend(read_planes(file)?);
    }
    match <[_; 2]>::try_from(planes) {
        Ok([plus, minus]) => DefocusPair::new(plus, minus),
        Err(planes) => Err(Error::file(
            &files[0],
            format!("{} images in all; a pair is two: one TIFF of two pages (+d, −d), or two gray files", planes.len()),
        )),
    }
}

/// Writes `phase.tif`, `std.tif` (rad), `beta_integral.tif`, `samples.tif` if asked for, and `reconstruction.png`.
pub fn run(args: &Reconstruct, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    let weights = load_weights(&args.weights)?;
    let pair = read_pair(&args.input)?;
    let setup = args.optics.setup()?;
    let out = fresh_folder(&args.out, args.force)?;
    let interrupt = cvdm::interrupt::install()?;
    let mut reconstructor = Reconstructor::new(&open()?, weights, args.sampling.options());
    let mut progress = Progress::new(args.sampling.total_steps(), "sampling");
    let result = reconstructor.reconstruct(&pair, &setup, args.keep_samples, watch(&mut progress, &interrupt))?;
    progress.finish();
    write_tiff(out.join("phase.tif"), &[&result.phase])?;
    write_tiff(out.join("std.tif"), &[&result.std])?;
    write_tiff(out.join("beta_integral.tif"), &[&result.beta_integral])?;
    if args.keep_samples {
        write_tiff(out.join("samples.tif"), &result.samples.iter().collect::<Vec<_>>())?;
    }
    Montage::new()
        .title("Phase from two defocused images")
        .row("measured", [Panel::new("image at +d", pair.plus()), Panel::new("image at −d", pair.minus())])
        .row(
            "CVDM",
            [
                Panel::new("mean phase", &result.phase).map(Colormap::Viridis).unit("rad"),
                Panel::new("standard deviation", &result.std).map(Colormap::Magma).unit("rad"),
                Panel::new("∫β dt", &result.beta_integral).map(Colormap::Magma),
            ],
        )
        .write_png(out.join("reconstruction.png"))?;
    println!(
        "phase, standard deviation and ∫β dt of {} samples ({:.1} s) are in {}",
        args.sampling.samples,
        result.seconds,
        out.display()
    );
    Ok(())
}
