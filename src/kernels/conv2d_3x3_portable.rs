//! The 3×3 convolution (stride 1, padding 1) and its weight gradient on adapters without subgroups, of images whose width is a multiple of
//! four. The kernels of any size ([`super::conv2d`]) load a value for every two multiply-adds, and in the weight gradient two for each.

use bytemuck::{Pod, Zeroable};

use super::call::{ITERATIONS, distinct};
use super::conv2d::{Activation, Conv2d};
use super::conv2d_3x3::{Input, NO_SCALES, Packing, SPEC, Start, is_three_by_three};
use super::split_sum::Parts;
use super::{Call, Span, grid, shader};
use crate::Result;
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};

pub(super) static FORWARD: Shader = shader!(
    "conv2d_3x3_portable",
    ["grid", "quads", "activation", "input_storage", "weights_storage", "scales", "lines", "window"]
);
pub(super) static GRAD_WEIGHT: Shader = shader!(
    "conv2d_3x3_portable_grad_weight",
    ["grid", "quads", "input_storage", "second_storage", "scales", "lines", "put_taps"]
);

/// Rows of a tile.
const ROWS: usize = 4;
/// And of one in the weight gradient.
const GRADIENT_ROWS: usize = 2;

/// Whether these kernels take this convolution of images of this shape.
pub fn suits(spec: Conv2d, x: Shape) -> bool {
    is_three_by_three(spec, x)
}

/// Invocations of a workgroup, as many as a subgroup has at most; on software adapters so few that small images keep every thread at work.
pub(super) fn workgroup(caps: Caps) -> usize {
    if caps.software { 16 } else { 64 }
}

/// Splits of a weight gradient whose invocations take so many `blocks` of channels each: enough to fill the adapter, but so that each walks over
/// some of the work's tiles, of which one is as much as writing and adding up eight partial sums of a weight, and on software adapters over no more
/// than [loops](Call::loops) may.
pub(super) fn splits(caps: Caps, blocks: usize, work: usize) -> usize {
    let (workgroups, least, loops) = if caps.software { (16, 16, ITERATIONS / 3) } else { (1024, 8, usize::MAX) };
    let filling = (workgroups * workgroup(caps)).div_ceil(blocks);
    filling.min(work.div_ceil(least)).max(work.div_ceil(loops)).max(1)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    scales: Span,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,
    tiles_y: u32,
    tiles: u32,
    blocks: u32,
    team_blocks: u32,
    bias_offset: u32,
    first_weight: u32,
    block_stride: u32,
    channel_stride: u32,
    normalise: u32,
}

