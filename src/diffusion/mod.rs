//! The mathematics of conditional variational diffusion: schedules, the training step, the sampler.

mod groups;
mod model;
mod network;
mod regression;
mod sampler;
mod schedule;
mod training;

pub use model::{Model, ModelConfig, Parametrization, ScheduleKind};
pub use network::{DfcanSize, Network, Sr3Size};
pub use regression::Predictor;
pub use sampler::{Discretisation, Reconstruction, SampleOptions, Sampler, Variant};
pub use schedule::{FixedSchedule, TimeNetwork};
pub use training::{Losses, NoiseWeight, RegressionLoss, StepCost, StepOptions, Trainer, TrainerState};

pub use crate::kernels::adam::Hyper;
pub use crate::kernels::losses::ScheduleWeights;
