//! Structural similarity (Wang et al., 2004) as a loss, with its gradient.
//!
//! As `metrics::ssim`: 11 × 11 windows weighted by a Gaussian of σ = 1.5, all that lie inside the image, and constants
//! `c1 = (0.01 range)²`, `c2 = (0.03 range)²`. Five moments of every window, one side after the other, forward and back.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::WORKGROUP;
use super::reduce::{Sum, expect_partials};
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/ssim_rows.wgsl`.
pub static ROWS: Shader = shader!("ssim_rows", ["grid"]);
/// `shaders/ssim_columns.wgsl`.
pub static COLUMNS: Shader = shader!("ssim_columns", ["grid"]);
/// `shaders/ssim_spread.wgsl`.
pub static SPREAD: Shader = shader!("ssim_spread", ["grid"]);
/// `shaders/ssim_backward.wgsl`.
pub static BACKWARD: Shader = shader!("ssim_backward", ["grid"]);

/// Side of the window in pixels, as in the shaders.
pub const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// `√c1` and `√c2` in parts of the range.
const K: [f32; 2] = [0.01, 0.03];
/// Windows that an invocation adds up.
const IN_TURN: usize = 8;

/// The values that images may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataRange {
    /// The lowest. Luminance is counted from here.
    pub black: f32,
    /// The highest less the lowest.
    pub range: f32,
}

impl DataRange {
    /// [0, 1].
    pub const UNIT: Self = Self { black: 0.0, range: 1.0 };
    /// [−1, 1], that of the networks. Similarity is what it is in [0, 1].
    pub const NETWORK: Self = Self { black: -1.0, range: 2.0 };
}

/// One side of the window, sum 1, and a zero to fill the last quad.
fn weights() -> [f32; 12] {
    let value = |i: usize| (-0.5 * ((i as f64 - (WINDOW / 2) as f64) / SIGMA).powi(2)).exp();
    let sum: f64 = (0..WINDOW).map(value).sum();
    std::array::from_fn(|i| if i < WINDOW { (value(i) / sum) as f32 } else { 0.0 })
}

/// The scratch tensors of [`dissimilarity`] for images of one shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scratch<T> {
    /// Moments of rows, `[N, 5 C, H, W − 10]`.
    pub moments: T,
    /// Of every window, what its pixels' gradients are made from, `[N, 3 C, H − 10, W − 10]`.
    pub slopes: T,
    /// The same gathered along columns, `[N, 3 C, H, W − 10]`.
    pub spread: T,
    /// Partial sums.
    pub partials: T,
}

/// Their shapes.
///
/// # Errors
/// [`Error::Shape`] if a side is below 11.
pub fn scratch(images: Shape) -> Result<Scratch<Shape>> {
    let Shape { n, c, h, w } = images;
    if h < WINDOW || w < WINDOW {
        return Err(Error::shape(format!(
            "structural similarity of {images}; its windows of {WINDOW} × {WINDOW} pixels must lie inside"
        )));
    }
    let slopes = Shape::new(n, 3 * c, h + 1 - WINDOW, w + 1 - WINDOW);
    Ok(Scratch {
        moments: Shape { c: 5 * c, h, ..slopes },
        slopes,
        spread: Shape { h, ..slopes },
        partials: Shape::vector((slopes.len() / 3).div_ceil(IN_TURN)),
    })
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Rows {
    a: Span,
    b: Span,
    width: u32,
    columns: u32,
    items: u32,
    invocations: u32,
    black: f32,
    unused: [u32; 3],
    weights: [f32; 12],
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Columns {
    columns: u32,
    rows: u32,
    planes: u32,
    windows: u32,
    invocations: u32,
    c1: f32,
    c2: f32,
    unused: u32,
    weights: [f32; 12],
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Spread {
    columns: u32,
    rows: u32,
    invocations: u32,
    unused: u32,
    weights: [f32; 12],
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    a: Span,
    b: Span,
    ga: Span,
    width: u32,
    columns: u32,
    items: u32,
    invocations: u32,
    black: f32,
    scale: f32,
    accumulate: u32,
    unused: [u32; 3],
    weights: [f32; 12],
}

/// What [`dissimilarity`] reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct Dissimilarity<'a> {
    /// The images whose gradient is asked for, `[N, C, H, W]`, sides of at least 11.
    pub a: &'a View,
    /// The images that they are compared with, `[N, C, H, W]`.
    pub b: &'a View,
    /// The values that both may have.
    pub range: DataRange,
    /// Weight of the loss in the gradient.
    pub weight: f32,
    /// `[N, C, H, W]`.
    pub ga: &'a View,
    /// Add to `ga` instead of overwriting it.
    pub accumulate: bool,
    /// `[1, 1, 1, 1]`, overwritten.
    pub loss: &'a View,
    /// Of the shapes that [`scratch`] gives.
    pub scratch: Scratch<&'a View>,
}

/// `loss = 1 − mean S(a, b)` over all windows, channels and samples, and `ga = weight · ∂loss/∂a`, or added to `ga`.
///
/// `S = (2 μa μb + c1)(2 σab + c2) / ((μa² + μb² + c1)(σaa + σbb + c2))`, moments weighted over a window.
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit or a side below 11, and if an output lies in the tensor of another argument;
/// [`Error::Input`] unless the range is positive.
pub fn dissimilarity(o: &Dissimilarity<'_>) -> Result<Vec<Call>> {
    let shape = o.a.shape;
    let Shape { n, c, h, w } = shape;
    let expected = scratch(shape)?;
    let Scratch { moments, slopes, spread, partials } = o.scratch;
    o.b.expect("what images are compared with", shape)?;
    o.ga.expect("the gradient of a similarity", shape)?;
    o.loss.expect("a similarity's loss", Shape::vector(1))?;
    moments.expect("a similarity's moments", expected.moments)?;
    slopes.expect("a similarity's slopes", expected.slopes)?;
    spread.expect("a similarity's gathered slopes", expected.spread)?;
    expect_partials(partials, expected.partials)?;
    if ![moments, slopes, spread].iter().all(|view| view.is_whole()) {
        return Err(Error::shape("a similarity's scratch tensors must be tensors of their own"));
    }
    distinct("a structural similarity", &[o.ga, o.loss, moments, slopes, spread, partials], &[o.a, o.b])?;
    let DataRange { black, range } = o.range;
    if !(range.is_finite() && black.is_finite() && range > 0.0) {
        return Err(Error::input(format!(
            "images from {black} on with a range of {range}; it must be positive and finite"
        )));
    }
    let (weights, columns) = (weights(), expected.slopes.w);
    let windows = expected.slopes.len() / 3;
    let rows = Rows {
        a: o.a.into(),
        b: o.b.into(),
        width: w as u32,
        columns: columns as u32,
        items: (c * h * columns) as u32,
        invocations: (n * c * h * columns) as u32,
        black,
        unused: [0; 3],
        weights,
    };
    let [c1, c2] = K.map(|k| (k * range).powi(2));
    let merge = Columns {
        columns: columns as u32,
        rows: h as u32,
        planes: c as u32,
        windows: windows as u32,
        invocations: expected.partials.c as u32,
        c1,
        c2,
        unused: 0,
        weights,
    };
    let gather = Spread {
        columns: columns as u32,
        rows: h as u32,
        invocations: expected.spread.len() as u32,
        unused: 0,
        weights,
    };
    let backward = Backward {
        a: o.a.into(),
        b: o.b.into(),
        ga: o.ga.into(),
        width: w as u32,
        columns: columns as u32,
        items: (c * h * w) as u32,
        invocations: shape.len() as u32,
        black,
        scale: -o.weight / windows as f32,
        accumulate: o.accumulate.into(),
        unused: [0; 3],
        weights,
    };
    let groups = |invocations: usize| grid(invocations.div_ceil(WORKGROUP));
    let (first, second) = (rows.invocations as usize, expected.partials.c);
    let mean = Sum { scale: 1.0 / windows as f32, ..Sum::all(second) };
    Ok(vec![
        Call::new(&ROWS, rows, groups(first)).bind(o.a).bind(o.b).bind(moments).costs(WINDOW * 15 * first),
        Call::new(&COLUMNS, merge, groups(second))
            .bind(moments)
            .bind(slopes)
            .bind(partials)
            .loops(windows.div_ceil(second) * (3 + 2 * WINDOW))
            .costs((WINDOW * 19 + 40) * windows),
        mean.call(partials, o.loss),
        Call::new(&SPREAD, gather, groups(expected.spread.len()))
            .bind(slopes)
            .bind(spread)
            .costs(WINDOW * 2 * expected.spread.len()),
        Call::new(&BACKWARD, backward, groups(shape.len()))
            .bind(o.a)
            .bind(o.b)
            .bind(spread)
            .bind(o.ga)
            .adds_to(o.ga, o.accumulate)
            .costs((WINDOW * 6 + 7) * shape.len()),
    ])
}
