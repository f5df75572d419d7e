//! The losses (equation 6), each value together with its gradients.
//!
//! With `L_∞ + w_β L_β + w_p L_prior + w_γ α L_γ` as the total: [`noise`] is the first term, [`schedule`] the other three.
//! Values are unweighted means over all elements, in one tensor `[1, 4, 1, 1]`: `(L_∞, L_β, L_prior, L_γ)`.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::{Maps, expect_rng, lanes, maps, partial_count};
use super::noising::SIGMA_FLOOR;
use super::reduce::{Sum, expect_partials};
use super::{Call, Lanes, Span};
use crate::gpu::Caps;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/noise_loss.wgsl`.
pub static NOISE: Maps = maps!("noise_loss", ["philox"], ["input"]);
/// `shaders/weighted_noise_loss.wgsl`.
pub static WEIGHTED_NOISE: Lanes = lanes!("weighted_noise_loss", ["philox", "series"]);
/// `shaders/schedule_losses.wgsl`.
pub static SCHEDULE: Lanes = lanes!("schedule_losses", ["activation", "series"]);

/// Partial sums that `shaders/schedule_losses.wgsl` leaves: ρ, ρ', ρ'', τ, three losses, ρ(1).
const SUMS: usize = 8;

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct NoiseParams {
    prediction: Span,
    gprediction: Span,
    items: u32,
    share: u32,
    blocks: u32,
    workgroups: u32,
    scale: f32,
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct ScheduleParams {
    y: Span,
    lambda: Span,
    rho: Span,
    tau: Span,
    glambda: Span,
    items: u32,
    share: u32,
    blocks: u32,
    workgroups: u32,
    last: u32,
    beta: f32,
    prior: f32,
    gamma: f32,
    sigma_floor: f32,
    accumulate: u32,
}

/// The shape of the scratch tensor that [`noise`] needs for a prediction of this shape.
pub fn noise_partials(caps: Caps, prediction: Shape) -> Shape {
    Shape::new(prediction.n, partial_count(caps, prediction), 1, 1)
}

/// The shape of the scratch tensor that [`schedule`] needs for a target of this shape.
pub fn schedule_partials(caps: Caps, y: Shape) -> Shape {
    Shape::new(y.n, SUMS * partial_count(caps, y), 1, 1)
}

fn expect_losses(losses: &View) -> Result<()> {
    losses.expect("the losses", Shape::vector(4))
}

/// `losses[0] = mean((ε − ε̂)²)` and `gprediction = 2·weight·(ε̂ − ε)/count`, with the ε that [`super::noising::forward`]
/// drew: `rng` must be unchanged. `prediction` and `gprediction` `[N, C, H, W]`; `partials` of [`noise_partials`].
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit, or an output in the tensor of another argument.
pub fn noise(
    caps: Caps,
    rng: &View,
    prediction: &View,
    weight: f32,
    gprediction: &View,
    losses: &View,
    partials: &View,
) -> Result<Vec<Call>> {
    let shape = prediction.shape;
    expect_rng(rng)?;
    expect_losses(losses)?;
    gprediction.expect("the gradient of the predicted noise", shape)?;
    expect_partials(partials, noise_partials(caps, shape))?;
    distinct("the noise loss", &[gprediction, partials], &[rng, prediction, losses])?;
    let deal = NOISE.in_shares(caps, shape);
    let params = NoiseParams {
        prediction: prediction.into(),
        gprediction: gprediction.into(),
        items: deal.items,
        share: deal.share,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        scale: 2.0 * weight / shape.len() as f32,
    };
    let first =
        deal.call(params).bind_map(prediction).bind(rng).bind(gprediction).bind(partials).costs(50 * shape.len());
    let sum = Sum { scale: 1.0 / shape.len() as f32, ..Sum::all(partials.shape.len()) };
    Ok(vec![first, sum.call(partials, &losses.range(0..1)?)])
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct WeightedParams {
    prediction: Span,
    lambda: Span,
    rho: Span,
    tau: Span,
    gprediction: Span,
    glambda: Span,
    items: u32,
    share: u32,
    blocks: u32,
    workgroups: u32,
    scale: f32,
    sigma_floor: f32,
}

/// The shape of the scratch tensor that [`weighted_noise`] needs for a prediction of this shape.
pub fn weighted_noise_partials(caps: Caps, prediction: Shape) -> Shape {
    Shape::new(prediction.n, 3 * partial_count(caps, prediction), 1, 1)
}

/// What [`weighted_noise`] reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct WeightedNoise<'a> {
    /// `[1, 4, 1, 1]`, unchanged since [`super::noising::forward`].
    pub rng: &'a View,
    /// `ε̂`, `[N, C, H, W]`.
    pub prediction: &'a View,
    /// `[N, C, H, W]`.
    pub lambda: &'a View,
    /// `(ρ, ρ', ρ'')`, `[N + 1, 3, 1, 1]`.
    pub rho: &'a View,
    /// τ, `[N + 1, 1, 1, 1]`, as in [`Schedule::tau`].
    pub tau: &'a View,
    /// Weight in the total.
    pub weight: f32,
    /// Gradient with respect to the prediction, `[N, C, H, W]`, overwritten, as the next three are.
    pub gprediction: &'a View,
    /// Gradient with respect to λ, `[N, C, H, W]`.
    pub glambda: &'a View,
    /// Gradient with respect to `(ρ, ρ', ρ'')`, `[N + 1, 3, 1, 1]`.
    pub grho: &'a View,
    /// Gradient with respect to the schedule of τ, `[N + 1, 3, 1, 1]`; `None` for the tied variant, where it belongs to ρ'.
    pub gtau: Option<&'a View>,
    /// `[1, 4, 1, 1]`: value 0 is written.
    pub losses: &'a View,
    /// Scratch of shape [`weighted_noise_partials`].
    pub partials: &'a View,
}

