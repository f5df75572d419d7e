//! Record once, replay: operations as plain data, their gradients, and the planner that gives them memory.
//!
//! A [`Tape`] collects tensors and the dispatches that fill them. Network code records through the methods of
//! [`ops`](self), which also note each differentiable operation; [`Tape::backward`] appends the dispatches of the
//! gradients to the same recording. [`Tape::plan`] turns all of it into a [`Plan`] that is replayed without further thought.

mod attention;
mod autograd;
mod convolution;
mod layout;
mod ops;
mod plan;
mod pointwise;
mod prepared;
mod recompute;
mod spatial;
mod transposed;
mod tune;

use std::collections::{HashMap, HashSet};

use crate::gpu::{Caps, Gpu};
use crate::kernels::Call;
use crate::tensor::{Element, Shape, TensorId, View};
use crate::{Error, Result};

pub use attention::Attention;
pub use autograd::Gradients;
pub use convolution::{Measured, Norm};
pub use ops::Op;
pub use plan::{GUARD, Memory, Plan, PlanOptions, Role, TensorInfo};
pub use pointwise::Pointwise;
pub use spatial::Spatial;
pub use tune::{Convolution, Wanted, WeightGradient};

/// A recording: tensors, the calls that compute them in order, and the differentiable operations among them.
pub struct Tape {
    caps: Caps,
    tensors: Vec<TensorInfo>,
    calls: Vec<Call>,
    /// Calls that depend on parameters alone; run once if the parameters do not change.
    prologue: Vec<Call>,
    frozen: bool,
    /// How feature maps and packed weights are stored.
    features: Element,
    ops: Vec<Op>,
    differentiable: HashSet<TensorId>,
    /// Inputs whose gradients were asked for.
    watched: Vec<View>,
    parameters: Option<autograd::ParameterGradients>,
    /// What has been derived from parameters, by name and parameter: computed once, however often it is asked for.
    known: HashMap<(String, View), View>,
    recompute: recompute::Recompute,
    /// The device to measure on, where several kernels would do.
    tuned_for: Option<Gpu>,
    /// How every 3×3 convolution is done, on a tape that is recorded to be measured.
    candidate: Option<Convolution>,
}

impl Tape {
    /// An empty recording for devices with these capabilities, by the fixed choice of kernels.
    pub fn new(caps: Caps) -> Self {
        Self {
            caps,
            tensors: Vec::new(),
            calls: Vec::new(),
            prologue: Vec::new(),
            frozen: false,
            features: Element::F32,
            ops: Vec::new(),
            differentiable: HashSet::new(),
            watched: Vec::new(),
            parameters: None,
            known: HashMap::new(),
            recompute: recompute::Recompute::default(),
            tuned_for: None,
            candidate: None,
        }
    }

    /// An empty recording for this device: of several kernels that would do it takes those that are fastest there, if the device
    /// was opened with [`tuning`](crate::gpu::OpenOptions::tuning).
    pub fn on(gpu: &Gpu) -> Self {
        Self { tuned_for: gpu.choices().is_some().then(|| gpu.clone()), ..Self::new(gpu.caps()) }
    }

    /// Declares that parameters do not change between replays: what depends on them alone (packed weights) is computed once,
    /// by [`Plan::prepare`]. For sampling.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Declares that feature maps and packed weights are to be stored as halves; all else stays in single precision, and so does
    /// every computation. Halves the memory that a network's pass needs and moves, for a relative rounding of 2⁻¹¹ a layer. For
    /// sampling: there are no gradients of it.
    ///
    /// # Errors
    /// [`Error::Device`] if the adapter has no such tensors.
    pub fn store_halves(&mut self) -> Result<()> {
        if !self.caps.halves {
            return Err(Error::Device(
                "this adapter stores no half-precision tensors (the feature `shader-f16`); use single precision".into(),
            ));
        }
        self.features = Element::F16;
        Ok(())
    }

    /// A recording with the same tensors under the same numbers and no calls: for another plan over the same buffers.
    pub fn fork(&self) -> Self {
        let (tensors, tuned_for) = (self.tensors.clone(), self.tuned_for.clone());
        Self { tensors, frozen: self.frozen, features: self.features, tuned_for, ..Self::new(self.caps) }
    }

    /// What the kernels may rely on.
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// A new tensor.
    ///
    /// # Errors
    /// [`Error::Shape`] if a size is zero or the whole too large.
    pub fn tensor(&mut self, label: &str, shape: Shape, role: Role) -> Result<View> {
        self.stored(label, shape, role, Element::F32)
    }

