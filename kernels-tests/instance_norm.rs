//! `instance_norm`, `instance_norm_backward` and `instance_norm_affine`, against `f64` and central differences; what is fused with
//! the norm is tested in `norm_fusion`.

mod harness;

use cvdm::Error;
use cvdm::gpu::Caps;
use cvdm::kernels::instance_norm::{self as norm, BackwardOptions};
use cvdm::tape::Tape;
use cvdm::tensor::{Shape, View};
use harness::{Given, close, given, random, run, softplus, wide};

const EPS: f32 = 1e-3;
const PLAIN: BackwardOptions = BackwardOptions { accumulate: false, softplus: false };
const ADDED: BackwardOptions = BackwardOptions { accumulate: true, softplus: false };
const THROUGH_SOFTPLUS: BackwardOptions = BackwardOptions { accumulate: false, softplus: true };

/// Single values, planes smaller than a workgroup and not divided by one, one plane and many, and the paper's sizes.
const TABLE: &[[usize; 4]] = &[
    [1, 1, 1, 1],
    [2, 3, 1, 2],
    [2, 65, 2, 2],
    [3, 5, 4, 4],
    [2, 33, 3, 5],
    [1, 7, 8, 8],
    [2, 3, 16, 16],
    [2, 33, 20, 20],
    [1, 3, 31, 37],
    [1, 2, 32, 36],
    [2, 2, 64, 64],
    [1, 1, 128, 132],
];

/// Mean and 1 / √(variance + ε) of every plane.
fn statistics(shape: Shape, x: &[f64]) -> Vec<f64> {
    let stats = |plane: &[f64]| {
        let mean = plane.iter().sum::<f64>() / plane.len() as f64;
        let variance = plane.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / plane.len() as f64;
        [mean, (variance + f64::from(EPS)).sqrt().recip()]
    };
    x.chunks(shape.plane()).flat_map(stats).collect()
}

fn normalized(shape: Shape, x: &[f64]) -> Vec<f64> {
    let stats = statistics(shape, x);
    let plane = shape.plane();
    x.iter().enumerate().map(|(i, v)| (v - stats[i / plane * 2]) * stats[i / plane * 2 + 1]).collect()
}

fn forward(shape: Shape, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let channel = |i: usize| i / shape.plane() % shape.c;
    normalized(shape, x).iter().enumerate().map(|(i, v)| v * weight[channel(i)] + bias[channel(i)]).collect()
}

/// The sums over every plane of `gy` and `gy · x̂`.
fn sums(shape: Shape, xhat: &[f64], gy: &[f64]) -> Vec<f64> {
    let sum = |(h, g): (&[f64], &[f64])| [g.iter().sum(), g.iter().zip(h).map(|(g, h)| g * h).sum()];
    xhat.chunks(shape.plane()).zip(gy.chunks(shape.plane())).flat_map(sum).collect()
}

fn input_gradient(shape: Shape, x: &[f64], weight: &[f64], gy: &[f64]) -> Vec<f64> {
    let (stats, xhat) = (statistics(shape, x), normalized(shape, x));
    let (sums, plane) = (sums(shape, &xhat, gy), shape.plane());
    let value = |i: usize| {
        let k = i / plane;
        let mean = |j: usize| sums[2 * k + j] / plane as f64;
        weight[k % shape.c] * stats[2 * k + 1] * (gy[i] - mean(0) - xhat[i] * mean(1))
    };
    (0..x.len()).map(value).collect()
}

fn zeros(shape: Shape) -> Given {
    given(shape, vec![9.0; shape.len()])
}

fn added(a: &[f64], b: &[f32]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, &b)| a + f64::from(b)).collect()
}

