//! Softmax over the pixels of each sample's channel, the rows of attention's matrices; with its gradient.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::lanes;
use super::{Call, Lanes, Span};
use crate::Result;
use crate::gpu::Caps;
use crate::tensor::View;

/// `shaders/softmax.wgsl`.
pub static FORWARD: Lanes = lanes!("softmax", ["tree_sum"]);
/// `shaders/softmax_backward.wgsl`.
pub static BACKWARD: Lanes = lanes!("softmax_backward", ["tree_sum"]);

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    channels: u32,
    items: u32,
    workgroups: u32,
}

/// `y = exp(x) / Σ exp(x)`, the sum over the pixels of a channel, from `x − max x`, which cannot overflow.
///
/// Shapes: `x, y [N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless `y` has `x`'s shape and lies in another tensor.
pub fn forward(caps: Caps, x: &View, y: &View) -> Result<Call> {
    y.expect("softmax' output", x.shape)?;
    distinct("softmax", &[y], &[x])?;
    let planes = FORWARD.a_plane_each(caps, x.shape, 3);
    let params = Forward {
        x: x.into(),
        y: y.into(),
        channels: x.shape.c as u32,
        items: planes.items,
        workgroups: planes.planes,
    };
    let call = planes.call(params).bind(x).bind(y);
    // A comparison, a difference, an exponential of three, a sum and a product.
    Ok(call.costs(7 * x.shape.len()))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    y: Span,
    g: Span,
    gx: Span,
    channels: u32,
    items: u32,
    workgroups: u32,
}

/// `gx = y · (g − Σ g y)`, the sum over the pixels of a channel, from the output `y`; or added to `gx`.
///
/// Shapes: `y, g, gx [N, C, H, W]`.
///
/// # Errors
/// [`crate::Error::Shape`] unless all have one shape and `gx` lies in a tensor of its own.
pub fn backward(caps: Caps, y: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    g.expect("softmax' output gradient", y.shape)?;
    gx.expect("softmax' input gradient", y.shape)?;
    distinct("softmax' gradient", &[gx], &[y, g])?;
    let planes = BACKWARD.a_plane_each(caps, y.shape, 2);
    let params = Backward {
        y: y.into(),
        g: g.into(),
        gx: gx.into(),
        channels: y.shape.c as u32,
        items: planes.items,
        workgroups: planes.planes,
    };
    let call = planes.call(params).bind(y).bind(g).bind(gx);
    Ok(call.accumulates(gx, accumulate).costs(4 * y.shape.len()))
}
