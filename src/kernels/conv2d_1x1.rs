//! 1×1 convolution: a product of matrices a sample, forward and in both gradients, without workgroup memory or subgroups.

use bytemuck::{Pod, Zeroable};

use super::call::{distinct, expect_whole};
use super::conv2d::{Activation, Conv2d, Direction, expect_values};
use super::split_sum::Parts;
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/conv2d_1x1.wgsl`.
pub static FORWARD: Shader = shader!("conv2d_1x1", ["grid", "quads", "activation", "input_storage", "weights_storage"]);
/// The same from images.
pub static FORWARD_IMAGES: Shader =
    shader!("conv2d_1x1", "images", ["grid", "quads", "activation", "image", "input_image", "weights_image"]);
/// `shaders/conv2d_1x1_pack.wgsl`.
pub static PACK: Shader = shader!("conv2d_1x1_pack", ["grid"]);
/// `shaders/conv2d_1x1_grad_weight.wgsl`.
pub static GRAD_WEIGHT: Shader =
    shader!("conv2d_1x1_grad_weight", ["grid", "quads", "input_storage", "second_storage"]);
/// The same from images.
pub static GRAD_WEIGHT_IMAGES: Shader =
    shader!("conv2d_1x1_grad_weight", "images", ["grid", "quads", "image", "input_image", "second_image"]);

/// Channels along each side of an invocation's tile.
const TILE: usize = 8;
/// Invocations of a weight gradient that keep an adapter busy.
const BUSY: usize = 1024;
/// Quads of pixels that a split sums at least: fewer, and writing its tile costs more than summing it.
const LEAST_QUADS: usize = 8;

/// Whether these kernels take a convolution of this input with so many output channels. They work on quads of pixels. With few
/// channels on one side, as in a network's head, most of a tile is empty and they are still faster than the kernels of any size; with
/// few on both there is nothing to share.
pub fn suits(spec: Conv2d, x: Shape, out_channels: usize) -> bool {
    spec == Conv2d::same(1) && x.plane().is_multiple_of(4) && (x.c.min(out_channels) >= 4 || x.c.max(out_channels) >= 8)
}

/// Output channels that an invocation keeps of its tile: a head's one or three leave most of it empty.
fn kept(out_channels: usize) -> u32 {
    match out_channels {
        1 => 1,
        2..=4 => 4,
        _ => TILE as u32,
    }
}

/// The shape of packed weights for `k` channels on the side that is summed over and `m` on the other.
pub fn packed(k: usize, m: usize) -> Shape {
    Shape::new(1, k, 1, m.next_multiple_of(TILE))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Pack {
    step: [u32; 2],
    weight_offset: u32,
    channels: u32,
    row: u32,
    invocations: u32,
}

/// Packs `weight [Cout, Cin, 1, 1]` for a direction with `k` channels on the side that is summed over.
///
/// # Errors
/// [`Error::Shape`] if `to` is not [`packed`], or the weight has another number of values.
pub fn pack(direction: Direction, weight: &View, [k, m]: [usize; 2], to: &View) -> Result<Call> {
    expect_values("a 1×1 convolution's weight", weight, Shape::vector(k * m))?;
    to.expect("a 1×1 convolution's packed weight", packed(k, m))?;
    distinct("packing", &[to], &[weight])?;
    let step = match direction {
        Direction::Forward => [1, k as u32],
        Direction::Backward => [m as u32, 1],
    };
    let params = Pack {
        step,
        weight_offset: weight.offset() as u32,
        channels: m as u32,
        row: to.shape.w as u32,
        invocations: to.shape.len() as u32,
    };
    Ok(Call::new(&PACK, params, grid(to.shape.len().div_ceil(64))).bind(weight).bind(to).stored(weight, to))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    in_channels: u32,
    out_channels: u32,
    quads: u32,
    pairs: u32,
    blocks: u32,
    bias_offset: u32,
    invocations: u32,
}

fn expect_quads(what: &str, shape: Shape) -> Result<()> {
    if shape.plane().is_multiple_of(4) {
        return Ok(());
    }
    Err(Error::shape(format!("{what} of {shape}; height times width must be a multiple of 4")))
}

/// `y = activation(W x + bias)`, or added to `y`, with `weight` packed by [`pack`] for the direction.
///
/// Shapes: `x [N, K, H, W]`, `weight` [`packed`], `bias [M]`, `y [N, M, H, W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another, `H W` no multiple of 4, or `y` lies in an input's tensor.
pub fn forward(
    x: &View,
    weight: &View,
    bias: Option<&View>,
    activation: Activation,
    y: &View,
    accumulate: bool,
) -> Result<Call> {
    expect_quads("a 1×1 convolution", x.shape)?;
    y.expect("a 1×1 convolution's output", Shape { c: y.shape.c, ..x.shape })?;
    weight.expect("a 1×1 convolution's packed weight", packed(x.shape.c, y.shape.c))?;
    if let Some(bias) = bias {
        expect_values("a 1×1 convolution's bias", bias, Shape::vector(y.shape.c))?;
    }
    distinct("a 1×1 convolution", &[y], &[x, weight, bias.unwrap_or(x)])?;
    let (quads, blocks) = (x.shape.plane() / 4, y.shape.c.div_ceil(TILE));
    let pairs = quads.div_ceil(2);
    let invocations = x.shape.n * blocks * pairs;
    let params = Forward {
        x: x.into(),
        y: y.into(),
        in_channels: x.shape.c as u32,
        out_channels: y.shape.c as u32,
        quads: quads as u32,
        pairs: pairs as u32,
        blocks: blocks as u32,
        bias_offset: bias.map_or(0, |b| b.offset() as u32),
        invocations: invocations as u32,
    };
    let call = Call::new(&FORWARD, params, grid(invocations.div_ceil(64)))
        .with_images(Some(&FORWARD_IMAGES))
        .with("HAS_BIAS", bias.is_some().into())
        .with("ACTIVATION", activation as u32)
        .with("ACCUMULATE", accumulate.into())
        .with("CHANNELS", kept(y.shape.c))
        .loops(x.shape.c)
        .bind_map(x)
        .bind_map(weight)
        .bind_or(bias, weight)
        .bind(y)
        .adds_to(y, accumulate);
    Ok(call.stored(x, y).weights_stored(weight).costs(Conv2d::same(1).flops(x.shape, y.shape)))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct GradWeight {
    x: Span,
    g: Span,
    in_channels: u32,
    row: u32,
    out_channels: u32,
    quads: u32,
    batch: u32,
    splits: u32,
    across: u32,
    invocations: u32,
}

/// What [`grad_weight`] leaves: as many splits as keep an adapter busy, and no bias.
pub fn parts(x: Shape, out_channels: usize) -> Parts {
    let tiles = out_channels.div_ceil(TILE) * x.c.div_ceil(TILE);
    let splits = BUSY.div_ceil(tiles).min(x.n * x.plane() / 4 / LEAST_QUADS).min(x.plane() / 4).max(1);
    Parts { splits, rows: out_channels, row: x.c, padded: x.c.next_multiple_of(4), bias: 0 }
}

/// The weight gradient in splits, to be added up by [`super::split_sum::sum_splits`].
///
/// Shapes: `x [N, Cin, H, W]`, `g [N, Cout, H, W]`, `to` [`parts`].
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `H W` no multiple of 4.
pub fn grad_weight(x: &View, g: &View, to: &View) -> Result<Call> {
    expect_quads("a 1×1 convolution's weight gradient", x.shape)?;
    g.expect("a 1×1 convolution's output gradient", Shape { c: g.shape.c, ..x.shape })?;
    let parts = parts(x.shape, g.shape.c);
    expect_whole("the parts of a 1×1 convolution's weight gradient", to, parts.shape())?;
    distinct("a 1×1 convolution's weight gradient", &[to], &[x, g])?;
    let (splits, across) = (parts.splits, x.shape.c.div_ceil(TILE));
    let invocations = splits * across * g.shape.c.div_ceil(TILE);
    let params = GradWeight {
        x: x.into(),
        g: g.into(),
        in_channels: x.shape.c as u32,
        row: parts.padded as u32,
        out_channels: g.shape.c as u32,
        quads: (x.shape.plane() / 4) as u32,
        batch: x.shape.n as u32,
        splits: splits as u32,
        across: across as u32,
        invocations: invocations as u32,
    };
    let call = Call::new(&GRAD_WEIGHT, params, grid(invocations.div_ceil(64))).with("CHANNELS", kept(g.shape.c));
    let call = call.loops(x.shape.n * (2 + (x.shape.plane() / 4).div_ceil(splits)));
    let call = call.with_images(Some(&GRAD_WEIGHT_IMAGES));
    Ok(call.bind_map(x).bind_map(g).bind(to).costs(Conv2d::same(1).flops(x.shape, g.shape)))
}
