//! Resolution by whole factors: pixel shuffle (depth to space), repeated pixels and every so many pixels, with their adjoints.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::{BLOCK, Deal};
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/pixel_shuffle.wgsl`.
pub static PIXEL_SHUFFLE: Shader = shader!("pixel_shuffle", ["grid"]);
/// `shaders/upsample.wgsl`.
pub static FORWARD: Shader = shader!("upsample", ["grid"]);
/// `shaders/upsample_backward.wgsl`.
pub static BACKWARD: Shader = shader!("upsample_backward", ["grid"]);
/// `shaders/decimate.wgsl`.
pub static DECIMATE: Shader = shader!("decimate", ["grid"]);
/// `shaders/decimate_quads.wgsl`.
pub static DECIMATE_QUADS: Shader = shader!("decimate_quads", ["grid", "quads"]);

/// The shape of [`pixel_shuffle`] of `x`: `[N, C / s², s H, s W]`.
///
/// # Errors
/// [`Error::Shape`] if the factor is zero or its square does not divide the channels.
pub fn shuffled(x: Shape, factor: usize) -> Result<Shape> {
    if factor == 0 || !x.c.is_multiple_of(factor * factor) {
        return Err(Error::shape(format!(
            "a pixel shuffle by {factor} of {x}; the factor must be positive and its square divide the channels"
        )));
    }
    Ok(Shape::new(x.n, x.c / (factor * factor), x.h * factor, x.w * factor))
}

/// The shape of [`nearest`] of `x`: `[N, C, s H, s W]`.
pub fn enlarged(x: Shape, factor: usize) -> Shape {
    Shape { h: x.h * factor, w: x.w * factor, ..x }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Shuffle {
    x: Span,
    y: Span,
    factor: u32,
    height: u32,
    width: u32,
    values: u32,
    invocations: u32,
}

fn shuffle(kind: u32, factor: usize, x: &View, y: &View, small: Shape, accumulate: bool) -> Result<Call> {
    distinct("a pixel shuffle", &[y], &[x])?;
    let params = Shuffle {
        x: x.into(),
        y: y.into(),
        factor: factor as u32,
        height: small.h as u32,
        width: small.w as u32,
        values: (small.c * small.plane()) as u32,
        invocations: small.len() as u32,
    };
    let call = Call::new(&PIXEL_SHUFFLE, params, grid(small.len().div_ceil(64))).with("KIND", kind);
    Ok(call.bind(x).bind(y).accumulates(y, accumulate).costs(usize::from(accumulate) * small.len()))
}

/// `y[n, c, s·i + a, s·j + b] = x[n, c·s² + a·s + b, i, j]`, or added to `y`: depth to space.
///
/// Shapes: `x [N, C s², H, W]`, `y [N, C, s H, s W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `y` lies in `x`'s tensor.
pub fn pixel_shuffle(factor: usize, x: &View, y: &View, accumulate: bool) -> Result<Call> {
    y.expect("a pixel shuffle's output", shuffled(x.shape, factor)?)?;
    shuffle(1, factor, x, y, x.shape, accumulate)
}

/// `y[n, c·s² + a·s + b, i, j] = x[n, c, s·i + a, s·j + b]`, or added to `y`: space to depth, inverse and adjoint of
/// [`pixel_shuffle`].
///
/// Shapes: `x [N, C, s H, s W]`, `y [N, C s², H, W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `y` lies in `x`'s tensor.
pub fn pixel_unshuffle(factor: usize, x: &View, y: &View, accumulate: bool) -> Result<Call> {
    x.expect("a pixel unshuffle's input", shuffled(y.shape, factor)?)?;
    shuffle(2, factor, x, y, y.shape, accumulate)
}

fn expect_enlarged(what: &str, small: &View, large: &View, factor: usize) -> Result<()> {
    if factor == 0 {
        return Err(Error::shape("an upsampling by 0; the factor must be positive"));
    }
    large.expect(what, enlarged(small.shape, factor))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    factor: u32,
    width: u32,
    values: u32,
    invocations: u32,
}

/// `y[n, c, i, j] = x[n, c, i / s, j / s]`: every pixel repeated `s` times along both sides.
///
/// Shapes: `x [N, C, H, W]`, `y [N, C, s H, s W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `y` lies in `x`'s tensor.
pub fn nearest(factor: usize, x: &View, y: &View) -> Result<Call> {
    expect_enlarged("an upsampling's output", x, y, factor)?;
    distinct("an upsampling", &[y], &[x])?;
    let params = Forward {
        x: x.into(),
        y: y.into(),
        factor: factor as u32,
        width: y.shape.w as u32,
        values: (y.shape.c * y.shape.plane()) as u32,
        invocations: y.shape.len() as u32,
    };
    Ok(Call::new(&FORWARD, params, grid(y.shape.len().div_ceil(64))).bind(x).bind(y))
}

/// From `from` to `to`, whose width, values of a sample and number decide who does what.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Move {
    from: Span,
    to: Span,
    factor: u32,
    width: u32,
    values: u32,
    invocations: u32,
}

