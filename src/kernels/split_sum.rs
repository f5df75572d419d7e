//! Sums over splits and over channels: second stages of gradients that many workgroups compute.

use bytemuck::{Pod, Zeroable};

use super::call::{distinct, expect_whole};
use super::lanes::summing_workgroup;
use super::{Call, Span, grid, shader};
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/sum_splits.wgsl`.
pub static SUM_SPLITS: Shader = shader!("sum_splits", ["grid"]);
/// `shaders/channel_sum.wgsl`.
pub static CHANNEL_SUM: Shader = shader!("channel_sum", ["grid", "tree_sum"]);

/// How a kernel leaves the gradients of a weight and a bias, in splits: in each the weight's rows, padded so that the kernel may write whole
/// `vec4` whatever their size, and the bias behind them, padded likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Partial sums of every value.
    pub splits: usize,
    /// Rows of the weight.
    pub rows: usize,
    /// Values of a row.
    pub row: usize,
    /// Values from one row to the next, a multiple of four.
    pub padded: usize,
    /// Values of the bias, if it is among them.
    pub bias: usize,
}

impl Parts {
    /// The tensor that holds them: `[1, splits, 1, values of a split]`.
    pub fn shape(&self) -> Shape {
        Shape::new(1, self.splits, 1, (self.rows * self.padded + self.bias).next_multiple_of(4))
    }

    /// In no more splits than a binding of an adapter holds: on GPUs there are many, and more values in all of them than in small maps.
    pub(super) fn within(self, caps: Caps) -> Self {
        let most = caps.max_binding / (4 * Self { splits: 1, ..self }.shape().len() as u64);
        Self { splits: self.splits.min(most as usize).max(1), ..self }
    }

    /// Values of the weight and the bias.
    pub fn values(&self) -> usize {
        self.rows * self.row + self.bias
    }

    /// Whether a kernel may write to this view, of a weight's and a bias' values next to each other, as if it held the parts: there is but
    /// one split, and its rows lie there as they would here.
    pub fn are(&self, gradient: &View) -> bool {
        self.splits == 1
            && self.padded == self.row
            && self.bias.is_multiple_of(4)
            && gradient.shape == Shape::vector(self.values())
            && gradient.offset().is_multiple_of(4)
    }

    /// Where a kernel writes them: the number of values before the first one. To their own tensor, or to what they [are](Parts::are).
    pub(super) fn destination(&self, to: &View) -> Result<u32> {
        if self.are(to) {
            return Ok(to.offset() as u32);
        }
        expect_whole("the partial sums", to, self.shape())?;
        Ok(0)
    }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Splits {
    start: u32,
    rows: u32,
    row: u32,
    padding: u32,
    part: u32,
    splits: u32,
    offset: u32,
    len: u32,
    accumulate: u32,
}

/// `y[i] = Σ_s sums[s, start + i]` in order of `s`, or added to `y`: of the weight's values and, behind them, the bias', those from `start` on.
///
/// Shapes: `sums` as the [`Parts`] say; `y` any view whose values lie next to each other, as many as there are after `start` or fewer.
///
/// # Errors
/// [`Error::Shape`] if `sums` has another shape, or if `y` reaches past the end of a split, is not contiguous, or lies in `sums`' tensor.
pub fn sum_splits(parts: Parts, sums: &View, start: usize, y: &View, accumulate: bool) -> Result<Call> {
    let Parts { splits, rows, row, padded, .. } = parts;
    let (len, shape) = (y.shape.len(), parts.shape());
    expect_whole("the parts of a split sum", sums, shape)?;
    if start + len > parts.values() {
        return Err(Error::shape(format!("{len} values from {start} on of splits that hold {}", parts.values())));
    }
    if y.shape.n != 1 && !y.is_whole() {
        return Err(Error::shape(format!("a split sum into a channel range of {}; it must be contiguous", y.shape)));
    }
    distinct("a split sum", &[y], &[sums])?;
    let params = Splits {
        start: start as u32,
        rows: rows as u32,
        row: row as u32,
        padding: (padded - row) as u32,
        part: shape.w as u32,
        splits: splits as u32,
        offset: y.offset() as u32,
        len: len as u32,
        accumulate: accumulate.into(),
    };
    let mut call = Call::new(&SUM_SPLITS, params, grid(len.div_ceil(64))).loops(splits).bind(sums).bind(y);
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
    channels: u32,
    splits: u32,
    share: u32,
    accumulate: u32,
}

/// Values of a channel that one workgroup of a GPU adds up where it does not add up all, and workgroups that are enough for one.
const SHARE: usize = 4096;
const ENOUGH: usize = 1024;

/// In how many splits to add up the channels of `x`: in one on a software adapter; on a GPU, where a channel has many values and channels are few,
/// in as many as keep it busy. Less than two shares are added up sooner than a second dispatch begins.
pub fn channel_splits(caps: Caps, x: Shape) -> usize {
    let values = x.n * x.plane();
    if caps.software || values <= 2 * SHARE {
        return 1;
    }
    values.div_ceil(SHARE).min(ENOUGH.div_ceil(x.c.max(1)))
}

/// The partial sums of each channel of `x` over samples and pixels, whose [`channel_sum`] is that of `x`.
///
/// Shapes: `x [N, C, H, W]`, `sums [splits, C, 1, 1]` for any number of [splits](channel_splits).
///
/// # Errors
/// [`Error::Shape`] if `sums` has another shape or lies in `x`'s tensor.
pub fn channel_sums(x: &View, sums: &View) -> Result<Call> {
    expect_whole("the partial sums", sums, Shape::new(sums.shape.n, x.shape.c, 1, 1))?;
    sum_channels(sums.shape.n, x, sums, false)
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
    sum_channels(1, x, y, accumulate)
}

/// In so many splits, one's sums after the other's.
fn sum_channels(splits: usize, x: &View, y: &View, accumulate: bool) -> Result<Call> {
    distinct("a channel sum", &[y], &[x])?;
    let share = (x.shape.n * x.shape.plane()).div_ceil(splits.max(1));
    let (wg, iterations) = summing_workgroup(share, 4);
    let params = Channels {
        x: x.into(),
        batch: x.shape.n as u32,
        plane: x.shape.plane() as u32,
        offset: y.offset() as u32,
        channels: x.shape.c as u32,
        splits: splits as u32,
        share: share as u32,
        accumulate: accumulate.into(),
    };
    let call = Call::new(&CHANNEL_SUM, params, grid(x.shape.c * splits)).with("WG", wg).loops(iterations);
    Ok(call.bind(x).bind(y).adds_to(y, accumulate).costs(x.shape.len()))
}
