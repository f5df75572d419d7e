//! The reverse process.

use super::random::{SAMPLE, SEED};
use super::{Argument, Arguments, Operation, Recording};
use crate::kernels::reverse_step::{self, Discretisation, Reverse, Variant};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

const LAMBDA: Argument =
    Argument::array("lambda", "λ [M, C, H, W], each map for N / M samples that follow one another");
const TAU: Argument = Argument::array("tau", "τ(1/T) … τ(1) [T]");

const DISCRETISATION: Argument =
    Argument::setting("discretisation", "product", "product: α = 1 − β inside [1e-6, 1), or exponential: α = exp(−β)");

pub(super) static REVERSE_START: Operation = Operation {
    name: "reverse_start",
    formula: "γ̄_T = Π α_j, β_j = τ(j/T) λ/T; z_T the normal numbers of stream latent at step 0 (see philox)",
    arguments: &[
        LAMBDA,
        TAU,
        Argument::setting("samples", "1", "samples of each map, N / M"),
        DISCRETISATION,
        SEED,
        SAMPLE,
    ],
    results: "y [N, 2C, H, W]: the channels of γ̄_T, then those of z_T",
    record: reverse_start,
};

pub(super) static REVERSE_STEP: Operation = Operation {
    name: "reverse_step",
    formula: "z_{i−1} = (z_i − β_i/sqrt(1 − γ̄_i) ε̂)/sqrt(α_i) + sqrt(v) n, n the normal numbers of stream sampler at \
              step i, none at i = 1; v = β_i (ancestral) or β_i (1 − γ̄_{i−1})/(1 − γ̄_i) (posterior); deterministic: \
              (z_i − sqrt(1 − γ̄_i) ε̂)/sqrt(α_i) + sqrt(1 − γ̄_{i−1}) ε̂",
    arguments: &[
        Argument::array("input", "z_i [N, C, H, W]"),
        Argument::array("prediction", "ε̂ [N, C, H, W], the noise predicted for z_i"),
        LAMBDA,
        TAU,
        Argument::setting("step", "", "i, from 1 to T").required(),
        Argument::setting("variant", "ancestral", "ancestral, posterior or deterministic"),
        DISCRETISATION,
        SEED,
        SAMPLE,
    ],
    results: "y [N, 2C, H, W]: the channels of γ̄_{i−1}, then those of z_{i−1}",
    record: reverse_step,
};

fn discretisation(a: &Arguments) -> Result<Discretisation> {
    let choices = [("product", Discretisation::Product), ("exponential", Discretisation::Exponential)];
    a.choice("discretisation", &choices)
}

/// τ and the sums of its powers.
fn tables(r: &mut Recording, tau: &[f32]) -> Result<(View, View)> {
    let sums = r.given("the sums of τ's powers", reverse_step::sums(tau.len()), &reverse_step::power_sums(tau))?;
    Ok((r.given("τ", Shape::new(tau.len(), 1, 1, 1), tau)?, sums))
}

fn reverse_start(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (maps, lambda) = a.image("lambda")?;
    let samples = a.size("samples", 1)?;
    let discretisation = discretisation(a)?;
    let tau = a.vector("tau")?;
    let state = r.random_state_at(a, 0)?;
    let lambda = r.given("λ", maps, lambda)?;
    let (tau, sums) = tables(r, tau)?;
    let latent = r.blank("γ and z", Shape { n: maps.n * samples, c: 2 * maps.c, ..maps })?;
    let (gamma, z) = (latent.range(0..maps.c)?, latent.range(maps.c..2 * maps.c)?);
    let reverse =
        Reverse { rng: &state, lambda: &lambda, tau: &tau, sums: &sums, gamma: &gamma, z: &z, discretisation };
    r.tape.push(reverse_step::start(&reverse)?);
    r.image_result("y", &latent);
    Ok(())
}

fn reverse_step(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (shape, z) = a.image("input")?;
    let (maps, lambda) = a.image("lambda")?;
    let prediction = a.shaped("prediction", &[shape.n, shape.c, shape.h, shape.w])?;
    let tau = a.vector("tau")?;
    let step: u32 = a.whole("step")?;
    if step == 0 || step as usize > tau.len() {
        return Err(Error::input(format!("--step is {step}; --tau has {} steps, counted from 1", tau.len())));
    }
    let variants = [
        ("ancestral", Variant::Ancestral),
        ("posterior", Variant::Posterior),
        ("deterministic", Variant::Deterministic),
    ];
    let variant = a.choice("variant", &variants)?;
    let discretisation = discretisation(a)?;
    let state = r.random_state_at(a, step)?;
    // The kernel works in place beside the γ channels, which it only writes.
    let sample = shape.c * shape.plane();
    let latent: Vec<f32> = z.chunks_exact(sample).flat_map(|z| [&vec![0.0; sample], z].concat()).collect();
    let latent = r.given("γ and z", Shape { c: 2 * shape.c, ..shape }, &latent)?;
    let prediction = r.given("the predicted noise", shape, prediction)?;
    let lambda = r.given("λ", maps, lambda)?;
    let (tau, sums) = tables(r, tau)?;
    let (gamma, z) = (latent.range(0..shape.c)?, latent.range(shape.c..2 * shape.c)?);
    let reverse =
        Reverse { rng: &state, lambda: &lambda, tau: &tau, sums: &sums, gamma: &gamma, z: &z, discretisation };
    r.tape.push(reverse_step::step(&reverse, &prediction, variant)?);
    r.image_result("y", &latent);
    Ok(())
}
