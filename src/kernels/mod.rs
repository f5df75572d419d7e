//! The kernels: one file each with its parameters, shape checks, grid, and the operations and bytes it costs.
//!
//! A kernel function takes views and returns [`Call`]s: inert descriptions of dispatches. The planner gives them buffers.
//! Every shader of `shaders/` stands in [`ALL`]; a test holds that list against the folder, the tests and the benches.

pub mod adam;
mod call;
mod lanes;
pub mod losses;
pub mod noising;
pub mod random;
pub mod reduce;
pub mod reverse_step;
pub mod schedule;

use crate::gpu::Shader;
pub use call::{Call, Span, grid};
pub use lanes::Lanes;

/// The shader of `shaders/NAME.wgsl`, after helpers of `shaders/shared/`. A trailing `subgroups` marks one that needs them.
macro_rules! shader {
    ($name:literal, [$($helper:literal),*] $(, $subgroups:ident)?) => {
        crate::gpu::Shader {
            name: $name,
            sources: &[
                $(include_str!(concat!("../../shaders/shared/", $helper, ".wgsl")),)*
                include_str!(concat!("../../shaders/", $name, ".wgsl")),
            ],
            subgroups: shader!(@ $($subgroups)?),
        }
    };
    (@ subgroups) => { true };
    (@) => { false };
}
pub(crate) use shader;

/// Every shader of the crate.
pub static ALL: &[&Shader] = &[
    &adam::ADAM,
    &losses::NOISE.quads,
    &losses::NOISE.singles,
    &losses::SCHEDULE.quads,
    &losses::SCHEDULE.singles,
    &noising::FORWARD.quads,
    &noising::FORWARD.singles,
    &noising::BACKWARD.quads,
    &noising::BACKWARD.singles,
    &random::RANDOM,
    &reduce::SUM_PARTIALS,
    &reduce::SUM_SQUARES,
    &reverse_step::START.quads,
    &reverse_step::START.singles,
    &reverse_step::STEP.quads,
    &reverse_step::STEP.singles,
    &schedule::FORWARD,
    &schedule::BACKWARD,
];
