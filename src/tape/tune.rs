//! Choosing among kernels that compute the same, by measuring each once on the device; without that, a fixed choice.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::Instant;

use super::{Measured, Plan, PlanOptions, Role, Tape};
use crate::gpu::{Caps, Gpu, Matrices, Timer};
use crate::kernels::conv2d::{Activation, Direction};
use crate::kernels::conv2d_3x3::{self, Input, Output, Reads, Variant};
use crate::kernels::split_sum::{self, Parts};
use crate::kernels::{
    self, Call, conv2d_3x3_cooperative, conv2d_3x3_grad_weight as grad_weight, conv2d_3x3_portable, instance_norm,
    winograd,
};
use crate::tensor::{Element, Shape, TensorId, View};
use crate::{Error, Result};

/// Rounds in which every candidate runs once; the fastest run of each counts, because what disturbs a run only slows it.
const ROUNDS: usize = 5;

/// How a 3×3 convolution is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convolution {
    /// As the sum that it is.
    Direct(Variant),
    /// The same [without subgroups](crate::kernels::conv2d_3x3_portable), with so many groups of four output channels an invocation.
    Portable {
        /// 1 or 2.
        groups: usize,
    },
    /// By [Winograd's algorithm](crate::kernels::winograd).
    Winograd,
    /// On [cooperative matrices](crate::kernels::conv2d_3x3_cooperative), for feature maps of halves.
    Matrices(Matrices),
}

/// How the weight gradient of a 3×3 convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightGradient {
    /// With subgroups.
    Subgroups(grad_weight::Variant),
    /// [Without](crate::kernels::conv2d_3x3_portable).
    Portable,
}

impl WeightGradient {
    /// What it leaves, of a convolution of `x` to so many channels.
    pub fn parts(self, caps: Caps, x: Shape, channels: usize) -> Parts {
        match self {
            Self::Subgroups(variant) => grad_weight::parts(caps, variant.outputs, x, channels),
            Self::Portable => conv2d_3x3_portable::parts(caps, x, channels),
        }
    }

    /// Its call, from what the convolution read and the gradient of what it wrote.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not fit.
    pub fn record(self, caps: Caps, input: Input<'_>, g: &View, to: &View) -> Result<Call> {
        match self {
            Self::Subgroups(variant) => grad_weight::grad_weight(caps, variant, input, g, to),
            Self::Portable => conv2d_3x3_portable::grad_weight(caps, input, g, to),
        }
    }
}

/// Which 3×3 convolution is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Forward, or the input gradient, which is a convolution of the output's.
    pub direction: Direction,
    /// The shape of what is convolved.
    pub x: Shape,
    /// Channels of what comes out.
    pub channels: usize,
    /// Whether the moments of the output's tiles are of use, as to a norm behind it: a kernel that does not leave them has the norm read its
    /// map once more.
    pub moments: bool,
}

/// A candidate ready to run, having run once; none if it needs more than the adapter's limits or memory allow, or the driver refuses it.
/// `given` are buffers of its first tensors.
fn prepare(
    gpu: &Gpu,
    given: &HashMap<TensorId, wgpu::Buffer>,
    record: impl Fn(&mut Tape) -> Result<()>,
) -> Result<Option<Plan>> {
    let mut tape = Tape::new(gpu.caps());
    record(&mut tape)?;
    let run = || -> Result<Plan> {
        tape.check_limits()?;
        let plan = tape.plan(gpu, given, PlanOptions::default())?;
        plan.prepare()?;
        plan.run()?;
        plan.wait()?;
        Ok(plan)
    };
    unless_refused(run())
}

/// The nanoseconds of one run by the device's clock, where it has one.
fn on_the_device(plan: &Plan) -> Result<f64> {
    Ok(plan.profile()?.iter().sum())
}

/// The nanoseconds of one run as the host sees them.
fn on_the_host(plan: &Plan) -> Result<f64> {
    let begin = Instant::now();
    plan.run()?;
    plan.wait()?;
    Ok(begin.elapsed().as_nanos() as f64)
}

/// The least time of each plan by one clock: in every round each of them runs once.
fn least(plans: &[Option<Plan>], clock: fn(&Plan) -> Result<f64>) -> Result<Vec<f64>> {
    let mut least = vec![f64::INFINITY; plans.len()];
    for _ in 0..ROUNDS {
        for (plan, least) in plans.iter().zip(&mut least).filter_map(|(plan, least)| Some((plan.as_ref()?, least))) {
            *least = clock(plan)?.min(*least);
        }
    }
    Ok(least)
}