    /// As [`Tape::tensor`], of values that are stored so.
    ///
    /// # Errors
    /// As [`Tape::tensor`].
    pub fn stored(&mut self, label: &str, shape: Shape, role: Role, element: Element) -> Result<View> {
        shape.check(label)?;
        self.tensors.push(TensorInfo { shape, element, role, label: label.into() });
        let whole = View::whole(TensorId(self.tensors.len() - 1), shape, element);
        // Parameters are views of one vector, each small: of a vector that no binding holds kernels are given parts.
        let vector = (shape.n, shape.plane(), element) == (1, 1, Element::F32);
        Ok(View { windowed: vector && whole.bytes() > self.caps.max_binding, ..whole })
    }

    /// A tensor that is written or read from outside.
    ///
    /// # Errors
    /// As [`Tape::tensor`].
    pub fn persistent(&mut self, label: &str, shape: Shape) -> Result<View> {
        self.tensor(label, shape, Role::Persistent)
    }

    /// A tensor on the way, whose memory is reused after its last reader.
    ///
    /// # Errors
    /// As [`Tape::tensor`].
    pub fn intermediate(&mut self, label: &str, shape: Shape) -> Result<View> {
        self.tensor(label, shape, Role::Intermediate)
    }

    /// A feature map of a network: an intermediate, stored as [`Tape::store_halves`] has it.
    ///
    /// # Errors
    /// As [`Tape::tensor`].
    pub fn feature_map(&mut self, label: &str, shape: Shape) -> Result<View> {
        self.stored(label, shape, Role::Intermediate, self.features)
    }

    /// A tensor computed from the parameter `from` alone by the call that `record` returns. Asked for again, by the same label,
    /// it is the same tensor; inside of a segment that is computed again it is one of the segment's own.
    pub(crate) fn derived(
        &mut self,
        label: &str,
        from: &View,
        shape: Shape,
        record: impl FnOnce(&View) -> Result<Call>,
    ) -> Result<View> {
        let key = (label.to_string(), *from);
        if let Some(known) = self.known.get(&key).filter(|_| !self.recompute.is_open()) {
            return Ok(*known);
        }
        let role = if self.frozen { Role::Persistent } else { Role::Intermediate };
        let view = self.stored(label, shape, role, self.features)?;
        let call = record(&view)?;
        if self.frozen {
            self.prologue.push(call)
        } else {
            self.calls.push(call);
            self.note_made(vec![view.tensor]);
        }
        if !self.recompute.is_open() {
            self.known.insert(key, view);
        }
        Ok(view)
    }

    /// What is known of a view's tensor.
    fn info(&self, view: &View) -> Result<&TensorInfo> {
        let info = self.tensors.get(view.tensor.0);
        info.ok_or_else(|| Error::shape(plan::not_of("recording", view.tensor, self.tensors.len())))
    }

    /// Adds dispatches, each in the [form](Call::with_images) that the adapter wants, on tensors of this tape; others are refused by
    /// [`Tape::check_limits`] and [`Tape::plan`].
    pub fn push(&mut self, calls: impl IntoIterator<Item = Call>) {
        let caps = self.caps;
        self.calls.extend(calls.into_iter().map(|call| call.on(caps)));
    }

    /// The calls recorded so far.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The differentiable operations recorded so far.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The memory that a plan would take, before a byte of it is allocated, if no buffers are given to it.
    pub fn memory(&self) -> Memory {
        let images = prepared::image_sizes(self.prologue.iter().chain(&self.calls));
        plan::memory(&self.tensors, &layout::lay_out(&self.tensors, &self.calls), &images, &HashMap::new())
    }

    /// Whether the adapter's limits allow every tensor and every dispatch recorded so far.
    ///
    /// # Errors
    /// [`Error::Limit`] that names the first which is too large, [`Error::Shape`] for a call on tensors of another tape.
    pub fn check_limits(&self) -> Result<()> {
        plan::check_limits(self.caps, &self.tensors, self.prologue.iter().chain(&self.calls))
    }

    /// Gives every tensor memory and every call a pipeline. `given` are buffers that exist already.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Limit`], or [`Error::Shape`] if nothing was recorded or a call is on tensors of another tape.
    pub fn plan(&self, gpu: &Gpu, given: &HashMap<TensorId, wgpu::Buffer>, options: PlanOptions) -> Result<Plan> {
        if self.calls.is_empty() {
            return Err(Error::shape("an empty recording has nothing to plan"));
        }
        Plan::new(gpu, self.tensors.clone(), [self.prologue.clone(), self.calls.clone()], given, options)
    }
}
