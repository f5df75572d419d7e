//! What a training step costs, known from its recording before anything is allocated.

use super::record::record;
use super::{Model, StepOptions};
use crate::diffusion::groups::largest_group;
use crate::gpu::Caps;
use crate::tape::{Memory, Tape};
use crate::{Error, Result};

/// The cost of a training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepCost {
    /// Parameters of the model.
    pub parameters: usize,
    /// Samples that go through the networks side by side.
    pub micro_batch: usize,
    /// Dispatches.
    pub dispatches: usize,
    /// Floating-point operations, a fused multiply-add counted as two.
    pub flops: u64,
    /// Bytes that must cross memory at least once.
    pub bytes: u64,
    /// Memory on the device.
    pub memory: Memory,
}

impl StepCost {
    /// What a step of these options costs on devices of these capabilities. Only recorded, not run.
    ///
    /// # Errors
    /// Those of [`super::Trainer::new`] that need no device.
    pub fn of(caps: Caps, model: &Model, options: &StepOptions) -> Result<Self> {
        let micro_batch = micro_batch(caps, model, options)?;
        let mut tape = Tape::new(caps);
        record(&mut tape, model, &StepOptions { micro_batch: Some(micro_batch), ..*options })?;
        let calls = tape.calls();
        Ok(Self {
            parameters: model.parameters().count(),
            micro_batch,
            dispatches: calls.len(),
            flops: calls.iter().map(|call| call.flops).sum(),
            bytes: calls.iter().map(|call| call.bytes).sum(),
            memory: tape.memory(),
        })
    }

    /// The least time of a step in seconds on a device with these operations and bytes a second: no dispatch is faster than its
    /// operations or its bytes, and steps are about as much slower as kernels are away from those limits.
    pub fn seconds(&self, flops: f64, bytes: f64) -> f64 {
        (self.flops as f64 / flops).max(self.bytes as f64 / bytes)
    }
}

/// Samples of a micro-batch: as many as were asked for, or as many as the adapter's bindings hold.
pub(super) fn micro_batch(caps: Caps, model: &Model, options: &StepOptions) -> Result<usize> {
    // One micro-batch is enough to know: the others are recorded alike.
    let fits = |batch: usize| {
        let mut tape = Tape::new(caps);
        record(&mut tape, model, &StepOptions { batch, micro_batch: Some(batch), ..*options })?;
        tape.check_limits()
    };
    match options.micro_batch {
        None => largest_group(options.batch, fits),
        Some(0) => Err(Error::input("a micro-batch of 0 samples; give 1 or more, or none for as many as fit")),
        Some(asked) => {
            let samples = asked.min(options.batch);
            fits(samples).map_err(|e| match e {
                Error::Limit(m) => Error::Limit(format!(
                    "{m}; micro-batches of {samples} are too large, leave the setting out for as many samples as fit"
                )),
                other => other,
            })?;
            Ok(samples)
        }
    }
}