/// A number for a text (FNV-1a), begun with another text's.
fn fingerprint(begin: u32, text: &str) -> u32 {
    text.bytes().fold(begin, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// That of all shaders: what was measured of others is not an answer of these.
fn shaders() -> u32 {
    static OF_ALL: OnceLock<u32> = OnceLock::new();
    *OF_ALL.get_or_init(|| {
        let texts = kernels::ALL.iter().flat_map(|shader| shader.sources.iter());
        texts.fold(0x811c_9dc5, |hash, text| fingerprint(hash, text))
    })
}

/// What the device's clock told, if it told a time.
fn unless_untold<T>(told: Result<T>) -> Result<Option<T>> {
    match told {
        Ok(told) => Ok(Some(told)),
        Err(Error::Limit(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

fn unless_refused<T>(made: Result<T>) -> Result<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        // Drivers do refuse pipelines, of too many registers say: then another candidate it is. That none is refused for a fault of its own is
        // what the tests of each variant are for.
        Err(Error::Limit(_) | Error::OutOfMemory(_) | Error::Validation(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The fastest of some candidates, from the device's choices or by measuring what `record` records of each on scratch tensors; none without
/// choices, or if none of them can run. Their first `common` tensors are the same for all of them, and lie in the same buffers.
fn fastest<T: Copy + Debug>(
    gpu: &Gpu,
    question: &str,
    candidates: &[T],
    common: usize,
    record: impl Fn(&mut Tape, T) -> Result<()>,
) -> Result<Option<T>> {
    let Some(choices) = gpu.choices() else { return Ok(None) };
    // An answer is a number in a list that depends on what the adapter is and is treated as: not to be read as one in another.
    let of = fingerprint(shaders(), &format!("{candidates:?}"));
    let question = &format!("{question}, of {}, by kernels {of:08x}", candidates.len());
    if let Some(known) = choices.known(question, candidates.len()) {
        return Ok(Some(candidates[known]));
    }
    let mut shared = HashMap::new();
    let mut plans = Vec::new();
    for &candidate in candidates {
        let plan = prepare(gpu, &shared, |tape| record(tape, candidate))?;
        if let Some(plan) = plan.as_ref().filter(|_| shared.is_empty()) {
            shared = plan.first_buffers(common);
        }
        plans.push(plan);
    }
    if plans.iter().all(Option::is_none) {
        return Ok(None);
    }
    // By one clock for all: the device's, if it has enough timestamps for each and they tell a time.
    let few = plans.iter().flatten().all(|plan| plan.calls().len() <= Timer::MOST as usize);
    let told = if gpu.caps().timestamps && few { unless_untold(least(&plans, on_the_device))? } else { None };
    let times = match told.filter(|times| times.iter().all(|&time| time > 0.0)) {
        Some(times) => times,
        None => least(&plans, on_the_host)?,
    };
    let fastest = (0..candidates.len()).min_by(|&a, &b| times[a].total_cmp(&times[b])).unwrap_or(0);
    choices.keep(question, fastest)?;
    Ok(Some(candidates[fastest]))
}

impl Tape {
    /// The matrices that a convolution of halves of this shape can run on.
    fn matrices_for(&self, x: Shape) -> Option<Matrices> {
        self.caps.matrices.filter(|&matrices| conv2d_3x3_cooperative::suits(matrices, x))
    }

    /// The choice without measuring.
    fn fixed_convolution(&self, Wanted { x, channels, .. }: Wanted) -> Convolution {
        if !self.caps.subgroups {
            return Convolution::Portable { groups: if channels > 4 { 2 } else { 1 } };
        }
        if self.features == Element::F16 {
            let matrices = self.matrices_for(x);
            let variant = Variant::of_halves(self.caps, x, channels);
            return matrices.map_or(Convolution::Direct(variant), Convolution::Matrices);
        }
        Convolution::Direct(Variant::fixed(self.caps, x, channels))
    }

    /// What is worth measuring, the direct sums first.
    ///
    /// Winograd's algorithm is not among it where blocks are [computed again](Tape::recompute) to save memory, of which it takes more.
    fn convolutions(&self, Wanted { x, channels, .. }: Wanted) -> Vec<Convolution> {
        let portable = [1, 2].map(|groups| Convolution::Portable { groups }).into_iter();
        if !self.caps.subgroups {
            return portable.collect();
        }
        // On software adapters handing round spares loads, which are what costs; what a GPU prefers is not known.
        let portable = portable.filter(|_| !self.caps.software);
        let direct = Variant::candidates(self.caps, x, channels).into_iter();
        if self.features == Element::F16 {
            let matrices = self.matrices_for(x);
            // From uniform buffers sums would pass from dispatch to dispatch through halves, and images hold none.
            let direct = direct.filter(|variant| variant.reads == Reads::Storage);
            let sums = direct.map(Convolution::Direct).chain(portable);
            return sums.chain(matrices.map(Convolution::Matrices)).collect();
        }
        let winograd = winograd::suits(self.caps, x, channels) && !self.recompute.is_enabled();
        direct.map(Convolution::Direct).chain(portable).chain(winograd.then_some(Convolution::Winograd)).collect()
    }

    /// How to do a 3×3 convolution. All direct sums in as many slices give the same bits.
    ///
    /// Winograd's algorithm for maps is never the fixed choice, since it rounds a few times as much.
    ///
    /// # Errors
    /// Those of the measurement, if the tape is [tuned](Tape::on).
    pub fn convolution(&self, wanted: Wanted) -> Result<Convolution> {
        if let Some(candidate) = self.candidate {
            return Ok(candidate);
        }
        let Some(gpu) = &self.tuned_for else { return Ok(self.fixed_convolution(wanted)) };
        let candidates = self.convolutions(wanted);
        let Wanted { direction, x, channels, moments } = wanted;
        // Weights that stay are packed or transformed once, which takes Winograd's algorithm the longer.
        let (frozen, features) = (self.frozen, self.features);
        let question = format!(
            "conv2d_3x3 {direction:?} of {x} into {channels} channels{}{}{}{}",
            if features == Element::F16 { ", of halves" } else { "" },
            if frozen { ", of the same weights" } else { "" },
            if moments { ", for a norm" } else { "" },
            if self.recompute.is_enabled() { ", computed again" } else { "" },
        );
        let chosen = fastest(gpu, &question, &candidates, 3, |tape, candidate| {
            (tape.candidate, tape.frozen, tape.features) = (Some(candidate), frozen, features);
            tape.record_wanted(wanted)
        })?;
        Ok(chosen.unwrap_or_else(|| self.fixed_convolution(wanted)))
    }

    /// Records a convolution on tensors of its own, as a network records it, with the first stage of the norm behind it if there is one. The
    /// first three tensors are the same whatever the choice of kernel.
    fn record_wanted(&mut self, Wanted { direction, x, channels, moments }: Wanted) -> Result<()> {
        let stored = |tape: &mut Self, label: &str, shape| tape.stored(label, shape, Role::Persistent, tape.features);
        let (x, y) = (stored(self, "x", x)?, stored(self, "y", Shape { c: channels, ..x })?);
        let weight = self.persistent("weight", conv2d_3x3::SPEC.weight(x.shape.c, channels))?;
        if !moments {
            return self.conv2d_3x3(direction, &x, &weight, None, Activation::None, &y, false).map(drop);
        }
        let tiles = self.intermediate("moments of tiles", instance_norm::tiles(y.shape))?;
        let output = Output { y: &y, tiles: Some(&tiles) };
        let left = self.conv2d_3x3(direction, &x, &weight, None, Activation::None, output, false)?;
        let map = Measured { map: y, tiles: left.then_some(tiles) };
        let affine =
            [self.persistent("gain", Shape::vector(channels))?, self.persistent("shift", Shape::vector(channels))?];
        let of_channels = instance_norm::stats(y.shape);
        let (stats, scales) = (self.persistent("statistics", of_channels)?, self.persistent("scales", of_channels)?);
        let [gain, shift] = &affine;
        self.push([instance_norm::scales(self.caps, map.input(), [gain, shift], &stats, &scales, 1e-3)?]);
        Ok(())
    }

    /// How to compute the weight gradient of a convolution. Variants with as many outputs and the same algorithm give the same bits; others
    /// have their own order of summation.
    ///
    /// # Errors
    /// As [`Tape::convolution`].
    pub fn weight_gradient(&self, x: Shape, channels: usize) -> Result<WeightGradient> {
        if !self.caps.subgroups {
            return Ok(WeightGradient::Portable);
        }
        let fixed = WeightGradient::Subgroups(grad_weight::Variant::fixed(self.caps, channels));
        let Some(gpu) = &self.tuned_for else { return Ok(fixed) };
        let subgroups = grad_weight::Variant::candidates(self.caps).into_iter().map(WeightGradient::Subgroups);
        let portable = (!self.caps.software).then_some(WeightGradient::Portable);
        let all: Vec<_> = subgroups.chain(portable).collect();
        let question = format!("conv2d_3x3_grad_weight of {x} to {channels} channels");
        let chosen = fastest(gpu, &question, &all, 2, |tape, how| {
            let parts = how.parts(tape.caps(), x, channels);
            let (x, g) = (tape.persistent("x", x)?, tape.persistent("g", Shape { c: channels, ..x })?);
            let sums = tape.persistent("sums", parts.shape())?;
            tape.push([how.record(tape.caps(), (&x).into(), &g, &sums)?]);
            if parts.splits > 1 {
                let gradient = tape.persistent("gradient", Shape::vector(parts.values()))?;
                tape.push([split_sum::sum_splits(parts, &sums, 0, &gradient, false)?]);
            }
            Ok(())
        })?;
        Ok(chosen.unwrap_or(fixed))
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
            tape.push([fill(&own, 3.0)?, copy(&x, &y, true)?, copy(&own, &y, true)?]);
            Ok(())
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
            let record = |tape: &mut Tape| {
                let x = View { windowed: false, ..tape.persistent("x", shape)? };
                tape.push([fill(&x, 1.0)?]);
                Ok(())
            };
            assert!(prepare(&gpu, &HashMap::new(), record).unwrap().is_none());
        }
        assert_eq!(unless_refused::<()>(Err(Error::OutOfMemory(String::new()))), Ok(None));
        let lost = Error::DeviceLost(String::new());
        assert_eq!(unless_refused::<()>(Err(lost.clone())), Err(lost));
    }
}
