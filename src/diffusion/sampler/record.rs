//! What sampling records: the rate of a measurement, once, and of a group of samples the start, a step and the end.

use std::collections::HashMap;

use super::super::groups::largest_group;
use super::{Model, SampleOptions};
use crate::gpu::{Caps, Gpu};
use crate::kernels::reverse_step::{self, Reverse};
use crate::kernels::{elementwise, pad, statistics};
use crate::tape::{Plan, PlanOptions, Tape};
use crate::tensor::{Shape, TensorId, View};
use crate::{Error, Result};

/// The shapes of a measurement, as it is and padded to what the networks take, and of what comes of it.
pub(super) struct Shapes {
    /// Of the condition, as it was measured.
    measured: Shape,
    /// Of the result: a sample, or the rate, of the same size.
    result: Shape,
    /// Of the condition, padded.
    condition: Shape,
    /// Of the rate, padded.
    rate: Shape,
}

impl Shapes {
    /// Of measurements of `height × width`.
    pub fn of(model: &Model, (height, width): (usize, usize)) -> Self {
        let config = model.config();
        let (h, w) = model.padded((height, width));
        let shape = |c, h, w| Shape::new(1, c, h, w);
        Self {
            measured: shape(config.condition_channels, height, width),
            result: shape(config.target_channels, height, width),
            condition: shape(config.condition_channels, h, w),
            rate: shape(config.target_channels, h, w),
        }
    }
}

/// The rate of a measurement, on a plan that is run once for it.
pub(super) struct Rate {
    pub plan: Plan,
    /// The measured condition, in its own size.
    pub measured: View,
    /// The rate, in the measurement's own size.
    pub map: View,
    parameters: View,
    condition: View,
    lambda: View,
}

impl Rate {
    /// With the flat parameters `flat`, which groups of samples share.
    ///
    /// # Errors
    /// [`Error::Limit`] if it does not fit; device errors.
    pub fn new(gpu: &Gpu, model: &Model, flat: &[f32], shapes: &Shapes) -> Result<Self> {
        let mut tape = Tape::on(gpu);
        tape.freeze();
        let parameters = tape.persistent("parameters", model.parameters().shape())?;
        let measured = tape.persistent("measured condition", shapes.measured)?;
        let condition = tape.persistent("condition", shapes.condition)?;
        let lambda = tape.persistent("rate", shapes.rate)?;
        let map = tape.persistent("rate of the measurement", shapes.result)?;
        tape.push([pad::reflect_pad(&measured, &condition)?]);
        model.record_rate(&mut tape, &parameters, &condition, &lambda)?;
        tape.push([pad::crop(&lambda, &map)?]);
        largest_group(1, |_| tape.check_limits())?;
        let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default())?;
        plan.write(&parameters, flat)?;
        plan.prepare()?;
        Ok(Self { plan, measured, map, parameters, condition, lambda })
    }
}

/// The tensors of a group.
pub(super) struct Views {
    pub parameters: View,
    pub condition: View,
    pub lambda: View,
    pub input: View,
    pub rng: View,
    pub tau: View,
    pub sums: View,
    pub targets: View,
    pub mean: View,
    pub deviation: View,
}

/// What a group records: its start, a step, its end. One set of tensors for the three of them, so that a tensor has the same
/// number in each.
struct Recording {
    start: Tape,
    step: Tape,
    finish: Tape,
    views: Views,
}

