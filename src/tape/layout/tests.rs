//! The planner alone, over random recordings: lifetimes that overlap never share memory.

use super::super::plan::memory;
use super::*;
use crate::kernels::elementwise;
use crate::tensor::{Element, Shape};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}

/// Tensors of many sizes, a few of them persistent, and calls on up to five of them, some never used.
fn recording(dice: &mut Dice) -> (Vec<TensorInfo>, Vec<Call>) {
    let tensor = |dice: &mut Dice| TensorInfo {
        shape: Shape::new(1 + dice.below(3), 1 + dice.below(20), 1 + dice.below(9), 1 + dice.below(9)),
        element: if dice.below(3) == 0 { Element::F16 } else { Element::F32 },
        role: if dice.below(5) == 0 { Role::Persistent } else { Role::Intermediate },
        label: String::new(),
    };
    let tensors: Vec<TensorInfo> = (0..2 + dice.below(40)).map(|_| tensor(dice)).collect();
    // Neighbours in number are neighbours in time, as in a network, but for one in eight.
    let calls = 1 + dice.below(60);
    let pick = |dice: &mut Dice, i: usize| {
        if dice.below(8) == 0 {
            return dice.below(tensors.len());
        }
        (i * tensors.len() / calls + dice.below(4)).min(tensors.len() - 1)
    };
    let calls = (0..calls).map(|i| {
        let mut call = Call::new(&elementwise::COPY.buffers.quads, 0u32, [1, 1, 1]);
        call.tensors = (0..1 + dice.below(5)).map(|_| TensorId(pick(dice, i))).collect();
        call
    });
    let calls = calls.collect();
    (tensors, calls)
}

#[test]
fn overlapping_lifetimes_never_share_memory() {
    let mut dice = Dice(1);
    let mut saved = 0;
    for case in 0..2000 {
        let (tensors, calls) = recording(&mut dice);
        let layout = lay_out(&tensors, &calls);
        let life = |id: TensorId| {
            let touched = |call: &Call| call.tensors.contains(&id);
            Some((calls.iter().position(touched)?, calls.iter().rposition(touched)?))
        };
        for (id, info) in tensors.iter().enumerate().map(|(i, info)| (TensorId(i), info)) {
            let placed = life(id).is_some() && info.role == Role::Intermediate;
            assert_eq!(layout.slot.contains_key(&id), placed, "case {case}: tensor {}", id.0);
            if placed {
                assert!(bytes_of(info) <= layout.sizes[layout.slot[&id]], "case {case}: tensor {} does not fit", id.0);
            }
        }
        for (&a, &slot) in &layout.slot {
            for (&b, _) in layout.slot.iter().filter(|&(&b, &s)| s == slot && a < b) {
                let ((a0, a1), (b0, b1)) = (life(a).unwrap(), life(b).unwrap());
                assert!(a1 < b0 || b1 < a0, "case {case}: {a:?} lives {a0}..={a1} and {b:?} {b0}..={b1} in one slot");
            }
        }
        let memory = memory(&tensors, &layout, &[], &HashMap::new());
        let live = |i: usize| -> u64 {
            let alive = |id: &&TensorId| life(**id).is_some_and(|(first, last)| first <= i && i <= last);
            layout.slot.keys().filter(alive).map(|id| bytes_of(&tensors[id.0])).sum()
        };
        let least = (0..calls.len()).map(live).max().unwrap_or(0);
        assert!(
            least <= memory.shared && memory.shared <= memory.unshared,
            "case {case}: {least} bytes live, {memory:?}"
        );
        saved += memory.unshared - memory.shared;
    }
    assert!(saved > 0, "nothing was ever shared");
}
