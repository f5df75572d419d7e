//! The 3×3 convolution (stride 1, padding 1) of halves on cooperative matrices, for adapters that have them.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::conv2d::{Activation, Direction, expect_values};
use super::conv2d_3x3::{Input, NO_SCALES, SPEC, Start};
use super::{Call, Span, grid, shader};
use crate::gpu::{Matrices, Shader};
use crate::tensor::{Element, Shape, View};
use crate::{Error, Result};

pub(super) static PACK: Shader = shader!("conv2d_3x3_cooperative_pack", ["grid"], Halves);
/// For matrices of 8 × 8 and of 16 × 16.
pub(super) static FORWARD: [Shader; 2] = [
    shader!("conv2d_3x3_cooperative", "8", ["grid", "singles", "activation", "scales", "tiles_8"], Matrices),
    shader!("conv2d_3x3_cooperative", "16", ["grid", "singles", "activation", "scales", "tiles_16"], Matrices),
];

/// Rows of the output that a workgroup computes: two for each of its subgroups.
const ROWS: usize = 8;
/// Subgroups of a workgroup.
const SUBGROUPS: usize = 4;

/// Whether these kernels gain from such images: rows that fill half of a matrix at least.
pub fn suits(matrices: Matrices, x: Shape) -> bool {
    2 * x.w >= matrices.side
}

/// Output channels in whole blocks of two matrices, input channels in whole matrices.
fn tiles(matrices: Matrices, in_channels: usize, out_channels: usize) -> [usize; 2] {
    [out_channels.div_ceil(2 * matrices.side), in_channels.div_ceil(matrices.side)]
}

/// Shape of the packed weights from `in_channels` to `out_channels`, as the convolution sees them.
pub fn packed(matrices: Matrices, in_channels: usize, out_channels: usize) -> Shape {
    let [blocks, in_tiles] = tiles(matrices, in_channels, out_channels);
    Shape::vector(2 * blocks * in_tiles * 9 * matrices.side * matrices.side)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Pack {
    offset: u32,
    in_channels: u32,
    out_channels: u32,
    in_tiles: u32,
    invocations: u32,
}

/// Lays `weight [Cout, Cin, 3, 3]` out for [`forward`] as halves or, with channels exchanged and taps reversed, for the input gradient.
///
/// # Errors
/// [`Error::Shape`] if the weight or the packed tensor has another number of values, or the latter is not of halves.
pub fn pack(
    matrices: Matrices,
    direction: Direction,
    weight: &View,
    [in_channels, out_channels]: [usize; 2],
    to: &View,
) -> Result<Call> {
    expect_values("the weight to pack", weight, SPEC.weight(in_channels, out_channels))?;
    to.expect("the packed weight", packed(matrices, in_channels, out_channels))?;
    of_halves(to)?;
    let invocations = to.shape.len();
    let params = Pack {
        offset: weight.offset() as u32,
        in_channels: in_channels as u32,
        out_channels: out_channels as u32,
        in_tiles: tiles(matrices, in_channels, out_channels)[1] as u32,
        invocations: invocations as u32,
    };
    Ok(Call::new(&PACK, params, grid(invocations.div_ceil(64)))
        .with("TILE", matrices.side as u32)
        .with("FLIP", u32::from(direction == Direction::Backward))
        .stored(weight, to)
        .bind(weight)
        .bind(to))
}

fn of_halves(weights: &View) -> Result<()> {
    match weights.element {
        Element::F16 => Ok(()),
        Element::F32 => Err(Error::shape("packed weights in single precision; cooperative matrices are of halves")),
    }
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
    width: u32,
    tiles: [u32; 2],
    blocks: u32,
    workgroups: u32,
    bias_offset: u32,
    start: u32,
    activation: u32,
    normalise: u32,
}

/// `y = activation(conv2d(x, weight) + bias)`, or `y = activation(y + conv2d(x, weight))` with `accumulate`, from packed weights.
/// Weights, and `x` whatever it is stored as, are rounded to halves; products are summed in single precision.
///
/// Shapes: `x [N, Cin, H, W]`, `weights` as [`packed`] says, `bias [Cout]`, `y [N, Cout, H, W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another, the weights are no halves, both a bias is given and `accumulate`, or `y` lies in the tensor of
/// another argument.
pub fn forward<'a>(
    matrices: Matrices,
    input: impl Into<Input<'a>>,
    weights: &View,
    bias: Option<&View>,
    activation: Activation,
    y: &View,
    accumulate: bool,
) -> Result<Call> {
    let input = input.into();
    let x = input.x;
    let Shape { n, c: in_channels, h, w } = x.shape;
    let out_channels = y.shape.c;
    input.check()?;
    y.expect("the convolution's output", SPEC.output(x.shape, out_channels)?)?;
    weights.expect("the packed weight", packed(matrices, in_channels, out_channels))?;
    of_halves(weights)?;
    let start = Start::of(bias, out_channels, accumulate)?;
    distinct("the convolution", &[y], &[x, weights, bias.unwrap_or(x), input.scales.unwrap_or(x)])?;
    let size = [w.div_ceil(matrices.side), h.div_ceil(ROWS)];
    let blocks = tiles(matrices, in_channels, out_channels)[0];
    let workgroups = n * size[0] * size[1] * blocks;
    let params = Forward {
        x: x.into(),
        y: y.into(),
        scales: input.scales.map_or(NO_SCALES, Span::from),
        in_channels: in_channels as u32,
        out_channels: out_channels as u32,
        height: h as u32,
        width: w as u32,
        tiles: size.map(|t| t as u32),
        blocks: blocks as u32,
        workgroups: workgroups as u32,
        bias_offset: bias.map_or(0, |b| b.offset() as u32),
        start: start as u32,
        activation: activation as u32,
        normalise: u32::from(input.scales.is_some()),
    };
    let call = Call::new(&FORWARD[usize::from(matrices.side == 16)], params, grid(workgroups))
        .with("WG", (SUBGROUPS * matrices.subgroup) as u32)
        .stored(x, y)
        .weights_stored(weights)
        .bind(x)
        .bind(weights)
        .bind_or(bias, x)
        .bind(y)
        .adds_to(y, accumulate)
        .bind_or(input.scales, x);
    Ok(call.costs(SPEC.flops(x.shape, y.shape)))
}
