//! The noise from a predicted velocity: a parametrization that does not amplify the network's errors where γ is small.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::{channels_of_one, lanes};
use super::{Call, Lanes, Span};
use crate::Result;
use crate::tensor::View;

/// `shaders/velocity.wgsl`.
pub static FORWARD: Lanes = lanes!("velocity", []);
/// `shaders/velocity_backward.wgsl`.
pub static BACKWARD: Lanes = lanes!("velocity_backward", []);

/// Smallest γ and σ under a root.
const FLOOR: f32 = 1e-7;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    gamma: Span,
    z: Span,
    v: Span,
    y: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    floor: f32,
}

/// `ε̂ = √(1 − γ) z + √γ v`, all `[N, C, H, W]`; `gamma` and `z` are ranges of the noise network's input.
///
/// # Errors
/// [`crate::Error::Shape`] if shapes differ, γ and z do not lie in one tensor, or an output lies in the tensor of another argument.
pub fn forward(gamma: &View, z: &View, v: &View, y: &View) -> Result<Call> {
    let (gamma_span, z_span) = channels_of_one("the noise network's input", gamma, z, v.shape)?;
    y.expect("the predicted noise", v.shape)?;
    distinct("the noise from a velocity", &[y], &[gamma, v])?;
    let deal = FORWARD.each(v.shape);
    let params = Forward {
        gamma: gamma_span,
        z: z_span,
        v: v.into(),
        y: y.into(),
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        floor: FLOOR,
    };
    let mut call = deal.call(params).bind(gamma).bind(v).bind(y).costs(7 * v.shape.len());
    call.bytes += z.bytes();
    Ok(call)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    gamma: Span,
    z: Span,
    v: Span,
    g: Span,
    gv: Span,
    ggamma: Span,
    gz: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    floor: f32,
}

/// Gradients of [`forward`] from `g`, the gradient of the noise: `gv` is overwritten; `ggamma` and `gz`, ranges of one
/// tensor, are overwritten or added to.
///
/// # Errors
/// As [`forward`].
#[expect(clippy::too_many_arguments, reason = "every one is a tensor of the formula")]
pub fn backward(
    gamma: &View,
    z: &View,
    v: &View,
    g: &View,
    gv: &View,
    ggamma: &View,
    gz: &View,
    accumulate: bool,
) -> Result<Call> {
    let (gamma_span, z_span) = channels_of_one("the noise network's input", gamma, z, v.shape)?;
    let (ggamma_span, gz_span) = channels_of_one("its gradient", ggamma, gz, v.shape)?;
    g.expect("the gradient of the predicted noise", v.shape)?;
    gv.expect("the gradient of the velocity", v.shape)?;
    distinct("the gradient of a velocity", &[gv, ggamma], &[gamma, v, g])?;
    let deal = BACKWARD.each(v.shape);
    let params = Backward {
        gamma: gamma_span,
        z: z_span,
        v: v.into(),
        g: g.into(),
        gv: gv.into(),
        ggamma: ggamma_span,
        gz: gz_span,
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        floor: FLOOR,
    };
    let call = deal.call(params).bind(gamma).bind(v).bind(g).bind(gv).bind(ggamma).costs(12 * v.shape.len());
    let mut call = call.accumulates(ggamma, accumulate).adds_to(gz, accumulate);
    call.bytes += z.bytes() + gz.bytes();
    Ok(call)
}
