//! The 3×3 convolution (stride 1, padding 1) on adapters with subgroups: the bulk of the networks' work.
//!
//! A convolution is done in one of several [`Variant`]s, which give the same numbers, those without slices bit for bit. Each wants its
//! weights packed in its own order ([`Packing`]), once for the forward pass and once for the input gradient, which often finds them so
//! where they lie.

use bytemuck::{Pod, Zeroable};

use super::call::{distinct, expect_whole};
use super::conv2d::{Activation, Conv2d, Direction, expect_values};
use super::conv2d_3x3_variant::tiles;
pub use super::conv2d_3x3_variant::{Reads, Variant};
pub(super) use super::conv2d_3x3_variant::{paired, sample_groups};
use super::slices::Slices;
use super::{Call, Span, grid, instance_norm, shader};
use crate::Result;
use crate::gpu::{Caps, Shader};
use crate::tensor::{Element, Shape, View};

pub(super) static PACK: Shader = shader!("pack_weights", ["grid", "quads", "shifted", "input_storage", "taps"]);
pub(super) static PACK_IMAGES: Shader =
    shader!("pack_weights", "images", ["grid", "quads", "shifted", "image", "input_image", "taps"]);
pub(super) static FORWARD: Shader = shader!(
    "conv2d_3x3",
    ["grid", "quads", "activation", "input_storage", "weights_storage", "scales", "window", "whole"],
    Subgroups
);
pub(super) static FORWARD_SLICES: Shader = shader!(
    "conv2d_3x3",
    "slices",
    ["grid", "quads", "activation", "input_storage", "weights_storage", "scales", "window", "slices"],
    Subgroups
);
pub(super) static FORWARD_UNIFORM: Shader = shader!(
    "conv2d_3x3",
    "uniform",
    ["grid", "quads", "activation", "input_storage", "weights_uniform", "scales", "window", "whole"],
    Subgroups
);
pub(super) static FORWARD_IMAGES: Shader = shader!(
    "conv2d_3x3",
    "images",
    ["grid", "quads", "activation", "image", "input_image", "weights_image", "scales", "window", "whole"],
    Subgroups
);

pub(crate) const SPEC: Conv2d = Conv2d::same(3);

/// Bytes of weights that a dispatch sees through a uniform binding: the array's size in `weights_uniform.wgsl`.
const WINDOW: usize = 64 << 10;

/// Whether a convolution of images of this shape is one that the 3×3 kernels take: these here with subgroups, those of
/// [`super::conv2d_3x3_portable`] without.
pub(super) fn is_three_by_three(spec: Conv2d, x: Shape) -> bool {
    spec == SPEC && x.w.is_multiple_of(4)
}

/// Whether these kernels take this convolution of images of this shape.
pub fn suits(caps: Caps, spec: Conv2d, x: Shape) -> bool {
    caps.subgroups && is_three_by_three(spec, x)
}

/// What a convolution reads: a feature map as it is or, with `scales`, normalised on the way.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The map, `[N, Cin, H, W]`.
    pub x: &'a View,
    /// Scale and shift of each sample's channel, `[N, Cin, 1, 2]`, from [`instance_norm::scales`]: the convolution is that of
    /// `x · scale + shift`, padded with zeros.
    pub scales: Option<&'a View>,
}

impl<'a> From<&'a View> for Input<'a> {
    fn from(x: &'a View) -> Self {
        Self { x, scales: None }
    }
}

impl Input<'_> {
    /// Refuses scales of another shape.
    pub(super) fn check(&self) -> Result<()> {
        self.scales
            .map_or(Ok(()), |s| s.expect("the scales of the convolution's input", instance_norm::stats(self.x.shape)))
    }
}

/// Where a convolution writes.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// The map, `[N, Cout, H, W]`.
    pub y: &'a View,
    /// If there is a norm behind it: the moments of its [tiles](instance_norm::tiles).
    pub tiles: Option<&'a View>,
}

