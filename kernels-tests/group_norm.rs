//! `group_moments`, `group_norm`, `group_sums` and `group_norm_backward`, against `f64` and central differences.

#[path = "harness/groups.rs"]
mod groups;
mod harness;

use cvdm::Error;
use cvdm::gpu::Caps;
use cvdm::kernels::{group_norm, instance_norm};
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use groups::{EPSILON, forward, normalized, statistics};
use harness::{Given, close, dot, given, inside, placed, random, run, slopes, wide};

const ROUNDING: f64 = f32::EPSILON as f64;

/// Groups, and shapes: single values, one channel a group, one group of all, more channels in a group than invocations in a
/// workgroup, planes around a workgroup, odd ones.
const TABLE: &[(usize, [usize; 4])] = &[
    (1, [1, 1, 1, 2]),
    (3, [2, 3, 1, 5]),
    (1, [2, 7, 3, 5]),
    (2, [3, 6, 4, 4]),
    (4, [1, 8, 5, 13]),
    (1, [1, 130, 2, 2]),
    (2, [1, 6, 16, 16]),
    (3, [2, 9, 31, 37]),
    (2, [1, 4, 64, 64]),
];

fn input_gradient(shape: Shape, groups: usize, x: &[f64], weight: &[f64], g: &[f64]) -> Vec<f64> {
    let (stats, hat) = (statistics(shape, groups, x), normalized(shape, groups, x));
    let weighted: Vec<f64> = (0..g.len()).map(|i| g[i] * weight[i / shape.plane() % shape.c]).collect();
    let group = shape.c / groups * shape.plane();
    let means: Vec<[f64; 2]> = weighted
        .chunks_exact(group)
        .zip(hat.chunks_exact(group))
        .map(|(g, h)| [g.iter().sum::<f64>() / group as f64, dot(g, h) / group as f64])
        .collect();
    let value = |i: usize| {
        let [plain, along] = means[i / group];
        stats[i / shape.plane() * 2 + 1] * (weighted[i] - plain - hat[i] * along)
    };
    (0..g.len()).map(value).collect()
}

/// `Σ g x̂` and then `Σ g` of each channel, over the batch.
fn affine_gradients(shape: Shape, groups: usize, x: &[f64], g: &[f64]) -> Vec<f64> {
    let hat = normalized(shape, groups, x);
    let mut sums = vec![0.0; 2 * shape.c];
    for (i, g) in g.iter().enumerate() {
        let c = i / shape.plane() % shape.c;
        sums[c] += g * hat[i];
        sums[shape.c + c] += g;
    }
    sums
}

fn blank(shape: Shape) -> Given {
    given(shape, vec![9.0; shape.len()])
}

