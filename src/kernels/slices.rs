//! Sums over a convolution's input channels that several subgroups of a workgroup share (`shaders/shared/slices.wgsl`): what GPUs that
//! small images would leave empty need, and software adapters, whose few threads always have work, do not.

use super::Call;
use crate::gpu::Caps;

/// Subgroups that fill a GPU: four for each of the 528 schedulers of a large one.
pub(super) const FILLED: usize = 2048;

/// Input channels of a slice on average, at least: adding up the slices takes as long as about four.
const LEAST: usize = 8;

/// The most lanes of a workgroup that is one subgroup, on a GPU.
pub(super) const LANES: usize = 32;

/// Workgroup memory that every adapter has, and what each lane of a slice but the first leaves there at a time.
const MEMORY: usize = 16 << 10;
const OCTET: usize = 32;

/// Invocations of a workgroup that is not shared by slices, to so many channels or groups of them. Software adapters have subgroups of 8 and
/// gain nothing from more.
pub(super) fn lanes(caps: Caps, channels: usize) -> usize {
    if caps.software { 8 } else { channels.next_multiple_of(8).min(LANES) }
}

/// How a workgroup is made up: of so many slices, each of so many lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slices {
    pub count: usize,
    /// Whole subgroups, if there is more than one slice.
    pub lanes: usize,
}

impl Slices {
    /// So many, for lanes that do so many channels or groups of them.
    pub fn of(caps: Caps, count: usize, channels: usize) -> Self {
        Self { count, lanes: if count > 1 { caps.subgroup_sizes[1] } else { lanes(caps, channels) } }
    }

    /// As many as fill a GPU, a power of two, for sums over `terms` channels. `places` are those that take a workgroup for each of
    /// their blocks of channels. None are made where half of the lanes would have no channel though the adapter has smaller subgroups.
    pub fn filling(caps: Caps, places: usize, channels: usize, terms: usize) -> Self {
        let [least, lanes] = caps.subgroup_sizes;
        let idle = least < lanes && 2 * channels <= lanes;
        let most = (terms / LEAST).min(caps.max_invocations / lanes).min(1 + MEMORY / (OCTET * lanes));
        let wanted = FILLED / (places * channels.div_ceil(LANES)).max(1);
        let some = !caps.software && !idle;
        Self::of(caps, if some { wanted.min(most).checked_ilog2().map_or(1, |log| 1 << log) } else { 1 }, channels)
    }

    /// Terms of a slice, of so many that are taken in steps of so many.
    pub fn share(self, terms: usize, step: usize) -> usize {
        terms.div_ceil(step).div_ceil(self.count) * step
    }
}

impl Call {
    /// Of a shader with `slices.wgsl` or `whole.wgsl`: how its workgroups are made up.
    pub(super) fn in_slices(self, Slices { count, lanes }: Slices) -> Self {
        let call = self.with("WG", lanes as u32);
        match count {
            1 => call,
            _ => call.with("SLICES", count as u32).with("GATHERED", ((count - 1) * lanes) as u32),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A GPU by the sizes of its subgroups and workgroups.
    pub fn gpu(subgroup_sizes: [usize; 2], max_invocations: usize) -> Caps {
        Caps {
            subgroups: true,
            subgroup_sizes,
            max_invocations,
            halves: true,
            matrices: None,
            timestamps: true,
            software: false,
            max_image: 1 << 30,
            max_binding: 1 << 30,
            max_buffer: 1 << 30,
            max_workgroups: 65_535,
        }
    }

    #[test]
    fn slices_fill_a_gpu_and_keep_what_it_allows() {
        for (sizes, invocations) in
            [([32, 32], 1024), ([32, 32], 256), ([8, 32], 1024), ([32, 64], 1024), ([64, 64], 256), ([4, 128], 256)]
        {
            let caps = gpu(sizes, invocations);
            for places in [1, 2, 8, 32, 128, 512, 2048, 8192] {
                for (channels, terms) in [(1, 512), (16, 1), (16, 16), (32, 32), (33, 512), (128, 128), (512, 512)] {
                    let Slices { count, lanes } = Slices::filling(caps, places, channels, terms);
                    let name =
                        format!("{count} slices of {lanes} lanes, {places} places, {terms} to {channels}, {sizes:?}");
                    let busy = |count: usize, lanes: usize| count * places * channels.div_ceil(lanes) * lanes;
                    if count == 1 {
                        let room = caps.max_invocations / sizes[1] > 1 && MEMORY / (OCTET * sizes[1]) > 0;
                        let full = 2 * places * channels.div_ceil(LANES) > FILLED;
                        let idle = sizes[0] < sizes[1] && 2 * channels <= sizes[1];
                        assert!(full || idle || !room || terms < 2 * LEAST, "{name}: not dealt out");
                        continue;
                    }
                    assert!(lanes == sizes[1] && count * lanes <= invocations, "{name}: the workgroup");
                    assert!((count - 1) * lanes * OCTET <= MEMORY, "{name}: too much workgroup memory");
                    assert!(terms / count >= LEAST, "{name}: too few channels each");
                    let before = busy(1, super::lanes(caps, channels));
                    assert!(busy(count, lanes) > before, "{name}: no more invocations than {before}");
                }
            }
        }
    }
}
