//! Whole channels and single values: sums over pixels, and values that are constant in a channel, `[N, C, 1, 1]`.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::elementwise::expect_finite;
use super::lanes::lanes;
use super::{Call, Lanes, Span};
use crate::Result;
use crate::gpu::Caps;
use crate::tensor::{Shape, View};

/// `shaders/plane_sum.wgsl`.
pub static SUM: Lanes = lanes!("plane_sum", ["tree_sum"]);
/// `shaders/plane_broadcast.wgsl`.
pub static BROADCAST: Lanes = lanes!("plane_broadcast", []);

/// One value for each channel of `x`: `[N, C, 1, 1]`.
pub fn values(x: Shape) -> Shape {
    Shape { h: 1, w: 1, ..x }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Sum {
    a: Span,
    b: Span,
    y: Span,
    channels: u32,
    items: u32,
    workgroups: u32,
    factor: f32,
}

fn sums(caps: Caps, a: &View, b: Option<&View>, factor: f32, y: &View, accumulate: bool) -> Result<Call> {
    y.expect("a sum over pixels", values(a.shape))?;
    let other = b.unwrap_or(a);
    other.expect("the second factor of a sum over pixels", a.shape)?;
    distinct("a sum over pixels", &[y], &[a, other])?;
    expect_finite("a sum over pixels times", factor)?;
    let planes = SUM.a_plane_each(caps, a.shape, 1);
    let params = Sum {
        a: a.into(),
        b: other.into(),
        y: y.into(),
        channels: a.shape.c as u32,
        items: planes.items,
        workgroups: planes.planes,
        factor,
    };
    let call = planes
        .call(params)
        .with("KIND", 1 + u32::from(b.is_some()))
        .bind(a)
        .bind_or(b, a)
        .bind(y)
        .accumulates(y, accumulate);
    Ok(call.costs((1 + usize::from(b.is_some())) * a.shape.len()))
}

/// `y[n, c] = factor · Σ x[n, c, ·, ·]`, or added to `y`: with the factor `1 / (H·W)` the mean over pixels.
///
/// Shapes: `x [N, C, H, W]`, `y [N, C, 1, 1]`.
///
/// # Errors
/// [`crate::Error::Shape`] if `y` is another shape or lies in `x`'s tensor; [`crate::Error::Input`] if `factor` is not finite.
pub fn sum(caps: Caps, x: &View, factor: f32, y: &View, accumulate: bool) -> Result<Call> {
    sums(caps, x, None, factor, y, accumulate)
}

/// `y[n, c] = Σ a[n, c, ·, ·] · b[n, c, ·, ·]`, or added to `y`: the gradient of [`multiply`] in its factors.
///
/// Shapes: `a, b [N, C, H, W]`, `y [N, C, 1, 1]`.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another or `y` lies in the tensor of another argument.
pub fn dot(caps: Caps, a: &View, b: &View, y: &View, accumulate: bool) -> Result<Call> {
    sums(caps, a, Some(b), 1.0, y, accumulate)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Broadcast {
    x: Span,
    s: Span,
    y: Span,
    items: u32,
    plane: u32,
    blocks: u32,
    workgroups: u32,
    factor: f32,
}

fn broadcast(kind: u32, x: Option<&View>, s: &View, factor: f32, y: &View, accumulate: bool) -> Result<Call> {
    s.expect("the values of channels", values(y.shape))?;
    expect_finite("values of channels times", factor)?;
    // Without x something must be bound all the same: s, which is read anyway.
    let from = x.unwrap_or(s);
    if let Some(x) = x {
        x.expect("what the values of channels are applied to", y.shape)?;
    }
    distinct("values of channels", &[y], &[from, s])?;
    let deal = BROADCAST.each(y.shape);
    let params = Broadcast {
        x: from.into(),
        s: s.into(),
        y: y.into(),
        items: deal.items,
        plane: deal.items / y.shape.c as u32,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        factor,
    };
    let call = deal.call(params).with("KIND", kind).bind_or(x, s).bind(s).bind(y).accumulates(y, accumulate);
    Ok(call.costs((usize::from(x.is_some()) + usize::from(accumulate)) * y.shape.len()))
}

/// `y = x + s[n, c]`, or added to `y`. The gradients are `g` itself and its [`sum`] over pixels.
///
/// Shapes: `x, y [N, C, H, W]`, `s [N, C, 1, 1]`.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another or `y` lies in the tensor of another argument.
pub fn add(x: &View, s: &View, y: &View, accumulate: bool) -> Result<Call> {
    broadcast(1, Some(x), s, 1.0, y, accumulate)
}

/// `y = x · s[n, c]`, or added to `y`. The gradients are `g · s[n, c]`, this again, and the [`dot`] of `g` and `x`.
///
/// Shapes: `x, y [N, C, H, W]`, `s [N, C, 1, 1]`.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another or `y` lies in the tensor of another argument.
pub fn multiply(x: &View, s: &View, y: &View, accumulate: bool) -> Result<Call> {
    broadcast(2, Some(x), s, 1.0, y, accumulate)
}

/// `y = factor · s[n, c]` at every pixel, or added to `y`: the adjoint of [`sum`].
///
/// Shapes: `s [N, C, 1, 1]`, `y [N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another or `y` lies in `s`' tensor; [`crate::Error::Input`] if `factor` is not finite.
pub fn spread(s: &View, factor: f32, y: &View, accumulate: bool) -> Result<Call> {
    broadcast(3, None, s, factor, y, accumulate)
}
