//! Softplus and sigmoid as passes of their own, with their gradients; convolutions have theirs in the epilogue.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::lanes;
use super::{Call, Lanes, Span};
use crate::Result;
use crate::tensor::View;

/// `shaders/activation.wgsl`.
pub static FORWARD: Lanes = lanes!("activation", ["activation"]);
/// `shaders/activation_backward.wgsl`.
pub static BACKWARD: Lanes = lanes!("activation_backward", ["activation", "series"]);

/// Operations of one value: an exponential, and a division with a polynomial or without.
const SOFTPLUS_FLOPS: usize = 20;
const SIGMOID_FLOPS: usize = 4;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    unused: u32,
}

fn forward(kind: u32, flops: usize, x: &View, y: &View) -> Result<Call> {
    y.expect("the output of an activation", x.shape)?;
    distinct("an activation", &[y], &[x])?;
    let deal = FORWARD.each(x.shape);
    let params = Forward {
        x: x.into(),
        y: y.into(),
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        unused: 0,
    };
    Ok(deal.call(params).with("KIND", kind).bind(x).bind(y).costs(flops * x.shape.len()))
}

/// `y = ln(1 + exp(x))`, to a few roundings for every finite `x`. Both `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless `y` has `x`'s shape and lies in another tensor.
pub fn softplus(x: &View, y: &View) -> Result<Call> {
    forward(1, SOFTPLUS_FLOPS, x, y)
}

/// `y = 1 / (1 + exp(−x))`, to a few roundings for every finite `x`. Both `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless `y` has `x`'s shape and lies in another tensor.
pub fn sigmoid(x: &View, y: &View) -> Result<Call> {
    forward(2, SIGMOID_FLOPS, x, y)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    v: Span,
    g: Span,
    gx: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    accumulate: u32,
}

fn backward(kind: u32, flops: usize, v: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    g.expect("the output gradient of an activation", v.shape)?;
    gx.expect("the input gradient of an activation", v.shape)?;
    distinct("the gradient of an activation", &[gx], &[v, g])?;
    let deal = BACKWARD.each(v.shape);
    let params = Backward {
        v: v.into(),
        g: g.into(),
        gx: gx.into(),
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        accumulate: accumulate.into(),
    };
    let call = deal.call(params).with("KIND", kind).bind(v).bind(g).bind(gx).adds_to(gx, accumulate);
    Ok(call.costs((flops + 1) * v.shape.len()))
}

/// `gx = g · (1 − exp(−s))`, or added to `gx`, where `s = softplus(x)` is the forward pass' output. All `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless all have one shape and `gx` lies in a tensor of its own.
pub fn softplus_backward(s: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    backward(1, SOFTPLUS_FLOPS, s, g, gx, accumulate)
}

/// `gx = g · sigmoid(x)`, or added to `gx`, where `x` is the softplus' input. All `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless all have one shape and `gx` lies in a tensor of its own.
pub fn softplus_backward_from_input(x: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    backward(2, SIGMOID_FLOPS, x, g, gx, accumulate)
}

/// `gx = g · s · (1 − s)`, or added to `gx`, where `s = sigmoid(x)` is the forward pass' output. Near `s = 1` the output
/// has few digits of `1 − s` left; [`sigmoid_backward_from_input`] has them all. All `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless all have one shape and `gx` lies in a tensor of its own.
pub fn sigmoid_backward(s: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    backward(3, 2, s, g, gx, accumulate)
}

/// `gx = g · sigmoid(x) · sigmoid(−x)`, or added to `gx`, where `x` is the sigmoid's input. All `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless all have one shape and `gx` lies in a tensor of its own.
pub fn sigmoid_backward_from_input(x: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    backward(4, 2 * SIGMOID_FLOPS + 1, x, g, gx, accumulate)
}