#[test]
fn forward_and_gradients() {
    for (case, &[n, c, h, w]) in TABLE.iter().enumerate() {
        let shape = Shape::new(n, c, h, w);
        let seed = 10 * case as u64;
        let pre = random(shape, seed, -3.0, 3.0);
        // What softplus leaves, as the kernel gets it.
        let x = given(shape, pre.values.iter().map(|&v| softplus(f64::from(v)) as f32).collect());
        let weight = random(Shape::vector(c), seed + 1, -2.0, 2.0);
        let bias = random(Shape::vector(c), seed + 2, -2.0, 2.0);
        let gy = random(shape, seed + 3, -1.0, 1.0);
        let before = random(shape, seed + 4, -1.0, 1.0);
        let before_channel = random(Shape::vector(2 * c + 1), seed + 5, -1.0, 1.0);

        let [x64, w64, b64, g64] = [&x, &weight, &bias, &gy].map(|t| wide(&t.values));
        let stats = statistics(shape, &x64);
        let xhat = normalized(shape, &x64);
        let y = forward(shape, &x64, &w64, &b64);
        let plain = forward(shape, &x64, &vec![1.0; c], &vec![0.0; c]);
        let plane_sums = sums(shape, &xhat, &g64);
        let gx = input_gradient(shape, &x64, &w64, &g64);
        let slope = |i: usize, g: f64| g * -(-x64[i]).exp_m1();
        let gx_plain: Vec<f64> =
            input_gradient(shape, &x64, &vec![1.0; c], &g64).iter().enumerate().map(|(i, g)| slope(i, *g)).collect();
        let of_channel = |j: usize| -> Vec<f64> {
            (0..c).map(|ch| (0..n).map(|b| plane_sums[2 * (b * c + ch) + j]).sum()).collect()
        };
        // Weight and bias lie side by side, and once the other way round with a value between that stays.
        let [gbias, gweight] = [of_channel(0), of_channel(1)];
        let affine = [gweight.clone(), gbias.clone()].concat();
        let affine_added = added(&[gbias, vec![0.0], gweight].concat(), &before_channel.values);
        let add_gx = added(&gx, &before.values);

        let stats_shape = norm::stats(shape);
        let tensors = [
            x,
            weight,
            bias,
            gy,
            zeros(stats_shape),
            zeros(shape),
            zeros(shape),
            zeros(stats_shape),
            before,
            zeros(shape),
            zeros(Shape::vector(2 * c)),
            before_channel,
            zeros(stats_shape),
            zeros(stats_shape),
        ];
        // Software adapters have workgroups of their own; all of them work everywhere.
        for software in [true, false] {
            run(
                &tensors,
                |tape, v| {
                    let caps = Caps { software, ..tape.caps() };
                    let (halves, spread) = ((v[10].range(0..c)?, v[10].range(c..2 * c)?), &v[11]);
                    Ok(vec![
                        norm::forward(caps, &v[0], Some((&v[1], &v[2])), &v[4], &v[5], EPS)?,
                        norm::forward(caps, &v[0], None, &v[13], &v[6], EPS)?,
                        norm::backward(caps, &v[0], Some(&v[1]), &v[4], &v[3], &v[7], &v[8], ADDED)?,
                        norm::backward(caps, &v[0], None, &v[4], &v[3], &v[12], &v[9], THROUGH_SOFTPLUS)?,
                        norm::affine_gradients(&v[7], &halves.0, &halves.1, false)?,
                        norm::affine_gradients(&v[12], &spread.range(c + 1..2 * c + 1)?, &spread.range(0..c)?, true)?,
                    ])
                },
                |mode, got| {
                    let name = |what: &str| format!("{mode}, software {software}, {shape}, {what}");
                    let per_std = stats.iter().skip(1).step_by(2).fold(1.0, |a: f64, &b| a.max(b));
                    let rounding = f64::from(f32::EPSILON);
                    let reduction = 4.0 * rounding * (shape.plane() as f64).sqrt();
                    close(&name("statistics"), &got[4], &stats, 4.0 * rounding, 8.0 * rounding);
                    close(&name("y"), &got[5], &y, 8.0 * rounding * per_std, 8.0 * rounding);
                    close(&name("y without affine"), &got[6], &plain, 8.0 * rounding * per_std, 8.0 * rounding);
                    close(&name("sums"), &got[7], &plane_sums, reduction * per_std, 8.0 * rounding);
                    close(&name("gx added"), &got[8], &add_gx, 16.0 * rounding * per_std, 16.0 * rounding);
                    close(&name("gx through softplus"), &got[9], &gx_plain, 16.0 * rounding * per_std, 16.0 * rounding);
                    let of_batch = reduction * per_std * n as f64;
                    close(&name("affine gradients"), &got[10], &affine, of_batch, 8.0 * rounding);
                    close(&name("affine gradients added"), &got[11], &affine_added, of_batch, 8.0 * rounding);
                },
            );
        }
    }
}

