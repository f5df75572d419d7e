//! Counter-based random numbers, the CPU's copy of `shaders/shared/philox.wgsl`.
//!
//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11): number `j` of sample `i` at step
//! `s` of a stream is word `j mod 4` of the block with counter `(j div 4, i, s, stream)` and the seed as key. It does not
//! depend on the batch, the tiling or the machine.

use std::f64::consts::TAU;

/// What the numbers are for; streams are independent of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// ε of a training step.
    Noise = 0,
    /// The times of a training step.
    Times = 1,
    /// The latent that sampling starts from.
    Latent = 2,
    /// The noise of a sampler's steps.
    Sampler = 3,
    /// Starting values of parameters.
    Init = 4,
}

/// The words of the `rng` tensor (`[1, 4, 1, 1]`): the seed, the step, and the number of the batch's first sample.
pub fn state(seed: u64, step: u32, first_sample: u32) -> [u32; 4] {
    [seed as u32, (seed >> 32) as u32, step, first_sample]
}

/// One block of four words.
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut c0, mut c1, mut c2, mut c3], [mut k0, mut k1]) = (counter, key);
    for _ in 0..10 {
        let p0 = u64::from(c0) * 0xD251_1F53;
        let p1 = u64::from(c2) * 0xCD9E_8D57;
        [c0, c1, c2, c3] = [(p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32];
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    [c0, c1, c2, c3]
}

/// Numbers of one sample at one step of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    /// The run's seed.
    pub seed: u64,
    /// What the numbers are for.
    pub stream: Stream,
    /// Training step, or step of the sampler.
    pub step: u32,
    /// The sample's number, over all batches.
    pub sample: u32,
}

impl Random {
    /// Words `4 · block` to `4 · block + 3`.
    pub fn words(&self, block: u32) -> [u32; 4] {
        philox([block, self.sample, self.step, self.stream as u32], [self.seed as u32, (self.seed >> 32) as u32])
    }

    /// Uniform number `j`, inside (0, 1): 23 bits at interval centres, exact in `f32`.
    pub fn uniform(&self, j: u32) -> f32 {
        uniform(self.words(j / 4)[j as usize % 4])
    }

    /// The first `len` standard normal numbers, by Box–Muller on neighbouring words.
    pub fn normals(&self, len: usize) -> Vec<f32> {
        (0..len.div_ceil(4) as u32).flat_map(|block| normals(self.words(block))).take(len).collect()
    }
}

/// The uniform number of a word.
pub fn uniform(word: u32) -> f32 {
    ((word >> 9) as f32 + 0.5) / (1 << 23) as f32
}

/// The four normal numbers of a block: `sqrt(−2 ln u0) cos 2πu1`, `… sin 2πu1`, and the same of words 2 and 3.
pub fn normals(words: [u32; 4]) -> [f32; 4] {
    let [u0, u1, u2, u3] = words.map(|w| f64::from(uniform(w)));
    let pair = |u: f64, v: f64| {
        let (radius, (sin, cos)) = ((-2.0 * u.ln()).sqrt(), (TAU * v).sin_cos());
        [(radius * cos) as f32, (radius * sin) as f32]
    };
    let ([a, b], [c, d]) = (pair(u0, u1), pair(u2, u3));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/kat_vectors` of Random123 1.14.
    #[test]
    fn philox_gives_the_published_answers() {
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(philox(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn uniforms_stay_inside_the_unit_interval() {
        assert_eq!(f64::from(uniform(0)), (-24f64).exp2());
        assert_eq!(f64::from(uniform(u32::MAX)), 1.0 - (-24f64).exp2());
    }

    #[test]
    fn normals_have_the_moments_of_the_normal_distribution() {
        let random = Random { seed: 7, stream: Stream::Noise, step: 3, sample: 11 };
        let values = random.normals(100_001);
        assert_eq!(values.len(), 100_001);
        let moment = |k: i32| values.iter().map(|&v| f64::from(v).powi(k)).sum::<f64>() / values.len() as f64;
        // Five standard errors of each moment: sqrt(var(x^k) / n) with var = 1, 2, 15, 96.
        for (k, want, variance) in [(1, 0.0, 1.0f64), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error = (moment(k) - want).abs();
            assert!(error < 5.0 * (variance / 1e5).sqrt(), "moment {k} is {}, expected {want}", moment(k));
        }
    }

    #[test]
    fn streams_steps_and_samples_differ() {
        let base = Random { seed: 1, stream: Stream::Noise, step: 1, sample: 1 };
        let others = [
            Random { seed: 1 << 32, ..base },
            Random { stream: Stream::Sampler, ..base },
            Random { step: 2, ..base },
            Random { sample: 2, ..base },
        ];
        assert!(others.iter().all(|other| other.words(0) != base.words(0)));
    }
}
