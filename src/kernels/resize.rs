//! Bilinear and bicubic resampling to any size, with its adjoint: half-pixel centres, the edge repeated outside, no
//! smoothing when an image shrinks. Both sides one after the other.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::lanes;
use super::{Call, Lanes, Span, grid};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/resize.wgsl`.
pub static FORWARD: Lanes = lanes!("resize", ["resampling"]);
/// `shaders/resize_backward.wgsl`.
pub static BACKWARD: Lanes = lanes!("resize_backward", ["resampling"]);

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

/// The call of one pass of `shader` over the items of `to`: four values each where neighbours along the side lie a multiple of
/// four apart.
fn pass<P: bytemuck::NoUninit>(
    lanes: &'static Lanes,
    filter: Filter,
    to: Shape,
    inner: usize,
    params: impl FnOnce(Items) -> P,
) -> Call {
    let (shader, width) = if inner.is_multiple_of(4) { (&lanes.quads, 4) } else { (&lanes.singles, 1) };
    let of_all = to.len() / width;
    let items = Items { inner: (inner / width) as u32, sample: (of_all / to.n) as u32, invocations: of_all as u32 };
    Call::new(shader, params(items), grid(of_all.div_ceil(64))).with("KIND", filter as u32)
}

/// How many items a pass has: between neighbours along the side, in a sample, and in all.
struct Items {
    inner: u32,
    sample: u32,
    invocations: u32,
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
    items: u32,
    invocations: u32,
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
    let along = |x: &View, y: &View, (from, to, inner): (usize, usize, usize)| {
        let call = pass(&FORWARD, filter, y.shape, inner, |items| Forward {
            x: x.into(),
            y: y.into(),
            sizes: [from as u32, to as u32],
            inner: items.inner,
            items: items.sample,
            invocations: items.invocations,
        });
        call.bind(x).bind(y).costs((4 * filter as usize + 12) * y.shape.len())
    };
    Ok([along(x, between, width), along(between, y, height)])
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    g: Span,
    gx: Span,
    sizes: [u32; 2],
    inner: u32,
    items: u32,
    invocations: u32,
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
    let along = |g: &View, gx: &View, (from, to, inner): (usize, usize, usize), accumulate: bool| {
        let call = pass(&BACKWARD, filter, gx.shape, inner, |items| Backward {
            g: g.into(),
            gx: gx.into(),
            sizes: [from as u32, to as u32],
            inner: items.inner,
            items: items.sample,
            invocations: items.invocations,
        });
        // Every output is looked at by as many inputs as it has taps.
        let seen = (4 * filter as usize + 1) * (to.div_ceil(from) + 1);
        call.loops(seen).bind(g).bind(gx).accumulates(gx, accumulate).costs((2 * filter as usize) * 20 * g.shape.len())
    };
    Ok([along(g, between, height, false), along(between, gx, width, accumulate)])
}