impl<'a> From<&'a View> for Output<'a> {
    fn from(y: &'a View) -> Self {
        Self { y, tiles: None }
    }
}

/// Nothing, for a shader that reads no scales.
pub(super) const NO_SCALES: Span = Span { offset: 0, stride: 0 };

/// Where a variant finds which weight: `[chunk][block][input channel][lane][vec4]` (`pack_weights.wgsl`) or, for the input gradient,
/// [where they lie](Packing::in_place).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    variant: Variant,
    direction: Direction,
    in_channels: usize,
    out_channels: usize,
    workgroup: Slices,
    /// Input channels of a dispatch, and how many chunks of so many there are.
    chunk: usize,
    chunks: usize,
    /// Blocks of `lanes · outputs` output channels, and the `vec4`s from one to the next.
    blocks: usize,
    block_stride: usize,
    /// The `vec4`s from one input channel to the next.
    channel_stride: usize,
    in_place: bool,
    /// Whether packing reads an image.
    from_image: bool,
    /// For [`super::conv2d_3x3_portable`], whose invocations do what the lanes of a block do here.
    portable: bool,
}

/// The part of a convolution that one dispatch does: from which input channels to which blocks.
struct Part {
    chunk: usize,
    first_block: usize,
    blocks: usize,
}

impl Packing {
    /// The packing of weights from `in_channels` to `out_channels`, as the convolution sees them: for the input gradient,
    /// [`Direction::Backward`], these are the channels of the output's gradient and of the input's.
    pub fn new(caps: Caps, variant: Variant, direction: Direction, [in_channels, out_channels]: [usize; 2]) -> Self {
        let workgroup = variant.workgroup(caps, out_channels);
        let lanes = workgroup.lanes;
        let per_lane = (9 * variant.outputs).div_ceil(4);
        let uniform = variant.reads == Reads::Uniform;
        let most = if uniform { WINDOW / (16 * lanes * per_lane) } else { usize::MAX };
        let chunk = in_channels.div_ceil(in_channels.div_ceil(most));
        // Uniform bindings start at multiples of 256 bytes.
        let block_stride = (chunk * lanes * per_lane).next_multiple_of(if uniform { 16 } else { 1 });
        Self {
            variant,
            direction,
            in_channels,
            out_channels,
            workgroup,
            chunk,
            chunks: in_channels.div_ceil(chunk),
            blocks: out_channels.div_ceil(lanes * variant.outputs),
            block_stride,
            channel_stride: lanes * per_lane,
            in_place: false,
            from_image: caps.slow_buffers,
            portable: false,
        }
    }

    /// The packing for [`conv2d_3x3_portable::forward`](super::conv2d_3x3_portable::forward) of as many `groups` of four output channels an
    /// invocation, 1 or 2.
    pub fn portable(caps: Caps, groups: usize, direction: Direction, [in_channels, out_channels]: [usize; 2]) -> Self {
        let per_group = 9;
        Self {
            variant: Variant { outputs: 4, reads: Reads::Storage, slices: 1 },
            direction,
            in_channels,
            out_channels,
            workgroup: Slices::lone(groups),
            chunk: in_channels,
            chunks: 1,
            blocks: out_channels.div_ceil(4 * groups.max(1)),
            block_stride: in_channels * groups * per_group,
            channel_stride: groups * per_group,
            in_place: false,
            from_image: caps.slow_buffers,
            portable: true,
        }
    }

    /// Weights of a convolution from `Cout` to `Cin` channels, its input gradient, lie `[Cout, Cin, 3, 3]`: those of four output channels are
    /// nine whole `vec4` next to each other, as a lane wants them. If this is such a lane, and these weights begin at a whole `vec4`, how they
    /// are found without packing.
    pub fn in_place(&self, weight: &View) -> Option<Self> {
        let suits = self.direction == Direction::Backward
            && self.variant.outputs == 4
            && !self.is_uniform()
            && self.out_channels.is_multiple_of(4)
            && weight.offset().is_multiple_of(4);
        let (block_stride, channel_stride) = (9 * self.workgroup.lanes, 9 * self.out_channels / 4);
        suits.then_some(Self { block_stride, channel_stride, in_place: true, ..*self })
    }

