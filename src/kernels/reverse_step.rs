//! The reverse process (algorithm 2), one fused dispatch a step: schedule, mean, noise, and the noise network's next input.
//!
//! `β_j = τ(j/T)·λ/T`, `α_j = 1 − β_j` within `[1e-6, 1)`, `γ̄_i = Π_{j ≤ i} α_j`.

use bytemuck::{Pod, Zeroable};

use super::call::{distinct, expect_whole};
use super::lanes::{Maps, channels_of_one, expect_rng, lanes, maps};
use super::{Call, Lanes, Span};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/reverse_start.wgsl`.
pub static START: Lanes = lanes!("reverse_start", ["philox", "series", "reverse"]);
/// `shaders/reverse_step.wgsl`.
pub static STEP: Maps = maps!("reverse_step", ["philox", "series", "reverse"], ["input", "second"]);

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct StartParams {
    lambda: Span,
    tau: Span,
    gamma: Span,
    z: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    repeats: u32,
    steps: u32,
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct StepParams {
    lambda: Span,
    tau: Span,
    prediction: Span,
    gamma: Span,
    z: Span,
    items: u32,
    blocks: u32,
    workgroups: u32,
    repeats: u32,
    steps: u32,
}

/// How a step gets from `z_i` to `z_{i−1}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum Variant {
    /// Ancestral, noise of variance `β_i` (the paper).
    #[default]
    Ancestral = 0,
    /// Ancestral, noise of the posterior's variance `β_i (1 − γ̄_{i−1})/(1 − γ̄_i)` (appendix B.2).
    Posterior = 1,
    /// Deterministic (DDIM).
    Deterministic = 2,
}

/// How `β(t)` becomes the factors `α_i` of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Discretisation {
    /// `α_i = 1 − β(i/T)/T`, within `[1e-6, 1)` (algorithm 2). Where `β` exceeds `T` a step divides by the root of the
    /// floor, so few steps of a steep schedule diverge.
    #[default]
    Product,
    /// `α_i = exp(−β(i/T)/T)`: equation 4 solved exactly for a `β` that is constant within a step. The same for many steps,
    /// and stable for any number of them.
    Exponential,
}

/// The shape of [`power_sums`] of so many steps.
pub fn sums(steps: usize) -> Shape {
    Shape::new(steps + 1, 8, 1, 1)
}

/// For each number `k` of first steps, 0 to T, with `r_j = τ_j / max(τ_1 … τ_k)`: `Σ r_j^m / m` for `m` from 1 to 7, and that largest τ.
/// With these `ln γ̄_k = Σ ln(1 − τ_j λ/T)` is a series in `λ/T`, the same for every pixel. Values below zero count as zero.
pub fn power_sums(tau: &[f32]) -> Vec<f32> {
    let (mut sums, mut largest) = ([0.0f64; 7], 0.0f64);
    let mut row = |tau: f64| {
        let before = largest;
        largest = largest.max(tau);
        // The powers so far were of τ over a smaller largest.
        let (shrunk, own) = if largest > 0.0 { (before / largest, tau / largest) } else { (0.0, 0.0) };
        for (m, sum) in (1..).zip(&mut sums) {
            *sum = *sum * shrunk.powi(m) + own.powi(m);
        }
        let divided = (1..).zip(sums).map(|(m, sum)| (sum / f64::from(m)) as f32);
        divided.chain([largest as f32]).collect::<Vec<f32>>()
    };
    let mut table = row(0.0);
    table.extend(tau.iter().flat_map(|&tau| row(f64::from(tau).max(0.0))));
    table
}

/// What both [`start`] and [`step`] work on.
#[derive(Debug, Clone, Copy)]
pub struct Reverse<'a> {
    /// `[1, 4, 1, 1]`, see [`crate::random::state`]: the step is `i`, from T down to 1.
    pub rng: &'a View,
    /// `[N / k, C, H, W]`: each map serves the `k` samples of its measurement, which follow one another in the batch.
    pub lambda: &'a View,
    /// `[T, 1, 1, 1]`: entry `j − 1` is `τ(j/T)`. Channel 0 of τ's schedule at those times (channel 1 of ρ's when tied).
    pub tau: &'a View,
    /// `[T + 1, 8, 1, 1]`, [`power_sums`] of the same values.
    pub sums: &'a View,
    /// γ channels of the noise network's input, `[N, C, H, W]`.
    pub gamma: &'a View,
    /// z channels of the same tensor, `[N, C, H, W]`.
    pub z: &'a View,
    /// How `β(t)` becomes steps.
    pub discretisation: Discretisation,
}

