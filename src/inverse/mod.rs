//! Forward operators, simulators and classical baselines.
//!
//! Phase imaging from two defocused images, end to end:
//! ```text
//! photograph ─ phases ─▶ phase ─ fresnel ─▶ (I_d, I_-d) ─ noise ─▶ scaling ─▶ network input [−1, 1]
//!                          │                     └──── us_tie ────▶ phase, the classical answer
//!                          └───────────── scaling ─────────────────▶ network target [−1, 1]
//! ```
//! From a whole focal stack, [`derivative_pair`] makes the pair that shows its axial derivative. Fluorescence microscopy, from
//! nothing: [`Scene`] draws labelled structures and exposes them.

mod axial;
mod blur;
mod cells;
mod field;
mod fresnel;
mod microscopy;
mod noise;
mod phases;
mod random;
mod scaling;
mod us_tie;

pub use axial::{AXIAL_ORDER, axial_derivative, derivative_pair, slope_weights, stack_pair};
pub use blur::gaussian_blur;
pub use field::{Field, mirror_pad};
pub use fresnel::{DefocusPair, FresnelSetup, Side, Simulated, propagate, simulate_cropped, simulate_pair};
pub use microscopy::{Microscope, SIGNAL_LEVELS, Scene, Specimen, incoherent_otf, peak_photons};
pub use noise::{MAX_TRAINING_NOISE, NoiseLaw, add_noise, training_noise_level};
pub use phases::{CellShape, PhaseMix, PhaseObject, PhaseVariant, photograph_phase, training_phase};
pub use scaling::{PHASE_RANGE, normalise_pair, phase_to_target, target_to_phase};
pub use us_tie::{Boundary, StopReason, UsTieOptions, UsTieResult, tie_single, us_tie};