/// `losses[0] = mean(w (ε − ε̂)²)` with the weight of the variational bound, `w = −½ SNR'/SNR = λτ/2(1 − γ)` (appendix E.3,
/// which drops it), and its gradients, also those through `w`.
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit, or an output in the tensor of another argument.
pub fn weighted_noise(caps: Caps, o: &WeightedNoise<'_>) -> Result<Vec<Call>> {
    let shape = o.prediction.shape;
    let rows = Shape::new(shape.n + 1, 3, 1, 1);
    expect_rng(o.rng)?;
    expect_losses(o.losses)?;
    o.lambda.expect("λ", shape)?;
    o.rho.expect("(ρ, ρ′, ρ″) of all samples and t = 1", rows)?;
    o.tau.expect("τ of all samples and t = 1", Shape { c: 1, ..rows })?;
    o.gprediction.expect("the gradient of the predicted noise", shape)?;
    o.glambda.expect("the gradient of λ", shape)?;
    o.grho.expect("the gradient of (ρ, ρ′, ρ″)", rows)?;
    expect_partials(o.partials, weighted_noise_partials(caps, shape))?;
    expect_tied(o.rho, o.tau, o.gtau)?;
    let others = [o.rng, o.prediction, o.lambda, o.rho, o.tau, o.losses, o.grho, o.gtau.unwrap_or(o.grho)];
    distinct("the weighted noise loss", &[o.gprediction, o.glambda, o.partials], &others)?;
    let deal = WEIGHTED_NOISE.in_shares(caps, shape);
    let scale = 1.0 / shape.len() as f32;
    let first = deal
        .call(WeightedParams {
            prediction: o.prediction.into(),
            lambda: o.lambda.into(),
            rho: o.rho.into(),
            tau: o.tau.into(),
            gprediction: o.gprediction.into(),
            glambda: o.glambda.into(),
            items: deal.items,
            share: deal.share,
            blocks: deal.blocks,
            workgroups: deal.workgroups,
            scale: o.weight * scale,
            sigma_floor: SIGMA_FLOOR,
        })
        .bind(o.rng)
        .bind(o.prediction)
        .bind(o.lambda)
        .bind(o.rho)
        .bind(o.tau)
        .bind(o.gprediction)
        .bind(o.glambda)
        .bind(o.partials)
        .costs(100 * shape.len());
    let count = partial_count(caps, shape);
    let rho = Sum {
        rows: shape.n,
        columns: if o.gtau.is_some() { 1 } else { 2 },
        start: count,
        row_stride: 3 * count,
        column_stride: count,
        segments: 1,
        segment_stride: 0,
        count,
        scale: o.weight * scale,
        accumulate: false,
    };
    let loss = Sum { rows: 1, columns: 1, start: 0, segments: shape.n, segment_stride: 3 * count, scale, ..rho };
    let mut calls = vec![first, loss.call(o.partials, &o.losses.range(0..1)?), rho.call(o.partials, o.grho)];
    if let Some(gtau) = o.gtau {
        gtau.expect("the gradient of τ's schedule", rows)?;
        calls.push(Sum { columns: 1, start: 2 * count, ..rho }.call(o.partials, gtau));
    }
    Ok(calls)
}

/// Refuses a gradient of τ where τ is ρ' itself, and none where it is not.
fn expect_tied(rho: &View, tau: &View, gtau: Option<&View>) -> Result<()> {
    let tied = tau.tensor == rho.tensor && tau.channel == rho.channel + 1;
    if tied == gtau.is_some() {
        return Err(Error::shape("τ = ρ′ (tied) takes no gradient of τ, a τ of its own needs one"));
    }
    Ok(())
}

/// Weights of the schedule's losses in the total.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScheduleWeights {
    /// `w_β`.
    pub beta: f32,
    /// `w_p`.
    pub prior: f32,
    /// `w_γ·α`.
    pub gamma: f32,
}

impl Default for ScheduleWeights {
    /// 2, 2 and 2 · 1e-3, as in the authors' code.
    fn default() -> Self {
        Self { beta: 2.0, prior: 2.0, gamma: 2e-3 }
    }
}

