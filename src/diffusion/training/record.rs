//! What a training step records: forward and backward of one micro-batch after the other, then Adam.
//!
//! Every micro-batch reads and leaves tensors of its own, so the planner lets each one live where the one before did. The loss is
//! a mean over the batch, a micro-batch's a mean over itself: it counts by its share of the samples. Parameters' gradients
//! are overwritten by the first micro-batch and added to by the others.

use super::regression::record_regression;
use super::views::{Part, Views};
use super::{Model, NoiseWeight, StepOptions};
use crate::diffusion::ScheduleKind;
use crate::kernels::losses::{self, ScheduleWeights};
use crate::kernels::{adam, elementwise, noising, schedule};
use crate::tape::Tape;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// Records one training step in micro-batches of `options.micro_batch` samples.
pub(super) fn record(tape: &mut Tape, model: &Model, options: &StepOptions) -> Result<Views> {
    let &StepOptions { batch, height: h, width: w, .. } = options;
    let (config, scale) = (model.config(), model.scale());
    if !h.is_multiple_of(scale) || !w.is_multiple_of(scale) {
        return Err(Error::shape(format!(
            "targets of {h} × {w}; this model's are {scale} times as large as its conditions"
        )));
    }
    let flat = model.parameters().shape();
    let micro = options.micro_batch.unwrap_or(batch).max(1);
    let starts: Vec<usize> = (0..batch).step_by(micro).collect();
    let losses = tape.persistent("losses", Shape::vector(4 * starts.len()))?;
    let mut parts = Vec::new();
    for (i, &first) in starts.iter().enumerate() {
        let samples = first..batch.min(first + micro);
        let n = samples.len();
        parts.push(Part {
            x: tape.persistent("condition", Shape::new(n, config.condition_channels, h / scale, w / scale))?,
            y: tape.persistent("target", Shape::new(n, config.target_channels, h, w))?,
            times: tape.persistent("times", Shape::vector(n + 1))?,
            rng: tape.persistent("random state", Shape::vector(4))?,
            rho: tape.persistent("rho and derivatives", Shape::new(n + 1, 3, 1, 1))?,
            losses: losses.range(4 * i..4 * i + 4)?,
            share: n as f32 / batch as f32,
            samples,
        });
    }
    let views = Views {
        parts,
        losses,
        hyper: tape.persistent("optimiser settings", Shape::vector(8))?,
        parameters: tape.persistent("parameters", flat)?,
        gradient: tape.persistent("parameters' gradient", flat)?,
        first: tape.persistent("first moments", flat)?,
        second: tape.persistent("second moments", flat)?,
        average: options.average.then(|| tape.persistent("averaged parameters", flat)).transpose()?,
    };
    let theta = &views.parameters;
    tape.parameters(theta, &views.gradient)?;
    if options.recompute {
        tape.recompute();
    }
    for part in &views.parts {
        match model.config().schedule {
            ScheduleKind::None => record_regression(tape, model, options.regression, theta, part)?,
            _ => record_part(tape, model, options, theta, part)?,
        }
    }
    let values = (tape.caps().max_binding / 4) as usize;
    let [gradient, parameters, first, second] =
        [&views.gradient, theta, &views.first, &views.second].map(|v| v.parts(values));
    let average = views.average.as_ref().map(|v| v.parts(values));
    for i in 0..parameters.len() {
        let average = average.as_ref().map(|parts| &parts[i]);
        tape.push(adam::step(tape.caps(), &views.hyper, &gradient[i], &parameters[i], &first[i], &second[i], average)?);
    }
    Ok(views)
}

/// Records one micro-batch, forward and backward.
fn record_part(tape: &mut Tape, model: &Model, options: &StepOptions, theta: &View, part: &Part) -> Result<()> {
    // Forward: rate, schedule, noising, noise prediction.
    let target = part.y.shape;
    let rate = tape.intermediate("rate", target)?;
    model.record_rate(tape, theta, &part.x, &rate)?;
    if let Some(rho) = model.rho() {
        tape.push(schedule::forward(&theta.range(rho.range.clone())?, &part.times, &part.rho)?);
    }
    let input = tape.intermediate("noise network input", Shape { c: model.input_channels(), ..target })?;
    let [x_part, gamma, z] = model.split_input(&input)?;
    tape.push([elementwise::copy(&part.x, &x_part, false)?]);
    tape.push(noising::forward(&part.rng, &part.y, &rate, &part.rho, &gamma, &z)?);
    let learned = record_rate_of_time(tape, model, theta, part, &rate)?;
    if learned.is_some() {
        tape.watch(&input);
    }
    let prediction = model.record_noise(tape, theta, &input)?;

    // Backward: the noise loss through the noise network down to its input.
    let g = tape.intermediate("gradient of the prediction", target)?;
    match (options.noise_weight, &learned) {
        (NoiseWeight::Uniform, _) => {
            let partials = tape.intermediate("partial sums", losses::noise_partials(tape.caps(), target))?;
            tape.push(losses::noise(tape.caps(), &part.rng, &prediction, part.share, &g, &part.losses, &partials)?);
        }
        (NoiseWeight::Snr, Some(of)) => {
            let partials = tape.intermediate("partial sums", losses::weighted_noise_partials(tape.caps(), target))?;
            tape.push(losses::weighted_noise(
                tape.caps(),
                &losses::WeightedNoise {
                    rng: &part.rng,
                    prediction: &prediction,
                    lambda: &rate,
                    rho: &part.rho,
                    tau: &of.tau,
                    weight: part.share,
                    gprediction: &g,
                    glambda: &of.glambda,
                    grho: &of.grho,
                    gtau: of.gtau.as_ref(),
                    losses: &part.losses,
                    partials: &partials,
                },
            )?);
        }
        (NoiseWeight::Snr, None) => {
            return Err(Error::input(
                "the weight SNR'/SNR needs a learned schedule; a fixed one takes the uniform weight",
            ));
        }
    }
    let gradients = tape.backward(&[(prediction, g)])?;
    if let Some(of) = &learned {
        let of_input =
            gradients.of(&input).ok_or_else(|| Error::shape("the noise network passed no gradient on to its input"))?;
        record_schedule_gradient(tape, model, options, theta, part, of, &of_input)?;
    }
    Ok(())
}

