//! The 3×3 convolution (stride 1, padding 1) on adapters with subgroups: the bulk of the networks' work.

use bytemuck::{Pod, Zeroable};

use super::conv2d::{Activation, Conv2d, expect_values};
use super::{Call, Span, grid, shader};
use crate::Result;
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};

pub(super) static PACK: Shader = shader!("pack_weights", ["grid"]);
pub(super) static FORWARD: Shader = shader!("conv2d_3x3", ["grid", "quads", "activation"], subgroups);
pub(super) static GRAD_WEIGHT: Shader = shader!("conv2d_3x3_grad_weight", ["grid"], subgroups);

const SPEC: Conv2d = Conv2d::same(3);

/// Invocations of a workgroup, each one output channel. Software adapters have subgroups of 8 and gain nothing from more.
pub(super) fn lanes(caps: Caps, channels: usize) -> usize {
    if caps.software { 8 } else { channels.next_multiple_of(8).min(32) }
}

/// Enough workgroups to fill the adapter, without more partial sums than there is work to split.
pub(super) fn splits(caps: Caps, workgroups: usize, work: usize) -> usize {
    let wanted: usize = if caps.software { 16 } else { 1024 };
    wanted.div_ceil(workgroups).min(work).max(1)
}

/// Whether these kernels take this convolution of images of this shape.
pub fn suits(caps: Caps, spec: Conv2d, x: Shape) -> bool {
    caps.subgroups && spec == SPEC && x.w.is_multiple_of(4)
}

