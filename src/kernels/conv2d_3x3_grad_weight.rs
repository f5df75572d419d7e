//! The weight and bias gradient of the 3×3 convolution on adapters with subgroups, in splits.

use bytemuck::{Pod, Zeroable};

use super::conv2d_3x3::{Input, NO_SCALES, SPEC, lanes, paired, sample_groups};
use super::{Call, Span, grid, shader};
use crate::Result;
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};

pub(super) static GRAD_WEIGHT: Shader =
    shader!("conv2d_3x3_grad_weight", ["grid", "quads", "input_storage", "gradient_storage", "scales"], Subgroups);
pub(super) static GRAD_WEIGHT_IMAGES: Shader = Shader {
    name: "conv2d_3x3_grad_weight.images",
    ..shader!(
        "conv2d_3x3_grad_weight",
        ["grid", "quads", "image", "input_image", "gradient_image", "scales"],
        Subgroups
    )
};

/// Enough workgroups to fill the adapter, without more partial sums than there is work to split.
pub(super) fn splits(caps: Caps, workgroups: usize, work: usize) -> usize {
    let wanted: usize = if caps.software { 16 } else { 1024 };
    wanted.div_ceil(workgroups).min(work).max(1)
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
    part: u32,
    out: u32,
    workgroups: u32,
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
}

impl Variant {
    /// All of them.
    pub const ALL: [Self; 5] = {
        const fn of(outputs: usize, images: bool) -> Variant {
            Variant { outputs, images }
        }
        [of(1, false), of(2, false), of(4, false), of(1, true), of(2, true)]
    };

    /// The choice without measuring: two outputs, where that leaves no lane of a software adapter without work, and images on such
    /// an adapter.
    pub fn fixed(caps: Caps, out_channels: usize) -> Self {
        Self { outputs: if out_channels < 16 { 1 } else { 2 }, images: caps.software }
    }
}

/// Shape of the partial sums that [`grad_weight`] writes with so many `outputs` an invocation:
/// `[1, splits, 1, Cout·Cin·9 + Cout]`.
pub fn parts(caps: Caps, outputs: usize, x: Shape, out_channels: usize) -> Shape {
    let Runs { splits, .. } = Runs::new(caps, outputs, x, out_channels);
    Shape::new(1, splits, 1, out_channels * x.c * 9 + out_channels)
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

/// Whether every split's values start at a whole `vec4`, so that they may be written as such.
pub(super) fn whole_quads(splits: u32, out: u32, parts: Shape) -> bool {
    out.is_multiple_of(4) && (splits == 1 || parts.w.is_multiple_of(4))
}

/// Partial sums of the weight gradient (first `Cout·Cin·9` values of each split) and the bias gradient (the last `Cout`).
///
/// `input` is what the convolution read. Shapes: `x [N, Cin, H, W]`, `g [N, Cout, H, W]`, `W` a
/// multiple of 4; `sums` as [`parts`] says, or, where that has a single split, a vector of so many values: the gradients
/// themselves, weight and bias next to each other.
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
    let Variant { outputs, images } = variant;
    let input = input.into();
    let Input { x, scales } = input;
    input.check()?;
    g.expect("the convolution's output gradient", SPEC.output(x.shape, g.shape.c)?)?;
    let parts = parts(caps, outputs, x.shape, g.shape.c);
    let (splits, out) = destination(sums, parts)?;
    let wg = lanes(caps, g.shape.c.div_ceil(outputs));
    let quads = x.shape.w / 4;
    let runs = Runs::new(caps, outputs, x.shape, g.shape.c);
    let (co_blocks, ci_blocks) = (g.shape.c.div_ceil(wg * outputs), x.shape.c.div_ceil(4));
    let workgroups = co_blocks * ci_blocks * splits as usize;
    let span = |view: &View| if images { Span::in_image(view) } else { view.into() };
    let params = GradWeight {
        x: span(x),
        g: span(g),
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
        splits,
        part: parts.w as u32,
        out,
        workgroups: workgroups as u32,
        normalise: u32::from(scales.is_some()),
    };
    let whole = whole_quads(splits, out, parts) && x.shape.c.is_multiple_of(4);
    let shader = if images { &GRAD_WEIGHT_IMAGES } else { &GRAD_WEIGHT };
    let call = Call::new(shader, params, grid(workgroups))
        .with("WG", wg as u32)
        .with("OUTPUTS", outputs as u32)
        .with("WHOLE", u32::from(whole))
        .with("PAIRED", u32::from(paired(x.shape)));
    let call = if images { call.bind_image(x).bind_image(g) } else { call.bind(x).bind(g) };
    let call = call.bind(sums);
    let call = match scales {
        Some(scales) => call.bind(scales),
        None => call.bind_unread(x),
    };
    Ok(call.costs(SPEC.flops(x.shape, g.shape)))
}
