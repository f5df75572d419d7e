//! Sums, products, copies and constants, value by value. Each output lies in a tensor of its own: none works in place.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::{Maps, lanes, maps};
use super::{Call, Lanes, Span};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/binary.wgsl`.
pub static BINARY: Maps = maps!("binary", [], ["input", "second"]);
/// `shaders/copy.wgsl`.
pub static COPY: Maps = maps!("copy", [], ["input"]);
/// `shaders/fill.wgsl`.
pub static FILL: Lanes = lanes!("fill", []);

pub(super) fn expect_finite(what: &str, value: f32) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::input(format!("{what} {value}; only finite values can be given to a shader")))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Binary {
    a: Span,
    b: Span,
    y: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
}

fn binary(kind: u32, what: &str, a: &View, b: &View, y: &View, accumulate: bool) -> Result<Call> {
    b.expect(&format!("the second operand of a {what}"), a.shape)?;
    y.expect(&format!("the result of a {what}"), a.shape)?;
    distinct(&format!("a {what}"), &[y], &[a, b])?;
    let deal = BINARY.each(a.shape);
    let params = Binary {
        a: a.into(),
        b: b.into(),
        y: y.into(),
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
    };
    let call = deal.call(params).with("KIND", kind).bind_map(a).bind_map(b).bind(y).accumulates(y, accumulate);
    Ok(call.costs((1 + usize::from(accumulate)) * a.shape.len()))
}

/// `y = a + b`, or added to `y`. All `[N, C, H, W]`.
///
/// # Errors
/// [`Error::Shape`] unless all have one shape and `y` lies in a tensor of its own.
pub fn add(a: &View, b: &View, y: &View, accumulate: bool) -> Result<Call> {
    binary(1, "sum", a, b, y, accumulate)
}

/// `y = a · b`, or added to `y`. All `[N, C, H, W]`. The gradients are products again: `ga = g · b`, `gb = g · a`.
///
/// # Errors
/// [`Error::Shape`] unless all have one shape and `y` lies in a tensor of its own.
pub fn multiply(a: &View, b: &View, y: &View, accumulate: bool) -> Result<Call> {
    binary(2, "product", a, b, y, accumulate)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Copying {
    x: Span,
    y: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    factor: f32,
    shift: f32,
}

/// `y = factor · x`, or added to `y`. Both `[N, C, H, W]`; an `x` of one sample goes to every sample of `y`.
///
/// # Errors
/// [`Error::Shape`] unless `x` has `y`'s shape, or one sample of it, and `y` lies in a tensor of its own; [`Error::Input`]
/// if `factor` is not finite.
pub fn scale(x: &View, factor: f32, y: &View, accumulate: bool) -> Result<Call> {
    affine(x, factor, 0.0, y, accumulate)
}

/// `y = factor · x + shift`, or added to `y`. Both `[N, C, H, W]`; an `x` of one sample goes to every sample of `y`.
///
/// # Errors
/// As [`scale`]; [`Error::Input`] also if `shift` is not finite.
pub fn affine(x: &View, factor: f32, shift: f32, y: &View, accumulate: bool) -> Result<Call> {
    let broadcast = x.shape.n == 1;
    x.expect("the tensor to copy", Shape { n: if broadcast { 1 } else { y.shape.n }, ..y.shape })?;
    distinct("a copy", &[y], &[x])?;
    expect_finite("scaling by", factor)?;
    expect_finite("shifting by", shift)?;
    let deal = COPY.each(y.shape);
    let mut from = Span::from(x);
    if broadcast {
        from.stride = 0;
    }
    let params = Copying {
        x: from,
        y: y.into(),
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        factor,
        shift,
    };
    let flops = usize::from(factor != 1.0) + usize::from(shift != 0.0) + usize::from(accumulate);
    Ok(deal.call(params).bind_map(x).bind(y).accumulates(y, accumulate).costs(flops * y.shape.len()))
}

/// `y = x`, or added to `y`: [`scale`] by one.
///
/// # Errors
/// As [`scale`].
pub fn copy(x: &View, y: &View, accumulate: bool) -> Result<Call> {
    scale(x, 1.0, y, accumulate)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Filling {
    y: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    value: f32,
}

/// `y = value`, `y` `[N, C, H, W]`.
///
/// # Errors
/// [`Error::Input`] if `value` is not finite.
pub fn fill(y: &View, value: f32) -> Result<Call> {
    expect_finite("filling with", value)?;
    let deal = FILL.each(y.shape);
    let params = Filling { y: y.into(), items: deal.items, blocks: deal.blocks, workgroups: deal.workgroups, value };
    Ok(deal.call(params).bind(y))
}