/// Shape of packed weights with `rows` output and `columns` input channels.
pub fn packed(rows: usize, columns: usize) -> Shape {
    Shape::new(rows, columns, 3, 4)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Pack {
    offset: u32,
    pairs: u32,
    workgroups: u32,
    unused: u32,
}

/// Lays `weight [Cout, Cin, 3, 3]` out for [`forward`] and [`grad_input`]: `packed [Cout, Cin, 3, 4]`.
///
/// # Errors
/// [`crate::Error::Shape`] if the weight has another number of values.
pub fn pack(weight: &View, packed: &View) -> Result<Call> {
    let (rows, columns) = (packed.shape.n, packed.shape.c);
    expect_values("the weight to pack", weight, Shape::new(rows, columns, 3, 3))?;
    let pairs = rows * columns;
    let workgroups = pairs.div_ceil(64);
    let params = Pack { offset: weight.offset() as u32, pairs: pairs as u32, workgroups: workgroups as u32, unused: 0 };
    Ok(Call::new(&PACK, params, grid(workgroups)).bind(weight).bind(packed))
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
    tiles: [u32; 2],
    blocks: u32,
    workgroups: u32,
    bias_offset: u32,
    has_bias: u32,
    activation: u32,
    accumulate: u32,
    weight_start: u32,
    weight_step: u32,
}

/// `y = activation(conv2d(x, weight) + bias)`, or added to `y` with `accumulate`, from packed weights.
///
/// Shapes: `x [N, Cin, H, W]`, `weight [Cout, Cin, 3, 4]` packed, `bias [Cout]`, `y [N, Cout, H, W]`; `W` a multiple of 4.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another.
pub fn forward(
    caps: Caps,
    x: &View,
    weight: &View,
    bias: Option<&View>,
    activation: Activation,
    y: &View,
    accumulate: bool,
) -> Result<Call> {
    weight.expect("the packed weight", packed(y.shape.c, x.shape.c))?;
    if let Some(bias) = bias {
        expect_values("the convolution's bias", bias, Shape::vector(y.shape.c))?;
    }
    convolve(caps, x, weight, bias, activation, y, Direction::Forward, accumulate)
}

/// The input gradient, written to `gx` or added to it, from the same packed weights.
///
/// Shapes: `g [N, Cout, H, W]`, `weight [Cout, Cin, 3, 4]` packed, `gx [N, Cin, H, W]`; `W` a multiple of 4.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another.
pub fn grad_input(caps: Caps, g: &View, weight: &View, gx: &View, accumulate: bool) -> Result<Call> {
    weight.expect("the packed weight", packed(g.shape.c, gx.shape.c))?;
    convolve(caps, g, weight, None, Activation::None, gx, Direction::Backward, accumulate)
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Forward,
    Backward,
}

#[allow(clippy::too_many_arguments)]
fn convolve(
    caps: Caps,
    x: &View,
    weight: &View,
    bias: Option<&View>,
    activation: Activation,
    y: &View,
    direction: Direction,
    accumulate: bool,
) -> Result<Call> {
    y.expect("the convolution's output", SPEC.output(x.shape, y.shape.c)?)?;
    // Packed weights are three vec4 for each pair of channels, the forward pass's input channels next to each other.
    let (weight_start, weight_step) = match direction {
        Direction::Forward => (3 * x.shape.c, 3),
        Direction::Backward => (3, 3 * y.shape.c),
    };
    let wg = lanes(caps, y.shape.c);
    let quads = x.shape.w / 4;
    // An image of no more than four rows has no use for the lower half of a tile.
    let halves = if caps.tall_tiles && x.shape.h > 4 { 2 } else { 1 };
    let tiles = [quads.div_ceil(2), x.shape.h.div_ceil(4 * halves)];
    let blocks = y.shape.c.div_ceil(wg);
    let workgroups = x.shape.n * tiles[0] * tiles[1] * blocks;
    let params = Forward {
        x: x.into(),
        y: y.into(),
        in_channels: x.shape.c as u32,
        out_channels: y.shape.c as u32,
        height: x.shape.h as u32,
        quads: quads as u32,
        tiles: tiles.map(|t| t as u32),
        blocks: blocks as u32,
        workgroups: workgroups as u32,
        bias_offset: bias.map_or(0, |b| b.offset() as u32),
        has_bias: u32::from(bias.is_some()),
        activation: activation as u32,
        accumulate: u32::from(accumulate),
        weight_start: weight_start as u32,
        weight_step: weight_step as u32,
    };
    Ok(Call::new(&FORWARD, params, grid(workgroups))
        .with("WG", wg as u32)
        .with("HALVES", halves as u32)
        .with("FLIP", u32::from(direction == Direction::Backward))
        .bind(x)
        .bind(weight)
        .bind(bias.unwrap_or(weight))
        .bind(y)
        .costs(SPEC.flops(x.shape, y.shape)))
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
    tiles_x: u32,
    tiles_y: u32,
    tiles: u32,
    co_blocks: u32,
    ci_blocks: u32,
    splits: u32,
    part: u32,
    out: u32,
    workgroups: u32,
    unused: u32,
}

/// Shape of the partial sums that [`grad_weight`] writes: `[1, splits, 1, Cout·Cin·9 + Cout]`.
pub fn parts(caps: Caps, x: Shape, out_channels: usize) -> Shape {
    let blocks = out_channels.div_ceil(lanes(caps, out_channels)) * x.c.div_ceil(4);
    let tiles = x.n * x.h.div_ceil(4) * (x.w / 4).div_ceil(2);
    Shape::new(1, splits(caps, blocks, tiles), 1, out_channels * x.c * 9 + out_channels)
}

/// Where the kernels of weight gradients put `part` values of `splits` splits: the number of splits and the offset. A tensor
/// of partial sums `[1, splits, 1, part]`; or, if there is one split only, `part` values next to each other anywhere.
pub(super) fn destination(sums: &View, parts: Shape) -> Result<(u32, u32)> {
    let (splits, part) = (parts.c, parts.w);
    if splits == 1 && sums.shape == Shape::vector(part) {
        return Ok((1, sums.offset() as u32));
    }
    sums.expect("the partial sums", parts)?;
    Ok((splits as u32, 0))
}

/// Partial sums of the weight gradient (first `Cout·Cin·9` values of each split) and the bias gradient (the last `Cout`).
///
/// Shapes: `x [N, Cin, H, W]`, `g [N, Cout, H, W]`, `W` a multiple of 4; `sums` as [`parts`] says, or, where that has a single
/// split, a vector of so many values: the gradients themselves, weight and bias next to each other.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another.
pub fn grad_weight(caps: Caps, x: &View, g: &View, sums: &View) -> Result<Call> {
    g.expect("the convolution's output gradient", SPEC.output(x.shape, g.shape.c)?)?;
    let parts = parts(caps, x.shape, g.shape.c);
    let (splits, out) = destination(sums, parts)?;
    let wg = lanes(caps, g.shape.c);
    let quads = x.shape.w / 4;
    let (tiles_x, tiles_y) = (quads.div_ceil(2), x.shape.h.div_ceil(4));
    let (co_blocks, ci_blocks) = (g.shape.c.div_ceil(wg), x.shape.c.div_ceil(4));
    let workgroups = co_blocks * ci_blocks * splits as usize;
    let params = GradWeight {
        x: x.into(),
        g: g.into(),
        in_channels: x.shape.c as u32,
        out_channels: g.shape.c as u32,
        height: x.shape.h as u32,
        quads: quads as u32,
        tiles_x: tiles_x as u32,
        tiles_y: tiles_y as u32,
        tiles: (x.shape.n * tiles_x * tiles_y) as u32,
        co_blocks: co_blocks as u32,
        ci_blocks: ci_blocks as u32,
        splits,
        part: parts.w as u32,
        out,
        workgroups: workgroups as u32,
        unused: 0,
    };
    Ok(Call::new(&GRAD_WEIGHT, params, grid(workgroups))
        .with("WG", wg as u32)
        .bind(x)
        .bind(g)
        .bind(sums)
        .costs(SPEC.flops(x.shape, g.shape)))
}