/// [`conv2d_3x3::forward`](super::conv2d_3x3::forward) without subgroups, from weights [packed](Packing::portable) for it or, for the input
/// gradient, [where they lie](Packing::in_place). It leaves no moments of tiles.
///
/// Shapes: `x [N, Cin, H, W]`, `weights` as `packing` says, `bias [Cout]`, `y [N, Cout, H, W]`; `W` a multiple of 4.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another, the packing is not for this kernel, or both a bias is given and `accumulate`.
#[allow(clippy::too_many_arguments)]
pub fn forward<'a>(
    caps: Caps,
    packing: &Packing,
    input: impl Into<Input<'a>>,
    weights: &View,
    bias: Option<&View>,
    activation: Activation,
    y: &View,
    accumulate: bool,
) -> Result<Call> {
    let input = input.into();
    let Input { x, scales } = input;
    let groups = packing.groups()?;
    let [in_channels, out_channels] = packing.channels();
    input.check()?;
    x.expect("the convolution's input", Shape { c: in_channels, ..x.shape })?;
    y.expect("the convolution's output", SPEC.output(x.shape, out_channels)?)?;
    packing.check(weights)?;
    distinct("the convolution", &[y], &[x, weights, bias.unwrap_or(x), scales.unwrap_or(x)])?;
    let start = Start::of(bias, out_channels, accumulate)?;
    let quads = x.shape.w / 4;
    let tiles_y = x.shape.h.div_ceil(ROWS);
    let tiles = x.shape.n * tiles_y * quads;
    let wg = workgroup(caps);
    let team = wg.min(tiles.next_power_of_two());
    let blocks = out_channels.div_ceil(4 * groups);
    let team_blocks = blocks.div_ceil(wg / team);
    let [block_stride, channel_stride] = packing.strides();
    let params = Forward {
        x: x.into(),
        y: y.into(),
        scales: scales.map_or(NO_SCALES, Span::from),
        in_channels: in_channels as u32,
        out_channels: out_channels as u32,
        height: x.shape.h as u32,
        quads: quads as u32,
        tiles_y: tiles_y as u32,
        tiles: tiles as u32,
        blocks: blocks as u32,
        team_blocks: team_blocks as u32,
        bias_offset: bias.map_or(0, |b| b.offset() as u32),
        first_weight: weights.offset() as u32 / 4,
        block_stride: block_stride as u32,
        channel_stride: channel_stride as u32,
        normalise: u32::from(scales.is_some()),
    };
    Ok(Call::new(&FORWARD, params, grid(tiles.div_ceil(team) * team_blocks))
        .with("WG", wg as u32)
        .with("TEAM", team as u32)
        .with("GROUPS", groups as u32)
        .with("START", start as u32)
        .with("ACTIVATION", activation as u32)
        .with("REVERSED", packing.is_reversed().into())
        .loops(in_channels)
        .stored(x, y)
        .weights_stored(weights)
        .bind(x)
        .bind(weights)
        .bind_or(bias, x)
        .bind(y)
        .adds_to(y, accumulate)
        .bind_or(scales, x)
        .costs(SPEC.flops(x.shape, y.shape)))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct GradWeight {
    x: Span,
    g: Span,
    scales: Span,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,
    tiles_y: u32,
    tiles: u32,
    share: u32,
    co_blocks: u32,
    ci_blocks: u32,
    row: u32,
    part: u32,
    out: u32,
    invocations: u32,
    normalise: u32,
}

/// Tiles that a weight gradient walks over.
fn tiles(x: Shape) -> usize {
    x.n * x.h.div_ceil(GRADIENT_ROWS) * (x.w / 4)
}

/// What [`grad_weight`] leaves.
pub fn parts(caps: Caps, x: Shape, out_channels: usize) -> Parts {
    let pairs = out_channels.div_ceil(4) * x.c.div_ceil(4);
    let splits = splits(caps, pairs, tiles(x));
    let padded = x.c.next_multiple_of(4) * 9;
    Parts { splits, rows: out_channels, row: x.c * 9, padded, bias: out_channels }.within(caps)
}

/// Partial sums of the gradients of the weight and the bias.
///
/// `input` is what the convolution read. Shapes: `x [N, Cin, H, W]`, `g [N, Cout, H, W]`, `W` a multiple of 4; `sums` as [`parts`] says, or
/// the gradients themselves, weight and bias next to each other, where they [are](Parts::are) the parts.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another.
pub fn grad_weight<'a>(caps: Caps, input: impl Into<Input<'a>>, g: &View, sums: &View) -> Result<Call> {
    let input = input.into();
    let Input { x, scales } = input;
    input.check()?;
    g.expect("the convolution's output gradient", SPEC.output(x.shape, g.shape.c)?)?;
    let parts = parts(caps, x.shape, g.shape.c);
    let out = parts.destination(sums)?;
    distinct("the convolution's weight gradient", &[sums], &[x, g, scales.unwrap_or(x)])?;
    let (co_blocks, ci_blocks) = (g.shape.c.div_ceil(4), x.shape.c.div_ceil(4));
    let share = tiles(x.shape).div_ceil(parts.splits);
    let invocations = co_blocks * ci_blocks * parts.splits;
    let params = GradWeight {
        x: x.into(),
        g: g.into(),
        scales: scales.map_or(NO_SCALES, Span::from),
        in_channels: x.shape.c as u32,
        out_channels: g.shape.c as u32,
        height: x.shape.h as u32,
        quads: x.shape.w as u32 / 4,
        tiles_y: x.shape.h.div_ceil(GRADIENT_ROWS) as u32,
        tiles: tiles(x.shape) as u32,
        share: share as u32,
        co_blocks: co_blocks as u32,
        ci_blocks: ci_blocks as u32,
        row: parts.padded as u32,
        part: parts.shape().w as u32,
        out,
        invocations: invocations as u32,
        normalise: u32::from(scales.is_some()),
    };
    let wg = workgroup(caps);
    Ok(Call::new(&GRAD_WEIGHT, params, grid(invocations.div_ceil(wg)))
        .with("WG", wg as u32)
        .loops(share)
        .bind(x)
        .bind(g)
        .bind(sums)
        .bind_or(scales, x)
        .costs(SPEC.flops(x.shape, g.shape)))
}
