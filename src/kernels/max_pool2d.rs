//! Max-pooling 2×2 with stride 2, and its gradient.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/max_pool2d.wgsl`.
pub static FORWARD: Shader = shader!("max_pool2d", ["grid"]);
/// `shaders/max_pool2d_backward.wgsl`.
pub static BACKWARD: Shader = shader!("max_pool2d_backward", ["grid"]);

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
    width: u32,
    values: u32,
    invocations: u32,
    unused: u32,
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
    let params = Forward {
        x: x.into(),
        y: y.into(),
        width: y.shape.w as u32,
        values: (y.shape.c * y.shape.plane()) as u32,
        invocations: y.shape.len() as u32,
        unused: 0,
    };
    Ok(Call::new(&FORWARD, params, grid(y.shape.len().div_ceil(64))).bind(x).bind(y).costs(x.shape.len()))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    x: Span,
    g: Span,
    gx: Span,
    width: u32,
    values: u32,
    accumulate: u32,
    invocations: u32,
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
    let params = Backward {
        x: x.into(),
        g: g.into(),
        gx: gx.into(),
        width: g.shape.w as u32,
        values: (g.shape.c * g.shape.plane()) as u32,
        accumulate: accumulate.into(),
        invocations: g.shape.len() as u32,
    };
    let call = Call::new(&BACKWARD, params, grid(g.shape.len().div_ceil(64)));
    Ok(call.bind(x).bind(g).bind(gx).adds_to(gx, accumulate).costs(x.shape.len()))
}
