//! The forward process: `γ = exp(−λρ(t))`, `z = sqrt(γ) y + sqrt(1 − γ) ε` (equations 1 and 5), noise drawn in the kernel.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::{Maps, channels_of_one, expect_rng, maps, partial_count};
use super::reduce::{Sum, expect_partials};
use super::{Call, Span};
use crate::gpu::Caps;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/noising.wgsl`.
pub static FORWARD: Maps = maps!("noising", ["philox", "series"], ["input", "second"]);
/// `shaders/noising_backward.wgsl`.
pub static BACKWARD: Maps = maps!("noising_backward", ["philox", "series"], ["input", "second"]);

/// The noise power `σ = 1 − γ` never falls below this, so that `1/sqrt(σ)` and `log σ` stay finite at `t = 0`.
pub const SIGMA_FLOOR: f32 = 1e-7;

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    y: Span,
    lambda: Span,
    gamma: Span,
    z: Span,
    rho: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    sigma_floor: f32,
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct BackwardParams {
    y: Span,
    lambda: Span,
    gamma: Span,
    z: Span,
    rho: Span,
    glambda: Span,
    items: u32,
    share: u32,
    blocks: u32,
    workgroups: u32,
    sigma_floor: f32,
}

fn check(rng: &View, y: &View, lambda: &View, rho: &View) -> Result<()> {
    expect_rng(rng)?;
    lambda.expect("λ", y.shape)?;
    if rho.shape.n < y.shape.n || rho.shape != Shape::new(rho.shape.n, 3, 1, 1) {
        return Err(Error::shape(format!(
            "(ρ, ρ′, ρ″) is {}, expected [M, 3, 1, 1] with a row for each of {} samples",
            rho.shape, y.shape.n
        )));
    }
    Ok(())
}

/// Writes γ and z of target `y` `[N, C, H, W]` into `gamma` and `z`, channel ranges `[N, C, H, W]` of one tensor (the
/// noise network's input). `lambda` `[N, C, H, W]`; `rho` `[M ≥ N, 3, 1, 1]` as [`super::schedule::forward`] gives it, row
/// `n` of sample `n`; `rng` `[1, 4, 1, 1]` holds the training step, ε is [`crate::random::Stream::Noise`].
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit, γ and z that overlap or lie in two tensors, or an output in the tensor of another
/// argument.
pub fn forward(rng: &View, y: &View, lambda: &View, rho: &View, gamma: &View, z: &View) -> Result<Vec<Call>> {
    check(rng, y, lambda, rho)?;
    let (gamma_span, z_span) = channels_of_one("the noise network's input", gamma, z, y.shape)?;
    distinct("noising", &[gamma], &[rng, y, lambda, rho])?;
    let deal = FORWARD.each(y.shape);
    let mut call = deal
        .call(Params {
            y: y.into(),
            lambda: lambda.into(),
            gamma: gamma_span,
            z: z_span,
            rho: rho.into(),
            items: deal.items,
            blocks: deal.blocks,
            workgroups: deal.workgroups,
            sigma_floor: SIGMA_FLOOR,
        })
        .bind_map(y)
        .bind_map(lambda)
        .bind(rng)
        .bind(rho)
        .bind(gamma)
        .costs(80 * y.shape.len());
    call.bytes += z.bytes();
    Ok(vec![call])
}

/// The shape of the scratch tensor that [`backward`] needs for `y` of this shape.
pub fn backward_partials(caps: Caps, y: Shape) -> Shape {
    Shape::new(y.n, partial_count(caps, y), 1, 1)
}

/// What [`backward`] reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct Backward<'a> {
    /// `[1, 4, 1, 1]`, unchanged since [`forward`].
    pub rng: &'a View,
    /// `[N, C, H, W]`.
    pub y: &'a View,
    /// `[N, C, H, W]`.
    pub lambda: &'a View,
    /// `[M, 3, 1, 1]`.
    pub rho: &'a View,
    /// Gradient with respect to the γ channels, `[N, C, H, W]`.
    pub ggamma: &'a View,
    /// Gradient with respect to the z channels, in the same tensor.
    pub gz: &'a View,
    /// Gradient with respect to λ, `[N, C, H, W]`.
    pub glambda: &'a View,
    /// Add to `glambda` instead of overwriting it.
    pub accumulate_lambda: bool,
    /// Gradient with respect to `(ρ, ρ', ρ'')`, `[M, 3, 1, 1]`: column 0 of rows `0..N`.
    pub grho: &'a View,
    /// Add to `grho`; otherwise all of it is overwritten, with zeros outside of column 0 and rows `0..N`.
    pub accumulate_rho: bool,
    /// Scratch of shape [`backward_partials`].
    pub partials: &'a View,
}

/// Gradients of [`forward`] with respect to λ and ρ. Where σ is at its floor none flows through it.
///
/// # Errors
/// As [`forward`].
pub fn backward(caps: Caps, o: &Backward<'_>) -> Result<Vec<Call>> {
    let shape = o.y.shape;
    check(o.rng, o.y, o.lambda, o.rho)?;
    let (gamma, z) = channels_of_one("the gradient of the noise network's input", o.ggamma, o.gz, shape)?;
    o.glambda.expect("the gradient of λ", shape)?;
    o.grho.expect("the gradient of (ρ, ρ′, ρ″)", o.rho.shape)?;
    expect_partials(o.partials, backward_partials(caps, shape))?;
    let others = [o.rng, o.y, o.lambda, o.rho, o.ggamma, o.grho];
    distinct("the gradient of noising", &[o.glambda, o.partials], &others)?;
    let deal = BACKWARD.in_shares(caps, shape);
    let mut first = deal
        .call(BackwardParams {
            y: o.y.into(),
            lambda: o.lambda.into(),
            gamma,
            z,
            rho: o.rho.into(),
            glambda: o.glambda.into(),
            items: deal.items,
            share: deal.share,
            blocks: deal.blocks,
            workgroups: deal.workgroups,
            sigma_floor: SIGMA_FLOOR,
        })
        .bind_map(o.y)
        .bind_map(o.ggamma)
        .bind(o.rng)
        .bind(o.lambda)
        .bind(o.rho)
        .bind(o.glambda)
        .bind(o.partials)
        .accumulates(o.glambda, o.accumulate_lambda)
        .costs(95 * shape.len());
    first.bytes += o.gz.bytes();
    let count = partial_count(caps, shape);
    let sum = Sum {
        rows: shape.n,
        columns: 1,
        start: 0,
        row_stride: count,
        column_stride: 0,
        segments: 1,
        segment_stride: 0,
        count,
        scale: 1.0,
        accumulate: o.accumulate_rho,
    };
    Ok(vec![first, sum.call(o.partials, o.grho)])
}
