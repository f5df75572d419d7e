//! The `cvdm` program: one file a subcommand.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cvdm::gpu::{Gpu, OpenOptions};

#[derive(Parser)]
#[command(version, about = "Conditional variational diffusion models on WGSL compute shaders", long_about = None)]
struct Cli {
    /// Part of an adapter's name, or its number in `cvdm doctor` (default: CVDM_ADAPTER, then the fastest kind).
    #[arg(long, global = true)]
    adapter: Option<String>,
    /// Compile shaders with bounds checks.
    #[arg(long, global = true)]
    checked: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trains a model from a TOML configuration.
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
}

fn run(cli: Cli) -> cvdm::Result<()> {
    let gpu =
        || Gpu::open(&OpenOptions { adapter: cli.adapter.clone(), checked_shaders: cli.checked, ..Default::default() });
    match &cli.command {
        Command::Train { config, out, resume } => {
            let config = cvdm::config::TrainConfig::read(config)?;
            let interrupt = cvdm::interrupt::install()?;
            cvdm::train::train(&gpu()?, &config, out, *resume, &interrupt).map(|_| ())
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cvdm: {error}");
            ExitCode::FAILURE
        }
    }
}
