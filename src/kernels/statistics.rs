//! Statistics of tensors: over the samples of a batch, and whether all values are finite.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::{lanes, partial_count};
use super::reduce::{Sum, expect_partials};
use super::{Call, Lanes, Span};
use crate::Result;
use crate::gpu::Caps;
use crate::tensor::{Shape, View};

/// `shaders/mean_std.wgsl`.
pub static MEAN_STD: Lanes = lanes!("mean_std", []);
/// `shaders/count_non_finite.wgsl`.
pub static COUNT_NON_FINITE: Lanes = lanes!("count_non_finite", []);

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct MeanStd {
    x: Span,
    mean: u32,
    deviation: u32,
    batch: u32,
    items: u32,
    workgroups: u32,
}

/// Mean and standard deviation over the samples of `x [N, C, H, W]`: `std = √(Σ(x − mean)²/(N − 1))`, and 0 for a single
/// sample. `mean, std [1, C, H, W]`, in tensors of their own.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another, or an output lies in the tensor of another argument.
pub fn mean_std(x: &View, mean: &View, std: &View) -> Result<Call> {
    let one = Shape { n: 1, ..x.shape };
    mean.expect("the mean of the samples", one)?;
    std.expect("the standard deviation of the samples", one)?;
    distinct("mean and standard deviation", &[mean, std], &[x])?;
    let deal = MEAN_STD.each_in_loops(one, x.shape.n);
    let params = MeanStd {
        x: x.into(),
        mean: mean.offset() as u32,
        deviation: std.offset() as u32,
        batch: x.shape.n as u32,
        items: deal.items,
        workgroups: deal.workgroups,
    };
    Ok(deal.call(params).bind(x).bind(mean).bind(std).costs(7 * x.shape.len()))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Count {
    x: Span,
    items: u32,
    share: u32,
    blocks: u32,
    workgroups: u32,
}

/// The shape of the scratch tensor that [`count_non_finite`] of a tensor of this shape needs.
pub fn count_partials(caps: Caps, x: Shape) -> Shape {
    Shape::new(x.n, partial_count(caps, x), 1, 1)
}

/// `y[0]` = how many values of `x [N, C, H, W]` are infinite or NaN, exact up to 2²⁴ of them; `y [1, 1, 1, 1]`.
///
/// # Errors
/// [`crate::Error::Shape`] if `y` is not one value, `partials` not [`count_partials`], or one lies in another's tensor.
pub fn count_non_finite(caps: Caps, x: &View, partials: &View, y: &View) -> Result<Vec<Call>> {
    y.expect("the number of values that are not finite", Shape::vector(1))?;
    expect_partials(partials, count_partials(caps, x.shape))?;
    distinct("counting", &[partials, y], &[x])?;
    let deal = COUNT_NON_FINITE.in_shares(caps, x.shape);
    let params =
        Count { x: x.into(), items: deal.items, share: deal.share, blocks: deal.blocks, workgroups: deal.workgroups };
    let first = deal.call(params).bind(x).bind(partials).costs(x.shape.len());
    Ok(vec![first, Sum::all(partials.shape.len()).call(partials, y)])
}
