//! Copying, scaling and filling.

use bytemuck::{Pod, Zeroable};

use super::lanes::lanes;
use super::{Call, Lanes, Span};
use crate::Result;
use crate::tensor::{Shape, View};

/// `shaders/copy.wgsl`.
pub static COPY: Lanes = lanes!("copy", []);
/// `shaders/fill.wgsl`.
pub static FILL: Lanes = lanes!("fill", []);

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Copying {
    x: Span,
    y: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    accumulate: u32,
    factor: f32,
    unused: u32,
}

/// `y = factor · x`, or added to `y`. A batch of one in `x` is handed to every sample of `y`.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes differ in anything else.
pub fn scale(x: &View, factor: f32, y: &View, accumulate: bool) -> Result<Call> {
    let broadcast = x.shape.n == 1;
    x.expect("the tensor to copy", Shape { n: if broadcast { 1 } else { y.shape.n }, ..y.shape })?;
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
        accumulate: accumulate.into(),
        factor,
        unused: 0,
    };
    Ok(deal.call(params).bind(x).bind(y).costs(y.shape.len()))
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

/// `y = value`.
///
/// # Errors
/// None today; the signature is that of every kernel.
pub fn fill(y: &View, value: f32) -> Result<Call> {
    let deal = FILL.each(y.shape);
    let params = Filling { y: y.into(), items: deal.items, blocks: deal.blocks, workgroups: deal.workgroups, value };
    Ok(deal.call(params).bind(y))
}