impl Recording {
    /// On an empty tape, for so many `samples`.
    fn new(mut tape: Tape, model: &Model, options: &SampleOptions, shapes: &Shapes, samples: usize) -> Result<Self> {
        let &Shapes { condition, rate, result, .. } = shapes;
        tape.freeze();
        let views = Views {
            parameters: tape.persistent("parameters", model.parameters().shape())?,
            condition: tape.persistent("condition", condition)?,
            lambda: tape.persistent("rate", rate)?,
            input: tape
                .persistent("noise network input", Shape { n: samples, c: model.input_channels(), ..condition })?,
            rng: tape.persistent("random state", Shape::vector(4))?,
            tau: tape.persistent("tau", Shape::new(options.steps, 1, 1, 1))?,
            sums: tape.persistent("sums of tau's powers", reverse_step::sums(options.steps))?,
            targets: tape.persistent("samples", Shape { n: samples, ..result })?,
            mean: tape.persistent("mean", result)?,
            deviation: tape.persistent("standard deviation", result)?,
        };
        let v = &views;
        let [x_part, gamma, z] = model.split_input(&v.input)?;
        let discretisation = options.discretisation;
        let reverse = Reverse {
            rng: &v.rng,
            lambda: &v.lambda,
            tau: &v.tau,
            sums: &v.sums,
            gamma: &gamma,
            z: &z,
            discretisation,
        };
        let mut start = tape.fork();
        start.push([elementwise::copy(&v.condition, &x_part, false)?]);
        start.push(reverse_step::start(&reverse)?);
        let mut finish = tape.fork();
        finish.push([pad::crop(&z, &v.targets)?, statistics::mean_std(&v.targets, &v.mean, &v.deviation)?]);
        let mut step = tape.fork();
        if options.halves {
            step.store_halves()?;
        }
        let prediction = model.record_noise(&mut step, &v.parameters, &v.input)?;
        step.push(reverse_step::step(&reverse, &prediction, options.variant)?);
        Ok(Self { start, step, finish, views })
    }

    /// Refuses a group that is too large for the adapter.
    fn check_limits(&self) -> Result<()> {
        [&self.start, &self.step, &self.finish].into_iter().try_for_each(Tape::check_limits)
    }
}

/// The most samples of a group: as many as were asked for, or as the adapter's bindings hold.
///
/// # Errors
/// [`Error::Limit`] if not even a single sample fits.
pub(super) fn largest(caps: Caps, model: &Model, options: &SampleOptions, shapes: &Shapes) -> Result<usize> {
    let asked = if options.batch == 0 { options.samples } else { options.batch };
    largest_group(options.samples, |samples| {
        if samples > asked {
            return Err(Error::input(format!("{samples} samples side by side, {asked} were asked for")));
        }
        Recording::new(Tape::new(caps), model, options, shapes, samples)?.check_limits()
    })
}

/// The plans of a group of samples, which share their tensors with each other and with the [`Rate`]'s.
pub(super) struct Group {
    pub samples: usize,
    pub start: Plan,
    pub step: Plan,
    pub finish: Plan,
    pub views: Views,
}

impl Group {
    /// Of so many `samples`.
    ///
    /// # Errors
    /// Device errors.
    pub fn new(
        gpu: &Gpu,
        model: &Model,
        options: &SampleOptions,
        shapes: &Shapes,
        rate: &Rate,
        samples: usize,
    ) -> Result<Self> {
        let Recording { start, step, finish, views: v } =
            Recording::new(Tape::on(gpu), model, options, shapes, samples)?;
        let mut shared: HashMap<TensorId, wgpu::Buffer> = HashMap::new();
        let of_rate = [(&v.parameters, &rate.parameters), (&v.condition, &rate.condition), (&v.lambda, &rate.lambda)];
        for (here, there) in of_rate {
            shared.insert(here.tensor, rate.plan.buffer(there)?.clone());
        }
        let start = start.plan(gpu, &shared, PlanOptions::default())?;
        for view in [&v.input, &v.rng, &v.tau, &v.sums, &v.targets, &v.mean, &v.deviation] {
            shared.insert(view.tensor, start.buffer(view)?.clone());
        }
        let finish = finish.plan(gpu, &shared, PlanOptions::default())?;
        let step = step.plan(gpu, &shared, PlanOptions::default())?;
        Ok(Self { samples, start, step, finish, views: v })
    }
}
