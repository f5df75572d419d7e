//! The losses, each with its gradients in the same dispatch.

use super::random::{SAMPLE, SEED, STEP};
use super::{Argument, Arguments, Operation, Recording};
use crate::Result;
use crate::kernels::losses::{self, Schedule, ScheduleWeights, WeightedNoise};
use crate::tensor::{Shape, View};

pub(super) static NOISE_LOSS: Operation = Operation {
    name: "noise_loss",
    formula: "y = mean((ε − x)²), ε the normal numbers of stream noise that noising adds",
    arguments: &[
        Argument::array("input", "x [N, C, H, W], the predicted noise"),
        Argument::array("grad", "gradient of y [1]: the loss's weight in the total").optional(),
        SEED,
        STEP,
        SAMPLE,
    ],
    results: "y [1]; with --grad gx",
    record: noise_loss,
};

pub(super) static WEIGHTED_NOISE_LOSS: Operation = Operation {
    name: "weighted_noise_loss",
    formula: "y = mean(λτ/2σ (ε − x)²), σ = max(1 − exp(−λρ), 1e-7), ε the normal numbers of stream noise that noising adds",
    arguments: &[
        Argument::array("input", "x [N, C, H, W], the predicted noise"),
        Argument::array("lambda", "λ [N, C, H, W]"),
        Argument::array("rho", "(ρ, ρ′, ρ″) [N + 1, 3]: a row a sample, the last is not used"),
        Argument::array("tau", "τ [N + 1], of which the last is not used; ρ′ without (tied)").optional(),
        Argument::array("grad", "gradient of y [1]: the loss's weight in the total").optional(),
        SEED,
        STEP,
        SAMPLE,
    ],
    results: "y [1]; with --grad gx, glambda, grho, and gtau [N + 1] if τ is given",
    record: weighted_noise_loss,
};

pub(super) static SCHEDULE_LOSSES: Operation = Operation {
    name: "schedule_losses",
    formula: "y = (mean((λγ(τ − ρ′))²) + mean(γ₁²), ½ mean(γ₁ y² + σ₁ − log σ₁ − 1), mean(((λ²ρ′² − λρ″)γ)²)), \
              γ = exp(−λρ), γ₁ = exp(−λρ(1)), σ₁ = max(1 − γ₁, 1e-7)",
    arguments: &[
        Argument::array("input", "y [N, C, H, W], the target"),
        Argument::array("lambda", "λ [N, C, H, W]"),
        Argument::array("rho", "(ρ, ρ′, ρ″) [N + 1, 3]: a row a sample, the last at t = 1"),
        Argument::array("tau", "τ [N + 1], of which the last is not used; ρ′ without (tied)").optional(),
        Argument::array("grad", "gradient of y [3]: the losses' weights in the total").optional(),
    ],
    results: "y [3]; with --grad glambda, grho, and gtau [N + 1] if τ is given",
    record: schedule_losses,
};

fn noise_loss(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (shape, x) = a.image("input")?;
    let weight = a.find_shaped("grad", &[1])?.map(|g| g[0]);
    let state = r.random_state(a)?;
    let x = r.given("the predicted noise", shape, x)?;
    let gx = r.blank("gx", shape)?;
    let values = r.blank("losses", Shape::vector(4))?;
    let partials = r.blank("partial sums", losses::noise_partials(r.tape.caps(), shape))?;
    r.tape.push(losses::noise(r.tape.caps(), &state, &x, weight.unwrap_or(1.0), &gx, &values, &partials)?);
    r.result("y", &[1], &values.range(0..1)?);
    if weight.is_some() {
        r.image_result("gx", &gx);
    }
    Ok(())
}

/// τ as a tensor, with a place for its gradient; without values it is the second column of `rho`, by which the tied variant
/// is recognised.
fn tau(r: &mut Recording, rho: &View, values: Option<&[f32]>) -> Result<(View, Option<View>)> {
    let rows = rho.shape;
    match values {
        Some(values) => {
            Ok((r.given("τ", Shape { c: 1, ..rows }, values)?, Some(r.blank("the gradient of τ's schedule", rows)?)))
        }
        None => Ok((rho.range(1..2)?, None)),
    }
}

