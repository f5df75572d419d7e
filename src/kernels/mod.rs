//! The kernels: one file each with its parameters, shape checks, grid, and the operations and bytes it costs.
//!
//! A kernel function takes views and returns [`Call`]s: inert descriptions of dispatches. The planner gives them buffers.
//! Every shader of `shaders/` stands in [`ALL`]; a test holds that list against the folder, the tests and the benches.

pub mod activation;
pub mod adam;
mod call;
pub mod conv2d;
pub mod conv2d_1x1;
pub mod conv2d_3x3;
pub mod conv2d_3x3_cooperative;
pub mod conv2d_3x3_grad_weight;
pub mod conv2d_3x3_portable;
mod conv2d_3x3_variant;
pub mod conv_transpose2d;
mod conv_transpose2d_portable;
pub mod elementwise;
pub mod fourier;
pub mod group_norm;
pub mod instance_norm;
mod lanes;
pub mod losses;
pub mod matmul;
pub mod max_pool2d;
pub mod noising;
pub mod pad;
pub mod planes;
pub mod random;
pub mod reduce;
pub mod resize;
pub mod reverse_step;
pub mod schedule;
mod slices;
pub mod softmax;
pub mod split_sum;
pub mod ssim;
pub mod statistics;
pub mod upsample;
pub mod velocity;
pub mod winograd;

use crate::gpu::Shader;
pub(crate) use call::NOTHING;
pub use call::{Bound, Call, ImagesForm, Span, Window, grid};
pub use lanes::{Lanes, Maps};

/// The shader of `shaders/NAME.wgsl`, after helpers of `shaders/shared/`; with a form after the name it is called `NAME.FORM`. A trailing word
/// says what it [needs](crate::gpu::Needs).
macro_rules! shader {
    ($name:literal, [$($helper:literal),*] $(, $needs:ident)?) => {
        $crate::kernels::shader!(@ $name, $name, [$($helper),*] $(, $needs)?)
    };
    ($name:literal, $form:literal, [$($helper:literal),*] $(, $needs:ident)?) => {
        $crate::kernels::shader!(@ $name, concat!($name, ".", $form), [$($helper),*] $(, $needs)?)
    };
    (@ $file:literal, $name:expr, [$($helper:expr),*] $(, $needs:ident)?) => {
        $crate::gpu::Shader {
            name: $name,
            sources: &[
                $(include_str!(concat!("../../shaders/shared/", $helper, ".wgsl")),)*
                include_str!(concat!("../../shaders/", $file, ".wgsl")),
            ],
            needs: $crate::kernels::shader!(@needs $($needs)?),
        }
    };
    (@needs) => { $crate::gpu::Needs::Nothing };
    (@needs $needs:ident) => { $crate::gpu::Needs::$needs };
}
pub(crate) use shader;

