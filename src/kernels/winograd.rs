//! The 3×3 convolution (stride 1, padding 1) by Winograd's F(4×4, 3×3): a quarter of the multiply-adds, as products of matrices between
//! transforms.
//!
//! Tiles of 4×4 outputs and their 6×6 windows become 36 numbers each, `y = Aᵀ[(G w Gᵀ) ⊙ (Bᵀ x B)]A` (Lavin and Gray, *Fast algorithms
//! for convolutional neural networks*, arXiv 1509.09308, with the points 0, ±1, ±2, ∞). What the transforms cost is paid by layers with
//! many channels, and by small images the less, the larger their weights are: measuring decides
//! ([`Tape::convolution`](crate::tape::Tape::convolution)).
//!
//! The transforms cancel: of 64 channels of standard normal numbers the root mean square error is 1.8·10⁻⁶, 4.4 times that of the direct
//! sum, and the largest 2.4·10⁻⁵, 6.3 times (`kernels-tests/winograd.rs`). So it is no part of the fixed choice.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::conv2d::{Activation, Direction, expect_values};
use super::conv2d_3x3::{Input, NO_SCALES, SPEC, Start};
use super::lanes::BLOCK;
use super::slices::lanes;
use super::{Call, Span, grid, shader};
use crate::gpu::{Caps, Shader};
use crate::tensor::{Element, Shape, View};
use crate::{Error, Result};

pub(super) static WEIGHTS: Shader =
    shader!("winograd_weights", ["grid", "quads", "shifted", "input_storage", "taps", "winograd"]);
pub(super) static INPUT: Shader = shader!("winograd_input", ["grid", "quads", "input_storage", "scales", "winograd"]);
pub(super) static PRODUCT: Shader =
    shader!("winograd_product", ["grid", "quads", "input_storage", "weights_storage"], Subgroups);
pub(super) static OUTPUT: Shader =
    shader!("winograd_output", ["grid", "quads", "activation", "input_storage", "winograd"]);

// The same, reading images (`shaders/shared/image.wgsl`).
pub(super) static INPUT_IMAGES: Shader =
    shader!("winograd_input", "images", ["grid", "quads", "image", "input_image", "scales", "winograd"]);
pub(super) static PRODUCT_IMAGES: Shader =
    shader!("winograd_product", "images", ["grid", "image", "input_image", "weights_image"], Subgroups);
pub(super) static OUTPUT_IMAGES: Shader =
    shader!("winograd_output", "images", ["grid", "quads", "activation", "image", "input_image", "winograd"]);

/// Numbers of a transformed tile.
const PLANES: usize = 36;

/// `vec4`s of tiles that an invocation of the product takes, and input channels at a time.
const FOURS: usize = 4;
const AT_ONCE: usize = 8;

/// Whether these kernels take this convolution of single-precision images to so many channels.
pub fn suits(caps: Caps, x: Shape, out_channels: usize) -> bool {
    let most = caps.max_binding.min(if caps.software { caps.max_image } else { u64::MAX });
    let fits = |channels| PLANES * channels * stride(x) * 16 <= usize::try_from(most).unwrap_or(usize::MAX);
    caps.subgroups
        && x.w.is_multiple_of(4)
        && x.c.is_multiple_of(AT_ONCE)
        && out_channels.is_multiple_of(4)
        && fits(x.c)
        && fits(out_channels)
        && PLANES * x.c * out_channels * 4 <= usize::try_from(most).unwrap_or(usize::MAX)
}

/// 4×4 tiles of a sample.
fn tiles(x: Shape) -> usize {
    x.h.div_ceil(4) * (x.w / 4)
}

/// `vec4`s of tiles of all samples, in whole blocks of the product.
fn stride(x: Shape) -> usize {
    (x.n * tiles(x)).div_ceil(4).next_multiple_of(FOURS)
}

/// The shape of transformed weights.
pub fn transformed(in_channels: usize, out_channels: usize) -> Shape {
    Shape::new(1, PLANES, in_channels, out_channels)
}

/// The shape of transformed tiles of so many channels of `x`: of the input, and of the product.
pub fn windows(x: Shape, channels: usize) -> Shape {
    Shape::new(1, PLANES, channels, 4 * stride(x))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Weights {
    offset: u32,
    in_channels: u32,
    out_channels: u32,
    items: u32,
}

/// Transforms `weight [Cout, Cin, 3, 3]` for [`convolve`] in this direction; `channels` are those that it is convolved from and to.
///
/// # Errors
/// [`Error::Shape`] if a shape is another.
pub fn weights(
    direction: Direction,
    weight: &View,
    [in_channels, out_channels]: [usize; 2],
    to: &View,
) -> Result<Call> {
    expect_values("the weight to transform", weight, SPEC.weight(in_channels, out_channels))?;
    to.expect("the transformed weight", transformed(in_channels, out_channels))?;
    distinct("transforming weights", &[to], &[weight])?;
    let items = in_channels * out_channels / 4;
    let params = Weights {
        offset: weight.offset() as u32,
        in_channels: in_channels as u32,
        out_channels: out_channels as u32,
        items: items as u32,
    };
    let flip = u32::from(direction == Direction::Backward);
    Ok(in_blocks(&WEIGHTS, params, items)
        .with("FLIP", flip)
        .bind(weight)
        .bind(to)
        .costs(in_channels * out_channels * 120))
}

/// `Tiles` of `shaders/shared/winograd.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Tiles {
    channels: u32,
    height: u32,
    quads: u32,
    each: u32,
    all: u32,
    fours: u32,
    stride: u32,
    items: u32,
}

