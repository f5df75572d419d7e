//! What is fused around instance norm: `instance_norm_scales` with the convolutions and weight gradients that normalise what they
//! load, and `instance_norm_pool`. The adjoint of the first as a whole is tested in `baselines`.

#[path = "harness/groups.rs"]
mod groups;
mod harness;
#[path = "harness/convolution.rs"]
mod reference;
#[path = "harness/variants.rs"]
mod variants;

use cvdm::gpu::Caps;
use cvdm::kernels::conv2d::{self, Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{Input, Reads};
use cvdm::kernels::split_sum::{channel_sum, sum_splits};
use cvdm::kernels::{conv2d_3x3_grad_weight, instance_norm as norm, max_pool2d};
use cvdm::tensor::Shape;
use harness::{Given, close, given, has_subgroups, inside, random, run, softplus, wide};
use reference::tolerance;
use variants::{convolved, variants};

const EPS: f32 = groups::EPSILON;

/// To be overwritten.
fn blank(shape: Shape) -> Given {
    given(shape, vec![9.0; shape.len()])
}

/// Single values, planes smaller than a workgroup and not divided by one, odd channels, and the paper's size.
const SCALED: &[[usize; 4]] = &[
    [1, 1, 1, 1],
    [2, 3, 1, 2],
    [2, 65, 2, 2],
    [3, 5, 4, 4],
    [2, 33, 3, 5],
    [1, 3, 31, 37],
    [1, 2, 32, 36],
    [2, 2, 64, 64],
];

/// Scale and shift of every channel, and the statistics, of a range of a tensor's channels.
#[test]
fn scales_and_shifts() {
    for (case, &[n, c, h, w]) in SCALED.iter().enumerate() {
        let shape = Shape::new(n, c, h, w);
        let x = random(Shape { c: c + 2, ..shape }, 10 * case as u64, 0.0, 3.0);
        let [weight, bias] = [1, 2].map(|i| random(Shape::vector(c), 10 * case as u64 + i, -2.0, 2.0));
        let stats = groups::statistics(shape, c, &inside(&x, 1, shape));
        let scales: Vec<f64> = (0..n * c)
            .flat_map(|k| {
                let scale = stats[2 * k + 1] * f64::from(weight.values[k % c]);
                [scale, f64::from(bias.values[k % c]) - stats[2 * k] * scale]
            })
            .collect();
        let tensors = [x, weight, bias, blank(norm::stats(shape)), blank(norm::stats(shape))];
        for software in [true, false] {
            run(
                &tensors,
                |tape, v| {
                    let caps = Caps { software, ..tape.caps() };
                    Ok(vec![norm::scales(caps, &v[0].range(1..1 + c)?, [&v[1], &v[2]], &v[3], &v[4], EPS)?])
                },
                |mode, got| {
                    let name = format!("{mode}, software {software}, {shape}");
                    let per_std = stats.iter().skip(1).step_by(2).fold(1.0, |a: f64, &b| a.max(b));
                    let rounding = f64::from(f32::EPSILON);
                    close(&format!("{name}, statistics"), &got[3], &stats, 4.0 * rounding, 8.0 * rounding);
                    close(&format!("{name}, scales"), &got[4], &scales, 16.0 * rounding * per_std, 8.0 * rounding);
                },
            );
        }
    }
}

/// What the kernels normalise as they load it is convolved as if it had been written, with zeros around it: by every variant,
/// with the same bits, from channel ranges of input and scales. One pixel high and a quad wide; and several chunks of weights.
#[test]
fn a_normalised_input() {
    let spec = Conv2d::same(3);
    for (n, ci, co, h, w) in
        [(1, 1, 1, 1, 4), (3, 7, 17, 9, 16), (1, 60, 70, 5, 12), (2, 180, 9, 4, 8), (3, 11, 17, 5, 4)]
    {
        let (xs, ys) = (Shape::new(n, ci, h, w), Shape::new(n, co, h, w));
        let part = Shape::new(n, ci, 1, 2);
        let x = random(Shape { c: ci + 3, ..xs }, 1, -1.0, 1.0);
        let scales = random(Shape { c: ci + 2, ..part }, 2, -2.0, 2.0);
        let [weight, bias] = [spec.weight(ci, co), Shape::vector(co)].map(|s| random(s, s.len() as u64, -1.0, 1.0));
        let g = random(ys, 4, -1.0, 1.0);
        let pairs = inside(&scales, 1, part);
        let scaled = |(i, v): (usize, &f64)| v * pairs[i / xs.plane() * 2] + pairs[i / xs.plane() * 2 + 1];
        let normalised: Vec<f64> = inside(&x, 2, xs).iter().enumerate().map(scaled).collect();
        let mut want = reference::forward(spec, xs, ys, &normalised, &wide(&weight.values));
        reference::add_bias(ys, &mut want, &wide(&bias.values));
        let want: Vec<f64> = want.into_iter().map(softplus).collect();
        let mut want_gradient = reference::grad_weight(spec, xs, ys, &normalised, &wide(&g.values));
        want_gradient.extend(reference::channel_sums(ys, &wide(&g.values)));
        let gradient = Shape::vector(want_gradient.len());
        let written = given(xs, normalised.iter().map(|&v| v as f32).collect());
        let tensors = [x, scales, weight, bias, g, blank(ys), blank(gradient), written, blank(gradient)];
        let mut first: Option<Vec<f32>> = None;
        for variant in variants() {
            run(
                &tensors,
                |tape, v| {
                    let (caps, softplus) = (tape.caps(), Activation::Softplus);
                    let (gw, gb) = (v[6].range(0..9 * ci * co)?, v[6].range(9 * ci * co..gradient.c)?);
                    if !caps.subgroups {
                        return Ok(vec![
                            conv2d::forward(spec, &v[7], &v[2], Some(&v[3]), softplus, &v[5], false)?,
                            conv2d::grad_weight(spec, &v[7], &v[4], &gw, false)?,
                            channel_sum(&v[4], &gb, false)?,
                        ]);
                    }
                    let (x, scales) = (v[0].range(2..2 + ci)?, v[1].range(1..1 + ci)?);
                    let input = Input { x: &x, scales: Some(&scales) };
                    let forward = (variant, Direction::Forward);
                    let mut calls = convolved(tape, forward, input, &v[2], Some(&v[3]), softplus, &v[5])?;
                    for (winograd, to) in [(false, &v[6]), (true, &v[8])] {
                        let (outputs, images) = (variant.outputs, variant.reads == Reads::Images);
                        let gradient = conv2d_3x3_grad_weight::Variant { outputs, images, winograd };
                        let parts = conv2d_3x3_grad_weight::parts(caps, outputs, xs, co);
                        let sums = tape.persistent("sums", parts.shape())?;
                        calls.push(conv2d_3x3_grad_weight::grad_weight(caps, gradient, input, &v[4], &sums)?);
                        calls.push(sum_splits(parts, &sums, 0, to, false)?);
                    }
                    Ok(calls)
                },
                |mode, got| {
                    let name = format!("{mode}: {variant:?}, {xs} to {co} channels");
                    // Values up to 4.
                    close(&name, &got[5], &want, 4.0 * tolerance(9 * ci), 1e-6);
                    close(&format!("{name}: gradient"), &got[6], &want_gradient, 4.0 * tolerance(n * h * w), 1e-6);
                    if has_subgroups(mode) {
                        let name = format!("{name}: gradient by Winograd");
                        close(&name, &got[8], &want_gradient, 4.0 * tolerance(n * h * w), 1e-6);
                    }
                    if mode == "unchecked" && variant.slices == 1 {
                        let first = first.get_or_insert_with(|| got[5].clone());
                        assert!(*first == got[5], "{name}: other bits than the first variant");
                    }
                },
            );
        }
    }
}

/// The norm and its pooling in one pass are, bit for bit, the norm and its pooling, which have references of their own; between
/// channel ranges whose neighbours stay as they are. Negative weights turn the order of what is pooled round.
#[test]
fn pooled() {
    for [n, c, h, w] in [[1, 1, 2, 2], [2, 3, 2, 8], [2, 5, 6, 10], [3, 2, 4, 24], [1, 3, 34, 66], [1, 2, 64, 64]] {
        let (shape, outer) = (Shape::new(n, c, h, w), Shape::new(n, c + 3, h, w));
        let half = |shape| max_pool2d::output(shape).unwrap();
        let [weight, bias] = [1, 2].map(|i| random(Shape::vector(c), i, -2.0, 2.0));
        let stats = blank(norm::stats(shape));
        let again = blank(norm::stats(shape));
        let [y, y2] = [blank(outer), blank(outer)];
        let [small, small2] = [blank(half(outer)), blank(half(outer))];
        let tensors = [random(outer, 3, 0.0, 3.0), weight, bias, stats, y, small, again, y2, small2];
        for software in [true, false] {
            run(
                &tensors,
                |tape, v| {
                    let caps = Caps { software, ..tape.caps() };
                    let [x, y, small, y2, small2] = [0, 4, 5, 7, 8].map(|i| v[i].range(2..2 + c).unwrap());
                    Ok(vec![
                        norm::pooled(caps, &x, [&v[1], &v[2]], &v[3], [&y, &small], EPS)?,
                        norm::forward(caps, &x, Some((&v[1], &v[2])), &v[6], &y2, EPS)?,
                        max_pool2d::forward(&y2, &small2)?,
                    ])
                },
                |mode, got| {
                    // The two take their values in items of one size, and so sum alike, unless rows are whole quads but not whole
                    // pairs of them.
                    let alike = w % 8 == 0 || !(h * w).is_multiple_of(4);
                    for (what, one, two) in [("statistics", 3, 6), ("norm", 4, 7), ("pooled", 5, 8)] {
                        let name = format!("{mode}, software {software}, {shape}, {what}");
                        close(&name, &got[one], &wide(&got[two]), 4e-6, 4e-6);
                        assert!(!alike || got[one] == got[two], "{name}: other bits");
                    }
                },
            );
        }
    }
}