    /// Input and output channels.
    pub(super) fn channels(&self) -> [usize; 2] {
        [self.in_channels, self.out_channels]
    }

    /// The `vec4`s from one block to the next, and from one input channel to the next.
    pub(super) fn strides(&self) -> [usize; 2] {
        [self.block_stride, self.channel_stride]
    }

    /// Whether taps lie in reverse order.
    pub(super) fn is_reversed(&self) -> bool {
        self.direction == Direction::Backward
    }

    /// Refuses a packing for the other kernel than this one.
    fn expect_portable(&self, portable: bool) -> Result<()> {
        if self.portable == portable {
            return Ok(());
        }
        Err(crate::Error::shape("weights packed for the 3×3 kernel with subgroups are not those of the one without"))
    }

    /// The groups of a [portable](Packing::portable) packing; refuses others, and other numbers than 1 and 2.
    pub(super) fn groups(&self) -> Result<usize> {
        self.expect_portable(true)?;
        match self.workgroup.lanes {
            groups @ 1..=2 => Ok(groups),
            other => Err(crate::Error::shape(format!("a convolution of {other} groups of channels; 1 or 2 exist"))),
        }
    }

    /// Refuses another tensor than the packed weights, or, where they are read in place, the weights.
    pub(super) fn check(&self, weights: &View) -> Result<()> {
        if !self.in_place {
            return expect_whole("the packed weight", weights, self.shape());
        }
        if !weights.offset().is_multiple_of(4) {
            return Err(crate::Error::shape("weights that are read in place must begin at a whole vec4"));
        }
        expect_values("the weights", weights, SPEC.weight(self.in_channels, self.out_channels))
    }

    /// Shape of the packed weights; at the end of uniform ones there is room for the window of the last dispatch.
    pub fn shape(&self) -> Shape {
        let room = if self.is_uniform() { WINDOW / 4 } else { 0 };
        Shape::vector(4 * self.chunks * self.blocks * self.block_stride + room)
    }

    fn is_uniform(&self) -> bool {
        self.variant.reads == Reads::Uniform
    }

    fn dispatches(&self) -> impl Iterator<Item = Part> {
        let most = if self.is_uniform() { (WINDOW / 16 / self.block_stride).max(1) } else { self.blocks };
        let blocks = self.blocks;
        (0..self.chunks).flat_map(move |chunk| {
            (0..blocks).step_by(most).map(move |first_block| Part {
                chunk,
                first_block,
                blocks: most.min(blocks - first_block),
            })
        })
    }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Pack {
    offset: u32,
    in_channels: u32,
    out_channels: u32,
    in_step: u32,
    out_step: u32,
    lanes: u32,
    outputs: u32,
    chunk: u32,
    blocks: u32,
    block_stride: u32,
    blocks_first: u32,
    invocations: u32,
}

/// Lays `weight [Cout, Cin, 3, 3]` out for [`forward`] or, with channels exchanged, for the input gradient.
///
/// # Errors
/// [`crate::Error::Shape`] if the weight or the packed tensor has another number of values.
pub fn pack(packing: &Packing, weight: &View, packed: &View) -> Result<Call> {
    let &Packing { in_channels, out_channels, .. } = packing;
    expect_values("the weight to pack", weight, SPEC.weight(in_channels, out_channels))?;
    expect_whole("the packed weight", packed, packing.shape())?;
    distinct("packing", &[packed], &[weight])?;
    let invocations = packing.chunks * packing.blocks * packing.chunk * packing.workgroup.lanes;
    let (in_step, out_step) = match packing.direction {
        Direction::Forward => (1, in_channels),
        Direction::Backward => (out_channels, 1),
    };
    // An image begins with the whole vec4 that the weights begin in.
    let (shader, offset) =
        if packing.from_image { (&PACK_IMAGES, weight.start() % 4) } else { (&PACK, weight.offset()) };
    let params = Pack {
        offset: offset as u32,
        in_channels: in_channels as u32,
        out_channels: out_channels as u32,
        in_step: in_step as u32,
        out_step: out_step as u32,
        lanes: packing.workgroup.lanes as u32,
        outputs: packing.variant.outputs as u32,
        chunk: packing.chunk as u32,
        blocks: packing.blocks as u32,
        block_stride: packing.block_stride as u32,
        blocks_first: (packing.direction == Direction::Backward).into(),
        invocations: invocations as u32,
    };
    let call = Call::new(shader, params, grid(invocations.div_ceil(64))).bind_read(weight, packing.from_image);
    Ok(call.bind(packed).stored(weight, packed))
}

/// Where a dispatch's sums start.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Start {
    Zero,
    Bias,
    /// At what is in the output: of earlier chunks, or to be added to.
    There,
}

