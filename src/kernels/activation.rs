//! Activations on their own; convolutions have theirs in the epilogue.

use bytemuck::{Pod, Zeroable};

use super::lanes::lanes;
use super::{Call, Lanes, Span};
use crate::Result;
use crate::tensor::View;

/// `shaders/softplus_backward.wgsl`.
pub static SOFTPLUS_BACKWARD: Lanes = lanes!("softplus_backward", ["series"]);

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    y: Span,
    g: Span,
    gx: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    unused: u32,
}

/// Gradient of softplus from its output `y`: `gx = g · (1 − exp(−y))`. All `[N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] if the shapes differ.
pub fn softplus_backward(y: &View, g: &View, gx: &View) -> Result<Call> {
    g.expect("softplus's output gradient", y.shape)?;
    gx.expect("softplus's input gradient", y.shape)?;
    let deal = SOFTPLUS_BACKWARD.each(y.shape);
    let params = Backward {
        y: y.into(),
        g: g.into(),
        gx: gx.into(),
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        unused: 0,
    };
    Ok(deal.call(params).bind(y).bind(g).bind(gx).costs(3 * y.shape.len()))
}