/// One subgroup a channel would go 65,536 times and more round its loops here, where llvmpipe ends them without a word.
#[test]
fn every_value_of_a_large_plane_is_written() {
    let shape = Shape::new(1, 1, 1024, 1028);
    let [x, gy] = [1, 2].map(|seed| random(shape, seed, -1.0, 1.0));
    let [x64, g64] = [&x, &gy].map(|t| wide(&t.values));
    let y = forward(shape, &x64, &[1.0], &[0.0]);
    let gx = input_gradient(shape, &x64, &[1.0], &g64);
    let statistics = zeros(norm::stats(shape));
    let sums = zeros(norm::stats(shape));
    run(
        &[x, gy, statistics, zeros(shape), sums, zeros(shape)],
        |tape, v| {
            Ok(vec![
                norm::forward(tape.caps(), &v[0], None, &v[2], &v[3], EPS)?,
                norm::backward(tape.caps(), &v[0], None, &v[2], &v[1], &v[4], &v[5], PLAIN)?,
            ])
        },
        |mode, got| {
            // Values up to √3, means over a million of them.
            close(&format!("{mode}: y"), &got[3], &y, 1e-6, 1e-6);
            close(&format!("{mode}: gx"), &got[5], &gx, 2e-6, 2e-6);
        },
    );
}

/// The gradient that the kernels give is the slope of the `f64` forward pass, through softplus and without it.
#[test]
fn gradients_are_central_differences() {
    let shape = Shape::new(2, 3, 4, 5);
    let pre = random(shape, 1, -2.0, 2.0);
    let pre64 = wide(&pre.values);
    let x64: Vec<f64> = pre64.iter().map(|&v| f64::from(softplus(v) as f32)).collect();
    let weight = random(Shape::vector(3), 2, 0.5, 2.0);
    let bias = random(Shape::vector(3), 3, -1.0, 1.0);
    let gy = random(shape, 4, -1.0, 1.0);
    let [w64, b64, g64] = [&weight, &bias, &gy].map(|t| wide(&t.values));
    let loss =
        |x: &[f64], w: &[f64], b: &[f64]| -> f64 { forward(shape, x, w, b).iter().zip(&g64).map(|(y, g)| y * g).sum() };
    let slope_of = |at: &[f64], f: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
        const STEP: f64 = 1e-5;
        let moved = |i: usize, by: f64| {
            let mut moved = at.to_vec();
            moved[i] += by;
            f(&moved)
        };
        (0..at.len()).map(|i| (moved(i, STEP) - moved(i, -STEP)) / (2.0 * STEP)).collect()
    };
    let gx = slope_of(&x64, &|x| loss(x, &w64, &b64));
    let gpre = slope_of(&pre64, &|pre| loss(&pre.iter().map(|&v| softplus(v)).collect::<Vec<_>>(), &w64, &b64));
    let gweight = slope_of(&w64, &|w| loss(&x64, w, &b64));
    let gbias = slope_of(&b64, &|b| loss(&x64, &w64, b));

    let stats = norm::stats(shape);
    let x = given(shape, x64.iter().map(|&v| v as f32).collect());
    let gaffine: Vec<f64> = [gweight, gbias].concat();
    let tensors = [
        x,
        weight,
        bias,
        gy,
        zeros(stats),
        zeros(stats),
        zeros(shape),
        zeros(shape),
        zeros(shape),
        zeros(Shape::vector(6)),
    ];
    run(
        &tensors,
        |tape, v| {
            let caps = tape.caps();
            let (gweight, gbias) = (v[9].range(0..3)?, v[9].range(3..6)?);
            Ok(vec![
                norm::forward(caps, &v[0], Some((&v[1], &v[2])), &v[4], &v[6], EPS)?,
                norm::backward(caps, &v[0], Some(&v[1]), &v[4], &v[3], &v[5], &v[7], PLAIN)?,
                norm::backward(caps, &v[0], Some(&v[1]), &v[4], &v[3], &v[5], &v[8], THROUGH_SOFTPLUS)?,
                norm::affine_gradients(&v[5], &gweight, &gbias, false)?,
            ])
        },
        |mode, got| {
            for (what, got, want) in [
                ("gx", &got[7], &gx),
                ("gradient of the pre-activation", &got[8], &gpre),
                ("affine gradients", &got[9], &gaffine),
            ] {
                close(&format!("{mode}, {what}"), got, want, 5e-6, 5e-6);
            }
        },
    );
}

