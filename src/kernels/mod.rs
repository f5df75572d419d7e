//! The kernels: one file each with its parameters, shape checks, grid, and the operations and bytes it costs.
//!
//! A kernel function takes views and returns [`Call`]s: inert descriptions of dispatches. The planner gives them buffers.
//! Every shader of `shaders/` stands in [`ALL`]; a test holds that list against the folder, the tests and the benches.

mod call;
mod lanes;
pub mod random;
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
pub static ALL: &[&Shader] = &[&random::RANDOM, &schedule::FORWARD, &schedule::BACKWARD];
