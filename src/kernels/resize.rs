//! Bilinear and bicubic resampling to any size, with its adjoint: half-pixel centres, the edge repeated outside, no
//! smoothing when an image shrinks. Both sides one after the other.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/resize.wgsl`.
pub static FORWARD: Shader = shader!("resize", ["grid", "resampling"]);
/// `shaders/resize_backward.wgsl`.
pub static BACKWARD: Shader = shader!("resize_backward", ["grid", "resampling"]);

/// How values between pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// From two neighbours along each side.
    Bilinear = 1,
    /// From four neighbours along each side, by Keys' cubic convolution with `a = −1/2`.
    Bicubic = 2,
}

/// The shape of the scratch tensor on the way from `x` to `y`: widths are changed first.
pub fn scratch(x: Shape, y: Shape) -> Shape {
    Shape { w: y.w, ..x }
}

/// Refuses shapes that differ in batch or channels, or whose sides' products do not fit into the shader's integers.
fn check(small: Shape, large: Shape, between: &View) -> Result<()> {
    const LIMIT: usize = 1 << 31;
    let fits = |from: usize, to: usize| (2 * from + 8).saturating_mul(2 * to + 8) < LIMIT;
    if small.n != large.n || small.c != large.c || !fits(small.h, large.h) || !fits(small.w, large.w) {
        return Err(Error::shape(format!(
            "resizing {small} to {large}; batch and channels must agree, and along each side (2a + 8)(2b + 8) be under 2³¹"
        )));
    }
    between.expect("resizing's scratch tensor", scratch(small, large))
}

/// A side of an image: its length before and after, and the distance of neighbours along it.
fn sides(from: Shape, to: Shape) -> [(usize, usize, usize); 2] {
    [(from.w, to.w, 1), (from.h, to.h, to.w)]
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    sizes: [u32; 2],
    inner: u32,
    values: u32,
    invocations: u32,
    unused: u32,
}

/// `y[o] = Σ_k w_k(t) · x[base + k]` along each side, with `base + t = (o + 1/2) · from/to − 1/2` and indices clamped.
///
/// Shapes: `x [N, C, H, W]`, `y [N, C, H', W']` of any size, `between` as [`scratch`] says.
///
/// # Errors
/// [`Error::Shape`] if a shape is another, the sides are too long together, or two of the tensors are one.
pub fn forward(filter: Filter, x: &View, between: &View, y: &View) -> Result<[Call; 2]> {
    check(x.shape, y.shape, between)?;
    distinct("resizing", &[between, y], &[x])?;
    let [width, height] = sides(x.shape, y.shape);
    let pass = |x: &View, y: &View, (from, to, inner): (usize, usize, usize)| {
        let params = Forward {
            x: x.into(),
            y: y.into(),
            sizes: [from as u32, to as u32],
            inner: inner as u32,
            values: (y.shape.c * y.shape.plane()) as u32,
            invocations: y.shape.len() as u32,
            unused: 0,
        };
        let call = Call::new(&FORWARD, params, grid(y.shape.len().div_ceil(64))).with("KIND", filter as u32);
        call.bind(x).bind(y).costs((4 * filter as usize + 12) * y.shape.len())
    };
    Ok([pass(x, between, width), pass(between, y, height)])
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    g: Span,
    gx: Span,
    sizes: [u32; 2],
    inner: u32,
    values: u32,
    invocations: u32,
    accumulate: u32,
}

/// The adjoint of [`forward`], or added to `gx`.
///
/// Shapes: `g [N, C, H', W']`, `gx [N, C, H, W]`, `between` as [`scratch`] says of `gx` and `g`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another, the sides are too long together, or two of the tensors are one.
pub fn backward(filter: Filter, g: &View, between: &View, gx: &View, accumulate: bool) -> Result<[Call; 2]> {
    check(gx.shape, g.shape, between)?;
    distinct("resizing's gradient", &[between, gx], &[g])?;
    let [width, height] = sides(gx.shape, g.shape);
    let pass = |g: &View, gx: &View, (from, to, inner): (usize, usize, usize), accumulate: bool| {
        let params = Backward {
            g: g.into(),
            gx: gx.into(),
            sizes: [from as u32, to as u32],
            inner: inner as u32,
            values: (gx.shape.c * gx.shape.plane()) as u32,
            invocations: gx.shape.len() as u32,
            accumulate: accumulate.into(),
        };
        let call = Call::new(&BACKWARD, params, grid(gx.shape.len().div_ceil(64))).with("KIND", filter as u32);
        // Every output is looked at by as many inputs as it has taps.
        call.bind(g).bind(gx).adds_to(gx, accumulate).costs((2 * filter as usize) * 20 * g.shape.len())
    };
    Ok([pass(g, between, height, false), pass(between, gx, width, accumulate)])
}
