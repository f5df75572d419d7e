//! Gradients: going back over the recorded operations and appending the dispatches of their adjoints.
//!
//! A tensor has one gradient tensor; a view's gradient is the same channel range of it. The first contribution to a range
//! overwrites, later ones add, so nothing is cleared but channels that nothing reads beside some that something does. Parameters live
//! in one flat tensor, and so do their gradients.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::{Op, Tape};
use crate::kernels::conv2d::Activation;
use crate::kernels::conv2d_3x3::{self, Input};
use crate::kernels::instance_norm::BackwardOptions;
use crate::kernels::{Call, elementwise, group_norm, instance_norm, max_pool2d, velocity};
use crate::tensor::{Shape, TensorId, View};
use crate::{Error, Result};

/// A gradient tensor and which of its channels have been written.
struct Slot {
    whole: View,
    written: Vec<Range<usize>>,
    /// Its tensor is a seed, the caller's: read, and never added to.
    seed: bool,
}

/// The flat gradient tensor of the flat parameter tensor.
pub(super) struct ParameterGradients {
    tensor: TensorId,
    slot: Slot,
}

/// The gradients that one [`Tape::backward`] computed.
pub struct Gradients {
    slots: HashMap<TensorId, Slot>,
    /// Tensors whose gradient slot already holds the gradient before the activation that made them.
    before_activation: Vec<TensorId>,
}

impl Gradients {
    /// The gradient of a view, if anything depended on it: of an input that was [watched](Tape::watch), and of whatever else was computed on
    /// the way. Between a convolution with softplus and a norm it is not, and there is none.
    pub fn of(&self, view: &View) -> Option<View> {
        if self.are_before_activation(view) {
            return None;
        }
        let slot = self.slots.get(&view.tensor)?;
        slot.covers(&channels(view)).then(|| part(&slot.whole, view))
    }

    /// Whether the gradient of a convolution's output is the one before its activation already.
    pub(super) fn are_before_activation(&self, y: &View) -> bool {
        self.before_activation.contains(&y.tensor)
    }

    /// Whether any of a tensor's gradient has been computed.
    pub(super) fn reach(&self, tensor: TensorId) -> bool {
        self.slots.contains_key(&tensor)
    }
}

fn channels(view: &View) -> Range<usize> {
    view.channel..view.channel + view.shape.c
}

/// The part of `whole` that lies where `view` lies in its tensor.
fn part(whole: &View, view: &View) -> View {
    View { tensor: whole.tensor, ..*view }
}

impl Slot {
    fn covers(&self, range: &Range<usize>) -> bool {
        range.clone().all(|c| self.written.iter().any(|w| w.contains(&c)))
    }

    /// The parts of a range that have not been written.
    fn missing(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let mut missing = vec![range.clone()];
        for w in &self.written {
            missing = missing
                .into_iter()
                .flat_map(|m| [m.start..m.end.min(w.start), m.start.max(w.end)..m.end])
                .filter(|m| !m.is_empty())
                .collect();
        }
        missing
    }

    /// Marks a range as written. Returns whether the contribution must be added, and the ranges to clear before that.
    fn claim(&mut self, range: Range<usize>) -> (bool, Vec<Range<usize>>) {
        let missing = self.missing(&range);
        let untouched = missing.len() == 1 && missing[0] == range;
        self.written.push(range);
        if untouched { (false, Vec::new()) } else { (true, missing) }
    }
}

impl Tape {
    /// Declares the flat parameter tensor and the tensor of the same shape that receives its gradient.
    ///
    /// # Errors
    /// [`Error::Shape`] if the two differ in shape.
    pub fn parameters(&mut self, parameters: &View, gradient: &View) -> Result<()> {
        gradient.expect("the parameters' gradient", parameters.shape)?;
        self.differentiable.insert(parameters.tensor);
        let slot = Slot { whole: *gradient, written: Vec::new(), seed: false };
        self.parameters = Some(ParameterGradients { tensor: parameters.tensor, slot });
        Ok(())
    }

