//! Choosing among kernels that compute the same, by measuring each once on the device; without that, a fixed choice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Plan, PlanOptions, Tape};
use crate::gpu::Gpu;
use crate::kernels::conv2d::{Activation, Direction};
use crate::kernels::conv2d_3x3::{self, Packing, Variant};
use crate::kernels::{Call, conv2d_3x3_grad_weight as grad_weight, winograd};
use crate::tensor::{Element, Shape, TensorId};
use crate::{Error, Result};

/// Rounds in which every candidate runs once; the fastest run of each counts, because what disturbs a run only slows it.
const ROUNDS: usize = 5;

/// How a 3×3 convolution is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convolution {
    /// As the sum that it is.
    Direct(Variant),
    /// By [Winograd's algorithm](crate::kernels::winograd).
    Winograd,
}

/// A candidate ready to run, having run once; none if it needs more than the adapter's limits or memory allow. `given` are buffers of
/// its first tensors.
fn prepare(
    gpu: &Gpu,
    given: &HashMap<TensorId, wgpu::Buffer>,
    record: impl Fn(&mut Tape) -> Result<Vec<Call>>,
) -> Result<Option<Plan>> {
    let mut tape = Tape::new(gpu.caps());
    let calls = record(&mut tape)?;
    tape.push(calls);
    let run = || -> Result<Plan> {
        tape.check_limits()?;
        let plan = tape.plan(gpu, given, PlanOptions::default())?;
        plan.run()?;
        plan.wait()?;
        Ok(plan)
    };
    unless_too_large(run())
}