/// Everything lies in channel ranges; the neighbours stay as they were.
#[test]
fn forward_and_gradients() {
    for (case, &(groups, [n, c, h, w])) in TABLE.iter().enumerate() {
        let (shape, outer) = (Shape::new(n, c, h, w), Shape::new(n, c + 3, h, w));
        let seed = 10 * case as u64;
        let (x, g) = (random(outer, seed, -2.0, 3.0), random(outer, seed + 1, -1.0, 1.0));
        let (y, gx) = (random(outer, seed + 2, -1.0, 1.0), random(outer, seed + 3, -1.0, 1.0));
        let affine = random(Shape::vector(2 * c + 1), seed + 4, -2.0, 2.0);
        let (x64, g64) = (inside(&x, 2, shape), inside(&g, 3, shape));
        let (weight, bias) = (wide(&affine.values[1..c + 1]), wide(&affine.values[c + 1..]));
        let stats = statistics(shape, groups, &x64);
        let want_y = placed(&y, 1, shape, &forward(shape, groups, &x64, &weight, &bias), false);
        let gradient = input_gradient(shape, groups, &x64, &weight, &g64);
        let (want_gx, want_added) = (placed(&gx, 2, shape, &gradient, false), placed(&gx, 2, shape, &gradient, true));
        let of_affine = affine_gradients(shape, groups, &x64, &g64);
        let per_channel = group_norm::stats(shape);
        let gx_again = given(outer, gx.values.clone());
        let tensors = [
            x,
            g,
            y,
            gx,
            gx_again,
            affine,
            blank(per_channel),
            blank(per_channel),
            blank(per_channel),
            blank(Shape::vector(2 * c)),
        ];
        // Software adapters have workgroups of their own; all of them work everywhere.
        for software in [true, false] {
            run(
                &tensors,
                |tape, v| {
                    let caps = Caps { software, ..tape.caps() };
                    let (x, g, y) = (v[0].range(2..2 + c)?, v[1].range(3..3 + c)?, v[2].range(1..1 + c)?);
                    let (weight, bias) = (v[5].range(1..c + 1)?, v[5].range(c + 1..2 * c + 1)?);
                    let mut calls = Vec::new();
                    calls.extend(group_norm::forward(caps, groups, &x, [&weight, &bias], &v[6], &v[7], &y, EPSILON)?);
                    for (to, add) in [(3, false), (4, true)] {
                        let gx = v[to].range(2..2 + c)?;
                        calls.extend(group_norm::backward(caps, groups, &x, &weight, &v[7], &g, &v[8], &gx, add)?);
                    }
                    let (gweight, gbias) = (v[9].range(0..c)?, v[9].range(c..2 * c)?);
                    calls.push(instance_norm::affine_gradients(&v[8], &gweight, &gbias, false)?);
                    Ok(calls)
                },
                |mode, got| {
                    let name = |what: &str| format!("{mode}, software {software}, {groups} groups of {shape}, {what}");
                    let per_std = stats.iter().skip(1).step_by(2).fold(1.0, |a: f64, &b| a.max(b));
                    let sums = 4.0 * ROUNDING * ((shape.n * shape.plane()) as f64).sqrt() * per_std;
                    close(&name("statistics"), &got[7], &stats, 4.0 * ROUNDING, 8.0 * ROUNDING);
                    close(&name("y"), &got[2], &want_y, 16.0 * ROUNDING * per_std, 8.0 * ROUNDING);
                    close(&name("gx"), &got[3], &want_gx, 16.0 * ROUNDING * per_std, 16.0 * ROUNDING);
                    close(&name("gx added"), &got[4], &want_added, 16.0 * ROUNDING * per_std, 16.0 * ROUNDING);
                    close(&name("affine gradients"), &got[9], &of_affine, sums, 8.0 * ROUNDING);
                },
            );
        }
    }
}

/// The reference's gradients, and so the kernels', are slopes of its forward pass.
#[test]
fn gradients_are_central_differences() {
    let (shape, groups) = (Shape::new(2, 6, 3, 4), 2);
    let [x, g] = [1, 2].map(|seed| wide(&random(shape, seed, -2.0, 2.0).values));
    let [weight, bias] = [3, 4].map(|seed| wide(&random(Shape::vector(6), seed, 0.5, 2.0).values));
    let gx = slopes(&x, |x| dot(&forward(shape, groups, x, &weight, &bias), &g));
    let gweight = slopes(&weight, |weight| dot(&forward(shape, groups, &x, weight, &bias), &g));
    let gbias = slopes(&bias, |bias| dot(&forward(shape, groups, &x, &weight, bias), &g));
    let [narrow_x, narrow_g, narrow_w, narrow_b] =
        [&x, &g, &weight, &bias].map(|v| v.iter().map(|&v| v as f32).collect::<Vec<f32>>());
    let per_channel = group_norm::stats(shape);
    let tensors = [
        given(shape, narrow_x),
        given(shape, narrow_g),
        given(Shape::vector(12), [narrow_w, narrow_b].concat()),
        blank(per_channel),
        blank(per_channel),
        blank(per_channel),
        blank(shape),
        blank(shape),
        blank(Shape::vector(12)),
    ];
    run(
        &tensors,
        |tape, v| {
            let caps = tape.caps();
            let (weight, bias) = (v[2].range(0..6)?, v[2].range(6..12)?);
            let mut calls = Vec::new();
            calls.extend(group_norm::forward(caps, groups, &v[0], [&weight, &bias], &v[3], &v[4], &v[6], EPSILON)?);
            calls.extend(group_norm::backward(caps, groups, &v[0], &weight, &v[4], &v[1], &v[5], &v[7], false)?);
            calls.push(instance_norm::affine_gradients(&v[5], &v[8].range(0..6)?, &v[8].range(6..12)?, false)?);
            Ok(calls)
        },
        |mode, got| {
            close(&format!("{mode}, gx"), &got[7], &gx, 5e-6, 5e-6);
            close(&format!("{mode}, affine"), &got[8], &[&gweight[..], &gbias[..]].concat(), 5e-6, 5e-6);
        },
    );
}

