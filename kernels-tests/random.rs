//! `random`: the GPU's Philox against the published answer and the CPU mirror, word for word.

mod harness;

use cvdm::kernels::random::{Kind, fill};
use cvdm::random::{Random, Stream, state};
use cvdm::tensor::Shape;
use harness::{Given, close, given, run};

fn rng(seed: u64, step: u32, first: u32) -> Given {
    given(Shape::vector(4), state(seed, step, first).map(f32::from_bits).to_vec())
}

fn blank(shape: Shape) -> Given {
    given(shape, vec![0.0; shape.len()])
}

#[test]
fn words_are_those_of_the_published_vector() {
    run(
        &[rng(0, 0, 0), blank(Shape::vector(4))],
        |_, v| fill(&v[0], &v[1], Kind::Words, Stream::Noise),
        |mode, got| {
            let words: Vec<u32> = got[1].iter().map(|w| w.to_bits()).collect();
            assert_eq!(words, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8], "{mode}");
        },
    );
}

#[test]
fn words_and_uniforms_equal_the_cpu_bit_for_bit() {
    let (seed, step, first) = (0xfedc_ba98_7654_3210, 77, u32::MAX - 3);
    for (shape, stream) in [
        (Shape::new(3, 1, 7, 11), Stream::Times),
        (Shape::new(1, 1, 1, 1), Stream::Latent),
        (Shape::new(2, 3, 16, 16), Stream::Sampler),
    ] {
        run(
            &[rng(seed, step, first), blank(shape), blank(shape)],
            |_, v| {
                let mut calls = fill(&v[0], &v[1], Kind::Words, stream)?;
                calls.extend(fill(&v[0], &v[2], Kind::Uniforms, stream)?);
                Ok(calls)
            },
            |mode, got| {
                let len = shape.c * shape.plane();
                for n in 0..shape.n {
                    let random = Random { seed, stream, step, sample: first.wrapping_add(n as u32) };
                    for j in 0..len {
                        let word = random.words(j as u32 / 4)[j % 4];
                        assert_eq!(got[1][n * len + j].to_bits(), word, "{mode}: {shape}, word {j} of sample {n}");
                        assert_eq!(got[2][n * len + j], random.uniform(j as u32), "{mode}: uniform {j} of sample {n}");
                    }
                }
            },
        );
    }
}

#[test]
fn normals_follow_the_cpu_to_rounding_and_fill_only_their_channels() {
    let (seed, step, first) = (5, 9, 2);
    let whole = Shape::new(2, 4, 32, 33);
    run(
        &[rng(seed, step, first), given(whole, vec![7.5; whole.len()])],
        |_, v| fill(&v[0], &v[1].range(1..3)?, Kind::Normals, Stream::Noise),
        |mode, got| {
            let plane = whole.plane();
            for n in 0..whole.n {
                let sample = &got[1][n * 4 * plane..(n + 1) * 4 * plane];
                let want = Random { seed, stream: Stream::Noise, step, sample: first + n as u32 }.normals(2 * plane);
                let want: Vec<f64> = want.iter().map(|&v| f64::from(v)).collect();
                close(&format!("{mode}: normals"), &sample[plane..3 * plane], &want, 5e-7, 5e-7);
                assert!(sample[..plane].iter().chain(&sample[3 * plane..]).all(|&v| v == 7.5), "{mode}: neighbours");
            }
        },
    );
}
