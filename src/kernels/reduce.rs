//! Reductions in two stages and a fixed order, so that a run repeats bit for bit on one device.

use bytemuck::{Pod, Zeroable};

use super::call::{distinct, expect_whole};
use super::lanes::WORKGROUP;
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/sum_partials.wgsl`.
pub static SUM_PARTIALS: Shader = shader!("sum_partials", ["grid", "tree_sum"]);
/// `shaders/sum_squares.wgsl`.
pub static SUM_SQUARES: Shader = shader!("sum_squares", ["grid"]);

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    y: Span,
    rows: u32,
    columns: u32,
    y_columns: u32,
    start: u32,
    row_stride: u32,
    column_stride: u32,
    segment_stride: u32,
    segments: u32,
    count: u32,
    workgroups: u32,
    scale: f32,
    accumulate: u32,
}

/// Invocations that add up one value's partial sums.
const PARTIALS_WORKGROUP: usize = 256;

/// Which partial sums belong to which value: value `(r, c)` is `scale` times the sum of
/// `partials[start + r·row_stride + c·column_stride + s·segment_stride + i]` over `s < segments` and `i < count`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    pub rows: usize,
    pub columns: usize,
    pub start: usize,
    pub row_stride: usize,
    pub column_stride: usize,
    pub segments: usize,
    pub segment_stride: usize,
    pub count: usize,
    pub scale: f32,
    pub accumulate: bool,
}

impl Sum {
    /// The sum of the first `count` partials into one value.
    pub fn all(count: usize) -> Self {
        Self {
            rows: 1,
            columns: 1,
            start: 0,
            row_stride: 0,
            column_stride: 0,
            segments: 1,
            segment_stride: 0,
            count,
            scale: 1.0,
            accumulate: false,
        }
    }

    /// Second stage into `y` `[rows or more, columns or more, 1, 1]`. What `y` has beyond becomes zero, or stays as it is
    /// when accumulating.
    pub fn call(&self, partials: &View, y: &View) -> Call {
        self.record(partials, y, y.into(), y.shape.n)
    }

    /// The same into row `row` of `y` alone.
    pub fn call_at(&self, partials: &View, y: &View, row: usize) -> Call {
        let stride = y.batch_stride();
        let span = Span { offset: (y.offset() + row * stride) as u32, stride: stride as u32 };
        self.record(partials, y, span, 1)
    }

    fn record(&self, partials: &View, y: &View, span: Span, y_rows: usize) -> Call {
        let workgroups = y_rows * y.shape.c;
        let params = Params {
            y: span,
            rows: self.rows as u32,
            columns: self.columns as u32,
            y_columns: y.shape.c as u32,
            start: self.start as u32,
            row_stride: self.row_stride as u32,
            column_stride: self.column_stride as u32,
            segment_stride: self.segment_stride as u32,
            segments: self.segments as u32,
            count: self.count as u32,
            workgroups: workgroups as u32,
            scale: self.scale,
            accumulate: self.accumulate.into(),
        };
        let terms = self.rows * self.columns * self.segments * self.count;
        let mut call = Call::new(&SUM_PARTIALS, params, grid(workgroups))
            .with("WG", PARTIALS_WORKGROUP as u32)
            .loops((self.segments * self.count).div_ceil(PARTIALS_WORKGROUP))
            .bind(partials)
            .bind(y)
            .costs(terms);
        call.bytes = 4 * (terms + workgroups * (1 + usize::from(self.accumulate))) as u64;
        call
    }
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct SquaresParams {
    len: u32,
    invocations: u32,
}

fn square_partials(len: usize) -> usize {
    len.div_ceil(32).clamp(1, 4096)
}

/// The shape of the scratch tensor that [`sum_of_squares`] of `len` values needs.
pub fn sum_of_squares_partials(len: usize) -> Shape {
    Shape::vector(square_partials(len))
}

/// `y[0] = Σ x²` over the whole tensor `x` of any shape; `y` `[1, 1, 1, 1]`. Its root is the norm of a flat gradient.
///
/// # Errors
/// [`Error::Shape`] if `x` is a channel range, `y` not one value, or `partials` not [`sum_of_squares_partials`], or one
/// lies in another's tensor.
pub fn sum_of_squares(x: &View, partials: &View, y: &View) -> Result<Vec<Call>> {
    let len = x.shape.len();
    if !x.is_whole() {
        return Err(Error::shape("the sum of squares takes a whole tensor, not a channel range"));
    }
    y.expect("a sum of squares", Shape::vector(1))?;
    expect_partials(partials, sum_of_squares_partials(len))?;
    distinct("a sum of squares", &[partials, y], &[x])?;
    let invocations = square_partials(len);
    let params = SquaresParams { len: len as u32, invocations: invocations as u32 };
    let first = Call::new(&SUM_SQUARES, params, grid(invocations.div_ceil(WORKGROUP))).bind(x).bind(partials);
    Ok(vec![first.costs(2 * len), Sum::all(invocations).call(partials, y)])
}

/// Refuses a scratch tensor of another shape, or one that is a channel range.
pub(super) fn expect_partials(partials: &View, shape: Shape) -> Result<()> {
    expect_whole("the scratch tensor of partial sums", partials, shape)
}