/// Channel ranges are read and written in their place; the other channels stay as they were.
#[test]
fn channel_ranges() {
    for [h, w] in [[4, 4], [3, 5]] {
        let (outer, inner) = (Shape::new(2, 7, h, w), Shape::new(2, 3, h, w));
        let x = random(outer, 1, 0.0, 2.0);
        let g = random(outer, 2, -1.0, 1.0);
        let y = random(outer, 3, -1.0, 1.0);
        let gx = random(outer, 4, -1.0, 1.0);
        let weight = random(Shape::vector(5), 5, 0.5, 2.0);
        let plane = inner.plane();
        let part = |t: &Given, first: usize| -> Vec<f64> {
            let sample = |n: usize| &t.values[(n * 7 + first) * plane..(n * 7 + first + 3) * plane];
            wide(&[sample(0), sample(1)].concat())
        };
        let (x64, g64, w64) = (part(&x, 2), part(&g, 4), wide(&weight.values[1..4]));
        let placed = |before: &Given, first: usize, values: &[f64]| -> Vec<f64> {
            let mut all = wide(&before.values);
            for n in 0..2 {
                all[(n * 7 + first) * plane..(n * 7 + first + 3) * plane]
                    .copy_from_slice(&values[n * 3 * plane..(n + 1) * 3 * plane]);
            }
            all
        };
        let want_y = placed(&y, 1, &forward(inner, &x64, &w64, &w64));
        let want_gx = placed(&gx, 3, &input_gradient(inner, &x64, &w64, &g64));
        let stats = norm::stats(inner);
        let tensors = [x, g, y, gx, weight, zeros(stats), zeros(stats)];
        run(
            &tensors,
            |tape, v| {
                let caps = tape.caps();
                let (x, weight) = (v[0].range(2..5)?, v[4].range(1..4)?);
                let (y, g, gx) = (v[2].range(1..4)?, v[1].range(4..7)?, v[3].range(3..6)?);
                Ok(vec![
                    norm::forward(caps, &x, Some((&weight, &weight)), &v[5], &y, EPS)?,
                    norm::backward(caps, &x, Some(&weight), &v[5], &g, &v[6], &gx, PLAIN)?,
                ])
            },
            |mode, got| {
                close(&format!("{mode}, {h}×{w}, y"), &got[2], &want_y, 4e-6, 4e-6);
                close(&format!("{mode}, {h}×{w}, gx"), &got[3], &want_gx, 4e-6, 4e-6);
            },
        );
    }
}

