//! Transposed convolution with stride 2, kernel 2×2 or 3×3: the U-Net's upscaling.
//!
//! Weights are `[Cin, Cout, K, K]`: those of the convolution whose adjoint this is. So every size has kernels in
//! [`super::conv2d`] already; the 2×2 one has faster ones, here for adapters with subgroups and in
//! `conv_transpose2d_portable` for those without.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::conv2d::{Activation, Conv2d, expect_values};
use super::conv2d_3x3_grad_weight::splits;
use super::slices::{SAMPLES, Slices, lanes};
use super::split_sum::Parts;
use super::{Call, Span, conv_transpose2d_portable as portable, conv2d, grid, shader};
use crate::gpu::{Caps, Shader};
use crate::tensor::{Element, Shape, View};
use crate::{Error, Result};

pub(super) static FORWARD: Shader = shader!(
    "conv_transpose2d",
    ["grid", "quads", "shifted", "input_storage", "weights_storage", "weight_shifted", "whole"],
    Subgroups
);
pub(super) static GRAD_INPUT: Shader = shader!(
    "conv_transpose2d_grad_input",
    ["grid", "quads", "shifted", "input_storage", "weights_storage", "weight_shifted", "whole"],
    Subgroups
);
pub(super) static GRAD_WEIGHT: Shader = shader!(
    "conv_transpose2d_grad_weight",
    ["grid", "quads", "input_storage", "second_storage", "neighbours"],
    Subgroups
);

// The same, in slices, as GPUs should where images are small (`shaders/shared/slices.wgsl`).
pub(super) static FORWARD_SLICES: Shader = shader!(
    "conv_transpose2d",
    "slices",
    ["grid", "quads", "shifted", "input_storage", "weights_storage", "weight_shifted", "slices"],
    Subgroups
);
pub(super) static GRAD_INPUT_SLICES: Shader = shader!(
    "conv_transpose2d_grad_input",
    "slices",
    ["grid", "quads", "shifted", "input_storage", "weights_storage", "weight_shifted", "slices"],
    Subgroups
);

// The same, reading images, as software adapters should (`shaders/shared/image.wgsl`).
pub(super) static FORWARD_IMAGES: Shader = shader!(
    "conv_transpose2d",
    "images",
    ["grid", "quads", "shifted", "image", "input_image", "weights_image", "weight_shifted", "whole"],
    Subgroups
);
pub(super) static GRAD_INPUT_IMAGES: Shader = shader!(
    "conv_transpose2d_grad_input",
    "images",
    ["grid", "quads", "shifted", "image", "input_image", "weights_image", "weight_shifted", "whole"],
    Subgroups
);
pub(super) static GRAD_WEIGHT_IMAGES: Shader = shader!(
    "conv_transpose2d_grad_weight",
    "images",
    ["grid", "quads", "image", "input_image", "second_image", "neighbours"],
    Subgroups
);

/// The convolution whose adjoint upscales by two with a kernel of this size.
///
/// # Errors
/// [`Error::Shape`] for sizes other than 2 and 3.
pub fn adjoint(kernel: usize) -> Result<Conv2d> {
    match kernel {
        2 => Ok(Conv2d { kernel, stride: 2, padding: 0 }),
        3 => Ok(Conv2d { kernel, stride: 2, padding: 1 }),
        _ => Err(Error::shape(format!("a transposed convolution of {kernel}×{kernel}; 2×2 and 3×3 exist"))),
    }
}

/// The output's shape: twice the size.
pub fn output(x: Shape, channels: usize) -> Shape {
    Shape::new(x.n, channels, 2 * x.h, 2 * x.w)
}

/// Whether the 2×2 kernels take images of this shape.
pub fn suits(kernel: usize, x: Shape) -> bool {
    kernel == 2 && x.w.is_multiple_of(4)
}

/// Quads of pixels of the small image that an invocation takes, forward and in the input gradient.
const QUADS: usize = 4;

/// Whether a kernel reads copies of its tensors, as [images](Call::bind_image): on software adapters, of single precision.
fn reads_images(caps: Caps, views: &[&View]) -> bool {
    caps.software && views.iter().all(|v| v.element == Element::F32)
}