/// A learned schedule in a step: the rate of time, and where the gradients gather.
struct Learned {
    /// λ.
    rate: View,
    /// τ by row, `[N + 1, 1, 1, 1]`.
    tau: View,
    glambda: View,
    grho: View,
    /// None if τ is ρ' itself.
    gtau: Option<View>,
}

/// Records τ, if the schedule is learned.
fn record_rate_of_time(
    tape: &mut Tape,
    model: &Model,
    theta: &View,
    part: &Part,
    rate: &View,
) -> Result<Option<Learned>> {
    if model.rho().is_none() {
        return Ok(None);
    }
    let rows = part.rho.shape;
    let (tau, gtau) = match model.tau() {
        None => (part.rho.range(1..2)?, None),
        Some(network) => {
            let values = tape.intermediate("tau and derivatives", rows)?;
            let range = theta.range(network.range.clone())?;
            tape.push(schedule::forward(&range, &part.times, &values)?);
            (values.range(0..1)?, Some(tape.intermediate("gradient of tau", rows)?))
        }
    };
    let glambda = tape.intermediate("gradient of the rate", rate.shape)?;
    let grho = tape.intermediate("gradient of rho", rows)?;
    Ok(Some(Learned { rate: *rate, tau, glambda, grho, gtau }))
}

/// The schedule's own losses, and everything that flows back through γ and z into `λ`, `ρ` and `τ`.
fn record_schedule_gradient(
    tape: &mut Tape,
    model: &Model,
    options: &StepOptions,
    theta: &View,
    part: &Part,
    of: &Learned,
    of_input: &View,
) -> Result<()> {
    let rate = &of.rate;
    let [_, ggamma, gz] = model.split_input(of_input)?;
    // A weighted noise loss has written its part already.
    let weighted = options.noise_weight == NoiseWeight::Snr;
    let partials = tape.intermediate("partial sums", noising::backward_partials(tape.caps(), rate.shape))?;
    tape.push(noising::backward(
        tape.caps(),
        &noising::Backward {
            rng: &part.rng,
            y: &part.y,
            lambda: rate,
            rho: &part.rho,
            ggamma: &ggamma,
            gz: &gz,
            glambda: &of.glambda,
            accumulate_lambda: weighted,
            grho: &of.grho,
            accumulate_rho: weighted,
            partials: &partials,
        },
    )?);
    let partials = tape.intermediate("partial sums", losses::schedule_partials(tape.caps(), rate.shape))?;
    tape.push(losses::schedule(
        tape.caps(),
        &losses::Schedule {
            y: &part.y,
            lambda: rate,
            rho: &part.rho,
            tau: &of.tau,
            weights: weights(options, part),
            glambda: &of.glambda,
            accumulate_lambda: true,
            grho: &of.grho,
            accumulate_rho: true,
            gtau: of.gtau.as_ref(),
            accumulate_tau: weighted,
            losses: &part.losses,
            partials: &partials,
        },
    )?);
    for (network, gradient) in [(model.rho(), Some(&of.grho)), (model.tau(), of.gtau.as_ref())] {
        if let (Some(network), Some(gradient)) = (network, gradient) {
            let range = theta.range(network.range.clone())?;
            let (of_parameters, add) = tape.parameter_gradient(&range)?;
            tape.push(schedule::backward(&range, &part.times, gradient, &of_parameters, add)?);
        }
    }
    tape.backward(&[(*rate, of.glambda)])?;
    Ok(())
}

/// The weights of the schedule's losses in the total of the batch.
fn weights(options: &StepOptions, part: &Part) -> ScheduleWeights {
    let ScheduleWeights { beta, prior, gamma } = options.weights;
    ScheduleWeights { beta: part.share * beta, prior: part.share * prior, gamma: part.share * gamma }
}
