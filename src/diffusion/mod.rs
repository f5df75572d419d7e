//! The mathematics of conditional variational diffusion: schedules, the training step, the sampler.

mod model;
mod sampler;
mod schedule;
mod training;

pub use model::{Model, ModelConfig, ScheduleKind};
pub use sampler::{Reconstruction, SampleOptions, Sampler, Variance};
pub use schedule::{FixedSchedule, TimeNetwork};
pub use training::{Hyper, LossWeights, Losses, Trainer, TrainerState};
