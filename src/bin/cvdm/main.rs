//! The `cvdm` program: one file a subcommand.

/// A line of what was asked for. Whoever reads it may stop reading: `cvdm info WEIGHTS | head -1`.
macro_rules! say {
    ($($what:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($what)*);
    }};
}

mod calibrate;
mod demo;
mod doctor;
mod evaluate;
mod info;
mod op;
mod options;
mod reconstruct;
mod repro;
mod simulate;
mod simulate_microscopy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cvdm::gpu::{Gpu, OpenOptions};
use cvdm::tell;

#[derive(Parser)]
#[command(version, about = "Conditional variational diffusion models on WGSL compute shaders", long_about = None)]
struct Cli {
    /// Part of an adapter's name, or its number in `cvdm doctor` (default: CVDM_ADAPTER, then the fastest kind).
    #[arg(long, global = true, help_heading = "Device")]
    adapter: Option<String>,
    /// Compile shaders with bounds checks.
    #[arg(long, global = true, help_heading = "Device")]
    checked: bool,
    /// Measure once which kernels are fastest for this adapter and these shapes, and keep the answers in this folder.
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Device")]
    tune: Option<PathBuf>,
    /// With --half: convolve on cooperative matrices (tensor cores) where the adapter has them; wgpu calls them experimental.
    #[arg(long, global = true, help_heading = "Device")]
    matrices: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes defocused pairs with known phase from photographs, or fluorescence images of drawn specimens.
    ///
    /// Of each photograph NAME.pair.tif (pages +d, −d), NAME.phase.tif (rad) and NAME.png; of each specimen its images at ten levels of signal
    /// as pages of a TIFF, and its truth.
    Simulate(simulate::Simulate),
    /// Trains a model from a TOML configuration.
    ///
    /// The folder then holds weights.safetensors, which the other commands take; checkpoint.safetensors, from which --resume goes on; log.jsonl and
    /// losses.png; config.toml, the configuration with its defaults.
    Train {
        /// The configuration.
        config: PathBuf,
        /// The run's folder.
        #[arg(long)]
        out: PathBuf,
        /// Go on from the folder's checkpoint.
        #[arg(long)]
        resume: bool,
    },
    /// Reconstructs a phase from a measured pair, or a finer image from one, as the weights were trained for; with its uncertainty.
    ///
    /// Writes phase.tif and std.tif (rad), or image.tif and std.tif (from 0 to 1); half_width.tif, of an interval to either side, if the weights
    /// are calibrated; beta_integral.tif; samples.tif with --keep-samples; and reconstruction.png, all of it as one picture.
    Reconstruct(reconstruct::Reconstruct),
    /// Finds how far the standard deviations of weights' samples can be believed, on images that were not trained on.
    ///
    /// Writes weights.safetensors, the same weights with intervals, which `reconstruct` then gives if it samples alike; table.md and
    /// reliability.png, how well these hold. For phases the images are photographs that you name; else those of the weights' own data that were
    /// held out, which `evaluate` takes too.
    Calibrate(calibrate::Calibrate),
    /// Compares weights with the classical method, or with interpolation, on held-out images.
    ///
    /// Writes table.md, scores.json (a row an image) and pictures. Of phases the table also says how much lies within the intervals.
    Evaluate(evaluate::Evaluate),
    /// Computes the paper's tables and figures again, with a report.
    Repro(repro::Repro),
    /// Reconstructs two shipped examples with the shipped weights.
    Demo(demo::Demo),
    /// Tells whether this machine is ready.
    Doctor,
    /// Tells what a weights file holds.
    Info(info::Info),
    /// Runs one operation of the engine alone on .npy files, with its gradients.
    Op(Box<op::OpArgs>),
}

fn run(cli: Cli) -> cvdm::Result<()> {
    let options = OpenOptions {
        adapter: cli.adapter,
        checked_shaders: cli.checked,
        tuning: cli.tune,
        matrices: cli.matrices,
        ..Default::default()
    };
    let gpu = || Gpu::open(&options);
    match &cli.command {
        Command::Simulate(args) => simulate::run(args),
        Command::Reconstruct(args) => reconstruct::run(args, gpu),
        Command::Calibrate(args) => calibrate::run(args, gpu),
        Command::Evaluate(args) => evaluate::run(args, gpu),
        Command::Repro(args) => repro::run(args, gpu),
        Command::Demo(args) => demo::run(args, gpu),
        Command::Doctor => doctor::run(gpu),
        Command::Info(args) => info::run(args),
        Command::Op(args) => op::run(args, &options),
        Command::Train { config, out, resume } => {
            let config = cvdm::config::TrainConfig::read(config)?;
            let interrupt = cvdm::interrupt::install("saving the run")?;
            cvdm::train::train(&gpu()?, &config, out, *resume, &interrupt).map(|_| ())
        }
    }
}

fn main() -> ExitCode {
    // Mesa's device-select layer asks for a display and prints an error on machines that have none.
    // SAFETY: the first statement of the program; no other thread exists yet that could read the environment.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(format_args!("cvdm: {error}"));
            ExitCode::FAILURE
        }
    }
}