impl Start {
    /// That of a convolution to so many channels.
    pub fn of(bias: Option<&View>, channels: usize, accumulate: bool) -> Result<Self> {
        match (bias, accumulate) {
            (None, false) => Ok(Self::Zero),
            (None, true) => Ok(Self::There),
            (Some(bias), false) => {
                expect_values("the convolution's bias", bias, Shape::vector(channels)).map(|()| Self::Bias)
            }
            (Some(_), true) => {
                Err(crate::Error::shape("a convolution starts from its bias or from what is there, not from both"))
            }
        }
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
    samples: u32,
    height: u32,
    quads: u32,
    tiles: [u32; 2],
    first_block: u32,
    blocks: u32,
    workgroups: u32,
    bias_offset: u32,
    first_weight: u32,
    block_stride: u32,
    channel_stride: u32,
    normalise: u32,
    share: u32,
}

/// `y = activation(conv2d(x, weight) + bias)`, or `y = activation(y + conv2d(x, weight))` with `accumulate`, from weights that lie as
/// `packing` says: a dispatch for each window of them. `input` is `x` as it is or with the [scales](Input::scales) that normalise it.
///
/// The input gradient is the same by a packing for [`Direction::Backward`], with the output's gradient as `x`, no bias and no activation.
///
/// With [`Output::tiles`] the last of the dispatches to each channel leaves the moments of what it writes.
///
/// Shapes: `x [N, Cin, H, W]`, `weights` as [`Packing::shape`] says or, [in place](Packing::in_place), `[Cin, Cout, 3, 3]`,
/// `bias [Cout]`, `y [N, Cout, H, W]`; `W` a multiple of 4.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another, both a bias is given and `accumulate`, or the variant has slices that the adapter has no
/// room for, or reads slices or halves from elsewhere than storage buffers.
pub fn forward<'i, 'o>(
    packing: &Packing,
    input: impl Into<Input<'i>>,
    weights: &View,
    bias: Option<&View>,
    activation: Activation,
    output: impl Into<Output<'o>>,
    accumulate: bool,
) -> Result<Vec<Call>> {
    let &Packing { variant, in_channels, out_channels, workgroup, .. } = packing;
    let (input, Output { y, tiles: moments }) = (input.into(), output.into());
    let x = input.x;
    packing.expect_portable(false)?;
    input.check()?;
    x.expect("the convolution's input", Shape { c: in_channels, ..x.shape })?;
    y.expect("the convolution's output", SPEC.output(x.shape, out_channels)?)?;
    packing.check(weights)?;
    if let Some(moments) = moments {
        instance_norm::expect_tiles(y.shape, moments)?;
    }
    let written: Vec<&View> = [Some(y), moments].into_iter().flatten().collect();
    distinct("the convolution", &written, &[x, weights, bias.unwrap_or(x), input.scales.unwrap_or(x)])?;
    let first = Start::of(bias, out_channels, accumulate)?;
    if variant.reads != Reads::Storage && [x, weights, y].iter().any(|view| view.element == Element::F16) {
        return Err(crate::Error::shape("halves are convolved from storage; use a variant that reads there"));
    }
    workgroup.check()?;
    let images = variant.reads == Reads::Images;
    let shader = match (variant.reads, variant.slices) {
        (Reads::Storage, 1) => &FORWARD,
        (Reads::Storage, 2..) => &FORWARD_SLICES,
        (Reads::Uniform, 1) => &FORWARD_UNIFORM,
        (Reads::Images, 1) => &FORWARD_IMAGES,
        (reads, slices) => {
            return Err(crate::Error::shape(format!("a convolution in {slices} slices does not read {reads:?}")));
        }
    };
    let quads = x.shape.w / 4;
    let tiles = tiles(x.shape);
    let groups = sample_groups(x.shape);
    let call = |part: Part| -> Result<Call> {
        let channels = part.chunk * packing.chunk..in_channels.min((part.chunk + 1) * packing.chunk);
        let x = x.range(channels.clone())?;
        let scales = input.scales.map(|s| s.range(channels.clone())).transpose()?;
        let start = if part.chunk > 0 { Start::There } else { first };
        let last = part.chunk + 1 == packing.chunks;
        let workgroups = groups * tiles[0] * tiles[1] * part.blocks;
        let share = workgroup.share(channels.len(), 1);
        let params = Forward {
            x: Span::read(&x, images),
            y: y.into(),
            scales: scales.as_ref().map_or(NO_SCALES, Span::from),
            in_channels: channels.len() as u32,
            out_channels: out_channels as u32,
            samples: x.shape.n as u32,
            height: x.shape.h as u32,
            quads: quads as u32,
            tiles: tiles.map(|t| t as u32),
            first_block: part.first_block as u32,
            blocks: part.blocks as u32,
            workgroups: workgroups as u32,
            bias_offset: bias.map_or(0, |b| b.offset() as u32),
            // An image begins with the weights, a uniform window with those of the part.
            first_weight: if variant.reads == Reads::Storage { weights.offset() as u32 / 4 } else { 0 },
            block_stride: packing.block_stride as u32,
            channel_stride: packing.channel_stride as u32,
            normalise: u32::from(scales.is_some()),
            share: share as u32,
        };
        let call = Call::new(shader, params, grid(workgroups))
            .in_slices(workgroup)
            .with("OUTPUTS", variant.outputs as u32)
            .with("PAIRED", u32::from(paired(x.shape)))
            .with("START", start as u32)
            .with("ACTIVATION", if last { activation } else { Activation::None } as u32)
            .with("MOMENTS", u32::from(last && moments.is_some()))
            .with("REVERSED", packing.is_reversed().into())
            .loops(share)
            .stored(&x, y)
            .weights_stored(weights);
        let call = match variant.reads {
            Reads::Storage => call.bind(&x).bind(weights),
            Reads::Uniform => {
                let first = (part.chunk * packing.blocks + part.first_block) * packing.block_stride;
                call.bind(&x).bind_window(weights, 16 * first..16 * first + WINDOW)
            }
            Reads::Images => call.bind_image(&x).bind_image(weights),
        };
        let per_block = packing.workgroup.lanes * variant.outputs;
        let to = part.first_block * per_block..out_channels.min((part.first_block + part.blocks) * per_block);
        let written = y.range(to.clone())?;
        let call = call.bind_or(bias, &x).bind(&written).adds_to(&written, start == Start::There);
        let call = call.bind_or(scales.as_ref(), &x);
        let call = match moments.filter(|_| last) {
            Some(moments) => call.bind(&moments.range(to)?),
            None => call.bind_nothing(),
        };
        Ok(call.costs(SPEC.flops(x.shape, written.shape)))
    };
    packing.dispatches().map(call).collect()
}