    /// Asks for the gradient of an input, or of a value on the way: of all that is recorded from it on.
    pub fn watch(&mut self, input: &View) {
        self.differentiable.insert(input.tensor);
        self.watched.push(*input);
    }

    /// Appends the gradients of everything that the seeds depend on. Each seed is a value and the gradient of the loss in it, which
    /// is read alone. A value that other seeds depend on too has both gradients.
    ///
    /// Parameters' gradients go to the tensor given to [`Tape::parameters`] and add up over several calls.
    ///
    /// # Errors
    /// [`Error::Shape`] if a seed's shapes differ, two seeds are of one value, or no parameters were declared.
    pub fn backward(&mut self, seeds: &[(View, View)]) -> Result<Gradients> {
        let mut gradients = Gradients { slots: HashMap::new(), before_activation: Vec::new() };
        for (value, gradient) in seeds {
            gradient.expect("the seed of a gradient", value.shape)?;
            if !value.is_whole() || !gradient.is_whole() {
                return Err(Error::shape("a seed must be a whole tensor with a whole gradient"));
            }
            let all = 0..value.shape.c;
            let slot = Slot { whole: *gradient, written: vec![all], seed: true };
            if gradients.slots.insert(value.tensor, slot).is_some() {
                let label = &self.info(value)?.label;
                return Err(Error::shape(format!(
                    "two seeds for \"{label}\"; give one, with the sum of their gradients"
                )));
            }
        }
        let mut ops = self.ops.clone();
        let mut softplus = self.read_once_after_softplus(&ops);
        // Operations from here on have been computed again, as far as they are.
        let mut repeated = ops.len();
        for i in (0..ops.len()).rev() {
            let Some(g) = self.complete(ops[i].output(), &mut gradients)? else { continue };
            if let Some(segment) = self.segment_of(i).filter(|segment| segment.ops.end <= repeated) {
                self.repeat(&segment, &mut ops, &gradients)?;
                repeated = segment.ops.start;
                softplus = self.read_once_after_softplus(&ops);
            }
            let x = ops[i].inputs()[0];
            // A gradient that is there already is one behind the softplus: a seed.
            let after_softplus = !gradients.reach(x.tensor) && softplus.contains(x);
            self.backward_op(&ops[i], g, after_softplus, &mut gradients)?;
        }
        for input in self.watched.clone() {
            self.complete(&input, &mut gradients)?;
        }
        Ok(gradients)
    }

    /// The gradient of a view, zero in those of its channels that nothing read; none if nothing read any of them.
    fn complete(&mut self, value: &View, gradients: &mut Gradients) -> Result<Option<View>> {
        let Some(slot) = gradients.slots.get_mut(&value.tensor) else { return Ok(None) };
        let range = channels(value);
        let missing = slot.missing(&range);
        if missing.first() == Some(&range) {
            return Ok(None);
        }
        let whole = slot.whole;
        slot.written.extend(missing.iter().cloned());
        self.clear(&whole, missing)?;
        Ok(Some(part(&whole, value)))
    }

    fn clear(&mut self, gradient: &View, ranges: Vec<Range<usize>>) -> Result<()> {
        for range in ranges {
            self.push([elementwise::fill(&gradient.range(range)?, 0.0)?]);
        }
        Ok(())
    }

    /// Marks a range of the parameters' gradient as about to be written by a call outside the tape's own operations, and
    /// returns it with whether the call must add to what is there.
    ///
    /// # Errors
    /// [`Error::Shape`] if `parameter` is not a range of the declared parameter tensor.
    pub fn parameter_gradient(&mut self, parameter: &View) -> Result<(View, bool)> {
        let (view, add, missing) = match &mut self.parameters {
            Some(p) if p.tensor == parameter.tensor => {
                let (add, missing) = p.slot.claim(channels(parameter));
                (part(&p.slot.whole, parameter), add, missing)
            }
            _ => return Err(Error::shape("a weight that is not part of the declared parameter tensor")),
        };
        if !missing.is_empty() {
            return Err(Error::shape("a parameter's gradient overlaps another parameter's"));
        }
        Ok((view, add))
    }

