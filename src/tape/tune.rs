//! Choosing among kernels that compute the same, by measuring each once on the device; without that, a fixed choice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Plan, PlanOptions, Tape};
use crate::Result;
use crate::gpu::Gpu;
use crate::kernels::conv2d::{Activation, Direction};
use crate::kernels::conv2d_3x3::{self, Packing, Variant};
use crate::kernels::{Call, conv2d_3x3_grad_weight as grad_weight};
use crate::tensor::{Element, Shape};

/// Rounds in which every candidate runs once; the fastest run of each counts, because what disturbs a run only slows it.
const ROUNDS: usize = 5;

/// The number of the fastest of some recordings on scratch tensors, from the device's choices or by measuring.
fn fastest(
    gpu: &Gpu,
    question: &str,
    candidates: usize,
    record: impl Fn(&mut Tape, usize) -> Result<Vec<Call>>,
) -> Result<Option<usize>> {
    let Some(choices) = gpu.choices() else { return Ok(None) };
    if let Some(known) = choices.known(question, candidates) {
        return Ok(Some(known));
    }
    let prepare = |number: usize| -> Result<Option<Plan>> {
        let mut tape = Tape::new(gpu.caps());
        let calls = record(&mut tape, number)?;
        tape.push(calls);
        if tape.check_limits().is_err() {
            return Ok(None);
        }
        let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default())?;
        plan.run()?;
        plan.wait()?;
        Ok(Some(plan))
    };
    let plans: Vec<Option<Plan>> = (0..candidates).map(prepare).collect::<Result<_>>()?;
    let mut best = vec![Duration::MAX; candidates];
    for _ in 0..ROUNDS {
        for (plan, best) in plans.iter().zip(&mut best).filter_map(|(plan, best)| Some((plan.as_ref()?, best))) {
            let begin = Instant::now();
            plan.run()?;
            plan.wait()?;
            *best = begin.elapsed().min(*best);
        }
    }
    let fastest = (0..candidates).min_by_key(|&i| best[i]).unwrap_or(0);
    choices.keep(question, fastest)?;
    Ok(Some(fastest))
}

impl Tape {
    /// How to convolve `x` to `channels` output channels. All variants give the same bits.
    ///
    /// # Errors
    /// Those of the measurement, if the tape is [tuned](Tape::on).
    pub fn convolution_variant(&self, x: Shape, channels: usize) -> Result<Variant> {
        if self.features == Element::F16 {
            // Sums that pass from dispatch to dispatch through halves would lose what they gain.
            return Ok(Variant::of_halves(channels));
        }
        let fixed = Variant::fixed(self.caps, channels);
        let Some(gpu) = &self.tuned_for else { return Ok(fixed) };
        let question = format!("conv2d_3x3 of {x} to {channels} channels");
        let chosen = fastest(gpu, &question, Variant::ALL.len(), |tape, number| {
            let packing = Packing::new(tape.caps(), Variant::ALL[number], x.c, channels);
            let (x, y) = (tape.persistent("x", x)?, tape.persistent("y", Shape { c: channels, ..x })?);
            let weight = tape.persistent("weight", conv2d_3x3::SPEC.weight(x.shape.c, channels))?;
            let packed = tape.persistent("packed", packing.shape())?;
            let mut calls = vec![conv2d_3x3::pack(&packing, Direction::Forward, &weight, &packed)?];
            calls.extend(conv2d_3x3::forward(&packing, &x, &packed, None, Activation::None, &y, false)?);
            Ok(calls)
        })?;
        Ok(chosen.map_or(fixed, |number| Variant::ALL[number]))
    }

    /// How to compute the weight gradient of a convolution. Variants with as many outputs give the same bits; others have
    /// their own order of summation.
    ///
    /// # Errors
    /// As [`Tape::convolution_variant`].
    pub fn weight_gradient_variant(&self, x: Shape, channels: usize) -> Result<grad_weight::Variant> {
        const ALL: [grad_weight::Variant; 5] = grad_weight::Variant::ALL;
        let fixed = grad_weight::Variant::fixed(self.caps, channels);
        let Some(gpu) = &self.tuned_for else { return Ok(fixed) };
        let question = format!("conv2d_3x3_grad_weight of {x} to {channels} channels");
        let chosen = fastest(gpu, &question, ALL.len(), |tape, number| {
            let parts = grad_weight::parts(tape.caps(), ALL[number].outputs, x, channels);
            let (x, g) = (tape.persistent("x", x)?, tape.persistent("g", Shape { c: channels, ..x })?);
            let sums = tape.persistent("sums", parts)?;
            Ok(vec![grad_weight::grad_weight(tape.caps(), ALL[number], &x, &g, &sums)?])
        })?;
        Ok(chosen.map_or(fixed, |number| ALL[number]))
    }
}
