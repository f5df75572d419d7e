//! Sums over splits and over channels: second stages of gradients that many workgroups compute.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::summing_workgroup;
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/sum_splits.wgsl`.
pub static SUM_SPLITS: Shader = shader!("sum_splits", ["grid"]);
/// `shaders/channel_sum.wgsl`.
pub static CHANNEL_SUM: Shader = shader!("channel_sum", ["grid"]);

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Splits {
    start: u32,
    part: u32,
    splits: u32,
    offset: u32,
    len: u32,
    accumulate: u32,
}

/// `y[i] = Σ_s parts[s, start + i]` in order of `s`, or added to `y`.
///
/// Shapes: `parts [1, splits, 1, P]`; `y` any view whose values lie next to each other, as many as fit after `start`.
///
/// # Errors
/// [`Error::Shape`] if `y` reaches past the end of a split, is not contiguous, or lies in `parts`' tensor.
pub fn sum_splits(parts: &View, start: usize, y: &View, accumulate: bool) -> Result<Call> {
    let (len, splits, part) = (y.shape.len(), parts.shape.c, parts.shape.w);
    parts.expect("the parts of a split sum", Shape::new(1, splits, 1, part))?;
    if !parts.is_whole() {
        return Err(Error::shape("the parts of a split sum must be a whole tensor, not a channel range"));
    }
    if start + len > part {
        return Err(Error::shape(format!("{len} values from {start} on of splits that hold {part}")));
    }
    if y.shape.n != 1 && !y.is_whole() {
        return Err(Error::shape(format!("a split sum into a channel range of {}; it must be contiguous", y.shape)));
    }
    distinct("a split sum", &[y], &[parts])?;
    let params = Splits {
        start: start as u32,
        part: part as u32,
        splits: splits as u32,
        offset: y.offset() as u32,
        len: len as u32,
        accumulate: accumulate.into(),
    };
    let mut call = Call::new(&SUM_SPLITS, params, grid(len.div_ceil(64))).bind(parts).bind(y);
    call.bytes = 4 * (len * (splits + 1)) as u64;
    Ok(call.adds_to(y, accumulate).costs(len * splits))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Channels {
    x: Span,
    batch: u32,
    plane: u32,
    offset: u32,
    workgroups: u32,
    accumulate: u32,
    unused: u32,
}

/// `y[c] = Σ x[n, c, ·, ·]` over samples and pixels, or added to `y`.
///
/// Shapes: `x [N, C, H, W]`, `y` `C` values.
///
/// # Errors
/// [`Error::Shape`] if `y` holds another number of values, is not contiguous, or lies in `x`'s tensor.
pub fn channel_sum(x: &View, y: &View, accumulate: bool) -> Result<Call> {
    if y.shape.len() != x.shape.c {
        return Err(Error::shape(format!("sums of {} channels into {} values", x.shape.c, y.shape.len())));
    }
    if y.shape.n != 1 && !y.is_whole() {
        return Err(Error::shape(format!("channel sums into a channel range of {}; it must be contiguous", y.shape)));
    }
    distinct("a channel sum", &[y], &[x])?;
    let wg = summing_workgroup("a channel sum", x.shape.n * x.shape.plane(), 4)?;
    let params = Channels {
        x: x.into(),
        batch: x.shape.n as u32,
        plane: x.shape.plane() as u32,
        offset: y.offset() as u32,
        workgroups: x.shape.c as u32,
        accumulate: accumulate.into(),
        unused: 0,
    };
    let call = Call::new(&CHANNEL_SUM, params, grid(x.shape.c)).with("WG", wg as u32);
    Ok(call.bind(x).bind(y).adds_to(y, accumulate).costs(x.shape.len()))
}
