//! Activations as passes of their own, with their gradients. Convolutions have in their epilogue those whose gradient can be
//! had from the output: softplus, sigmoid and ReLU.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::{Maps, maps};
use super::{Call, Span};
use crate::Result;
use crate::tensor::View;

/// `shaders/activation.wgsl`.
pub static FORWARD: Maps = maps!("activation", ["activation", "gelu"], ["input"]);
/// `shaders/activation_backward.wgsl`.
pub static BACKWARD: Maps = maps!("activation_backward", ["activation", "series", "gelu"], ["input", "second"]);

/// Operations of one value: an exponential, and a division with a polynomial or without.
const SOFTPLUS_FLOPS: usize = 20;
const SIGMOID_FLOPS: usize = 4;
/// An exponential of its own and a rational function.
const GELU_FLOPS: usize = 50;

/// What [`crate::tape::Tape::activation`] takes: a function of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `1 / (1 + exp(−x))`.
    Sigmoid,
    /// `max(x, 0)`.
    Relu,
    /// `x Φ(x)`, Φ the normal distribution function.
    Gelu,
    /// `x / (1 + exp(−x))`.
    Swish,
}

impl Function {
    /// Its [`softplus`], [`sigmoid`], [`relu`], [`gelu`] or [`swish`].
    ///
    /// # Errors
    /// As those.
    pub fn forward(self, x: &View, y: &View) -> Result<Call> {
        match self {
            Self::Softplus => softplus(x, y),
            Self::Sigmoid => sigmoid(x, y),
            Self::Relu => relu(x, y),
            Self::Gelu => gelu(x, y),
            Self::Swish => swish(x, y),
        }
    }

    /// The gradient from the input `x` or the output `y`, the latter wherever that is enough: `gx = g · f'(x)`, or added.
    ///
    /// # Errors
    /// As [`softplus_backward`].
    pub fn backward(self, x: &View, y: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
        match self {
            Self::Softplus => softplus_backward(y, g, gx, accumulate),
            Self::Sigmoid => sigmoid_backward(y, g, gx, accumulate),
            Self::Relu => relu_backward(y, g, gx, accumulate),
            Self::Gelu => gelu_backward(x, g, gx, accumulate),
            Self::Swish => swish_backward(x, g, gx, accumulate),
        }
    }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
}

fn forward(kind: u32, flops: usize, x: &View, y: &View) -> Result<Call> {
    y.expect("the output of an activation", x.shape)?;
    distinct("an activation", &[y], &[x])?;
    let deal = FORWARD.each(x.shape);
    let params =
        Forward { x: x.into(), y: y.into(), items: deal.items, blocks: deal.blocks, workgroups: deal.workgroups };
    Ok(deal.call(params).with("KIND", kind).bind_map(x).bind(y).costs(flops * x.shape.len()))
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

/// `y = max(x, 0)`, exactly; NaN stays NaN. Both `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless `y` has `x`'s shape and lies in another tensor.
pub fn relu(x: &View, y: &View) -> Result<Call> {
    forward(3, 1, x, y)
}

/// `y = x Φ(x)`, Φ the normal distribution function, exact and not the approximation by tanh: within 3 units in the last
/// place for every finite `x`, down to the smallest normal number. Both `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless `y` has `x`'s shape and lies in another tensor.
pub fn gelu(x: &View, y: &View) -> Result<Call> {
    forward(4, GELU_FLOPS, x, y)
}

/// `y = x / (1 + exp(−x))` (SiLU), to a few roundings for every finite `x`. Both `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless `y` has `x`'s shape and lies in another tensor.
pub fn swish(x: &View, y: &View) -> Result<Call> {
    forward(5, SIGMOID_FLOPS + 1, x, y)
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
    };
    let call = deal.call(params).with("KIND", kind).bind_map(v).bind_map(g).bind(gx).accumulates(gx, accumulate);
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

/// `gx = g` where `v > 0` and 0 elsewhere, or added to `gx`; `v` is the ReLU's output or its input. All `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless all have one shape and `gx` lies in a tensor of its own.
pub fn relu_backward(v: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    backward(5, 1, v, g, gx, accumulate)
}

/// `gx = g · (Φ(x) + x exp(−x²/2) / √(2π))`, or added to `gx`, where `x` is the GELU's input; the slope is within 1.5e-7. All
/// `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless all have one shape and `gx` lies in a tensor of its own.
pub fn gelu_backward(x: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    backward(6, GELU_FLOPS, x, g, gx, accumulate)
}

/// `gx = g · sigmoid(x) · (1 + x · sigmoid(−x))`, or added to `gx`, where `x` is the swish's input. All `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless all have one shape and `gx` lies in a tensor of its own.
pub fn swish_backward(x: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    backward(7, 2 * SIGMOID_FLOPS + 3, x, g, gx, accumulate)
}
