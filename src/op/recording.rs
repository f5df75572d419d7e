//! A tape with the values that go in and the results that come out.

use std::collections::HashMap;

use super::{Arguments, Array};
use crate::gpu::Gpu;
use crate::random;
use crate::tape::{Gradients, PlanOptions, Tape};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

struct Wanted {
    name: String,
    shape: Vec<usize>,
    view: View,
}

/// What an operation records: dispatches on a tape, values to write before the run, and results to read after it.
pub struct Recording {
    pub(super) tape: Tape,
    given: Vec<(View, Vec<f32>)>,
    wanted: Vec<Wanted>,
}

impl Recording {
    pub(super) fn new(gpu: &Gpu) -> Self {
        Self { tape: Tape::on(gpu), given: Vec::new(), wanted: Vec::new() }
    }

    /// A tensor that holds `values` before the run.
    pub(super) fn given(&mut self, label: &str, shape: Shape, values: &[f32]) -> Result<View> {
        let view = self.tape.persistent(label, shape)?;
        if values.len() != shape.len() {
            return Err(Error::shape(format!("{label} holds {} values, expected {shape}", values.len())));
        }
        self.given.push((view, values.to_vec()));
        Ok(view)
    }

    /// A tensor that the operation fills.
    pub(super) fn blank(&mut self, label: &str, shape: Shape) -> Result<View> {
        self.tape.persistent(label, shape)
    }

    /// Weights one after the other in the tape's flat parameter tensor: their views, and the views of their gradients.
    pub(super) fn parameters<const K: usize>(&mut self, values: [&[f32]; K]) -> Result<([View; K], [View; K])> {
        let flat = values.concat();
        let shape = Shape::vector(flat.len());
        let whole = self.given("parameters", shape, &flat)?;
        let gradient = self.blank("the parameters' gradient", shape)?;
        self.tape.parameters(&whole, &gradient)?;
        let (mut views, mut gradients) = ([whole; K], [gradient; K]);
        let mut at = 0;
        for (i, part) in values.iter().enumerate() {
            let range = at..at + part.len();
            (views[i], gradients[i]) = (whole.range(range.clone())?, gradient.range(range)?);
            at += part.len();
        }
        Ok((views, gradients))
    }

    /// The state of the random numbers, from `--seed`, `--step` and `--sample`.
    pub(super) fn random_state(&mut self, arguments: &Arguments) -> Result<View> {
        let step = arguments.whole("step")?;
        self.random_state_at(arguments, step)
    }

    /// The state of the random numbers at this step, from `--seed` and `--sample`.
    pub(super) fn random_state_at(&mut self, arguments: &Arguments, step: u32) -> Result<View> {
        let words = random::state(arguments.whole("seed")?, step, arguments.whole("sample")?).map(f32::from_bits);
        self.given("the random state", Shape::vector(4), &words)
    }

    /// Appends the tape's gradients, from gradient `gy` of output `y`.
    pub(super) fn backward(&mut self, y: &View, gy: &[f32]) -> Result<Gradients> {
        let seed = self.given("the gradient of y", y.shape, gy)?;
        self.tape.backward(&[(*y, seed)])
    }

    /// Asks for the result `y`, and with `--grad` for the gradients of these inputs, which must be watched.
    pub(super) fn results(&mut self, arguments: &Arguments, y: &View, inputs: &[(&str, &View)]) -> Result<()> {
        self.image_result("y", y);
        let Shape { n, c, h, w } = y.shape;
        let Some(gy) = arguments.find_shaped("grad", &[n, c, h, w])? else { return Ok(()) };
        let gradients = self.backward(y, gy)?;
        for (name, view) in inputs {
            let gradient = gradients.of(view).ok_or_else(|| Error::shape(format!("{name} was not computed")))?;
            self.image_result(name, &gradient);
        }
        Ok(())
    }

    /// An input of rank 4 whose gradient is wanted.
    pub(super) fn watched(&mut self, arguments: &Arguments, name: &str) -> Result<View> {
        let (shape, values) = arguments.image(name)?;
        let view = self.given(name, shape, values)?;
        self.tape.watch(&view);
        Ok(view)
    }

    /// Asks for a result, to be called `name`, with the dimensions `shape`.
    pub(super) fn result(&mut self, name: impl Into<String>, shape: &[usize], view: &View) {
        self.wanted.push(Wanted { name: name.into(), shape: shape.to_vec(), view: *view });
    }

    /// The same with the four dimensions of the view.
    pub(super) fn image_result(&mut self, name: &str, view: &View) {
        let Shape { n, c, h, w } = view.shape;
        self.result(name, &[n, c, h, w], view);
    }

    /// Runs everything once, between sentinel words that tell of a kernel writing outside of its tensors.
    pub(super) fn run(self, gpu: &Gpu) -> Result<super::Outcome> {
        let plan = self.tape.plan(gpu, &HashMap::new(), PlanOptions { guards: true, ..Default::default() })?;
        for (view, values) in &self.given {
            plan.write(view, values)?;
        }
        plan.run()?;
        gpu.wait()?;
        plan.check_guards()?;
        let read = |w: &Wanted| Ok((w.name.clone(), Array { shape: w.shape.clone(), values: plan.read(&w.view)? }));
        let results = self.wanted.iter().map(read).collect::<Result<_>>()?;
        Ok(super::Outcome { results, kernels: plan.calls().iter().map(|c| c.shader.name).collect() })
    }
}