impl Reverse<'_> {
    /// The spans of γ and z, samples of a measurement, and T.
    fn check(&self) -> Result<(Span, Span, u32, u32)> {
        let shape = self.z.shape;
        let maps = self.lambda.shape.n;
        expect_rng(self.rng)?;
        let (gamma, z) = channels_of_one("the noise network's input", self.gamma, self.z, shape)?;
        if self.lambda.shape != (Shape { n: maps, ..shape }) || !shape.n.is_multiple_of(maps) {
            return Err(Error::shape(format!(
                "λ is {}, expected [k, {}, {}, {}] where k divides {} samples",
                self.lambda.shape, shape.c, shape.h, shape.w, shape.n
            )));
        }
        let steps = self.tau.shape.n;
        self.tau.expect("the table of τ", Shape::new(steps, 1, 1, 1))?;
        expect_whole("the sums of τ's powers", self.sums, sums(steps))?;
        distinct("a reverse step", &[self.z], &[self.rng, self.lambda, self.tau, self.sums])?;
        Ok((gamma, z, (shape.n / maps) as u32, steps as u32))
    }

    /// The shaders' override.
    fn exponential(&self) -> u32 {
        (self.discretisation == Discretisation::Exponential).into()
    }

    /// Iterations of the longest loop.
    fn loops(&self) -> usize {
        if self.discretisation == Discretisation::Product { self.tau.shape.n } else { 0 }
    }

    /// Operations a value of the series in place of a product. Where steps are so large that factors are multiplied it takes four for
    /// each step before.
    fn series(&self) -> usize {
        if self.discretisation == Discretisation::Product { 15 } else { 0 }
    }
}

/// Writes `z_T ~ N(0, 1)` ([`crate::random::Stream::Latent`], step 0 whatever the `rng` tensor's) and `γ̄_T`.
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit, γ and z that overlap or lie in two tensors, or another argument in theirs.
pub fn start(o: &Reverse<'_>) -> Result<Vec<Call>> {
    let (gamma, z, repeats, steps) = o.check()?;
    let deal = START.each_in_loops(o.z.shape, o.loops());
    let params = StartParams {
        lambda: o.lambda.into(),
        tau: o.tau.into(),
        gamma,
        z,
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        repeats,
        steps,
    };
    let flops = o.z.shape.len() * (45 + o.series());
    let call = deal.call(params).with("EXPONENTIAL", o.exponential());
    let mut call = call.bind(o.rng).bind(o.lambda).bind(o.tau).bind(o.sums).bind(o.z).costs(flops);
    call.bytes += o.gamma.bytes();
    Ok(vec![call])
}

/// One step, `i` to `i − 1`, with `i` the step of the `rng` tensor: updates z in place and writes `γ̄_{i−1}` beside it, from
/// `prediction` `[N, C, H, W]`, the noise predicted for `z_i`. After the step with `i = 1` z holds the sample. Noise is
/// [`crate::random::Stream::Sampler`] at step `i`; none is added at `i = 1`.
///
/// # Errors
/// As [`start`].
pub fn step(o: &Reverse<'_>, prediction: &View, variant: Variant) -> Result<Vec<Call>> {
    let (gamma, z, repeats, steps) = o.check()?;
    prediction.expect("the predicted noise", o.z.shape)?;
    distinct("a reverse step", &[o.z], &[prediction])?;
    let deal = STEP.each_in_loops(o.z.shape, o.loops());
    let params = StepParams {
        lambda: o.lambda.into(),
        tau: o.tau.into(),
        prediction: prediction.into(),
        gamma,
        z,
        items: deal.items,
        blocks: deal.blocks,
        workgroups: deal.workgroups,
        repeats,
        steps,
    };
    let flops = o.z.shape.len() * (60 + o.series());
    let call = deal.call(params).with("VARIANT", variant as u32).with("EXPONENTIAL", o.exponential());
    let mut call =
        call.bind_map(o.lambda).bind_map(prediction).bind(o.rng).bind(o.tau).bind(o.sums).bind(o.z).costs(flops);
    call.bytes += o.z.bytes() + o.gamma.bytes();
    Ok(vec![call])
}
