//! Conditional variational diffusion models on hand-written WGSL.

#![warn(missing_docs)]

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
pub mod config;
#[cfg(feature = "cli")]
pub mod data;
#[cfg(feature = "cli")]
pub mod evaluate;
#[cfg(feature = "cli")]
pub mod interrupt;
#[cfg(feature = "cli")]
pub mod inverse;
#[cfg(feature = "cli")]
pub mod metrics;
#[cfg(feature = "cli")]
pub mod op;
#[cfg(feature = "cli")]
pub mod phase;
#[cfg(feature = "cli")]
pub mod picture;
#[cfg(feature = "cli")]
mod progress;
#[cfg(feature = "cli")]
pub use progress::Progress;
#[cfg(feature = "cli")]
pub mod reconstruct;
#[cfg(feature = "cli")]
pub mod train;
#[cfg(feature = "cli")]
pub mod weights;