/// Every shader of the crate.
pub static ALL: &[&Shader] = &[
    &conv2d::FORWARD,
    &conv2d::GRAD_INPUT,
    &conv2d::GRAD_WEIGHT,
    &conv2d_1x1::PACK,
    &conv2d_1x1::FORWARD,
    &conv2d_1x1::FORWARD_IMAGES,
    &conv2d_1x1::GRAD_WEIGHT,
    &conv2d_1x1::GRAD_WEIGHT_IMAGES,
    &conv2d_3x3::PACK,
    &conv2d_3x3::PACK_IMAGES,
    &conv2d_3x3::FORWARD,
    &conv2d_3x3::FORWARD_SLICES,
    &conv2d_3x3::FORWARD_UNIFORM,
    &conv2d_3x3::FORWARD_IMAGES,
    &conv2d_3x3_cooperative::PACK,
    &conv2d_3x3_cooperative::FORWARD[0],
    &conv2d_3x3_cooperative::FORWARD[1],
    &conv2d_3x3_grad_weight::GRAD_WEIGHT,
    &conv2d_3x3_grad_weight::GRAD_WEIGHT_IMAGES,
    &conv2d_3x3_grad_weight::GRAD_WEIGHT_WINOGRAD,
    &conv2d_3x3_grad_weight::GRAD_WEIGHT_WINOGRAD_IMAGES,
    &conv2d_3x3_portable::FORWARD,
    &conv2d_3x3_portable::GRAD_WEIGHT,
    &winograd::WEIGHTS,
    &winograd::INPUT,
    &winograd::PRODUCT,
    &winograd::OUTPUT,
    &winograd::INPUT_IMAGES,
    &winograd::PRODUCT_IMAGES,
    &winograd::OUTPUT_IMAGES,
    &conv_transpose2d::FORWARD,
    &conv_transpose2d::FORWARD_SLICES,
    &conv_transpose2d::GRAD_INPUT,
    &conv_transpose2d::GRAD_INPUT_SLICES,
    &conv_transpose2d::GRAD_WEIGHT,
    &conv_transpose2d::FORWARD_IMAGES,
    &conv_transpose2d::GRAD_INPUT_IMAGES,
    &conv_transpose2d::GRAD_WEIGHT_IMAGES,
    &conv_transpose2d_portable::FORWARD,
    &conv_transpose2d_portable::GRAD_INPUT,
    &conv_transpose2d_portable::GRAD_WEIGHT,
    &activation::FORWARD.buffers.quads,
    &activation::FORWARD.buffers.singles,
    &activation::FORWARD.images,
    &activation::BACKWARD.buffers.quads,
    &activation::BACKWARD.buffers.singles,
    &activation::BACKWARD.images,
    &elementwise::BINARY.buffers.quads,
    &elementwise::BINARY.buffers.singles,
    &elementwise::BINARY.images,
    &elementwise::COPY.buffers.quads,
    &elementwise::COPY.buffers.singles,
    &elementwise::COPY.images,
    &elementwise::FILL.quads,
    &elementwise::FILL.singles,
    &instance_norm::FORWARD.buffers.quads,
    &instance_norm::FORWARD.buffers.singles,
    &instance_norm::FORWARD.images,
    &instance_norm::FORWARD_OF_TILES.buffers.quads,
    &instance_norm::FORWARD_OF_TILES.buffers.singles,
    &instance_norm::FORWARD_OF_TILES.images,
    &instance_norm::SCALES_OF_TILES,
    &instance_norm::SCALES.buffers.quads,
    &instance_norm::SCALES.buffers.singles,
    &instance_norm::SCALES.images,
    &instance_norm::POOL.buffers.quads,
    &instance_norm::POOL.buffers.singles,
    &instance_norm::POOL.images,
    &instance_norm::POOL_OF_TILES.buffers.quads,
    &instance_norm::POOL_OF_TILES.buffers.singles,
    &instance_norm::POOL_OF_TILES.images,
    &instance_norm::BACKWARD.buffers.quads,
    &instance_norm::BACKWARD.buffers.singles,
    &instance_norm::BACKWARD.images,
    &instance_norm::AFFINE,
    &group_norm::MOMENTS.quads,
    &group_norm::MOMENTS.singles,
    &group_norm::FORWARD.quads,
    &group_norm::FORWARD.singles,
    &group_norm::SUMS.quads,
    &group_norm::SUMS.singles,
    &group_norm::BACKWARD.quads,
    &group_norm::BACKWARD.singles,
    &planes::SUM.quads,
    &planes::SUM.singles,
    &planes::BROADCAST.quads,
    &planes::BROADCAST.singles,
    &upsample::PIXEL_SHUFFLE,
    &upsample::DECIMATE,
    &upsample::DECIMATE_QUADS,
    &upsample::FORWARD,
    &upsample::BACKWARD,
    &resize::FORWARD.quads,
    &resize::FORWARD.singles,
    &resize::BACKWARD.quads,
    &resize::BACKWARD.singles,
    &matmul::MATMUL,
    &matmul::MATMUL_QUADS,
    &softmax::FORWARD.quads,
    &softmax::FORWARD.singles,
    &softmax::BACKWARD.quads,
    &softmax::BACKWARD.singles,
    &fourier::ROWS,
    &fourier::COLUMNS,
    &fourier::ROWS_BACKWARD,
    &fourier::MAGNITUDE,
    &fourier::MAGNITUDE_BACKWARD,
    &max_pool2d::FORWARD.quads,
    &max_pool2d::FORWARD.singles,
    &max_pool2d::BACKWARD.buffers.quads,
    &max_pool2d::BACKWARD.buffers.singles,
    &max_pool2d::BACKWARD.images,
    &pad::REFLECT_PAD,
    &random::RANDOM,
    &velocity::FORWARD.quads,
    &velocity::FORWARD.singles,
    &velocity::BACKWARD.quads,
    &velocity::BACKWARD.singles,
    &statistics::MEAN_STD.quads,
    &statistics::MEAN_STD.singles,
    &statistics::COUNT_NON_FINITE.quads,
    &statistics::COUNT_NON_FINITE.singles,
    &split_sum::SUM_SPLITS,
    &split_sum::CHANNEL_SUM,
    &adam::ADAM,
    &adam::ADAM_AVERAGE,
    &adam::ADAM_IMAGES,
    &adam::ADAM_AVERAGE_IMAGES,
    &losses::NOISE.buffers.quads,
    &losses::NOISE.buffers.singles,
    &losses::NOISE.images,
    &losses::WEIGHTED_NOISE.quads,
    &losses::WEIGHTED_NOISE.singles,
    &losses::SCHEDULE.quads,
    &losses::SCHEDULE.singles,
    &noising::FORWARD.buffers.quads,
    &noising::FORWARD.buffers.singles,
    &noising::FORWARD.images,
    &noising::BACKWARD.buffers.quads,
    &noising::BACKWARD.buffers.singles,
    &noising::BACKWARD.images,
    &reduce::SUM_PARTIALS,
    &reduce::SUM_SQUARES,
    &reverse_step::START.quads,
    &reverse_step::START.singles,
    &reverse_step::STEP.buffers.quads,
    &reverse_step::STEP.buffers.singles,
    &reverse_step::STEP.images,
    &ssim::ROWS,
    &ssim::COLUMNS,
    &ssim::SPREAD,
    &ssim::BACKWARD,
    &schedule::FORWARD,
    &schedule::BACKWARD,
];
