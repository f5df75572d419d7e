//! Which intermediates share a buffer.
//!
//! A slot is a buffer of its own: offsets into one arena would pack a little tighter, but a dispatch may not bind one buffer
//! both to read and to write. The largest tensors are placed first, each into the smallest slot that is free for all of its
//! life, so that no slot is ever larger than its first tensor. Placing them in the order of time instead leaves large
//! slots to small tensors: nearly all that recomputation saves was lost that way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::{Role, TensorInfo};
use crate::kernels::Call;
use crate::tensor::TensorId;

/// Which slot each intermediate lives in, and the size of each slot.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub slot: HashMap<TensorId, usize>,
    pub sizes: Vec<u64>,
}

/// Bytes of a tensor's buffer: a multiple of 16, so that shaders may read it as `vec4f`.
pub(super) fn bytes_of(info: &TensorInfo) -> u64 {
    info.element.bytes(info.shape.len()).next_multiple_of(16)
}

/// Assigns slots by size, then by best fit over lifetimes (first to last call that touches the tensor).
pub(super) fn lay_out(tensors: &[TensorInfo], calls: &[Call]) -> Layout {
    let mut lives: BTreeMap<TensorId, (usize, usize)> = BTreeMap::new();
    for (i, call) in calls.iter().enumerate() {
        // A tensor of another recording takes no place here; `check_limits` refuses it.
        for &t in call.tensors.iter().filter(|t| tensors.get(t.0).is_some_and(|t| t.role == Role::Intermediate)) {
            lives.entry(t).or_insert((i, i)).1 = i;
        }
    }
    let mut order: Vec<(TensorId, (usize, usize))> = lives.into_iter().collect();
    order.sort_by_key(|&(t, life)| (Reverse(bytes_of(&tensors[t.0])), life));
    let mut layout = Layout::default();
    // The lives that each slot has taken, last call by first call. They do not overlap.
    let mut taken: Vec<BTreeMap<usize, usize>> = Vec::new();
    for (t, (first, last)) in order {
        // Calls that a slot has been idle for, if it is free; the least idle of the smallest is likely in a cache.
        let idle = |slot: usize| match taken[slot].range(..=last).next_back() {
            Some((_, &end)) if end >= first => None,
            Some((_, &end)) => Some(first - end),
            None => Some(first + 1),
        };
        let free = (0..taken.len()).filter_map(|slot| Some((layout.sizes[slot], idle(slot)?, slot)));
        let slot = free.min().map_or(taken.len(), |(.., slot)| slot);
        if slot == taken.len() {
            taken.push(BTreeMap::new());
            layout.sizes.push(bytes_of(&tensors[t.0]));
        }
        taken[slot].insert(first, last);
        layout.slot.insert(t, slot);
    }
    layout
}

#[cfg(test)]
mod tests;