fn weighted_noise_loss(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (shape, x) = a.image("input")?;
    let Shape { n, c, h, w } = shape;
    let rows = Shape::new(n + 1, 3, 1, 1);
    let weight = a.find_shaped("grad", &[1])?.map(|g| g[0]);
    let (lambda, rho) = (a.shaped("lambda", &[n, c, h, w])?, a.shaped("rho", &[n + 1, 3])?);
    let tau_values = a.find_shaped("tau", &[n + 1])?;
    let rng = r.random_state(a)?;
    let x = r.given("the predicted noise", shape, x)?;
    let lambda = r.given("λ", shape, lambda)?;
    let rho = r.given("ρ", rows, rho)?;
    let (tau, gtau) = tau(r, &rho, tau_values)?;
    let (gx, glambda) = (r.blank("gx", shape)?, r.blank("the gradient of λ", shape)?);
    let grho = r.blank("the gradient of ρ", rows)?;
    let values = r.blank("losses", Shape::vector(4))?;
    let partials = r.blank("partial sums", losses::weighted_noise_partials(r.tape.caps(), shape))?;
    r.tape.push(losses::weighted_noise(
        r.tape.caps(),
        &WeightedNoise {
            rng: &rng,
            prediction: &x,
            lambda: &lambda,
            rho: &rho,
            tau: &tau,
            weight: weight.unwrap_or(1.0),
            gprediction: &gx,
            glambda: &glambda,
            grho: &grho,
            gtau: gtau.as_ref(),
            losses: &values,
            partials: &partials,
        },
    )?);
    r.result("y", &[1], &values.range(0..1)?);
    if weight.is_some() {
        r.image_result("gx", &gx);
        r.image_result("glambda", &glambda);
        r.result("grho", &[n + 1, 3], &grho);
        if let Some(gtau) = gtau {
            r.result("gtau", &[n + 1], &gtau.range(0..1)?);
        }
    }
    Ok(())
}

fn schedule_losses(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (shape, y) = a.image("input")?;
    let Shape { n, c, h, w } = shape;
    let rows = Shape::new(n + 1, 3, 1, 1);
    let grad = a.find_shaped("grad", &[3])?;
    let weights = grad.map_or(ScheduleWeights::default(), |g| ScheduleWeights { beta: g[0], prior: g[1], gamma: g[2] });
    let (lambda, rho) = (a.shaped("lambda", &[n, c, h, w])?, a.shaped("rho", &[n + 1, 3])?);
    let tau_values = a.find_shaped("tau", &[n + 1])?;
    let y = r.given("y", shape, y)?;
    let lambda = r.given("λ", shape, lambda)?;
    let rho = r.given("ρ", rows, rho)?;
    let (tau, gtau) = tau(r, &rho, tau_values)?;
    let glambda = r.blank("the gradient of λ", shape)?;
    let grho = r.blank("the gradient of ρ", rows)?;
    let values = r.blank("losses", Shape::vector(4))?;
    let partials = r.blank("partial sums", losses::schedule_partials(r.tape.caps(), shape))?;
    r.tape.push(losses::schedule(
        r.tape.caps(),
        &Schedule {
            y: &y,
            lambda: &lambda,
            rho: &rho,
            tau: &tau,
            weights,
            glambda: &glambda,
            accumulate_lambda: false,
            grho: &grho,
            accumulate_rho: false,
            gtau: gtau.as_ref(),
            accumulate_tau: false,
            losses: &values,
            partials: &partials,
        },
    )?);
    r.result("y", &[3], &values.range(1..4)?);
    if grad.is_some() {
        r.image_result("glambda", &glambda);
        r.result("grho", &[n + 1, 3], &grho);
        if let Some(gtau) = gtau {
            r.result("gtau", &[n + 1], &gtau.range(0..1)?);
        }
    }
    Ok(())
}
