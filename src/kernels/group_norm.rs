//! Group norm over groups of neighbouring channels, with its gradients. Statistics and sums are kept once a channel, in
//! [`instance_norm::stats`]' shape, so that the affine gradients are [`instance_norm::affine_gradients`].

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::instance_norm::{self, expect_affine, expect_stats};
use super::lanes::lanes;
use super::{Call, Lanes, Span};
use crate::gpu::Caps;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/group_moments.wgsl`.
pub static MOMENTS: Lanes =
    lanes!("group_moments", ["teams", "moments", "team_moments", "channel_moments", "input_storage"]);
/// `shaders/group_norm.wgsl`.
pub static FORWARD: Lanes = lanes!("group_norm", ["moments"]);
/// `shaders/group_sums.wgsl`.
pub static SUMS: Lanes = lanes!("group_sums", ["tree_sum"]);
/// `shaders/group_norm_backward.wgsl`.
pub static BACKWARD: Lanes = lanes!("group_norm_backward", ["tree_sum"]);

/// Shape of the moments and statistics of `x`, and of the sums of its gradient: `[N, C, 1, 2]`.
pub fn stats(x: Shape) -> Shape {
    instance_norm::stats(x)
}

/// Channels of a group.
fn members(x: Shape, groups: usize) -> Result<u32> {
    if groups == 0 || !x.c.is_multiple_of(groups) {
        return Err(Error::shape(format!("group norm of {x} in {groups} groups; the channels must divide into them")));
    }
    Ok((x.c / groups) as u32)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Moments {
    x: Span,
    channels: u32,
    items: u32,
    planes: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    channels: u32,
    items: u32,
    members: u32,
    weight_offset: u32,
    bias_offset: u32,
    workgroups: u32,
    epsilon: f32,
}

/// `y = (x − mean) / sqrt(var + ε) · weight + bias`, mean and biased `var` over each sample's groups of `C / groups` channels.
/// Keeps in `statistics` mean and inverse deviation of each channel's group for [`backward`]; `moments` is scratch.
///
/// Shapes: `x, y [N, C, H, W]`, `weight, bias [C]`, `moments, statistics [N, C, 1, 2]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another, the channels do not divide into the groups, or an output lies in the tensor of
/// another argument; [`Error::Input`] if `epsilon` is not positive: a constant group would divide by zero.
#[expect(clippy::too_many_arguments, reason = "every one is a tensor of the formula")]
pub fn forward(
    caps: Caps,
    groups: usize,
    x: &View,
    [weight, bias]: [&View; 2],
    moments: &View,
    statistics: &View,
    y: &View,
    epsilon: f32,
) -> Result<[Call; 2]> {
    let members = members(x.shape, groups)?;
    y.expect("group norm's output", x.shape)?;
    expect_stats(x.shape, moments, "group norm's moments")?;
    expect_stats(x.shape, statistics, "group norm's statistics")?;
    expect_affine(x.shape, weight, "group norm's weight")?;
    expect_affine(x.shape, bias, "group norm's bias")?;
    if !epsilon.is_finite() || epsilon <= 0.0 {
        return Err(Error::input(format!("group norm's epsilon is {epsilon}, expected a positive number")));
    }
    distinct("group norm", &[moments, statistics, y], &[x, weight, bias])?;
    let teams = MOMENTS.teams(caps, x.shape, 1);
    let params = Moments { x: x.into(), channels: x.shape.c as u32, items: teams.items, planes: teams.planes };
    let first = teams.call(params).bind(x).bind(moments);
    let planes = FORWARD.a_plane_each(caps, x.shape, 1);
    let params = Forward {
        x: x.into(),
        y: y.into(),
        channels: x.shape.c as u32,
        items: planes.items,
        members,
        weight_offset: weight.offset() as u32,
        bias_offset: bias.offset() as u32,
        workgroups: planes.planes,
        epsilon,
    };
    let second = planes.call(params).bind(x).bind(moments).bind(weight).bind(bias).bind(statistics).bind(y);
    Ok([first.costs(7 * x.shape.len()), second.costs(3 * x.shape.len())])
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Sums {
    x: Span,
    g: Span,
    channels: u32,
    items: u32,
    workgroups: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    x: Span,
    g: Span,
    gx: Span,
    channels: u32,
    items: u32,
    members: u32,
    weight_offset: u32,
    workgroups: u32,
}

/// `gx = inverse · (weight g − Σ(weight g)/M − x̂ · Σ(weight g x̂)/M)` with the sums over a group of `M` values, or added to
/// `gx`; and the sums `(Σg, Σ g x̂)` of each channel, for [`instance_norm::affine_gradients`].
///
/// Shapes: `x, g, gx [N, C, H, W]`, `weight [C]`, `statistics, sums [N, C, 1, 2]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another, the channels do not divide into the groups, or an output lies in the tensor of
/// another argument.
#[expect(clippy::too_many_arguments, reason = "every one is a tensor of the formula")]
pub fn backward(
    caps: Caps,
    groups: usize,
    x: &View,
    weight: &View,
    statistics: &View,
    g: &View,
    sums: &View,
    gx: &View,
    accumulate: bool,
) -> Result<[Call; 2]> {
    let members = members(x.shape, groups)?;
    g.expect("group norm's output gradient", x.shape)?;
    gx.expect("group norm's input gradient", x.shape)?;
    expect_stats(x.shape, statistics, "group norm's statistics")?;
    expect_stats(x.shape, sums, "group norm's sums")?;
    expect_affine(x.shape, weight, "group norm's weight")?;
    distinct("group norm's gradient", &[sums, gx], &[x, weight, statistics, g])?;
    let planes = SUMS.a_plane_each(caps, x.shape, 1);
    let params =
        Sums { x: x.into(), g: g.into(), channels: x.shape.c as u32, items: planes.items, workgroups: planes.planes };
    let first = planes.call(params).bind(x).bind(g).bind(statistics).bind(sums);
    let planes = BACKWARD.a_plane_each(caps, x.shape, 1);
    let params = Backward {
        x: x.into(),
        g: g.into(),
        gx: gx.into(),
        channels: x.shape.c as u32,
        items: planes.items,
        members,
        weight_offset: weight.offset() as u32,
        workgroups: planes.planes,
    };
    let second = planes
        .call(params)
        .bind(x)
        .bind(g)
        .bind(weight)
        .bind(statistics)
        .bind(sums)
        .bind(gx)
        .accumulates(gx, accumulate);
    Ok([first.costs(5 * x.shape.len()), second.costs(7 * x.shape.len())])
}
