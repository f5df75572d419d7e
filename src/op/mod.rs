//! Every operation of the engine alone, on plain arrays: forward and gradients, to hold a kernel against another library.
//!
//! [`OPERATIONS`] is the registry. To add an operation, write its [`Operation`] in the file of its family and name it there.
//!
//! ```no_run
//! use cvdm::gpu::{Gpu, OpenOptions};
//! use cvdm::op::{self, Array, Given};
//!
//! let x = Array { shape: vec![1, 1, 2, 2], values: vec![1.0, 2.0, 3.0, 4.0] };
//! let gpu = Gpu::open(&OpenOptions::default())?;
//! let outcome = op::find("max_pool2d")?.run(&gpu, vec![("input", Given::Arrays(vec![x]))])?;
//! assert_eq!(outcome.results[0].1.values, [4.0]);
//! # Ok::<(), cvdm::Error>(())
//! ```

mod activation;
mod arguments;
mod attention;
mod convolution;
mod elementwise;
mod losses;
mod normalization;
mod optimizer;
mod padding;
mod planes;
mod random;
mod recording;
mod reduction;
mod sampling;
mod schedule;
mod similarity;
mod spatial;

use std::fmt;

pub use arguments::{Argument, Arguments, Array, Given, Kind, Need};
pub use recording::Recording;

use crate::gpu::Gpu;
use crate::{Error, Result};

/// One operation of the engine.
#[derive(Debug)]
pub struct Operation {
    /// Its name, that of its kernel.
    pub name: &'static str,
    /// What it computes.
    pub formula: &'static str,
    /// What it takes.
    pub arguments: &'static [Argument],
    /// The names of its results, `y` first, and their shapes.
    pub results: &'static str,
    /// Records it, from arguments that have been checked for names, kinds and finite values.
    record: fn(&mut Recording, &Arguments) -> Result<()>,
}

/// Every operation.
pub static OPERATIONS: &[&Operation] = &[
    &convolution::CONV2D,
    &convolution::CONV_TRANSPOSE2D,
    &normalization::INSTANCE_NORM,
    &normalization::GROUP_NORM,
    &normalization::MAX_POOL2D,
    &activation::SOFTPLUS,
    &activation::SIGMOID,
    &activation::RELU,
    &activation::GELU,
    &activation::SWISH,
    &elementwise::ADD,
    &elementwise::MULTIPLY,
    &elementwise::SCALE,
    &elementwise::CONCAT,
    &planes::PLANE_MEAN,
    &planes::PLANE_ADD,
    &planes::PLANE_MULTIPLY,
    &spatial::PIXEL_SHUFFLE,
    &spatial::UPSAMPLE,
    &spatial::RESIZE,
    &spatial::FOURIER_MAGNITUDE,
    &attention::MATMUL,
    &attention::SOFTMAX,
    &attention::ATTENTION,
    &padding::REFLECT_PAD,
    &padding::CROP,
    &reduction::CHANNEL_SUM,
    &reduction::SUM_OF_SQUARES,
    &reduction::MEAN_STD,
    &schedule::SCHEDULE,
    &schedule::NOISING,
    &schedule::VELOCITY,
    &losses::NOISE_LOSS,
    &losses::WEIGHTED_NOISE_LOSS,
    &losses::SCHEDULE_LOSSES,
    &similarity::SSIM_LOSS,
    &sampling::REVERSE_START,
    &sampling::REVERSE_STEP,
    &optimizer::ADAM,
    &random::PHILOX,
];

/// What a run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Results by name, `y` first.
    pub results: Vec<(String, Array)>,
    /// The kernels that ran, in order.
    pub kernels: Vec<&'static str>,
}

/// The operation of this name.
///
/// # Errors
/// [`Error::Input`] that lists the names there are.
pub fn find(name: &str) -> Result<&'static Operation> {
    OPERATIONS.iter().find(|o| o.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = OPERATIONS.iter().map(|o| o.name).collect();
        Error::input(format!("no operation is called \"{name}\"; there are {}", names.join(", ")))
    })
}

impl Operation {
    /// Refuses names that the operation does not take, and sets of names without one that it needs.
    ///
    /// # Errors
    /// [`Error::Input`] that says which.
    pub fn check_names(&self, names: &[&str]) -> Result<()> {
        if let Some(stranger) = names.iter().find(|n| self.arguments.iter().all(|a| a.name != **n)) {
            let takes: Vec<String> = self.arguments.iter().map(|a| format!("--{}", a.name)).collect();
            return Err(Error::input(format!("{} takes no --{stranger}; it takes {}", self.name, takes.join(", "))));
        }
        let missing = self.arguments.iter().filter(|a| a.need == Need::Required && !names.contains(&a.name));
        let missing: Vec<String> = missing.map(|a| format!("--{} ({})", a.name, a.about)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::input(format!("{} needs {}", self.name, missing.join(" and "))))
    }

    /// Runs the operation once; gradients too if `grad`, that of its result, is among the arguments.
    ///
    /// # Errors
    /// [`Error::Input`] or [`Error::Shape`] for arguments that do not fit, and what the device reports.
    pub fn run(&'static self, gpu: &Gpu, given: Vec<(&str, Given)>) -> Result<Outcome> {
        let arguments = Arguments::new(self, given)?;
        let mut recording = Recording::new(gpu);
        (self.record)(&mut recording, &arguments)?;
        recording.run(gpu)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n  {}", self.name, self.formula)?;
        for argument in self.arguments {
            let need = match argument.need {
                Need::Required => String::new(),
                Need::Optional => " (optional)".into(),
                Need::Default(value) => format!(" (default {value})"),
            };
            writeln!(f, "  --{:<14} {}{need}", argument.name, argument.about)?;
        }
        writeln!(f, "  {:<16} {}", "writes", self.results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_grad_is_always_optional_or_an_input() {
        for (i, operation) in OPERATIONS.iter().enumerate() {
            assert!(OPERATIONS[..i].iter().all(|o| o.name != operation.name), "{} twice", operation.name);
            for (k, argument) in operation.arguments.iter().enumerate() {
                let earlier = &operation.arguments[..k];
                assert!(earlier.iter().all(|a| a.name != argument.name), "{}: --{}", operation.name, argument.name);
            }
        }
        assert!(find("conv2").unwrap_err().to_string().contains("conv2d"));
    }

    #[test]
    fn names_of_arguments_are_checked() {
        let pool = find("max_pool2d").unwrap();
        assert!(pool.check_names(&["input", "stride"]).unwrap_err().to_string().contains("takes no --stride"));
        let conv = find("conv2d").unwrap();
        let message = conv.check_names(&["bias"]).unwrap_err().to_string();
        assert!(message.contains("--input") && message.contains("--weight") && !message.contains("--stride"));
        conv.check_names(&["input", "weight"]).unwrap();
    }
}
