//! The 2×2 transposed convolution and its gradients on adapters without subgroups, of images whose width is a multiple of four: what
//! [`super::conv_transpose2d`] takes there, which has checked the shapes and counts the operations.

use bytemuck::{Pod, Zeroable};

use super::conv2d_3x3_portable::{splits, workgroup};
use super::split_sum::Parts;
use super::{Call, Span, grid, shader};
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};

pub(super) static FORWARD: Shader = shader!(
    "conv_transpose2d_portable",
    ["grid", "quads", "shifted", "input_storage", "weights_storage", "weight_shifted"]
);
pub(super) static GRAD_INPUT: Shader = shader!(
    "conv_transpose2d_portable_grad_input",
    ["grid", "quads", "shifted", "input_storage", "weights_storage", "weight_shifted", "by_tap"]
);
pub(super) static GRAD_WEIGHT: Shader =
    shader!("conv_transpose2d_portable_grad_weight", ["grid", "quads", "input_storage", "second_storage", "by_tap"]);

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,
    blocks: u32,
    first_weight: u32,
    bias_offset: u32,
    invocations: u32,
}

pub(super) fn forward(caps: Caps, x: &View, weight: &View, bias: &View, y: &View) -> Call {
    let blocks = y.shape.c.div_ceil(4);
    let invocations = x.shape.n * blocks * x.shape.plane() / 4;
    let params = Forward {
        x: x.into(),
        y: y.into(),
        in_channels: x.shape.c as u32,
        out_channels: y.shape.c as u32,
        height: x.shape.h as u32,
        quads: x.shape.w as u32 / 4,
        blocks: blocks as u32,
        first_weight: weight.offset() as u32 / 4,
        bias_offset: bias.offset() as u32,
        invocations: invocations as u32,
    };
    let wg = workgroup(caps);
    Call::new(&FORWARD, params, grid(invocations.div_ceil(wg)))
        .with("WG", wg as u32)
        .with("SHIFT", weight.offset() as u32 % 4)
        .loops(x.shape.c)
        .bind(x)
        .bind(weight)
        .bind(bias)
        .bind(y)
        .stored(x, y)
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
    blocks: u32,
    first_weight: u32,
    invocations: u32,
}

pub(super) fn grad_input(caps: Caps, g: &View, weight: &View, gx: &View, accumulate: bool) -> Call {
    let blocks = gx.shape.c.div_ceil(8);
    let invocations = gx.shape.n * blocks * gx.shape.plane() / 4;
    let params = GradInput {
        g: g.into(),
        gx: gx.into(),
        in_channels: gx.shape.c as u32,
        out_channels: g.shape.c as u32,
        height: gx.shape.h as u32,
        quads: gx.shape.w as u32 / 4,
        blocks: blocks as u32,
        first_weight: weight.offset() as u32 / 4,
        invocations: invocations as u32,
    };
    let wg = workgroup(caps);
    Call::new(&GRAD_INPUT, params, grid(invocations.div_ceil(wg)))
        .with("WG", wg as u32)
        .with("SHIFT", weight.offset() as u32 % 4)
        .loops(g.shape.c)
        .bind(g)
        .bind(weight)
        .bind(gx)
        .accumulates(gx, accumulate)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct GradWeight {
    x: Span,
    g: Span,
    in_channels: u32,
    out_channels: u32,
    plane: u32,
    quads: u32,
    total: u32,
    share: u32,
    co_blocks: u32,
    ci_blocks: u32,
    part: u32,
    out: u32,
    invocations: u32,
}

/// What [`grad_weight`] leaves; its weight is one row.
pub(super) fn parts(caps: Caps, x: Shape, out_channels: usize) -> Parts {
    let pairs = out_channels.div_ceil(4) * x.c.div_ceil(4);
    let splits = splits(caps, pairs, x.n * x.plane() / 4);
    let row = x.c * out_channels * 4;
    Parts { splits, rows: 1, row, padded: row, bias: out_channels }.within(caps)
}

/// With `out` values before the parts in `sums`.
pub(super) fn grad_weight(caps: Caps, x: &View, g: &View, parts: Parts, sums: &View, out: u32) -> Call {
    let (co_blocks, ci_blocks) = (g.shape.c.div_ceil(4), x.shape.c.div_ceil(4));
    let total = x.shape.n * x.shape.plane() / 4;
    let share = total.div_ceil(parts.splits);
    let invocations = co_blocks * ci_blocks * parts.splits;
    let params = GradWeight {
        x: x.into(),
        g: g.into(),
        in_channels: x.shape.c as u32,
        out_channels: g.shape.c as u32,
        plane: x.shape.plane() as u32 / 4,
        quads: x.shape.w as u32 / 4,
        total: total as u32,
        share: share as u32,
        co_blocks: co_blocks as u32,
        ci_blocks: ci_blocks as u32,
        part: parts.shape().w as u32,
        out,
        invocations: invocations as u32,
    };
    let wg = workgroup(caps);
    Call::new(&GRAD_WEIGHT, params, grid(invocations.div_ceil(wg)))
        .with("WG", wg as u32)
        .loops(share)
        .bind(x)
        .bind(g)
        .bind(sums)
}
