//! In how many ways the 3×3 convolution can be dealt out, and which of them an adapter is given.

use super::slices::{FILLED, SAMPLES, Slices, most_lanes};
use crate::gpu::Caps;
use crate::tensor::Shape;

/// Where a convolution reads its input and its packed weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reads {
    /// Both in storage buffers.
    Storage,
    /// The weights in uniform buffers of 64 KiB, a dispatch for each.
    Uniform,
    /// Both in copies, as [images](super::Call::bind_image).
    Images,
}

/// How a convolution is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Output channels of an invocation: 1, 2 or 4.
    pub outputs: usize,
    /// Where it reads.
    pub reads: Reads,
    /// Subgroups among which the input channels of a tile are dealt out, at least 1; more of them read from [`Reads::Storage`].
    pub slices: usize,
}

impl Variant {
    /// Those without slices, which give the same bits.
    pub const WHOLE: [Self; 9] = {
        const fn of(outputs: usize, reads: Reads) -> Variant {
            Variant { outputs, reads, slices: 1 }
        }
        use Reads::{Images, Storage, Uniform};
        [
            of(1, Storage),
            of(2, Storage),
            of(4, Storage),
            of(1, Uniform),
            of(2, Uniform),
            of(4, Uniform),
            of(1, Images),
            of(2, Images),
            of(4, Images),
        ]
    };

    /// Those that are worth measuring for a convolution of `x` to so many channels. On software adapters images are ahead of uniform buffers,
    /// of which Mesa 22.3 besides keeps half a MiB a dispatch for ever (a hundred MiB for each run of a convolution with 512 channels), and
    /// one subgroup of 8 invocations is as many as the work can be spread over.
    pub fn candidates(caps: Caps, x: Shape, out_channels: usize) -> Vec<Self> {
        let whole = Self::WHOLE.into_iter().filter(|v| !(caps.software && v.reads == Reads::Uniform));
        let sliced = [1, 2, 4].map(|outputs| Self::spread(caps, x, out_channels, outputs));
        whole.chain(sliced.into_iter().filter(|v| !caps.software && v.slices > 1)).collect()
    }

    /// The choice without measuring: on software adapters images and as many outputs as leave no lane without work. GPUs read buffers, which
    /// costs them nothing, and want every lane busy first, then as many subgroups as fill a large one, then two outputs.
    pub fn fixed(caps: Caps, x: Shape, out_channels: usize) -> Self {
        if caps.software {
            let outputs = match out_channels {
                0..16 => 1,
                16..32 => 2,
                _ => 4,
            };
            return Self { outputs, reads: Reads::Images, slices: 1 };
        }
        let [one, two] = [1, 2].map(|outputs| Self::spread(caps, x, out_channels, outputs));
        let lanes = most_lanes(caps);
        let filled = two.slices * places(x) * out_channels.div_ceil(2 * lanes) >= FILLED;
        if out_channels >= 2 * lanes && filled { two } else { one }
    }

    /// The same for feature maps of halves, which are read from buffers.
    pub fn of_halves(caps: Caps, x: Shape, out_channels: usize) -> Self {
        if !caps.software {
            return Self::fixed(caps, x, out_channels);
        }
        Self { outputs: if out_channels < 16 { 1 } else { 2 }, reads: Reads::Storage, slices: 1 }
    }

    /// From buffers, in as many slices as [fill](Slices::filling) a GPU.
    fn spread(caps: Caps, x: Shape, out_channels: usize, outputs: usize) -> Self {
        let slices = Slices::filling(caps, places(x), out_channels.div_ceil(outputs), x.c, 1).count;
        Self { outputs, reads: Reads::Storage, slices }
    }

    /// How its workgroups are made up.
    pub(super) fn workgroup(self, caps: Caps, out_channels: usize) -> Slices {
        Slices::of(caps, self.slices, out_channels.div_ceil(self.outputs))
    }
}

/// Tiles of a convolution of `x`, along its width and its height.
pub(super) fn tiles(x: Shape) -> [usize; 2] {
    [(x.w / 4).div_ceil(2), x.h.div_ceil(4)]
}

/// Tiles of the batch that slices are chosen for.
fn places(x: Shape) -> usize {
    sample_groups(Shape { n: SAMPLES, ..x }) * tiles(x).iter().product::<usize>()
}

/// Whether a tile, two quads wide, takes two samples side by side: of images of one quad it would be half empty.
pub(super) fn paired(x: Shape) -> bool {
    x.w == 4
}

/// Samples, or pairs of samples, that tiles are dealt out from.
pub(super) fn sample_groups(x: Shape) -> usize {
    if paired(x) { x.n.div_ceil(2) } else { x.n }
}

#[cfg(test)]
mod tests {
    use super::super::slices::tests::gpu;
    use super::*;

    #[test]
    fn small_images_are_dealt_out_until_a_gpu_is_filled_or_nothing_is_left_to_deal_out() {
        let nvidia = gpu([32, 32], 1024);
        for (x, to, outputs, slices) in [
            // The levels of the U-Net with base 32, four samples of 64 squared: every subgroup has a channel a lane.
            (Shape::new(4, 32, 64, 64), 32, 1, 4),
            (Shape::new(4, 64, 32, 32), 64, 1, 8),
            (Shape::new(4, 128, 16, 16), 128, 1, 16),
            (Shape::new(4, 256, 8, 8), 256, 1, 16),
            (Shape::new(4, 512, 4, 4), 512, 1, 16),
            // Where there is enough, two outputs share a window.
            (Shape::new(4, 64, 64, 64), 64, 2, 4),
            (Shape::new(4, 64, 128, 128), 64, 2, 1),
            (Shape::new(16, 32, 256, 256), 32, 1, 1),
            // A sample's bits are the same in any batch.
            (Shape::new(1, 32, 64, 64), 32, 1, 4),
            (Shape::new(16, 32, 64, 64), 32, 1, 4),
            // Channels that are too few are not dealt out.
            (Shape::new(1, 2, 64, 64), 32, 1, 1),
            (Shape::new(1, 512, 4, 4), 1, 1, 16),
        ] {
            let fixed = Variant::fixed(nvidia, x, to);
            assert_eq!(fixed, Variant { outputs, reads: Reads::Storage, slices }, "{x} to {to} channels");
            assert!(Variant::candidates(nvidia, x, to).contains(&fixed), "{x} to {to} channels is not measured");
        }
    }
}
