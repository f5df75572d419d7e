//! The weight and bias gradient of the 3×3 convolution on adapters with subgroups, in splits.

use bytemuck::{Pod, Zeroable};

use super::call::{ITERATIONS, distinct};
use super::conv2d_3x3::{Input, NO_SCALES, SPEC, paired, sample_groups};
use super::slices::{lanes, most_lanes};
use super::split_sum::Parts;
use super::{Call, Span, grid, shader};
use crate::Result;
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};

pub(super) static GRAD_WEIGHT: Shader = shader!(
    "conv2d_3x3_grad_weight",
    ["grid", "quads", "input_storage", "second_storage", "scales", "neighbours", "put_taps", "gradient_taps_direct"],
    Subgroups
);
pub(super) static GRAD_WEIGHT_IMAGES: Shader = shader!(
    "conv2d_3x3_grad_weight",
    "images",
    [
        "grid",
        "quads",
        "image",
        "input_image",
        "second_image",
        "scales",
        "neighbours",
        "put_taps",
        "gradient_taps_direct"
    ],
    Subgroups
);
pub(super) static GRAD_WEIGHT_WINOGRAD: Shader = shader!(
    "conv2d_3x3_grad_weight",
    "winograd",
    ["grid", "quads", "input_storage", "second_storage", "scales", "neighbours", "put_taps", "gradient_taps_winograd"],
    Subgroups
);
pub(super) static GRAD_WEIGHT_WINOGRAD_IMAGES: Shader = shader!(
    "conv2d_3x3_grad_weight",
    "winograd.images",
    [
        "grid",
        "quads",
        "image",
        "input_image",
        "second_image",
        "scales",
        "neighbours",
        "put_taps",
        "gradient_taps_winograd"
    ],
    Subgroups
);

/// Enough workgroups to fill the adapter, without more partial sums than there is work to split, and on software adapters without more of it
/// in a split than [loops](Call::loops) may do, three iterations each at most.
pub(super) fn splits(caps: Caps, workgroups: usize, work: usize) -> usize {
    let (wanted, least): (usize, _) = if caps.software { (16, work.div_ceil(ITERATIONS / 3)) } else { (1024, 1) };
    wanted.div_ceil(workgroups).max(least).min(work).max(1)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct GradWeight {
    x: Span,
    g: Span,
    scales: Span,
    in_channels: u32,
    out_channels: u32,
    samples: u32,
    height: u32,
    quads: u32,
    tiles_x: u32,
    segments: u32,
    rows: u32,
    runs: u32,
    co_blocks: u32,
    ci_blocks: u32,
    splits: u32,
    row: u32,
    part: u32,
    out: u32,
    workgroups: u32,
    outputs: u32,
    normalise: u32,
}

/// How the work is dealt out: every sample's columns of tiles, 8 pixels wide, in segments that a workgroup walks down.
struct Runs {
    tiles_x: usize,
    segments: usize,
    /// Of the image, in a segment: whole tiles of 2.
    rows: usize,
    /// Segments of all columns.
    runs: usize,
    splits: usize,
}

impl Runs {
    fn new(caps: Caps, outputs: usize, x: Shape, out_channels: usize) -> Self {
        let per_block = outputs * lanes(caps, out_channels.div_ceil(outputs));
        let blocks = out_channels.div_ceil(per_block) * x.c.div_ceil(4);
        let (tiles_x, tiles_y) = ((x.w / 4).div_ceil(2), x.h.div_ceil(2));
        let columns = sample_groups(x) * tiles_x;
        // A run begins with a load that the ones further down save: no more of them than keep every workgroup at work.
        let wanted = splits(caps, blocks, columns * tiles_y);
        let rows = 2 * tiles_y.div_ceil(wanted.div_ceil(columns));
        let segments = x.h.div_ceil(rows);
        Self { tiles_x, segments, rows, runs: columns * segments, splits: wanted.min(columns * segments) }
    }
}

/// How a weight gradient is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Output channels of an invocation: 1, 2 or 4. The results differ in the order of their sums.
    pub outputs: usize,
    /// Reads input and gradient in copies, as [images](Call::bind_image); else in storage buffers.
    pub images: bool,
    /// Multiplies by Winograd's algorithm F(3×3, 2×2), in four ninths of the multiplications, rounded 1.4 times as much; else as the sum
    /// that it is.
    pub winograd: bool,
}

