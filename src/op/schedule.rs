//! Time networks, the forward process, and the noise from a predicted velocity.

use super::random::{SAMPLE, SEED, STEP};
use super::{Argument, Arguments, Operation, Recording};
use crate::kernels::{noising, schedule};
use crate::tensor::Shape;
use crate::{Error, Result};

pub(super) static SCHEDULE: Operation = Operation {
    name: "schedule",
    formula: "y = (ρ, ρ′, ρ″) of ρ(t) = t · (u + |d| + Σ |v| sigmoid(|w| u + c)), u = |a| t + |b|",
    arguments: &[
        Argument::array("input", "t [M], times in [0, 1]"),
        Argument::array("weight", "raw parameters [3H + 3]: a, b, w [H], c [H], v [H], d"),
        Argument::array("grad", "gradient of y").optional(),
    ],
    results: "y [M, 3]; with --grad gw",
    record: schedule,
};

pub(super) static NOISING: Operation = Operation {
    name: "noising",
    formula: "γ = exp(−λ ρ[n]), z = sqrt(γ) y + sqrt(max(1 − γ, 1e-7)) ε, ε normal numbers of stream noise (see philox)",
    arguments: &[
        Argument::array("input", "y [N, C, H, W]"),
        Argument::array("lambda", "λ [N, C, H, W]"),
        Argument::array("rho", "(ρ, ρ′, ρ″) [N, 3], as schedule gives them; the first column is used"),
        Argument::array("grad", "gradient of the result, [N, 2C, H, W]").optional(),
        SEED,
        STEP,
        SAMPLE,
    ],
    results: "y [N, 2C, H, W]: the channels of γ, then those of z; with --grad glambda, grho",
    record: noising,
};

pub(super) static VELOCITY: Operation = Operation {
    name: "velocity",
    formula: "y = sqrt(max(1 − γ, 1e-7)) z + sqrt(max(γ, 1e-7)) x",
    arguments: &[
        Argument::array("input", "x [N, C, H, W], the predicted velocity"),
        Argument::array("latent", "[N, 2C, H, W]: the channels of γ, then those of z"),
        Argument::array("grad", "gradient of y").optional(),
    ],
    results: "y [N, C, H, W]; with --grad gx, glatent",
    record: velocity,
};

fn schedule(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (times, weight) = (a.vector("input")?, a.vector("weight")?);
    let count = times.len();
    let t = r.given("times", Shape::vector(count), times)?;
    let parameters = r.given("parameters", Shape::vector(weight.len()), weight)?;
    let y = r.blank("y", Shape::new(count, 3, 1, 1))?;
    r.tape.push(schedule::forward(&parameters, &t, &y)?);
    r.result("y", &[count, 3], &y);
    if let Some(gy) = a.find_shaped("grad", &[count, 3])? {
        let gy = r.given("the gradient of y", y.shape, gy)?;
        let gw = r.blank("gw", parameters.shape)?;
        r.tape.push(schedule::backward(&parameters, &t, &gy, &gw, false)?);
        r.result("gw", &[weight.len()], &gw);
    }
    Ok(())
}

fn noising(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (shape, y) = a.image("input")?;
    let Shape { n, c, h, w } = shape;
    let lambda = a.shaped("lambda", &[n, c, h, w])?;
    let rho = a.shaped("rho", &[n, 3])?;
    let state = r.random_state(a)?;
    let y = r.given("y", shape, y)?;
    let lambda = r.given("λ", shape, lambda)?;
    let rho = r.given("ρ", Shape::new(n, 3, 1, 1), rho)?;
    let noised = r.blank("γ and z", Shape { c: 2 * c, ..shape })?;
    r.tape.push(noising::forward(&state, &y, &lambda, &rho, &noised.range(0..c)?, &noised.range(c..2 * c)?)?);
    r.image_result("y", &noised);
    if let Some(g) = a.find_shaped("grad", &[n, 2 * c, h, w])? {
        let g = r.given("the gradient of γ and z", noised.shape, g)?;
        let glambda = r.blank("the gradient of λ", shape)?;
        let grho = r.blank("the gradient of ρ", rho.shape)?;
        let partials = r.blank("partial sums", noising::backward_partials(r.tape.caps(), shape))?;
        r.tape.push(noising::backward(
            r.tape.caps(),
            &noising::Backward {
                rng: &state,
                y: &y,
                lambda: &lambda,
                rho: &rho,
                ggamma: &g.range(0..c)?,
                gz: &g.range(c..2 * c)?,
                glambda: &glambda,
                accumulate_lambda: false,
                grho: &grho,
                accumulate_rho: false,
                partials: &partials,
            },
        )?);
        r.image_result("glambda", &glambda);
        r.result("grho", &[n, 3], &grho);
    }
    Ok(())
}

fn velocity(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (shape, x) = a.image("input")?;
    let Shape { n, c, h, w } = shape;
    let latent = a.shaped("latent", &[n, 2 * c, h, w])?;
    let x = r.given("x", shape, x)?;
    let latent = r.given("γ and z", Shape { c: 2 * c, ..shape }, latent)?;
    r.tape.watch(&x);
    r.tape.watch(&latent);
    let y = r.tape.velocity(&latent, &x)?;
    r.image_result("y", &y);
    if let Some(gy) = a.find_shaped("grad", &[n, c, h, w])? {
        let gradients = r.backward(&y, gy)?;
        for (name, view) in [("gx", &x), ("glatent", &latent)] {
            let gradient = gradients.of(view).ok_or_else(|| Error::shape(format!("{name} was not computed")))?;
            r.image_result(name, &gradient);
        }
    }
    Ok(())
}