/// The form of a shader: whole, in slices, or reading images, which software adapters do and only GPUs have slices.
fn form(images: bool, slices: Slices, [whole, sliced, reading_images]: [&'static Shader; 3]) -> &'static Shader {
    match (images, slices.count) {
        (true, _) => reading_images,
        (false, 1) => whole,
        (false, _) => sliced,
    }
}

fn span(view: &View, image: bool) -> Span {
    if image { Span::in_image(view) } else { view.into() }
}

/// The `vec4` that the first weight lies in.
fn first_weight(weight: &View, image: bool) -> u32 {
    if image { 0 } else { weight.offset() as u32 / 4 }
}

fn flops(x: Shape, out_channels: usize) -> usize {
    2 * x.len() * out_channels * 4
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,
    groups: u32,
    blocks: u32,
    first_weight: u32,
    bias_offset: u32,
    workgroups: u32,
    share: u32,
}

/// `y = conv_transpose2d(x, weight) + bias`, stride 2.
///
/// Shapes: `x [N, Cin, H, W]`, `weight [Cin, Cout, K, K]`, `bias [Cout]`, `y [N, Cout, 2H, 2W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another, the kernel's size does not exist, or the output lies in the tensor of another argument.
pub fn forward(caps: Caps, kernel: usize, x: &View, weight: &View, bias: &View, y: &View) -> Result<Call> {
    y.expect("the transposed convolution's output", output(x.shape, y.shape.c))?;
    if !suits(kernel, x.shape) {
        return conv2d::grad_input(adjoint(kernel)?, x, weight, Some(bias), Activation::None, y, false);
    }
    expect_values("the transposed convolution's weight", weight, Shape::new(x.shape.c, y.shape.c, 2, 2))?;
    expect_values("the transposed convolution's bias", bias, Shape::vector(y.shape.c))?;
    distinct("the transposed convolution", &[y], &[x, weight, bias])?;
    if !caps.subgroups {
        return Ok(portable::forward(caps, x, weight, bias, y).costs(flops(x.shape, y.shape.c)));
    }
    let groups = (x.shape.plane() / 4).div_ceil(QUADS);
    let slices = Slices::filling(caps, SAMPLES * groups, y.shape.c, x.shape.c, 4);
    let share = slices.share(x.shape.c, 4);
    let blocks = y.shape.c.div_ceil(slices.lanes);
    let workgroups = x.shape.n * groups * blocks;
    let images = reads_images(caps, &[x, y]);
    let params = Forward {
        x: span(x, images),
        y: y.into(),
        in_channels: x.shape.c as u32,
        out_channels: y.shape.c as u32,
        height: x.shape.h as u32,
        quads: x.shape.w as u32 / 4,
        groups: groups as u32,
        blocks: blocks as u32,
        first_weight: first_weight(weight, images),
        bias_offset: bias.offset() as u32,
        workgroups: workgroups as u32,
        share: share as u32,
    };
    let shader = form(images, slices, [&FORWARD, &FORWARD_SLICES, &FORWARD_IMAGES]);
    Ok(Call::new(shader, params, grid(workgroups))
        .in_slices(slices)
        .loops(share / 4)
        .with("SHIFT", weight.offset() as u32 % 4)
        .bind_read(x, images)
        .bind_read(weight, images)
        .bind(bias)
        .bind(y)
        .stored(x, y)
        .costs(flops(x.shape, y.shape.c)))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct GradInput {
    g: Span,
    gx: Span,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,
    groups: u32,
    blocks: u32,
    first_weight: u32,
    workgroups: u32,
    share: u32,
}

/// The input gradient, written to `gx` or added to it.
///
/// Shapes: `g [N, Cout, 2H, 2W]`, `weight [Cin, Cout, K, K]`, `gx [N, Cin, H, W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another, the kernel's size does not exist, or the output lies in the tensor of another argument.
pub fn grad_input(caps: Caps, kernel: usize, g: &View, weight: &View, gx: &View, accumulate: bool) -> Result<Call> {
    g.expect("the transposed convolution's output gradient", output(gx.shape, g.shape.c))?;
    if !suits(kernel, gx.shape) {
        return conv2d::forward(adjoint(kernel)?, g, weight, None, Activation::None, gx, accumulate);
    }
    expect_values("the transposed convolution's weight", weight, Shape::new(gx.shape.c, g.shape.c, 2, 2))?;
    distinct("the transposed convolution's input gradient", &[gx], &[g, weight])?;
    if !caps.subgroups {
        return Ok(portable::grad_input(caps, g, weight, gx, accumulate).costs(flops(gx.shape, g.shape.c)));
    }
    let groups = (gx.shape.plane() / 4).div_ceil(QUADS);
    let slices = Slices::filling(caps, SAMPLES * groups, gx.shape.c.div_ceil(2), g.shape.c, 1);
    let share = slices.share(g.shape.c, 1);
    let blocks = gx.shape.c.div_ceil(2 * slices.lanes);
    let workgroups = gx.shape.n * groups * blocks;
    let images = reads_images(caps, &[g]);
    let params = GradInput {
        g: span(g, images),
        gx: gx.into(),
        in_channels: gx.shape.c as u32,
        out_channels: g.shape.c as u32,
        height: gx.shape.h as u32,
        quads: gx.shape.w as u32 / 4,
        groups: groups as u32,
        blocks: blocks as u32,
        first_weight: first_weight(weight, images),
        workgroups: workgroups as u32,
        share: share as u32,
    };
    let shader = form(images, slices, [&GRAD_INPUT, &GRAD_INPUT_SLICES, &GRAD_INPUT_IMAGES]);
    Ok(Call::new(shader, params, grid(workgroups))
        .in_slices(slices)
        .loops(share)
        .with("SHIFT", weight.offset() as u32 % 4)
        .bind_read(g, images)
        .bind_read(weight, images)
        .bind(gx)
        .accumulates(gx, accumulate)
        .costs(flops(gx.shape, g.shape.c)))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct GradWeight {
    x: Span,
    g: Span,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,
    pairs: u32,
    total: u32,
    share: u32,
    co_blocks: u32,
    ci_blocks: u32,
    part: u32,
    out: u32,
    workgroups: u32,
}

/// What the 2×2 kernel's [`grad_weight`] leaves; its weight is one row.
pub fn parts(caps: Caps, x: Shape, out_channels: usize) -> Parts {
    if !caps.subgroups {
        return portable::parts(caps, x, out_channels);
    }
    let blocks = out_channels.div_ceil(lanes(caps, out_channels)) * x.c.div_ceil(8);
    let pairs = x.n * (x.plane() / 4).div_ceil(2);
    let row = x.c * out_channels * 4;
    Parts { splits: splits(caps, blocks, pairs), rows: 1, row, padded: row, bias: out_channels }.within(caps)
}

/// Partial sums of the gradients of the 2×2 kernel's weight and bias where [`suits`] says so. Elsewhere the weight gradient is
/// [`conv2d::grad_weight`] of the adjoint with `x` and `g` exchanged.
///
/// Shapes: `x [N, Cin, H, W]`, `g [N, Cout, 2H, 2W]`; `sums` as [`parts`] says, or the gradients themselves, weight and bias next to each
/// other, where they [are](Parts::are) the parts.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `sums` lie in the tensor of another argument.
pub fn grad_weight(caps: Caps, x: &View, g: &View, sums: &View) -> Result<Call> {
    g.expect("the transposed convolution's output gradient", output(x.shape, g.shape.c))?;
    let parts = parts(caps, x.shape, g.shape.c);
    let out = parts.destination(sums)?;
    distinct("the transposed convolution's weight gradient", &[sums], &[x, g])?;
    if !caps.subgroups {
        return Ok(portable::grad_weight(caps, x, g, parts, sums, out).costs(flops(x.shape, g.shape.c)));
    }
    let wg = lanes(caps, g.shape.c);
    let pairs = (x.shape.plane() / 4).div_ceil(2);
    let (co_blocks, ci_blocks) = (g.shape.c.div_ceil(wg), x.shape.c.div_ceil(8));
    let workgroups = co_blocks * ci_blocks * parts.splits;
    let total = x.shape.n * pairs;
    let images = reads_images(caps, &[x, g]);
    let params = GradWeight {
        x: span(x, images),
        g: span(g, images),
        in_channels: x.shape.c as u32,
        out_channels: g.shape.c as u32,
        height: x.shape.h as u32,
        quads: x.shape.w as u32 / 4,
        pairs: pairs as u32,
        total: total as u32,
        share: total.div_ceil(parts.splits) as u32,
        co_blocks: co_blocks as u32,
        ci_blocks: ci_blocks as u32,
        part: parts.shape().w as u32,
        out,
        workgroups: workgroups as u32,
    };
    Ok(Call::new(if images { &GRAD_WEIGHT_IMAGES } else { &GRAD_WEIGHT }, params, grid(workgroups))
        .with("WG", wg as u32)
        .loops(params.share as usize)
        .bind_read(x, images)
        .bind_read(g, images)
        .bind(sums)
        .costs(flops(x.shape, g.shape.c)))
}
