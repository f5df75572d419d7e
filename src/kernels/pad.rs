//! Padding to the right and below by reflection, and its inverse.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::View;
use crate::{Error, Result};

/// `shaders/reflect_pad.wgsl`.
pub static REFLECT_PAD: Shader = shader!("reflect_pad", ["grid"]);

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    x: Span,
    y: Span,
    x_height: u32,
    x_width: u32,
    y_height: u32,
    y_width: u32,
    values: u32,
    invocations: u32,
}

/// The call for `x` to `y`, of which `small` is to be no larger than `large`.
fn call(what: &str, x: &View, y: &View, small: &View, large: &View) -> Result<Call> {
    let (s, l) = (small.shape, large.shape);
    if s.n != l.n || s.c != l.c || s.h > l.h || s.w > l.w {
        return Err(Error::shape(format!(
            "{what}: {s} and {l}; batch and channels must agree and the first be no larger than the second"
        )));
    }
    distinct(what, &[y], &[x])?;
    let params = Params {
        x: x.into(),
        y: y.into(),
        x_height: x.shape.h as u32,
        x_width: x.shape.w as u32,
        y_height: y.shape.h as u32,
        y_width: y.shape.w as u32,
        values: (y.shape.c * y.shape.plane()) as u32,
        invocations: y.shape.len() as u32,
    };
    let mut call = Call::new(&REFLECT_PAD, params, grid(y.shape.len().div_ceil(64))).bind(x).bind(y);
    // What is cut off is never read.
    call.bytes = small.bytes() + y.bytes();
    Ok(call)
}

/// `x` in the upper left of `y`, continued to the right and below by reflection without repeating the edge, and reflected
/// again where the padding is longer than `x`. An `x` of one row or column is repeated.
///
/// Shapes: `x [N, C, H, W]`, `y [N, C, H', W']`, no smaller.
///
/// # Errors
/// [`Error::Shape`] if `y` is smaller, differs in batch or channels, or lies in `x`'s tensor.
pub fn reflect_pad(x: &View, y: &View) -> Result<Call> {
    call("padding by reflection", x, y, x, y)
}

/// The upper left of `x`, of `y`'s size.
///
/// Shapes: `x [N, C, H, W]`, `y [N, C, H', W']`, no larger.
///
/// # Errors
/// [`Error::Shape`] if `y` is larger, differs in batch or channels, or lies in `x`'s tensor.
pub fn crop(x: &View, y: &View) -> Result<Call> {
    call("cropping", x, y, y, x)
}
