//! Max-pooling 2×2 with stride 2, and its gradient.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::{Maps, lanes, maps};
use super::{Call, Lanes, Span};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/max_pool2d.wgsl`.
pub static FORWARD: Lanes = lanes!("max_pool2d", []);
/// `shaders/max_pool2d_backward.wgsl`.
pub static BACKWARD: Maps = maps!("max_pool2d_backward", [], ["input", "second"]);

/// The output's shape: half the size.
///
/// # Errors
/// [`Error::Shape`] if height or width is odd.
pub fn output(x: Shape) -> Result<Shape> {
    if !x.h.is_multiple_of(2) || !x.w.is_multiple_of(2) {
        return Err(Error::shape(format!(
            "2×2 max-pooling of {x}; height and width must be even: pad to a multiple of 2 to the number of levels"
        )));
    }
    Ok(Shape { h: x.h / 2, w: x.w / 2, ..x })
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    width: u32,
}

/// `y` = the largest value of each 2×2 block of `x`.
///
/// Shapes: `x [N, C, 2H, 2W]`, `y [N, C, H, W]`. What it gives for NaN is the adapter's to decide.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `y` lies in `x`'s tensor.
pub fn forward(x: &View, y: &View) -> Result<Call> {
    y.expect("max-pooling's output", output(x.shape)?)?;
    distinct("max-pooling", &[y], &[x])?;
    let (deal, width) = FORWARD.each_in_row(y.shape);
    let params = Forward {
        x: x.into(),
        y: y.into(),
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        width: width as u32,
    };
    Ok(deal.call(params).bind(x).bind(y).stored(x, y).costs(3 * y.shape.len()))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    x: Span,
    g: Span,
    gx: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    width: u32,
}

/// `gx` = `g` where `x` has the block's first largest value in row-major order, 0 elsewhere; or added to `gx`.
///
/// Shapes: `x, gx [N, C, 2H, 2W]`, `g [N, C, H, W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or `gx` lies in the tensor of an input.
pub fn backward(x: &View, g: &View, gx: &View, accumulate: bool) -> Result<Call> {
    g.expect("max-pooling's output gradient", output(x.shape)?)?;
    gx.expect("max-pooling's input gradient", x.shape)?;
    distinct("max-pooling's gradient", &[gx], &[x, g])?;
    let (deal, width) = BACKWARD.each_in_row(g.shape);
    let params = Backward {
        x: x.into(),
        g: g.into(),
        gx: gx.into(),
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        width: width as u32,
    };
    let call = deal.call(params).bind_map(x).bind_map(g).bind(gx);
    Ok(call.accumulates(gx, accumulate).costs(6 * g.shape.len()))
}