/// A large mean does not drown the variance, outliers do not either wherever they are, and constant planes are exactly 0.
#[test]
fn extremes() {
    for (h, w) in [(32, 32), (31, 33)] {
        let shape = Shape::new(1, 8, h, w);
        let plane = shape.plane();
        let noise = random(shape, 7, -1.0, 1.0);
        let values: Vec<f32> = (0..shape.len())
            .map(|i| match (i / plane, i % plane) {
                (0, _) => 1e4 + noise.values[i],
                (1, 0) => 1e4,
                (2, k) if k == plane / 2 => 1e4,
                (1 | 2, _) => 1e-2 * noise.values[i],
                (3, _) => 0.1,
                (4, _) => -3e7,
                (5, _) => 1e-3 * noise.values[i],
                (6, k) => {
                    if k < plane / 2 {
                        -1e3
                    } else {
                        1e3
                    }
                }
                _ => 1e15 * noise.values[i],
            })
            .collect();
        let x64 = wide(&values);
        let stats = statistics(shape, &x64);
        let y = normalized(shape, &x64);
        let one = given(Shape::vector(8), vec![1.0; 8]);
        let zero = given(Shape::vector(8), vec![0.0; 8]);
        let [statistics, again, scales] = [(); 3].map(|()| zeros(norm::stats(shape)));
        let tensors = [given(shape, values.clone()), statistics, zeros(shape), one, zero, again, scales];
        run(
            &tensors,
            |tape, v| {
                let caps = tape.caps();
                Ok(vec![
                    norm::forward(caps, &v[0], None, &v[1], &v[2], EPS)?,
                    norm::scales(caps, &v[0], [&v[3], &v[4]], &v[5], &v[6], EPS)?,
                ])
            },
            |mode, got| {
                for c in 0..shape.c {
                    // The mean is good to a rounding of the largest value, and so is y, in units of the deviation.
                    let largest = x64[c * plane..][..plane].iter().fold(0.0, |a: f64, b| a.max(b.abs()));
                    let rounding = 4.0 * f64::from(f32::EPSILON);
                    let (mode, at) = (format!("{mode}, {h}×{w}, channel {c}"), 2 * c);
                    close(&format!("{mode}, mean"), &got[1][at..=at], &stats[at..=at], rounding * largest, 0.0);
                    close(&format!("{mode}, 1/std"), &got[1][at + 1..at + 2], &stats[at + 1..at + 2], 0.0, 2e-6);
                    let range = c * plane..(c + 1) * plane;
                    let atol = rounding * largest * stats[at + 1];
                    close(&format!("{mode}, y"), &got[2][range.clone()], &y[range.clone()], atol, 4e-6);
                    assert_eq!(got[1][at..at + 2], got[5][at..at + 2], "{mode}: the same statistics");
                    let scaled: Vec<f32> =
                        values[range.clone()].iter().map(|v| v * got[6][at] + got[6][at + 1]).collect();
                    close(&format!("{mode}, x · scale + shift"), &scaled, &y[range], atol, 4e-6);
                }
                assert!(got[2][3 * plane..5 * plane].iter().all(|&v| v == 0.0), "{mode}: a constant plane is 0");
            },
        );
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let shape = Shape::new(2, 4, 8, 8);
    let mut new = |shape| -> View { tape.persistent("tensor", shape).unwrap() };
    let (x, y, stats, sums) = (new(shape), new(shape), new(norm::stats(shape)), new(norm::stats(shape)));
    let (three, four, five) = (new(Shape::vector(3)), new(Shape::vector(4)), new(Shape::vector(5)));
    let gx = new(shape);
    let caps = gpu.caps();
    let refused = |r: cvdm::Result<cvdm::kernels::Call>| matches!(r, Err(Error::Shape(_)));
    assert!(refused(norm::forward(caps, &x, None, &y, &y, EPS)));
    assert!(refused(norm::forward(caps, &x, Some((&three, &four)), &stats, &y, EPS)));
    assert!(refused(norm::forward(caps, &x, Some((&four, &three)), &stats, &y, EPS)));
    assert!(refused(norm::forward(caps, &x, None, &stats, &x, EPS)));
    assert!(refused(norm::forward(caps, &x, None, &stats, &y.range(0..2).unwrap(), EPS)));
    assert!(refused(norm::backward(caps, &x, None, &stats, &y, &stats, &x, PLAIN)));
    assert!(refused(norm::backward(caps, &x, None, &stats, &y, &sums, &y, PLAIN)));
    assert!(refused(norm::backward(caps, &x, Some(&three), &stats, &y, &sums, &x, PLAIN)));
    assert!(refused(norm::affine_gradients(&sums, &three, &three, false)));
    assert!(refused(norm::affine_gradients(&sums, &four, &five.range(1..5).unwrap(), false)));
    // The shaders read statistics and sums from the start of their tensor, and weights next to each other.
    let wider = new(Shape { c: 6, ..norm::stats(shape) }).range(1..5).unwrap();
    let apart = new(Shape::new(2, 3, 1, 1)).range(0..2).unwrap();
    assert!(refused(norm::forward(caps, &x, None, &wider, &y, EPS)));
    assert!(refused(norm::backward(caps, &x, None, &wider, &y, &sums, &gx, PLAIN)));
    assert!(refused(norm::backward(caps, &x, None, &stats, &y, &wider, &gx, PLAIN)));
    assert!(refused(norm::affine_gradients(&wider, &four, &four, false)));
    assert!(refused(norm::affine_gradients(&x, &four, &four, false)));
    assert!(refused(norm::forward(caps, &x, Some((&apart, &four)), &stats, &y, EPS)));
    let affine = [&four, &four];
    let (half, odd) = (new(Shape::new(2, 4, 4, 4)), new(Shape::new(2, 4, 7, 8)));
    assert!(norm::pooled(caps, &x, affine, &stats, [&y, &half], EPS).is_ok());
    assert!(refused(norm::pooled(caps, &x, affine, &stats, [&y, &gx], EPS)));
    assert!(refused(norm::pooled(caps, &x, affine, &stats, [&half, &half], EPS)));
    assert!(refused(norm::pooled(caps, &odd, affine, &stats, [&odd, &half], EPS)));
    assert!(norm::scales(caps, &x, affine, &stats, &sums, EPS).is_ok());
    assert!(refused(norm::scales(caps, &x, affine, &stats, &stats, EPS)));
    assert!(refused(norm::scales(caps, &x, affine, &y, &sums, EPS)));
    assert!(refused(norm::scales(caps, &x, affine, &stats, &wider, EPS)));
    assert!(refused(norm::scales(caps, &x, [&three, &four], &stats, &sums, EPS)));
    assert!(refused(norm::scales(caps, &x, [&four, &apart], &stats, &sums, EPS)));
    for epsilon in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(norm::scales(caps, &x, affine, &stats, &sums, epsilon), Err(Error::Input(_))));
        assert!(matches!(norm::forward(caps, &x, None, &stats, &y, epsilon), Err(Error::Input(_))));
    }
}