/// What [`schedule`] reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct Schedule<'a> {
    /// Target, `[N, C, H, W]`.
    pub y: &'a View,
    /// `[N, C, H, W]`.
    pub lambda: &'a View,
    /// `(ρ, ρ', ρ'')`, `[N + 1, 3, 1, 1]`: row `n` at the time of sample `n`, the last row at `t = 1`.
    pub rho: &'a View,
    /// τ, `[N + 1, 1, 1, 1]`: channel 0 of its own schedule, or ρ' (channel 1 of `rho`) for the tied variant.
    pub tau: &'a View,
    /// Weights in the total.
    pub weights: ScheduleWeights,
    /// Gradient of the total with respect to λ, `[N, C, H, W]`.
    pub glambda: &'a View,
    /// Add to `glambda` instead of overwriting it.
    pub accumulate_lambda: bool,
    /// Gradient with respect to `(ρ, ρ', ρ'')`, `[N + 1, 3, 1, 1]`, as [`super::schedule::backward`] takes it.
    pub grho: &'a View,
    /// Add to `grho` instead of overwriting it.
    pub accumulate_rho: bool,
    /// Gradient with respect to the schedule of τ, `[N + 1, 3, 1, 1]`; all but column 0 of rows `0..N` is zero. `None` for
    /// the tied variant: there `τ − ρ'` is zero identically, and so is every gradient through it.
    pub gtau: Option<&'a View>,
    /// Add to `gtau` instead of overwriting it.
    pub accumulate_tau: bool,
    /// `[1, 4, 1, 1]`: values 1 to 3 are written.
    pub losses: &'a View,
    /// Scratch of shape [`schedule_partials`].
    pub partials: &'a View,
}

/// The losses of the schedule and their gradients (`shaders/schedule_losses.wgsl` has the formulas):
/// `L_β = mean((λγ(τ − ρ'))²) + mean(γ(1)²)`, where `(γ(0) − 1)²` vanishes identically,
/// `L_prior = ½ mean(γ₁y² + σ₁ − log σ₁ − 1)`, `L_γ = mean(((λ²ρ'² − λρ'')γ)²)`.
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit, or an output in the tensor of another argument.
pub fn schedule(caps: Caps, o: &Schedule<'_>) -> Result<Vec<Call>> {
    let shape = o.y.shape;
    let rows = Shape::new(shape.n + 1, 3, 1, 1);
    o.lambda.expect("λ", shape)?;
    o.glambda.expect("the gradient of λ", shape)?;
    o.rho.expect("(ρ, ρ′, ρ″) of all samples and t = 1", rows)?;
    o.grho.expect("the gradient of (ρ, ρ′, ρ″)", rows)?;
    o.tau.expect("τ of all samples and t = 1", Shape { c: 1, ..rows })?;
    expect_losses(o.losses)?;
    expect_partials(o.partials, schedule_partials(caps, shape))?;
    expect_tied(o.rho, o.tau, o.gtau)?;
    let others = [o.y, o.lambda, o.rho, o.tau, o.losses, o.grho, o.gtau.unwrap_or(o.grho)];
    distinct("the schedule's losses", &[o.glambda, o.partials], &others)?;
    let deal = SCHEDULE.in_shares(caps, shape);
    let numel = shape.len() as f32;
    let first = deal
        .call(ScheduleParams {
            y: o.y.into(),
            lambda: o.lambda.into(),
            rho: o.rho.into(),
            tau: o.tau.into(),
            glambda: o.glambda.into(),
            items: deal.items,
            share: deal.share,
            blocks: deal.blocks,
            workgroups: deal.workgroups,
            last: shape.n as u32,
            beta: o.weights.beta / numel,
            prior: o.weights.prior / numel,
            gamma: o.weights.gamma / numel,
            sigma_floor: SIGMA_FLOOR,
            accumulate: o.accumulate_lambda.into(),
        })
        .bind(o.y)
        .bind(o.lambda)
        .bind(o.rho)
        .bind(o.tau)
        .bind(o.glambda)
        .bind(o.partials)
        .adds_to(o.glambda, o.accumulate_lambda)
        .costs(120 * shape.len());
    let count = partial_count(caps, shape);
    // By sample: columns ρ, ρ', ρ''.
    let samples = Sum {
        rows: shape.n,
        columns: 3,
        start: 0,
        row_stride: SUMS * count,
        column_stride: count,
        segments: 1,
        segment_stride: 0,
        count,
        scale: 1.0,
        accumulate: o.accumulate_rho,
    };
    // Over all samples.
    let all = Sum {
        rows: 1,
        row_stride: 0,
        segments: shape.n,
        segment_stride: SUMS * count,
        start: 4 * count,
        scale: 1.0 / numel,
        accumulate: false,
        ..samples
    };
    let end = Sum { columns: 1, start: 7 * count, scale: 1.0, accumulate: true, ..all };
    let mut calls = vec![first, samples.call(o.partials, o.grho), all.call(o.partials, &o.losses.range(1..4)?)];
    calls.push(end.call_at(o.partials, &o.grho.range(0..1)?, shape.n));
    if let Some(gtau) = o.gtau {
        gtau.expect("the gradient of τ's schedule", rows)?;
        let tau = Sum { columns: 1, start: 3 * count, accumulate: o.accumulate_tau, ..samples };
        calls.push(tau.call(o.partials, gtau));
    }
    Ok(calls)
}