/// Channels that lie far from each other and from zero keep the digits of their group's variance; constant groups are the bias.
#[test]
fn extremes() {
    let (shape, groups) = (Shape::new(1, 6, 16, 17), 3);
    let noise = random(shape, 7, -1.0, 1.0);
    let value = |(i, noise): (usize, &f32)| match i / shape.plane() {
        0 => 1e4 + noise,
        1 => 1e4 + 3.0,
        2 | 3 => -3e7,
        4 => 1e-3 * noise,
        _ => 1e5 * noise,
    };
    let x: Vec<f32> = noise.values.iter().enumerate().map(value).collect();
    let want = forward(shape, groups, &wide(&x), &[1.0; 6], &[0.5; 6]);
    let per_channel = group_norm::stats(shape);
    let affine = given(Shape::vector(12), [[1.0; 6], [0.5; 6]].concat());
    run(
        &[given(shape, x), affine, blank(per_channel), blank(per_channel), blank(shape)],
        |tape, v| {
            let (weight, bias) = (v[1].range(0..6)?, v[1].range(6..12)?);
            let calls =
                group_norm::forward(tape.caps(), groups, &v[0], [&weight, &bias], &v[2], &v[3], &v[4], EPSILON)?;
            Ok(calls.into())
        },
        |mode, got| {
            // A mean of 1e4 is known to half a unit in the last place, 5e-4.
            close(&format!("{mode}, a large mean"), &got[4][..2 * 272], &want[..2 * 272], 1e-3, 1e-5);
            assert!(got[4][2 * 272..4 * 272].iter().all(|&v| v == 0.5), "{mode}: constant channels");
            close(&format!("{mode}, of two sizes"), &got[4][4 * 272..], &want[4 * 272..], 1e-6, 1e-5);
        },
    );
}

#[test]
fn wrong_arguments_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |shape| tape.persistent("tensor", shape).unwrap();
    let shape = Shape::new(2, 6, 3, 4);
    let (x, y, stats, moments) = (new(shape), new(shape), new(group_norm::stats(shape)), new(group_norm::stats(shape)));
    let w = new(Shape::vector(6));
    let try_with =
        |groups, y, epsilon| group_norm::forward(gpu.caps(), groups, &x, [&w, &w], &moments, &stats, y, epsilon);
    assert!(try_with(3, &y, 1e-5).is_ok());
    assert!(matches!(try_with(4, &y, 1e-5), Err(Error::Shape(_))));
    assert!(matches!(try_with(0, &y, 1e-5), Err(Error::Shape(_))));
    assert!(matches!(try_with(3, &x, 1e-5), Err(Error::Shape(_))));
    assert!(matches!(try_with(3, &y, 0.0), Err(Error::Input(_))));
    let wrong = group_norm::backward(gpu.caps(), 3, &x, &w, &stats, &y, &stats, &y, false);
    assert!(matches!(wrong, Err(Error::Shape(_))));
}
