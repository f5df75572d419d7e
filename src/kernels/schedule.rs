//! Time networks τ and ρ with their analytic derivatives.
//!
//! `f(t) = l1(t) + l3(sigmoid(l2(l1(t))))`, value `ρ = t·f(t)`; see `shaders/schedule.wgsl` for the formulas. Every weight
//! that takes part is the absolute value of a raw parameter, but for the free bias of l2; so `ρ' ≥ 0` for every time in
//! [0, 1] and every parameter value, and γ = exp(−λρ) never rises.
//!
//! The raw parameters of one network are one view `[1, 3H + 3, 1, 1]`: l1.weight (1), l1.bias (1), l2.weight (H),
//! l2.bias (H), l3.weight (H), l3.bias (1).

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::WORKGROUP;
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/schedule.wgsl`.
pub static FORWARD: Shader = shader!("schedule", ["grid", "singles", "activation", "tree_sum"]);
/// `shaders/schedule_backward.wgsl`.
pub static BACKWARD: Shader = shader!("schedule_backward", ["singles", "activation", "tree_sum"]);

/// Invocations of the one workgroup that the gradient has.
const BACKWARD_WORKGROUP: usize = 256;

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    y: Span,
    parameters: u32,
    times: u32,
    hidden: u32,
    workgroups: u32,
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct BackwardParams {
    g: Span,
    parameters: u32,
    gparameters: u32,
    times: u32,
    hidden: u32,
    count: u32,
    accumulate: u32,
}

/// Raw parameters of a time network with `hidden` hidden units.
pub const fn parameter_count(hidden: usize) -> usize {
    3 * hidden + 3
}

/// The hidden units and the number of times, from shapes that fit together.
fn check(parameters: &View, times: &View, values: &View) -> Result<(usize, usize)> {
    let (len, count) = (parameters.shape.c, times.shape.c);
    let hidden = len.saturating_sub(3) / 3;
    if parameters.shape != Shape::vector(len) || hidden == 0 || len != parameter_count(hidden) {
        return Err(Error::shape(format!(
            "the parameters of a time network are {}, expected [1, 3H + 3, 1, 1] for H hidden units",
            parameters.shape
        )));
    }
    times.expect("times", Shape::vector(count))?;
    values.expect("(ρ, ρ′, ρ″)", Shape::new(count, 3, 1, 1))?;
    Ok((hidden, count))
}

/// `(ρ, ρ', ρ'')` at each time: `parameters` `[1, 3H + 3, 1, 1]`, `times` `[1, M, 1, 1]`, result `y` `[M, 3, 1, 1]`.
///
/// # Errors
/// [`Error::Shape`] for other shapes, or `y` in the tensor of another argument.
pub fn forward(parameters: &View, times: &View, y: &View) -> Result<Vec<Call>> {
    let (hidden, count) = check(parameters, times, y)?;
    distinct("a time network", &[y], &[parameters, times])?;
    let params = Params {
        y: y.into(),
        parameters: parameters.offset() as u32,
        times: times.offset() as u32,
        hidden: hidden as u32,
        workgroups: count as u32,
    };
    let call = Call::new(&FORWARD, params, grid(count)).with("WG", WORKGROUP as u32).loops(hidden.div_ceil(WORKGROUP));
    let call = call.bind(parameters).bind(times).bind(y);
    Ok(vec![call.costs(20 * hidden * count)])
}

/// Gradient of [`forward`] to the raw parameters, from `g` `[M, 3, 1, 1]`, the gradients with respect to `(ρ, ρ', ρ'')`.
/// The derivative of `|raw|` at 0 is taken as 0. Meant for the few times of a training step: one workgroup does it all.
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit, or the result in the tensor of another argument.
pub fn backward(parameters: &View, times: &View, g: &View, gparameters: &View, accumulate: bool) -> Result<Vec<Call>> {
    let (hidden, count) = check(parameters, times, g)?;
    gparameters.expect("the gradient of a time network's parameters", parameters.shape)?;
    distinct("a time network's gradient", &[gparameters], &[parameters, times, g])?;
    let params = BackwardParams {
        g: g.into(),
        parameters: parameters.offset() as u32,
        gparameters: gparameters.offset() as u32,
        times: times.offset() as u32,
        hidden: hidden as u32,
        count: count as u32,
        accumulate: accumulate.into(),
    };
    let iterations = hidden.div_ceil(BACKWARD_WORKGROUP) * (2 + count) + count;
    let call = Call::new(&BACKWARD, params, grid(1)).with("WG", BACKWARD_WORKGROUP as u32).loops(iterations);
    let call = call.bind(parameters).bind(times).bind(g).bind(gparameters);
    Ok(vec![call.adds_to(gparameters, accumulate).costs(60 * hidden * count)])
}
