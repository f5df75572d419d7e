//! The one answer of a model without a schedule.

use std::collections::HashMap;

use super::{Model, ScheduleKind};
use crate::gpu::Gpu;
use crate::kernels::pad;
use crate::tape::{Memory, Plan, PlanOptions, Tape};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// A model without a schedule ([`ScheduleKind::None`]), ready to answer measurements of one size in one pass.
pub struct Predictor {
    plan: Plan,
    measured: View,
    answer: View,
}

impl Predictor {
    /// Prepares a pass over measurements of `height × width` with the flat parameters `flat`. Other sizes than multiples of
    /// [`Model::multiple`] are reflected at the lower and right border and cropped again.
    ///
    /// # Errors
    /// [`Error::Input`] if the model has a schedule, for parameters of another model and empty images; [`Error::Limit`] if the
    /// pass does not fit the adapter, other device errors.
    pub fn new(gpu: &Gpu, model: &Model, flat: &[f32], size: (usize, usize)) -> Result<Self> {
        let config = model.config();
        if config.schedule != ScheduleKind::None {
            return Err(Error::input("a diffusion model is sampled; only one without a schedule answers in one pass"));
        }
        model.expect(flat, size)?;
        let padded = model.padded(size);
        let own = Shape::new(1, config.condition_channels, size.0, size.1);
        let mut tape = Tape::on(gpu);
        tape.freeze();
        let theta = tape.persistent("parameters", model.parameters().shape())?;
        let measured = tape.persistent("measured condition", own)?;
        let scale = model.scale();
        let target = Shape { c: config.target_channels, h: scale * own.h, w: scale * own.w, ..own };
        let answer = tape.persistent("answer", target)?;
        let x = tape.intermediate("condition", Shape { h: padded.0, w: padded.1, ..own })?;
        tape.push([pad::reflect_pad(&measured, &x)?]);
        let y = model.record_noise(&mut tape, &theta, &x)?;
        tape.push([pad::crop(&y, &answer)?]);
        tape.check_limits()?;
        let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default())?;
        plan.write(&theta, flat)?;
        plan.prepare()?;
        Ok(Self { plan, measured, answer })
    }

    /// The memory of the pass.
    pub fn memory(&self) -> Memory {
        self.plan.memory()
    }

    /// The target `[Cy, s H, s W]` that the model gives for a condition `x [Cx, H, W]`, `s` being [`Model::scale`].
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` is of another size, [`Error::Input`] if it holds NaN or infinite values, device errors.
    pub fn predict(&mut self, x: &[f32]) -> Result<Vec<f32>> {
        if let Some(bad) = x.iter().find(|v| !v.is_finite()) {
            return Err(Error::input(format!("the condition holds {bad}; every value must be a finite number")));
        }
        self.plan.write(&self.measured, x)?;
        self.plan.run()?;
        self.plan.read(&self.answer)
    }
}
