//! The device: opening it, making pipelines, moving bytes. Nothing above this room speaks to wgpu.

mod choices;
mod device;
mod failures;
mod image;
mod pipeline;
mod subgroups;
mod submission;
mod timer;

pub use choices::Choices;
pub use device::{AdapterSummary, Caps, Gpu, Matrices, OpenOptions, adapters};
pub(crate) use image::Image;
pub use pipeline::{Elements, Needs, Overrides, Pipeline, Shader, Specialisation};
pub use submission::{Behind, Submission};
pub use timer::Timer;
