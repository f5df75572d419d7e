//! Statistics over the samples of a batch.

use bytemuck::{Pod, Zeroable};

use super::lanes::lanes;
use super::{Call, Lanes, Span};
use crate::Result;
use crate::tensor::{Shape, View};

/// `shaders/mean_std.wgsl`.
pub static MEAN_STD: Lanes = lanes!("mean_std", []);

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    x: Span,
    mean: u32,
    deviation: u32,
    batch: u32,
    items: u32,
    workgroups: u32,
    unused: u32,
}

/// Mean and standard deviation over the samples of `x [N, C, H, W]`: `std = √(Σ(x − mean)²/(N − 1))`, and 0 for a single
/// sample. `mean, std [1, C, H, W]`, in tensors of their own.
///
/// # Errors
/// [`crate::Error::Shape`] if a shape is another.
pub fn mean_std(x: &View, mean: &View, std: &View) -> Result<Call> {
    let one = Shape { n: 1, ..x.shape };
    mean.expect("the mean of the samples", one)?;
    std.expect("the standard deviation of the samples", one)?;
    let deal = MEAN_STD.each(one);
    let params = Params {
        x: x.into(),
        mean: mean.offset() as u32,
        deviation: std.offset() as u32,
        batch: x.shape.n as u32,
        items: deal.items,
        workgroups: deal.workgroups,
        unused: 0,
    };
    Ok(deal.call(params).bind(x).bind(mean).bind(std).costs(7 * x.shape.len()))
}