    /// Whether a gradient reaches all values of this range of the parameter tensor: the optimiser must refuse a parameter of which none does.
    pub fn has_gradient(&self, parameter: &Range<usize>) -> bool {
        let Some(p) = &self.parameters else { return false };
        let mut written: Vec<_> = p.slot.written.iter().filter(|w| w.end > parameter.start).collect();
        written.sort_by_key(|w| w.start);
        let mut reached = parameter.start;
        for range in written.into_iter().take_while(|w| w.start < parameter.end) {
            if range.start > reached {
                return false;
            }
            reached = reached.max(range.end);
        }
        reached >= parameter.end
    }

    /// The view that receives a contribution to `value`'s gradient, and whether it must be added.
    fn claim(&mut self, value: &View, gradients: &mut Gradients) -> Result<(View, bool)> {
        let slot = match gradients.slots.entry(value.tensor) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let shape = Shape { c: value.channels, ..value.shape };
                let whole = self.intermediate("gradient", shape)?;
                entry.insert(Slot { whole, written: Vec::new(), seed: false })
            }
        };
        let (add, missing) = slot.claim(channels(value));
        if add && slot.seed {
            // Added to in its place, a seed that the caller wrote once would grow with every replay.
            let copy = self.intermediate("gradient", slot.whole.shape)?;
            self.push([elementwise::copy(&slot.whole, &copy, false)?]);
            (slot.whole, slot.seed) = (copy, false);
        }
        let whole = slot.whole;
        self.clear(&whole, missing)?;
        Ok((part(&whole, value), add))
    }

    /// Records what `record` adds to the gradient of `value` (the tape, the gradient's view, whether to add), if one is wanted.
    pub(super) fn pass_on<const K: usize>(
        &mut self,
        value: &View,
        gradients: &mut Gradients,
        record: impl FnOnce(&mut Self, &View, bool) -> Result<[Call; K]>,
    ) -> Result<()> {
        if self.wants(value) {
            let (gradient, add) = self.claim(value, gradients)?;
            let calls = record(self, &gradient, add)?;
            self.push(calls);
        }
        Ok(())
    }

    fn wants(&self, value: &View) -> bool {
        self.differentiable.contains(&value.tensor)
    }

    /// Records the gradients of an instance norm: of its parameters, and of `x` or of what the softplus made it from.
    fn backward_norm(
        &mut self,
        x: &View,
        [weight, bias]: [&View; 2],
        stats: &View,
        g: &View,
        after_softplus: bool,
        gradients: &mut Gradients,
    ) -> Result<()> {
        let sums = self.intermediate("norm sums", stats.shape)?;
        let (gx, add) = self.claim(x, gradients)?;
        if after_softplus {
            gradients.before_activation.push(x.tensor);
        }
        let options = BackwardOptions { accumulate: add, softplus: after_softplus };
        let call = instance_norm::backward(self.caps, x, Some(weight), stats, g, &sums, &gx, options)?;
        self.push([call]);
        self.affine_gradients(&sums, [weight, bias])
    }

    /// Records the gradients of a norm's weight and bias, both in one dispatch.
    fn affine_gradients(&mut self, sums: &View, [weight, bias]: [&View; 2]) -> Result<()> {
        let (gw, add_w) = self.parameter_gradient(weight)?;
        let (gb, add_b) = self.parameter_gradient(bias)?;
        if add_w != add_b {
            return Err(Error::shape("norms that share a weight or a bias alone; they must share both or neither"));
        }
        self.push([instance_norm::affine_gradients(sums, &gw, &gb, add_w)?]);
        Ok(())
    }

    fn backward_op(&mut self, op: &Op, g: View, after_softplus: bool, gradients: &mut Gradients) -> Result<()> {
        match op {
            Op::Conv2d { spec, x, weight, bias, activation, y } => {
                let g = self.before_epilogue(*activation, y, g, gradients)?;
                self.conv2d_parameters(*spec, x.into(), [weight, bias], &g)?;
                if self.wants(x) {
                    let (gx, add) = self.claim(x, gradients)?;
                    self.conv2d_input(*spec, &g, weight, &gx, add)?;
                }
            }
            Op::Conv2dOfNormalised { x, norm, weight, bias, activation, y } => {
                let g = self.before_epilogue(*activation, y, g, gradients)?;
                self.conv2d_parameters(conv2d_3x3::SPEC, Input { x, scales: Some(&norm.scales) }, [weight, bias], &g)?;
                let normalised = self.intermediate("gradient of a normalised map", x.shape)?;
                self.conv2d_input(conv2d_3x3::SPEC, &g, weight, &normalised, false)?;
                let parameters = [&norm.weight, &norm.bias];
                self.backward_norm(x, parameters, &norm.stats, &normalised, after_softplus, gradients)?;
            }
            Op::ConvTranspose2d { kernel, x, weight, bias, .. } => {
                self.conv_transpose2d_parameters(*kernel, x, [weight, bias], &g)?;
                if self.wants(x) {
                    let (gx, add) = self.claim(x, gradients)?;
                    self.conv_transpose2d_input(*kernel, &g, weight, &gx, add)?;
                }
            }
            Op::InstanceNorm { x, weight, bias, stats, .. } => {
                self.backward_norm(x, [weight, bias], stats, &g, after_softplus, gradients)?;
            }
            Op::GroupNorm { groups, x, weight, bias, stats, .. } => {
                let sums = self.intermediate("norm sums", stats.shape)?;
                let (gx, add) = self.claim(x, gradients)?;
                let calls = group_norm::backward(self.caps, *groups, x, weight, stats, &g, &sums, &gx, add)?;
                self.push(calls);
                self.affine_gradients(&sums, [weight, bias])?;
            }
            Op::Velocity { latent, v, .. } => {
                let c = v.shape.c;
                let (gv, add) = self.claim(v, gradients)?;
                if add {
                    return Err(Error::shape("a velocity that something else reads too"));
                }
                let (glatent, add) = self.claim(latent, gradients)?;
                let (gamma, z) = (latent.range(0..c)?, latent.range(c..2 * c)?);
                let (ggamma, gz) = (glatent.range(0..c)?, glatent.range(c..2 * c)?);
                self.push([velocity::backward(&gamma, &z, v, &g, &gv, &ggamma, &gz, add)?]);
            }
            Op::MaxPool2d { x, .. } => {
                self.pass_on(x, gradients, |_, gx, add| Ok([max_pool2d::backward(x, &g, gx, add)?]))?;
            }
            Op::Pointwise(op) => self.backward_pointwise(op, &g, gradients)?,
            Op::Spatial(op) => self.backward_spatial(op, &g, gradients)?,
            Op::Attention(op) => self.backward_attention(op, &g, gradients)?,
        }
        Ok(())
    }

    /// The outputs of convolutions with softplus that are whole tensors, not watched, and read by one operation alone: if that is a norm, its
    /// backward may pass on the gradient before the softplus in the same pass.
    fn read_once_after_softplus(&self, ops: &[Op]) -> HashSet<View> {
        let mut readers: HashMap<TensorId, usize> = HashMap::new();
        for op in ops {
            let read: HashSet<TensorId> = op.inputs().iter().map(|v| v.tensor).collect();
            read.into_iter().for_each(|tensor| *readers.entry(tensor).or_default() += 1);
        }
        let softplus = |op: &Op| match op {
            Op::Conv2d { activation, y, .. } | Op::Conv2dOfNormalised { activation, y, .. } => {
                (*activation == Activation::Softplus && y.is_whole()).then_some(*y)
            }
            _ => None,
        };
        let watched: HashSet<TensorId> = self.watched.iter().map(|v| v.tensor).collect();
        let once = |y: &View| readers.get(&y.tensor) == Some(&1) && !watched.contains(&y.tensor);
        ops.iter().filter_map(softplus).filter(once).collect()
    }
}
