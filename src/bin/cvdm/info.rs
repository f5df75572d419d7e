//! `cvdm info`: what a weights file or a checkpoint holds.

use std::path::PathBuf;

use clap::Args;
use cvdm::weights::load_weights;
use cvdm::{Error, Result};

/// Arguments of `cvdm info`.
#[derive(Args)]
pub struct Info {
    /// The file.
    weights: PathBuf,
    /// List every parameter.
    #[arg(long)]
    parameters: bool,
}

/// Prints the configuration, the size and the schedule's end points.
pub fn run(args: &Info) -> Result<()> {
    let weights = load_weights(&args.weights)?;
    let parameters = weights.model.parameters();
    say!("{}: {} parameters after {} steps", args.weights.display(), parameters.count(), weights.step);
    say!(
        "schedule: ∫τ dt to t = 1 is ρ(1) = {:.3}, τ(1) = {:.3}",
        weights.model.time_integral(&weights.parameters, 1.0),
        weights.model.time_rate(&weights.parameters, 1.0)
    );
    if let Some(calibration) = &weights.calibration {
        say!("calibrated on {} images ({}), {}", calibration.images, calibration.kind, calibration.sampled);
        for interval in &calibration.intervals {
            say!("  {} of the pixels within {:.3} spreads of their samples", interval.level, interval.factor);
        }
    }
    let toml = toml::to_string(&weights.config).map_err(|e| Error::file(&args.weights, e.to_string()))?;
    say!("\n{toml}");
    if args.parameters {
        for p in parameters.iter() {
            say!("{:<32} {:?}", p.name, p.shape);
        }
    }
    Ok(())
}
