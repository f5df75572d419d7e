//! Record once, replay: operations as plain data, their gradients, and the planner that gives them memory.

mod plan;

use std::collections::HashMap;

use crate::gpu::{Caps, Gpu};
use crate::kernels::Call;
use crate::tensor::{Shape, TensorId, View};
use crate::{Error, Result};

pub use plan::{GUARD, Memory, Plan, PlanOptions, Role, TensorInfo};

/// A recording: tensors, and the calls that compute them, in order.
pub struct Tape {
    caps: Caps,
    tensors: Vec<TensorInfo>,
    calls: Vec<Call>,
}

impl Tape {
    /// An empty recording for devices with these capabilities.
    pub fn new(caps: Caps) -> Self {
        Self { caps, tensors: Vec::new(), calls: Vec::new() }
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
        shape.check(label)?;
        self.tensors.push(TensorInfo { shape, role, label: label.into() });
        Ok(View::whole(TensorId(self.tensors.len() - 1), shape))
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

    /// Adds dispatches.
    pub fn push(&mut self, calls: impl IntoIterator<Item = Call>) {
        self.calls.extend(calls);
    }

    /// The calls recorded so far.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Gives every tensor memory and every call a pipeline. `given` are buffers that exist already.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Limit`], or [`Error::Shape`] if nothing was recorded.
    pub fn plan(&self, gpu: &Gpu, given: &HashMap<TensorId, wgpu::Buffer>, options: PlanOptions) -> Result<Plan> {
        if self.calls.is_empty() {
            return Err(Error::shape("an empty recording has nothing to plan"));
        }
        Plan::new(gpu, self.tensors.clone(), self.calls.clone(), given, options)
    }
}
