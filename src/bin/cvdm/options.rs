//! Arguments that several subcommands share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use cvdm::diffusion::{Discretisation, SampleOptions, Variant};
use cvdm::interrupt::Interrupt;
use cvdm::inverse::FresnelSetup;
use cvdm::{Error, Progress, Result};

/// The optical setting. What is not given is the paper's.
#[derive(Args, Debug, Clone, Copy)]
pub struct Optics {
    /// Wavelength in µm [default: 0.521].
    #[arg(long)]
    pub wavelength: Option<f64>,
    /// Pixel in µm [default: 0.21].
    #[arg(long)]
    pub pixel: Option<f64>,
    /// Defocus in µm: the images were taken at plus and minus this [default: 2].
    #[arg(long)]
    pub defocus: Option<f64>,
}

impl Optics {
    /// Every option with its value, and whether it was given.
    fn all(&self) -> [(&'static str, f64, bool); 3] {
        let of = |name, given: Option<f64>, default| (name, given.unwrap_or(default), given.is_some());
        let paper = FresnelSetup::default();
        [
            of("--wavelength", self.wavelength, paper.wavelength_um()),
            of("--pixel", self.pixel, paper.pixel_um()),
            of("--defocus", self.defocus, paper.defocus_um()),
        ]
    }

    /// The checked setting.
    pub fn setup(&self) -> Result<FresnelSetup> {
        let [wavelength, pixel, defocus] = self.all().map(|(_, value, _)| value);
        FresnelSetup::new(wavelength, pixel, defocus)
    }

    /// What is taken for granted, in words; a measurement's own setting is not to be guessed in silence.
    pub fn assumed(&self) -> Option<String> {
        let all = self.all();
        let assumed: Vec<String> =
            all.iter().filter(|(_, _, given)| !given).map(|(name, value, _)| format!("{name} {value}")).collect();
        (!assumed.is_empty()).then(|| format!("assumed, in µm: {}", assumed.join(" ")))
    }
}

/// A number of things, one at least.
pub fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("it must be a whole number".into()),
    }
}

/// Refuses a list that names something twice.
///
/// # Errors
/// [`Error::Input`] that names the option and what is there twice, in the words of `name`.
pub fn expect_distinct<T: PartialEq>(option: &str, all: &[T], name: impl Fn(&T) -> String) -> Result<()> {
    match all.iter().enumerate().find(|(i, one)| all[..*i].contains(one)) {
        None => Ok(()),
        Some((_, twice)) => Err(Error::input(format!("{option} names {} twice; name each once", name(twice)))),
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
    /// Store the U-Net's feature maps and weights in half precision: half the memory; slower on software drivers, not yet timed on GPUs.
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

    /// Steps of one answer, if the adapter holds as many samples side by side as were asked for.
    fn asked_steps(&self) -> u64 {
        let batch = if self.batch == 0 { self.samples } else { self.batch.min(self.samples) };
        (self.samples.div_ceil(batch.max(1)) * self.steps) as u64
    }
}

/// What Ctrl-C does to a command that writes at its end alone.
pub const UNWRITTEN: &str = "writing nothing";

/// A bar that counts the sampling steps of some answers and stops on Ctrl-C.
pub struct Bar {
    progress: Progress,
    interrupt: Interrupt,
    total: u64,
    /// Steps that count for an answer until its method is prepared and knows how many it takes.
    asked: u64,
}

impl Bar {
    /// For so many answers.
    pub fn new(label: &str, sampling: &Sampling, answers: usize, interrupt: Interrupt) -> Self {
        let asked = sampling.asked_steps();
        let total = asked * answers as u64;
        Self { progress: Progress::new(total, label), interrupt, total, asked }
    }

    /// Counts the next answer, which takes so many steps.
    pub fn watch(&mut self, steps: u64) -> impl FnMut() -> Result<()> {
        self.total = (self.total + steps).saturating_sub(self.asked);
        self.progress.set_total(self.total);
        || {
            self.progress.advance(1);
            self.check()
        }
    }

    /// Stops between answers: not every method draws samples.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after Ctrl-C.
    pub fn check(&self) -> Result<()> {
        match self.interrupt.requested() {
            true => Err(Error::Interrupted("sampling was interrupted; nothing was written".into())),
            false => Ok(()),
        }
    }

    /// Leaves a last line.
    pub fn finish(self) {
        self.progress.finish();
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

/// Removes the files of an earlier run that replacing by name would leave, so that what lies together belongs together.
pub fn clear(out: &Path, known: impl Fn(&str) -> bool) -> Result<()> {
    let entries = std::fs::read_dir(out).map_err(|e| Error::file(out, format!("cannot be listed: {e}")))?;
    for entry in entries.filter_map(std::result::Result::ok).filter(|e| known(&e.file_name().to_string_lossy())) {
        let path = entry.path();
        std::fs::remove_file(&path).map_err(|e| Error::file(&path, format!("cannot be replaced: {e}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_counts_the_steps_that_answers_take() {
        let sampling = Sampling {
            samples: 8,
            steps: 50,
            batch: 0,
            variant: Step::Posterior,
            product: false,
            seed: 1,
            half: false,
        };
        assert_eq!(sampling.asked_steps(), 50);
        assert_eq!(Sampling { batch: 3, ..sampling }.asked_steps(), 150);
        let interrupt = Interrupt::manual();
        let mut bar = Bar::new("sampling", &sampling, 3, interrupt.clone());
        assert_eq!(bar.total, 150);
        // One in eight groups, one that draws nothing, one as asked for.
        for (steps, total) in [(400, 500), (0, 450), (50, 450)] {
            let mut watch = bar.watch(steps);
            watch().unwrap();
            drop(watch);
            assert_eq!(bar.total, total);
        }
        interrupt.request();
        assert!(matches!(bar.watch(50)(), Err(Error::Interrupted(_))));
        assert!(bar.check().is_err());
    }
}
