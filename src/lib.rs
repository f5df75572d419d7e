//! Conditional variational diffusion models (CVDM, arXiv 2312.02246) on hand-written WGSL compute shaders.
//!
//! ```text
//! condition x ─┬─▶ rate network λ(x) ──┐
//!              │   time networks τ, ρ ─┴▶ schedule γ(t, x) = exp(−λ ρ)          training: noising, losses, backward, Adam
//!              └─▶ noise network ε̂(x, γ, z) ◀── latent z                        sampling: T × (network, fused reverse step)
//! ```
//!
//! The rooms, each importing only what stands before it: [`gpu`] (device and pipelines), [`tensor`] (shapes and views),
//! [`kernels`] (one file a kernel family), [`tape`] (recording, gradients, planner, replay), [`nets`] (U-Net, parameters by
//! name), [`diffusion`] (model, training step, sampler). With the feature `cli` come the rooms of the program: images,
//! simulators, metrics, pictures, and the tasks: phase imaging, microscopy, super-resolution.
//!
//! A training step of a small model, from nothing:
//! ```no_run
//! use cvdm::diffusion::{Hyper, Model, ModelConfig, StepOptions, Trainer, TrainerState};
//! use cvdm::gpu::{Gpu, OpenOptions};
//!
//! # fn main() -> cvdm::Result<()> {
//! let gpu = Gpu::open(&OpenOptions::default())?;
//! let model = Model::new(ModelConfig { noise_base: 16, rate_base: 8, ..ModelConfig::default() })?;
//! let options = StepOptions::new(4, 64, 64);
//! let state = TrainerState::new(&model, 1);
//! let mut trainer = Trainer::new(&gpu, model, options, &state)?;
//! let (x, y) = (vec![0.0; 4 * 2 * 64 * 64], vec![0.0; 4 * 64 * 64]);
//! trainer.step(&x, &y, &Hyper::default())?;
//! println!("{:?}", trainer.losses()?);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod diffusion;
mod error;
pub mod gpu;
pub mod kernels;
pub mod nets;
pub mod random;
pub mod tape;
pub mod tensor;
pub use error::{Error, Result};

#[cfg(feature = "cli")]
pub mod calibration;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "cli")]
pub mod data;
#[cfg(feature = "cli")]
pub mod evaluate;
#[cfg(feature = "cli")]
mod fft2;
#[cfg(feature = "cli")]
pub mod interrupt;
#[cfg(feature = "cli")]
pub mod inverse;
#[cfg(feature = "cli")]
mod lock;
#[cfg(feature = "cli")]
pub mod metrics;
#[cfg(feature = "cli")]
pub mod op;
#[cfg(feature = "cli")]
pub mod picture;
#[cfg(feature = "cli")]
pub mod plateau;
#[cfg(feature = "cli")]
mod progress;
#[cfg(feature = "cli")]
pub use progress::{Progress, tell};
#[cfg(feature = "cli")]
pub mod reconstruct;
#[cfg(feature = "cli")]
pub mod repro;
#[cfg(feature = "cli")]
pub mod tasks;
#[cfg(feature = "cli")]
pub use tasks::phase;
#[cfg(feature = "cli")]
pub mod train;
#[cfg(feature = "cli")]
pub mod weights;