impl Tiles {
    fn new(x: Shape, channels: usize) -> Self {
        let all = x.n * tiles(x);
        let fours = all.div_ceil(4);
        Self {
            channels: channels as u32,
            height: x.h as u32,
            quads: x.w as u32 / 4,
            each: tiles(x) as u32,
            all: all as u32,
            fours: fours as u32,
            stride: stride(x) as u32,
            items: (channels * fours) as u32,
        }
    }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Windows {
    x: Span,
    scales: Span,
    tiles: Tiles,
    normalise: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Product {
    in_channels: u32,
    out_channels: u32,
    stride: u32,
    tile_blocks: u32,
    channel_blocks: u32,
    workgroups: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Output {
    y: Span,
    bias_offset: u32,
    start: u32,
    tiles: Tiles,
    activation: u32,
}

fn in_blocks<P: Pod>(shader: &'static Shader, params: P, items: usize) -> Call {
    Call::new(shader, params, grid(items.div_ceil(BLOCK))).in_blocks(BLOCK as u32)
}

/// What a convolution needs beside its input and output.
#[derive(Debug, Clone, Copy)]
pub struct Scratch<'a> {
    /// Transformed weights, [`transformed`].
    pub weights: &'a View,
    /// The input's [`windows`].
    pub input: &'a View,
    /// The product's [`windows`].
    pub product: &'a View,
}

/// `y = activation(conv2d(x, weight) + bias)`, or `y = activation(y + conv2d(x, weight))` with `accumulate`, from [`weights`].
///
/// Shapes: `x [N, Cin, H, W]`, `bias [Cout]`, `y [N, Cout, H, W]`, where [`suits`] says so.
///
/// # Errors
/// [`Error::Shape`] if a shape is another, the kernels do not suit, or both a bias is given and `accumulate`.
pub fn convolve<'a>(
    caps: Caps,
    input: impl Into<Input<'a>>,
    scratch: Scratch<'_>,
    bias: Option<&View>,
    activation: Activation,
    y: &View,
    accumulate: bool,
) -> Result<[Call; 3]> {
    let input = input.into();
    let (x, channels) = (input.x, y.shape.c);
    input.check()?;
    if !suits(caps, x.shape, channels) || [x, y].iter().any(|v| v.element == Element::F16) {
        return Err(Error::shape(format!(
            "Winograd's convolution of {} to {channels} channels; it takes single precision, a width and output channels that are \
             multiples of 4, and input channels that are one of {AT_ONCE}",
            x.shape
        )));
    }
    y.expect("the convolution's output", SPEC.output(x.shape, channels)?)?;
    scratch.weights.expect("the transformed weight", transformed(x.shape.c, channels))?;
    scratch.input.expect("the transformed input", windows(x.shape, x.shape.c))?;
    scratch.product.expect("the transformed output", windows(x.shape, channels))?;
    let start = Start::of(bias, channels, accumulate)?;
    let read = [x, scratch.weights, bias.unwrap_or(x), input.scales.unwrap_or(x)];
    distinct("Winograd's convolution", &[scratch.input, scratch.product, y], &read)?;
    let images = caps.software;
    let (all_tiles, stride) = (x.shape.n * tiles(x.shape), stride(x.shape));
    let fours = all_tiles.div_ceil(4);
    let params = Windows {
        x: Span::read(x, images),
        scales: input.scales.map_or(NO_SCALES, Span::from),
        tiles: Tiles::new(x.shape, x.shape.c),
        normalise: u32::from(input.scales.is_some()),
    };
    let first = in_blocks(if images { &INPUT_IMAGES } else { &INPUT }, params, x.shape.c * fours);
    // Bᵀ twice over six vectors, a dozen operations each.
    let first = first.bind_read(x, images).bind(scratch.input).costs(all_tiles * x.shape.c * 156);
    let first = first.bind_or(input.scales, x);
    let wg = lanes(caps, channels / 4);
    let (tile_blocks, channel_blocks) = (stride / FOURS, (channels / 4).div_ceil(wg));
    let workgroups = PLANES * tile_blocks * channel_blocks;
    let params = Product {
        in_channels: x.shape.c as u32,
        out_channels: channels as u32,
        stride: stride as u32,
        tile_blocks: tile_blocks as u32,
        channel_blocks: channel_blocks as u32,
        workgroups: workgroups as u32,
    };
    let second = Call::new(if images { &PRODUCT_IMAGES } else { &PRODUCT }, params, grid(workgroups))
        .with("WG", wg as u32)
        .bind_read(scratch.input, images)
        .bind_read(scratch.weights, images)
        .bind(scratch.product)
        .costs(2 * PLANES * all_tiles * x.shape.c * channels);
    let params = Output {
        y: y.into(),
        bias_offset: bias.map_or(0, |b| b.offset() as u32),
        start: start as u32,
        tiles: Tiles::new(x.shape, channels),
        activation: activation as u32,
    };
    let last = in_blocks(if images { &OUTPUT_IMAGES } else { &OUTPUT }, params, channels * fours);
    let last = last
        .bind_read(scratch.product, images)
        .bind_or(bias, scratch.weights)
        .bind(y)
        .adds_to(y, start == Start::There)
        .costs(all_tiles * channels * 130);
    Ok([first, second, last])
}
