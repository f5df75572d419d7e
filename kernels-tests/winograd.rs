//! `winograd_weights`, `winograd_input`, `winograd_product`, `winograd_output`: the 3×3 convolution by Winograd's algorithm; what that and
//! `conv2d_3x3_grad_weight` by it lose.

mod harness;
#[path = "harness/convolution.rs"]
mod reference;

use cvdm::gpu::{Gpu, OpenOptions};
use cvdm::kernels::conv2d::{self, Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{self, Input};
use cvdm::kernels::conv2d_3x3_grad_weight::{self, Variant};
use cvdm::kernels::split_sum::sum_splits;
use cvdm::kernels::winograd::{self, Scratch};
use cvdm::kernels::{Call, elementwise, instance_norm as norm};
use cvdm::tape::Tape;
use cvdm::tensor::{Shape, View};
use harness::{Given, close, given, has_subgroups, random, run, wide};

/// Input shapes with their output channels: one tile, parts of tiles and of fours of tiles, rows of one tile, several samples, more
/// channels than a workgroup takes.
const TABLE: &[([usize; 4], usize)] = &[
    ([1, 8, 4, 4], 4),
    ([3, 8, 5, 4], 12),
    ([1, 16, 3, 8], 8),
    ([2, 24, 9, 12], 36),
    ([1, 8, 16, 20], 68),
    ([5, 40, 7, 4], 16),
];

/// The transformed numbers are larger than the values, and cancel. Their roundings reach a result by up to 23 times, by the rows of
/// A', B' and G for the points 2 and -2 on both sides: 8 · 8 of A', the squared norm 10 of a row of B', and 1 / 28 of one of G. The
/// largest of thousands of errors is four standard deviations.
fn tolerance(terms: usize) -> f64 {
    4.0 * 23.0 * f64::from(f32::EPSILON) * (terms as f64).sqrt()
}

fn convolve(
    tape: &mut Tape,
    direction: Direction,
    input: Input<'_>,
    weight: &View,
    bias: Option<&View>,
    activation: Activation,
    y: &View,
) -> cvdm::Result<Vec<Call>> {
    let (x, c) = (input.x.shape, y.shape.c);
    let weights = tape.persistent("weights", winograd::transformed(x.c, c))?;
    let windows = tape.persistent("windows", winograd::windows(x, x.c))?;
    let product = tape.persistent("product", winograd::windows(x, c))?;
    let scratch = Scratch { weights: &weights, input: &windows, product: &product };
    let mut calls = vec![winograd::weights(direction, weight, [x.c, c], &weights)?];
    calls.extend(winograd::convolve(tape.caps(), input, scratch, bias, activation, y, bias.is_none())?);
    Ok(calls)
}

#[test]
fn forward_and_input_gradient() {
    let spec = Conv2d::same(3);
    for (i, &([n, ci, h, w], co)) in TABLE.iter().enumerate() {
        let (xs, ys) = (Shape::new(n, ci, h, w), Shape::new(n, co, h, w));
        let seed = 10 * i as u64;
        let x = random(xs, seed, -1.0, 1.0);
        let weight = random(spec.weight(ci, co), seed + 1, -1.0, 1.0);
        let bias = random(Shape::vector(co), seed + 2, -1.0, 1.0);
        let g = random(ys, seed + 3, -1.0, 1.0);
        let before = random(xs, seed + 4, -1.0, 1.0);
        let mut want = reference::forward(spec, xs, ys, &wide(&x.values), &wide(&weight.values));
        reference::add_bias(ys, &mut want, &wide(&bias.values));
        want.iter_mut().for_each(|v| *v = v.max(0.0));
        let mut want_gx = reference::grad_input(spec, xs, ys, &wide(&g.values), &wide(&weight.values));
        want_gx.iter_mut().zip(&before.values).for_each(|(a, &b)| *a += f64::from(b));
        let tensors = [x, weight, bias, g, given(ys, vec![9.0; ys.len()]), before];
        run(
            &tensors,
            |tape, v| {
                let caps = tape.caps();
                let mut calls = Vec::new();
                if winograd::suits(caps, xs, co) {
                    let (input, bias) = (Input::from(&v[0]), Some(&v[2]));
                    calls.extend(convolve(tape, Direction::Forward, input, &v[1], bias, Activation::Relu, &v[4])?);
                } else {
                    calls.push(conv2d::forward(spec, &v[0], &v[1], Some(&v[2]), Activation::Relu, &v[4], false)?);
                }
                if winograd::suits(caps, ys, ci) {
                    let input = Input::from(&v[3]);
                    calls.extend(convolve(tape, Direction::Backward, input, &v[1], None, Activation::None, &v[5])?);
                } else {
                    calls.push(conv2d::grad_input(spec, &v[3], &v[1], None, Activation::None, &v[5], true)?);
                }
                Ok(calls)
            },
            |mode, got| {
                let name = format!("{mode}: {xs} to {co} channels");
                close(&name, &got[4], &want, tolerance(9 * ci), 1e-6);
                close(&format!("{name}: input gradient"), &got[5], &want_gx, tolerance(9 * co), 1e-6);
            },
        );
    }
}

/// In channel ranges of larger tensors, and of an input that it normalises: zeros are padded after the norm.
#[test]
fn ranges_and_a_normalised_input() {
    let spec = Conv2d::same(3);
    let (xs, ys) = (Shape::new(2, 8, 6, 8), Shape::new(2, 12, 6, 8));
    let wider = |s: Shape| Shape { c: s.c + 3, ..s };
    let x = random(wider(xs), 1, -1.0, 2.0);
    let scales = random(norm::stats(xs), 2, -1.0, 1.0);
    let weight = random(spec.weight(xs.c, ys.c), 3, -1.0, 1.0);
    let bias = random(Shape::vector(ys.c), 4, -1.0, 1.0);
    let plane = xs.plane();
    let normalised: Vec<f64> = (0..xs.len())
        .map(|i| {
            let channel = i / plane;
            let (n, c) = (channel / xs.c, channel % xs.c);
            let value = f64::from(x.values[(n * (xs.c + 3) + 2 + c) * plane + i % plane]);
            value * f64::from(scales.values[2 * channel]) + f64::from(scales.values[2 * channel + 1])
        })
        .collect();
    let mut want = reference::forward(spec, xs, ys, &normalised, &wide(&weight.values));
    reference::add_bias(ys, &mut want, &wide(&bias.values));
    let blank = wider(ys);
    run(
        &[x, scales, weight, bias, given(blank, vec![9.0; blank.len()])],
        |tape, v| {
            let (x, y) = (v[0].range(2..2 + xs.c)?, v[4].range(1..1 + ys.c)?);
            if !winograd::suits(tape.caps(), xs, ys.c) {
                return Ok(vec![elementwise::fill(&y, 0.0)?]);
            }
            let input = Input { x: &x, scales: Some(&v[1]) };
            convolve(tape, Direction::Forward, input, &v[2], Some(&v[3]), Activation::None, &y)
        },
        |mode, got| {
            if !has_subgroups(mode) {
                return;
            }
            for n in 0..ys.n {
                let start = (n * blank.c + 1) * plane;
                let part = &got[4][start..start + ys.c * plane];
                close(mode, part, &want[n * ys.c * plane..(n + 1) * ys.c * plane], tolerance(9 * xs.c), 1e-6);
            }
        },
    );
}

#[test]
fn shapes_that_do_not_suit_are_refused() {
    let gpu = Gpu::open(&OpenOptions::default()).unwrap();
    let caps = gpu.caps();
    if !caps.subgroups {
        return;
    }
    for (x, channels) in [([1, 7, 4, 4], 4), ([1, 8, 4, 6], 4), ([1, 8, 4, 4], 6)] {
        let [n, c, h, w] = x;
        assert!(!winograd::suits(caps, Shape::new(n, c, h, w), channels), "{x:?} to {channels}");
    }
    let mut tape = Tape::new(caps);
    let x = tape.persistent("x", Shape::new(1, 8, 4, 4)).unwrap();
    let y = tape.persistent("y", Shape::new(1, 4, 4, 4)).unwrap();
    let weights = tape.persistent("weights", winograd::transformed(8, 4)).unwrap();
    let windows = tape.persistent("windows", winograd::windows(x.shape, 8)).unwrap();
    let product = tape.persistent("product", winograd::windows(x.shape, 4)).unwrap();
    let with = |x: &View, input: &View, product: &View, y: &View| {
        let scratch = Scratch { weights: &weights, input, product };
        winograd::convolve(caps, x, scratch, None, Activation::None, y, false)
    };
    assert!(with(&x, &windows, &product, &y).is_ok());
    assert!(with(&x, &product, &windows, &y).is_err(), "windows of other channels");
    assert!(with(&x, &windows, &product, &x).is_err(), "an output of another shape");
}

/// Standard normal values, as a network has them, times `scale`.
fn normal(shape: Shape, seed: u64, scale: f32) -> Given {
    let parts: Vec<Vec<f32>> = (0..12).map(|k| random(shape, 12 * seed + k, -0.5, 0.5).values).collect();
    given(shape, (0..shape.len()).map(|i| scale * parts.iter().map(|p| p[i]).sum::<f32>()).collect())
}

/// The root of the mean squared error, and the largest.
fn errors(values: &[f32], want: &[f64]) -> [f64; 2] {
    let errors: Vec<f64> = values.iter().zip(want).map(|(&a, b)| (f64::from(a) - b).abs()).collect();
    let squares: f64 = errors.iter().map(|e| e * e).sum();
    [(squares / errors.len() as f64).sqrt(), errors.iter().fold(0.0, |a: f64, &b| a.max(b))]
}

/// Winograd's errors against the direct sum's: no more than so many times as large in the mean, and at most.
fn compare(mode: &str, [direct, winograd]: [&[f32]; 2], want: &[f64], times: [f64; 2]) {
    let ([direct, direct_most], [winograd, most]) = (errors(direct, want), errors(winograd, want));
    println!("{mode}: direct {direct:.2e} (most {direct_most:.2e}), Winograd {winograd:.2e} (most {most:.2e})");
    assert!(winograd < times[0] * direct && most < times[1] * direct_most, "{mode}: {winograd:e}, at most {most:e}");
}

/// What is lost: errors of the direct sum and of Winograd's, on weights that keep their input's variance.
#[test]
fn the_error_is_a_few_times_that_of_a_sum() {
    let gpu = Gpu::open(&OpenOptions::default()).unwrap();
    let (xs, co) = (Shape::new(1, 64, 16, 16), 64);
    if !winograd::suits(gpu.caps(), xs, co) {
        return;
    }
    let spec = Conv2d::same(3);
    let ys = Shape { c: co, ..xs };
    let (x, weight) = (normal(xs, 1, 1.0), normal(spec.weight(xs.c, co), 2, 1.0 / 24.0));
    let want = reference::forward(spec, xs, ys, &wide(&x.values), &wide(&weight.values));
    let blank = || given(ys, vec![0.0; ys.len()]);
    run(
        &[x, weight, blank(), blank()],
        |tape, v| {
            let mut calls = vec![conv2d::forward(spec, &v[0], &v[1], None, Activation::None, &v[2], false)?];
            if winograd::suits(tape.caps(), xs, co) {
                calls.extend(convolve(tape, Direction::Forward, (&v[0]).into(), &v[1], None, Activation::None, &v[3])?);
            }
            Ok(calls)
        },
        |mode, got| {
            if !has_subgroups(mode) {
                return;
            }
            // Measured: 4.4 and 6.3 times.
            compare(mode, [&got[2], &got[3]], &want, [6.0, 10.0]);
        },
    );
}

/// The same of a weight gradient, whose transforms are sums and differences of neighbours.
#[test]
fn the_error_of_a_weight_gradient_is_about_that_of_a_sum() {
    let (xs, ys) = (Shape::new(2, 20, 16, 24), Shape::new(2, 12, 16, 24));
    let (x, g) = (normal(xs, 1, 1.0), normal(ys, 2, 1.0));
    let spec = Conv2d::same(3);
    let mut want = reference::grad_weight(spec, xs, ys, &wide(&x.values), &wide(&g.values));
    want.extend(reference::channel_sums(ys, &wide(&g.values)));
    let blank = || given(Shape::vector(want.len()), vec![0.0; want.len()]);
    run(
        &[x, g, blank(), blank()],
        |tape, v| {
            let caps = tape.caps();
            if !conv2d_3x3::suits(caps, spec, xs) {
                return Ok(vec![conv2d::grad_weight(spec, &v[0], &v[1], &v[2].range(0..9 * xs.c * ys.c)?, false)?]);
            }
            let mut calls = Vec::new();
            for (winograd, to) in [(false, &v[2]), (true, &v[3])] {
                let variant = Variant { outputs: 2, images: false, winograd };
                let parts = conv2d_3x3_grad_weight::parts(caps, 2, xs, ys.c);
                let sums = tape.persistent("sums", parts.shape())?;
                calls.push(conv2d_3x3_grad_weight::grad_weight(caps, variant, &v[0], &v[1], &sums)?);
                calls.push(sum_splits(parts, &sums, 0, to, false)?);
            }
            Ok(calls)
        },
        |mode, got| {
            if !has_subgroups(mode) {
                return;
            }
            // Measured: 1.4 and 1.3 times.
            compare(mode, [&got[2], &got[3]], &want, [2.0, 2.0]);
        },
    );
}