fn unless_too_large<T>(made: Result<T>) -> Result<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(Error::Limit(_) | Error::OutOfMemory(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The number of the fastest of some recordings on scratch tensors, from the device's choices or by measuring; none without choices, or
/// if none of them can run. Their first `common` tensors, whatever the number, are the same, and lie in the same buffers.
fn fastest(
    gpu: &Gpu,
    question: &str,
    candidates: usize,
    common: usize,
    record: impl Fn(&mut Tape, usize) -> Result<Vec<Call>>,
) -> Result<Option<usize>> {
    let Some(choices) = gpu.choices() else { return Ok(None) };
    // An answer is a number in a list that depends on what the adapter is and is treated as: not to be read as one in another.
    let question = &format!("{question}, of {candidates}");
    if let Some(known) = choices.known(question, candidates) {
        return Ok(Some(known));
    }
    let mut shared = HashMap::new();
    let mut plans = Vec::new();
    for number in 0..candidates {
        let plan = prepare(gpu, &shared, |tape| record(tape, number))?;
        if let Some(plan) = plan.as_ref().filter(|_| shared.is_empty()) {
            shared = plan.first_buffers(common);
        }
        plans.push(plan);
    }
    if plans.iter().all(Option::is_none) {
        return Ok(None);
    }
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
    /// How to convolve `x` to `channels` output channels. All direct sums in as many slices give the same bits.
    ///
    /// Winograd's algorithm is never the fixed choice here, since it rounds a few times as much; and none where blocks are
    /// [computed again](Tape::recompute) to save memory, of which it takes more.
    ///
    /// # Errors
    /// Those of the measurement, if the tape is [tuned](Tape::on).
    pub fn convolution(&self, x: Shape, channels: usize) -> Result<Convolution> {
        if self.features == Element::F16 {
            // Sums that pass from dispatch to dispatch through halves would lose what they gain.
            return Ok(Convolution::Direct(Variant::of_halves(self.caps, x, channels)));
        }
        let fixed = Convolution::Direct(Variant::fixed(self.caps, x, channels));
        let Some(gpu) = &self.tuned_for else { return Ok(fixed) };
        let winograd = winograd::suits(self.caps, x, channels) && !self.recompute.is_enabled();
        // Weights that stay are packed or transformed once, which takes Winograd's algorithm the longer.
        let frozen = self.frozen;
        let question = format!(
            "conv2d_3x3 of {x} into {channels} channels{}{}",
            if frozen { ", of the same weights" } else { "" },
            if winograd { "" } else { ", directly" },
        );
        let direct = Variant::candidates(self.caps, x, channels);
        let candidates = direct.len() + usize::from(winograd);
        let chosen = fastest(gpu, &question, candidates, 3, |tape, number| {
            let caps = tape.caps();
            let (x, y) = (tape.persistent("x", x)?, tape.persistent("y", Shape { c: channels, ..x })?);
            let weight = tape.persistent("weight", conv2d_3x3::SPEC.weight(x.shape.c, channels))?;
            let both = [x.shape.c, channels];
            let (first, calls) = if let Some(&variant) = direct.get(number) {
                let packing = Packing::new(caps, variant, Direction::Forward, both);
                let packed = tape.persistent("packed", packing.shape())?;
                let pack = conv2d_3x3::pack(&packing, &weight, &packed)?;
                (pack, conv2d_3x3::forward(&packing, &x, &packed, None, Activation::None, &y, false)?)
            } else {
                let weights = tape.persistent("transformed", winograd::transformed(x.shape.c, channels))?;
                let input = tape.persistent("windows", winograd::windows(x.shape, x.shape.c))?;
                let product = tape.persistent("product", winograd::windows(x.shape, channels))?;
                let scratch = winograd::Scratch { weights: &weights, input: &input, product: &product };
                let transform = winograd::weights(Direction::Forward, &weight, both, &weights)?;
                (transform, winograd::convolve(caps, &x, scratch, None, Activation::None, &y, false)?.to_vec())
            };
            Ok([first].into_iter().filter(|_| !frozen).chain(calls).collect())
        })?;
        Ok(match chosen.map(|number| direct.get(number)) {
            None => fixed,
            Some(Some(&variant)) => Convolution::Direct(variant),
            Some(None) => Convolution::Winograd,
        })
    }

    /// How to compute the weight gradient of a convolution. Variants with as many outputs and the same algorithm give the same bits; others
    /// have their own order of summation.
    ///
    /// # Errors
    /// As [`Tape::convolution`].
    pub fn weight_gradient_variant(&self, x: Shape, channels: usize) -> Result<grad_weight::Variant> {
        let all = grad_weight::Variant::candidates(self.caps);
        let fixed = grad_weight::Variant::fixed(self.caps, channels);
        let Some(gpu) = &self.tuned_for else { return Ok(fixed) };
        let question = format!("conv2d_3x3_grad_weight of {x} to {channels} channels");
        let chosen = fastest(gpu, &question, all.len(), 2, |tape, number| {
            let parts = grad_weight::parts(tape.caps(), all[number].outputs, x, channels);
            let (x, g) = (tape.persistent("x", x)?, tape.persistent("g", Shape { c: channels, ..x })?);
            let sums = tape.persistent("sums", parts.shape())?;
            Ok(vec![grad_weight::grad_weight(tape.caps(), all[number], &x, &g, &sums)?])
        })?;
        Ok(chosen.map_or(fixed, |number| all[number]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::OpenOptions;
    use crate::kernels::elementwise::{copy, fill};
    use crate::tensor::View;

    fn gpu() -> Gpu {
        Gpu::open(&OpenOptions::default()).expect("the tests need an adapter; `make test` installs a software one")
    }

    #[test]
    fn candidates_share_their_first_tensors() {
        let gpu = gpu();
        let shape = Shape::new(1, 2, 4, 8);
        let record = |tape: &mut Tape| {
            let [x, y] = [tape.persistent("x", shape)?, tape.persistent("y", shape)?];
            let own = tape.persistent("a candidate's own", shape)?;
            Ok(vec![fill(&own, 3.0)?, copy(&x, &y, true)?, copy(&own, &y, true)?])
        };
        let first = prepare(&gpu, &HashMap::new(), record).unwrap().unwrap();
        let second = prepare(&gpu, &first.first_buffers(2), record).unwrap().unwrap();
        let bytes = 4 * shape.len() as u64;
        assert_eq!([first.memory().persistent, second.memory().persistent], [3 * bytes, bytes]);
        // Each has run once.
        let mut tape = Tape::new(gpu.caps());
        let [_, y] = ["x", "y"].map(|n| tape.persistent(n, shape).unwrap());
        assert!(first.read(&y).unwrap().iter().all(|&v| v == 6.0));
    }

    #[test]
    fn one_that_is_too_large_is_no_candidate() {
        let gpu = gpu();
        let bytes = gpu.caps().max_binding.min(gpu.caps().max_buffer);
        let shape = Shape::vector(1 + bytes as usize / 4);
        if shape.check("more than a binding").is_ok() {
            let record =
                |tape: &mut Tape| Ok(vec![fill(&View { windowed: false, ..tape.persistent("x", shape)? }, 1.0)?]);
            assert!(prepare(&gpu, &HashMap::new(), record).unwrap().is_none());
        }
        assert_eq!(unless_too_large::<()>(Err(Error::OutOfMemory(String::new()))), Ok(None));
        let lost = Error::DeviceLost(String::new());
        assert_eq!(unless_too_large::<()>(Err(lost.clone())), Err(lost));
    }
}
