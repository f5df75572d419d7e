//! Activation checkpointing: what a segment of the recording keeps for its gradients is computed again instead.
//!
//! Without it every value that an adjoint reads stays in memory from the forward to the backward pass. With
//! [`Tape::recompute`], the values that live inside of a [`Tape::segment`] alone are left to the planner after their last
//! reader there, and [`Tape::backward`] appends the calls that make them once more, into fresh tensors, before the segment's
//! adjoints. These are the same calls on the same values, so every gradient is the same bit for bit.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::{Gradients, Op, Role, Tape};
use crate::Result;
use crate::kernels::Call;
use crate::tensor::TensorId;

/// What is to be computed again.
#[derive(Default)]
pub(super) struct Recompute {
    enabled: bool,
    /// Inside of a segment.
    open: bool,
    segments: Vec<Segment>,
    made: Vec<Made>,
}

impl Recompute {
    /// Whether there is anything to be computed again.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether what is recorded now may be computed again.
    pub fn is_open(&self) -> bool {
        self.open
    }
}

/// A part of the recording: numbers of its operations, calls, tensors, and entries of what it made.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub ops: Range<usize>,
    calls: Range<usize>,
    tensors: Range<usize>,
    made: Range<usize>,
}

/// Calls in a row and the tensors that they write: outputs of operations, or something derived from parameters. What is small
/// and kept is left out.
struct Made {
    calls: Range<usize>,
    tensors: Vec<TensorId>,
}

impl Tape {
    /// From now on the inside of each segment is computed again for its gradients.
    pub fn recompute(&mut self) {
        self.recompute.enabled = true;
    }

    /// Records a segment: operations whose intermediates may be computed again from what it reads, if [`Tape::recompute`] was
    /// asked for. Values of it that are read from outside, by later operations or by other calls, are kept, and so are all that
    /// no operation put out (statistics). A segment inside of another one is part of that.
    ///
    /// # Errors
    /// What `record` returns.
    pub fn segment<T>(&mut self, record: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if !self.recompute.enabled || self.recompute.open {
            return record(self);
        }
        let [ops, calls, tensors, made] = self.recorded();
        self.recompute.open = true;
        let result = record(self);
        self.recompute.open = false;
        let [ops_end, calls_end, tensors_end, made_end] = self.recorded();
        self.recompute.segments.push(Segment {
            ops: ops..ops_end,
            calls: calls..calls_end,
            tensors: tensors..tensors_end,
            made: made..made_end,
        });
        result
    }

    fn recorded(&self) -> [usize; 4] {
        [self.ops.len(), self.calls.len(), self.tensors.len(), self.recompute.made.len()]
    }

    /// Notes that the calls since the last note write `tensors`. If these are none, the calls are not made again.
    pub(super) fn note_made(&mut self, tensors: Vec<TensorId>) {
        let start = self.recompute.made.last().map_or(0, |made| made.calls.end);
        self.recompute.made.push(Made { calls: start..self.calls.len(), tensors });
    }

    /// The segment that operation number `op` belongs to.
    pub(super) fn segment_of(&self, op: usize) -> Option<Segment> {
        self.recompute.segments.iter().find(|segment| segment.ops.contains(&op)).cloned()
    }

    /// Appends the calls of a segment that make what it alone reads, into fresh tensors, and puts those into its `ops`.
    pub(super) fn repeat(&mut self, segment: &Segment, ops: &mut [Op], gradients: &Gradients) -> Result<()> {
        // No call from before can know the segment's own tensors.
        let later = self.calls[segment.calls.end..].iter().flat_map(|call| &call.tensors);
        let kept: HashSet<TensorId> = later.filter(|t| segment.tensors.contains(&t.0)).copied().collect();
        let mut fresh: HashMap<TensorId, TensorId> = HashMap::new();
        let mut calls: Vec<Call> = Vec::new();
        for i in segment.made.clone() {
            let Made { calls: range, tensors } = &self.recompute.made[i];
            let range = range.start.max(segment.calls.start)..range.end;
            let again = |t: &TensorId| {
                let inside = segment.tensors.contains(&t.0) && !kept.contains(t);
                inside && !gradients.reach(*t) && self.tensors[t.0].role == Role::Intermediate
            };
            let again: Vec<TensorId> = tensors.iter().copied().filter(again).collect();
            if again.is_empty() {
                continue;
            }
            for tensor in again {
                if let Entry::Vacant(entry) = fresh.entry(tensor) {
                    let info = self.tensors[tensor.0].clone();
                    entry.insert(self.intermediate(&info.label, info.shape)?.tensor);
                }
            }
            for call in &self.calls[range] {
                let tensors = call.tensors.iter().map(|t| *fresh.get(t).unwrap_or(t)).collect();
                calls.push(Call { tensors, ..call.clone() });
            }
        }
        for view in ops[segment.ops.clone()].iter_mut().flat_map(Op::views_mut) {
            view.tensor = *fresh.get(&view.tensor).unwrap_or(&view.tensor);
        }
        let wanted = fresh.iter().filter(|(old, _)| self.differentiable.contains(old)).map(|(_, new)| *new);
        self.differentiable.extend(wanted.collect::<Vec<_>>());
        self.push(calls);
        Ok(())
    }
}