impl Move {
    fn new(factor: usize, from: &View, to: &View) -> Self {
        Self {
            from: from.into(),
            to: to.into(),
            factor: factor as u32,
            width: to.shape.w as u32,
            values: (to.shape.c * to.shape.plane()) as u32,
            invocations: to.shape.len() as u32,
        }
    }
}

/// `gx[n, c, i, j] = Σ g[n, c, s·i + a, s·j + b]` over `a, b < s`, or added to `gx`: the adjoint of [`nearest`].
///
/// Shapes: `g [N, C, s H, s W]`, `gx [N, C, H, W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `gx` lies in `g`'s tensor.
pub fn nearest_backward(factor: usize, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    expect_enlarged("an upsampling's output gradient", gx, g, factor)?;
    distinct("an upsampling's gradient", &[gx], &[g])?;
    let params = Move::new(factor, g, gx);
    let call =
        Call::new(&BACKWARD, params, grid(gx.shape.len().div_ceil(64))).loops(factor * (factor + 2)).bind(g).bind(gx);
    Ok(call.accumulates(gx, accumulate).costs(g.shape.len()))
}

/// The shape of [`decimate`] of `x`: `[N, C, H / s, W / s]`.
///
/// # Errors
/// [`Error::Shape`] if the factor is zero or does not divide height and width.
pub fn decimated(x: Shape, factor: usize) -> Result<Shape> {
    if factor == 0 || !x.h.is_multiple_of(factor) || !x.w.is_multiple_of(factor) {
        return Err(Error::shape(format!(
            "every pixel in {factor} of {x}; the factor must be positive and divide height and width"
        )));
    }
    Ok(Shape { h: x.h / factor, w: x.w / factor, ..x })
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Every {
    x: Span,
    y: Span,
    width: u32,
    items: u32,
    blocks: u32,
    workgroups: u32,
}

/// Between an image and every so many pixels of it, the smaller one.
fn every(kind: u32, factor: usize, x: &View, y: &View, accumulate: bool) -> Result<Call> {
    distinct("a decimation", &[y], &[x])?;
    let small = if kind == 1 { y.shape } else { x.shape };
    let call = if factor == 2 && small.w.is_multiple_of(4) {
        let deal = Deal::in_blocks(&DECIMATE_QUADS, small.n, small.c * small.plane() / 4, BLOCK);
        deal.call(Every {
            x: x.into(),
            y: y.into(),
            width: small.w as u32 / 4,
            items: deal.items,
            blocks: deal.blocks,
            workgroups: deal.workgroups,
        })
    } else {
        Call::new(&DECIMATE, Move::new(factor, x, y), grid(y.shape.len().div_ceil(64)))
    };
    Ok(call
        .with("KIND", kind)
        .bind(x)
        .bind(y)
        .accumulates(y, accumulate)
        .stored(x, y)
        .costs(usize::from(accumulate) * y.shape.len()))
}

/// `y[n, c, i, j] = x[n, c, s·i, s·j]`: every s-th pixel along both sides; or added to `y`.
///
/// Shapes: `x [N, C, s H, s W]`, `y [N, C, H, W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `y` lies in `x`'s tensor.
pub fn decimate(factor: usize, x: &View, y: &View, accumulate: bool) -> Result<Call> {
    y.expect("a decimation's output", decimated(x.shape, factor)?)?;
    every(1, factor, x, y, accumulate)
}

/// `gx[n, c, s·i, s·j] = g[n, c, i, j]`, zero elsewhere; or added to `gx`: the adjoint of [`decimate`].
///
/// Shapes: `g [N, C, H, W]`, `gx [N, C, s H, s W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `gx` lies in `g`'s tensor.
pub fn decimate_backward(factor: usize, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    g.expect("a decimation's output gradient", decimated(gx.shape, factor)?)?;
    every(2, factor, g, gx, accumulate)
}
