//! Arguments that several subcommands share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use cvdm::diffusion::{Discretisation, SampleOptions, Variant};
use cvdm::inverse::FresnelSetup;
use cvdm::{Error, Progress, Result};

/// The optical setting.
#[derive(Args, Debug, Clone, Copy)]
pub struct Optics {
    /// Wavelength in µm.
    #[arg(long, default_value_t = 0.521)]
    pub wavelength: f64,
    /// Pixel in µm.
    #[arg(long, default_value_t = 0.21)]
    pub pixel: f64,
    /// Defocus in µm: the images were taken at plus and minus this.
    #[arg(long, default_value_t = 2.0)]
    pub defocus: f64,
}

impl Optics {
    /// The checked setting.
    pub fn setup(&self) -> Result<FresnelSetup> {
        FresnelSetup::new(self.wavelength, self.pixel, self.defocus)
    }
}

/// The reverse step.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ancestral, variance β (the paper).
    Ancestral,
    /// Ancestral, posterior variance (B.2).
    Posterior,
    /// Deterministic (DDIM).
    Ddim,
}

/// Sampling.
#[derive(Args, Debug, Clone, Copy)]
pub struct Sampling {
    /// Samples a measurement; their mean is the reconstruction, their standard deviation its uncertainty.
    #[arg(long, default_value_t = 8)]
    pub samples: usize,
    /// Sampling steps T.
    #[arg(long, default_value_t = 50)]
    pub steps: usize,
    /// Samples computed side by side at most (0: all). Where the adapter holds fewer they go in groups.
    #[arg(long, default_value_t = 0)]
    pub batch: usize,
    /// The reverse step.
    #[arg(long, value_enum, default_value_t = Step::Posterior)]
    pub variant: Step,
    /// Steps by algorithm 2's product of 1 − β/T instead of exp(−β/T), which is stable for any number of steps.
    #[arg(long)]
    pub product: bool,
    /// Seed of all draws.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Store the network's feature maps and weights in half precision: half the memory, faster on GPUs.
    #[arg(long)]
    pub half: bool,
}

impl Sampling {
    /// The library's options.
    pub fn options(&self) -> SampleOptions {
        let variant = match self.variant {
            Step::Ancestral => Variant::Ancestral,
            Step::Posterior => Variant::Posterior,
            Step::Ddim => Variant::Deterministic,
        };
        let discretisation = if self.product { Discretisation::Product } else { Discretisation::Exponential };
        SampleOptions {
            discretisation,
            steps: self.steps,
            samples: self.samples,
            batch: self.batch,
            variant,
            seed: self.seed,
            halves: self.half,
        }
    }

    /// Steps that one measurement takes, for a progress bar.
    pub fn total_steps(&self) -> u64 {
        let batch = if self.batch == 0 { self.samples } else { self.batch.min(self.samples) };
        (self.samples.div_ceil(batch.max(1)) * self.steps) as u64
    }
}

/// A bar that counts sampling steps and stops on Ctrl-C.
pub fn watch<'a>(
    progress: &'a mut Progress,
    interrupt: &'a cvdm::interrupt::Interrupt,
) -> impl FnMut() -> Result<()> + 'a {
    move || {
        progress.advance(1);
        if interrupt.requested() {
            return Err(Error::Interrupted("sampling was interrupted; nothing was written".into()));
        }
        Ok(())
    }
}

/// Makes the folder for results. One that holds files already is refused, unless `force` allows to replace them.
pub fn fresh_folder(out: &Path, force: bool) -> Result<PathBuf> {
    if out.is_file() {
        return Err(Error::file(out, "is a file; give a folder"));
    }
    let occupied = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !force {
        return Err(Error::file(out, "holds files already; choose another folder, or replace them with --force"));
    }
    std::fs::create_dir_all(out).map_err(|e| Error::file(out, format!("cannot be made: {e}")))?;
    Ok(out.to_path_buf())
}