impl Variant {
    /// All of them.
    pub const ALL: [Self; 9] = {
        const fn of(outputs: usize, images: bool, winograd: bool) -> Variant {
            Variant { outputs, images, winograd }
        }
        [
            of(1, false, false),
            of(2, false, false),
            of(4, false, false),
            of(1, true, false),
            of(2, true, false),
            of(1, false, true),
            of(2, false, true),
            of(1, true, true),
            of(2, true, true),
        ]
    };

    /// Those worth measuring: on software adapters the ones that read images, on GPUs the others.
    pub fn candidates(caps: Caps) -> Vec<Self> {
        Self::ALL.into_iter().filter(|variant| variant.images == caps.software).collect()
    }

    /// The choice without measuring: two outputs, where that leaves no lane of a subgroup without work, and on software adapters images and
    /// Winograd's algorithm. On GPUs it is for measuring: with two outputs some 320 values of a lane are alive, twice as many as in a direct sum.
    pub fn fixed(caps: Caps, out_channels: usize) -> Self {
        let full = 2 * if caps.software { 8 } else { most_lanes(caps) };
        Self { outputs: if out_channels < full { 1 } else { 2 }, images: caps.software, winograd: caps.software }
    }
}

/// What [`grad_weight`] leaves with so many `outputs` an invocation.
pub fn parts(caps: Caps, outputs: usize, x: Shape, out_channels: usize) -> Parts {
    let Runs { splits, .. } = Runs::new(caps, outputs, x, out_channels);
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
pub fn grad_weight<'a>(
    caps: Caps,
    variant: Variant,
    input: impl Into<Input<'a>>,
    g: &View,
    sums: &View,
) -> Result<Call> {
    let Variant { outputs, images, winograd } = variant;
    let input = input.into();
    let Input { x, scales } = input;
    input.check()?;
    g.expect("the convolution's output gradient", SPEC.output(x.shape, g.shape.c)?)?;
    let parts = parts(caps, outputs, x.shape, g.shape.c);
    let out = parts.destination(sums)?;
    distinct("the convolution's weight gradient", &[sums], &[x, g, scales.unwrap_or(x)])?;
    let wg = lanes(caps, g.shape.c.div_ceil(outputs));
    let quads = x.shape.w / 4;
    let runs = Runs::new(caps, outputs, x.shape, g.shape.c);
    let (co_blocks, ci_blocks) = (g.shape.c.div_ceil(wg * outputs), x.shape.c.div_ceil(4));
    let workgroups = co_blocks * ci_blocks * parts.splits;
    let params = GradWeight {
        x: Span::read(x, images),
        g: Span::read(g, images),
        scales: scales.map_or(NO_SCALES, Span::from),
        in_channels: x.shape.c as u32,
        out_channels: g.shape.c as u32,
        samples: x.shape.n as u32,
        height: x.shape.h as u32,
        quads: quads as u32,
        tiles_x: runs.tiles_x as u32,
        segments: runs.segments as u32,
        rows: runs.rows as u32,
        runs: runs.runs as u32,
        co_blocks: co_blocks as u32,
        ci_blocks: ci_blocks as u32,
        splits: parts.splits as u32,
        row: parts.padded as u32,
        part: parts.shape().w as u32,
        out,
        workgroups: workgroups as u32,
        outputs: outputs as u32,
        normalise: u32::from(scales.is_some()),
    };
    let shader = match (winograd, images) {
        (false, false) => &GRAD_WEIGHT,
        (false, true) => &GRAD_WEIGHT_IMAGES,
        (true, false) => &GRAD_WEIGHT_WINOGRAD,
        (true, true) => &GRAD_WEIGHT_WINOGRAD_IMAGES,
    };
    let call = Call::new(shader, params, grid(workgroups))
        .with("WG", wg as u32)
        .with("OUTPUTS", outputs as u32)
        .with("PAIRED", u32::from(paired(x.shape)))
        .loops(runs.runs.div_ceil(parts.splits) * (2 + runs.rows / 2));
    let call = call.bind_read(x, images).bind_read(g, images).bind(sums).bind_or(scales, x);
    // Those of the sum, however it is done.
    Ok(call.costs(SPEC.flops(x.shape, g.shape)))
}
