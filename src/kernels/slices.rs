//! Sums over a convolution's input channels that several subgroups of a workgroup share (`shaders/shared/slices.wgsl`): what GPUs that
//! small images would leave empty need, and software adapters, whose few threads always have work, do not.

use super::Call;
use crate::gpu::Caps;
use crate::{Error, Result};

/// Subgroups that fill a GPU: four for each of the 528 schedulers of a large one.
pub(super) const FILLED: usize = 2048;

/// Input channels of a slice on average, at least: adding up the slices takes as long as about four.
const LEAST: usize = 8;

/// The samples of the batch that slices are chosen for, whatever the batch is: in slices of their own, samples would be rounded otherwise in
/// batches of other sizes.
pub(super) const SAMPLES: usize = 4;

/// Lanes of a workgroup that is one subgroup, at most, on a GPU: a subgroup of most of them.
const LANES: usize = 32;

/// Workgroup memory that every adapter has, and what each lane of a slice but the first leaves there at a time.
const MEMORY: usize = 16 << 10;
const OCTET: usize = 32;

/// The most invocations of a workgroup that is one subgroup. Where all subgroups are of 64, as on AMD's GCN and CDNA, 32 would leave half of each
/// idle.
pub(super) fn most_lanes(caps: Caps) -> usize {
    caps.subgroup_sizes[0].clamp(LANES, 64)
}

/// Invocations of a workgroup that is not shared by slices, to so many channels or groups of them. Software adapters have subgroups of 8 and
/// gain nothing from more.
pub(super) fn lanes(caps: Caps, channels: usize) -> usize {
    if caps.software { 8 } else { channels.next_multiple_of(8).min(most_lanes(caps)) }
}

/// How a workgroup is made up: of so many slices, each of so many lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slices {
    pub count: usize,
    /// Whole subgroups, if there is more than one slice.
    pub lanes: usize,
    /// The most slices that the adapter has room for.
    most: usize,
}

impl Slices {
    /// So many, for lanes that do so many channels or groups of them.
    pub fn of(caps: Caps, count: usize, channels: usize) -> Self {
        let subgroup = caps.subgroup_sizes[1];
        let most = (caps.max_invocations / subgroup).min(1 + MEMORY / (OCTET * subgroup)).max(1);
        Self { count, lanes: if count == 1 { lanes(caps, channels) } else { subgroup }, most }
    }

    /// Lanes that share nothing.
    pub fn lone(lanes: usize) -> Self {
        Self { count: 1, lanes, most: 1 }
    }

    /// As many as fill a GPU, a power of two, for sums over `terms` channels in steps of so many, none of them empty. `places` are those
    /// that take a workgroup for each of their blocks of channels, of [`SAMPLES`]. None are made where half of the lanes would have no channel
    /// though the adapter has smaller subgroups.
    pub fn filling(caps: Caps, places: usize, channels: usize, terms: usize, step: usize) -> Self {
        let whole = Self::of(caps, 1, channels);
        let [least, lanes] = caps.subgroup_sizes;
        if caps.software || least < lanes && 2 * channels <= lanes {
            return whole;
        }
        let wanted = FILLED / (places * channels.div_ceil(most_lanes(caps))).max(1);
        let counts =
            (1..usize::BITS).map(|log| 1 << log).take_while(|&n| n <= wanted.min(whole.most).min(terms / LEAST));
        let sliced = counts.map(|count| Self::of(caps, count, channels));
        sliced.filter(|s| s.share(terms, step) * (s.count - 1) < terms).last().unwrap_or(whole)
    }

    /// Terms of a slice, of so many that are taken in steps of so many.
    pub fn share(self, terms: usize, step: usize) -> usize {
        terms.div_ceil(step).div_ceil(self.count) * step
    }

    /// Refuses none, and more than the adapter has room for.
    pub fn check(self) -> Result<()> {
        let Self { count, most, .. } = self;
        if (1..=most).contains(&count) {
            return Ok(());
        }
        Err(Error::shape(format!("a convolution in {count} slices; this adapter has room for 1 to {most}")))
    }
}

impl Call {
    /// Of a shader with `slices.wgsl` or `whole.wgsl`: how its workgroups are made up.
    pub(super) fn in_slices(self, Slices { count, lanes, .. }: Slices) -> Self {
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
            slow_buffers: false,
            ends_loops: false,
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
                for (channels, terms, step) in [
                    (1, 512, 1),
                    (16, 1, 1),
                    (16, 16, 4),
                    (32, 32, 1),
                    (33, 129, 1),
                    (64, 144, 4),
                    (128, 132, 4),
                    (512, 512, 4),
                ] {
                    let slices = Slices::filling(caps, places, channels, terms, step);
                    let Slices { count, lanes, .. } = slices;
                    let name = format!("{slices:?}, {places} places, {terms} to {channels}, {sizes:?}");
                    let busy = |count: usize, lanes: usize| count * places * channels.div_ceil(lanes) * lanes;
                    slices.check().unwrap();
                    if count == 1 {
                        let full = 2 * places * channels.div_ceil(most_lanes(caps)) > FILLED;
                        let idle = sizes[0] < sizes[1] && 2 * channels <= sizes[1];
                        assert!(full || idle || slices.most < 2 || terms < 2 * LEAST, "{name}: not dealt out");
                        continue;
                    }
                    assert!(lanes == sizes[1] && count * lanes <= invocations, "{name}: the workgroup");
                    assert!((count - 1) * lanes * OCTET <= MEMORY, "{name}: too much workgroup memory");
                    let share = slices.share(terms, step);
                    assert!(
                        share >= LEAST && share * (count - 1) < terms && share * count >= terms,
                        "{name}: {share} each"
                    );
                    let before = busy(1, super::lanes(caps, channels));
                    assert!(busy(count, lanes) > before, "{name}: no more invocations than {before}");
                }
            }
        }
    }

    #[test]
    fn slices_that_an_adapter_has_no_room_for_are_refused() {
        for (sizes, invocations, most) in
            [([32, 32], 1024, 17), ([32, 32], 256, 8), ([32, 64], 1024, 9), ([4, 128], 64, 1)]
        {
            let of = |count| Slices::of(gpu(sizes, invocations), count, 32).check();
            assert!(of(1).is_ok() && of(most).is_ok(), "{sizes:?}");
            for count in [0, most + 1, usize::MAX] {
                let refused = of(count).unwrap_err().to_string();
                assert!(refused.contains(&format!("1 to {most}")), "{refused}");
            }
        }
    }
}
