//! `sum_splits` and `channel_sum`, against `f64` sums.

mod harness;

use std::collections::HashMap;

use cvdm::gpu::Caps;
use cvdm::kernels::conv2d::{Activation, Conv2d};
use cvdm::kernels::split_sum::{Parts, channel_splits, channel_sum, channel_sums, sum_splits};
use cvdm::tape::{PlanOptions, Tape};
use cvdm::tensor::Shape;
use harness::{close, given, random, run, wide};

/// Rounding of a sum in order: each addition's error is a share of the sum so far, and they add up like a random walk.
fn serial(values: impl Iterator<Item = f64>) -> f64 {
    let squares = values.scan(0.0, |sum, v| {
        *sum += v;
        Some(*sum * *sum)
    });
    2.0 * f64::from(f32::EPSILON) * (1.0 + squares.sum::<f64>()).sqrt()
}

/// Rounding of a sum of `terms` values up to 1 in a tree, then of one more addition.
fn tolerance(terms: usize) -> f64 {
    4.0 * f64::from(f32::EPSILON) * (terms as f64).sqrt().max(1.0)
}

/// Splits; rows, values of one and from one to the next; values of the bias; where the summed ones start, how many they are.
const SPLITS: &[(Parts, usize, usize)] = &[
    (parts(1, 1, [1, 4], 0), 0, 1),
    (parts(1, 1, [7, 8], 0), 3, 2),
    (parts(2, 9, [7, 8], 0), 0, 63),
    (parts(3, 16, [4, 4], 0), 0, 64),
    (parts(16, 5, [9, 36], 5), 0, 50),
    (parts(16, 5, [9, 36], 5), 45, 5),
    (parts(17, 64, [3, 4], 8), 131, 69),
    (parts(1024, 1, [36, 36], 1), 1, 35),
    (parts(5, 241, [17, 20], 2), 2, 4097),
];

const fn parts(splits: usize, rows: usize, [row, padded]: [usize; 2], bias: usize) -> Parts {
    Parts { splits, rows, row, padded, bias }
}

/// Where value number `i` of a weight and its bias lies in a split.
fn place(parts: Parts, i: usize) -> usize {
    let weight = parts.rows * parts.row;
    if i < weight { i / parts.row * parts.padded + i % parts.row } else { parts.rows * parts.padded + i - weight }
}

#[test]
fn splits_are_summed_into_a_range() {
    for &(parts, start, len) in SPLITS {
        let sums = random(parts.shape(), 1, -1.0, 1.0);
        let of = |i: usize| (0..parts.splits).map(move |s| s * sums.shape.w + place(parts, start + i));
        let of = |i: usize| of(i).map(|k| f64::from(sums.values[k]));
        let totals: Vec<f64> = (0..len).map(|i| of(i).sum()).collect();
        let atol = (0..len).map(|i| serial(of(i))).fold(0.0, f64::max);
        // Into the middle of a flat tensor, whose other values stay.
        let before = random(Shape::vector(len + 5), 2, -1.0, 1.0);
        let mut want = wide(&before.values);
        want[3..3 + len].copy_from_slice(&totals);
        let mut added = wide(&before.values);
        added[3..3 + len].iter_mut().zip(&totals).for_each(|(a, s)| *a += s);
        let again = given(before.shape, before.values.clone());
        run(
            &[sums, before, again],
            |_, v| {
                let (to, onto) = (v[1].range(3..3 + len)?, v[2].range(3..3 + len)?);
                Ok(vec![sum_splits(parts, &v[0], start, &to, false)?, sum_splits(parts, &v[0], start, &onto, true)?])
            },
            |mode, got| {
                let what = format!("{mode}: {parts:?}, {len} values from {start} on");
                close(&what, &got[1], &want, atol, 0.0);
                close(&format!("{what}, added"), &got[2], &added, atol, 0.0);
            },
        );
    }
}

/// A tensor of any shape receives its values in order.
#[test]
fn splits_are_summed_into_a_whole_tensor() {
    let (shape, parts) = (Shape::new(3, 2, 3, 3), parts(4, 1, [57, 60], 0));
    let sums = random(parts.shape(), 1, -1.0, 1.0);
    let of = |i: usize| (0..4).map(|s| f64::from(sums.values[s * 60 + 3 + i])).sum::<f64>();
    let want: Vec<f64> = (0..54).map(of).collect();
    run(
        &[sums, given(shape, vec![9.0; 54])],
        |_, v| Ok(vec![sum_splits(parts, &v[0], 3, &v[1], false)?]),
        |mode, got| close(mode, &got[1], &want, tolerance(4), 0.0),
    );
}

#[test]
fn channels_are_summed_over_samples_and_pixels() {
    for [n, c, h, w] in [
        [1, 1, 1, 1],
        [1, 3, 7, 9],
        [1, 2, 8, 8],
        [1, 1, 5, 13],
        [3, 5, 4, 4],
        [2, 33, 3, 5],
        [4, 2, 31, 33],
        [1, 66_000, 1, 1],
    ] {
        // Channels 2.. of x, into values 1.. of y.
        let (inner, outer) = (Shape::new(n, c, h, w), Shape::new(n, c + 3, h, w));
        let x = random(outer, 1, -1.0, 1.0);
        let before = random(Shape::vector(c + 2), 2, -1.0, 1.0);
        let plane = inner.plane();
        let of = |c: usize| -> f64 {
            let sample = |n: usize| &x.values[(n * outer.c + 2 + c) * plane..][..plane];
            (0..n).flat_map(sample).map(|&v| f64::from(v)).sum()
        };
        let mut want = wide(&before.values);
        let mut added = want.clone();
        for i in 0..c {
            want[1 + i] = of(i);
            added[1 + i] += of(i);
        }
        let again = given(before.shape, before.values.clone());
        run(
            &[x, before, again],
            |_, v| {
                let x = v[0].range(2..2 + c)?;
                let (to, onto) = (v[1].range(1..1 + c)?, v[2].range(1..1 + c)?);
                Ok(vec![channel_sum(&x, &to, false)?, channel_sum(&x, &onto, true)?])
            },
            |mode, got| {
                close(&format!("{mode}: {inner}"), &got[1], &want, tolerance(n * plane), 0.0);
                close(&format!("{mode}: {inner}, added"), &got[2], &added, tolerance(n * plane), 0.0);
            },
        );
    }
}

/// As on a GPU, where a channel of many values is shared out: splits of unequal size, and some without any value.
#[test]
fn channels_are_summed_in_splits() {
    for ([n, c, h, w], splits) in [([4, 2, 31, 33], 5), ([1, 1, 5, 13], 3), ([2, 5, 64, 64], 2), ([1, 3, 2, 2], 7)] {
        let shape = Shape::new(n, c, h, w);
        let x = random(shape, 1, -1.0, 1.0);
        let before = random(Shape::vector(c), 2, -1.0, 1.0);
        let of = |c: usize| (0..n).flat_map(move |n| (n * shape.c + c) * h * w..(n * shape.c + c + 1) * h * w);
        let want: Vec<f64> =
            (0..c).map(|i| f64::from(before.values[i]) + of(i).map(|k| f64::from(x.values[k])).sum::<f64>()).collect();
        let sums = Shape::new(splits, c, 1, 1);
        run(
            &[x, before, given(sums, vec![3.0; sums.len()])],
            |_, v| Ok(vec![channel_sums(&v[0], &v[2])?, channel_sum(&v[2], &v[1], true)?]),
            |mode, got| close(&format!("{mode}: {shape} in {splits}"), &got[1], &want, tolerance(n * h * w), 0.0),
        );
    }
    let gpu = Caps { software: false, ..harness::caps() };
    let splits = |caps, n, c, side| channel_splits(caps, Shape::new(n, c, side, side));
    assert_eq!(
        [splits(gpu, 2, 1, 64), splits(gpu, 4, 1, 64), splits(gpu, 16, 1, 256), splits(gpu, 16, 512, 16)],
        [1, 4, 256, 1]
    );
    assert_eq!(splits(gpu, 16, 512, 64), 2, "no more workgroups than are enough");
    assert_eq!(splits(Caps { software: true, ..gpu }, 16, 1, 256), 1);
}

/// A bias' gradient through a tape, of a map that a GPU sums in splits, from two convolutions by the same parameters.
#[test]
fn a_bias_gradient_is_the_sum_of_both_maps() {
    let (xs, ys) = (Shape::new(4, 3, 64, 64), Shape::new(4, 1, 64, 64));
    let [first, second] = [1, 2].map(|seed| random(ys, seed, -1.0, 1.0));
    let want: f64 = [&first, &second].iter().flat_map(|g| wide(&g.values)).sum();
    for (mode, gpu) in harness::devices() {
        let mut tape = Tape::new(gpu.caps());
        let [theta, gradient] = ["parameters", "gradient"].map(|l| tape.persistent(l, Shape::vector(5)).unwrap());
        tape.parameters(&theta, &gradient).unwrap();
        let (weight, bias) = (theta.range(0..3).unwrap(), theta.range(4..5).unwrap());
        let x = tape.persistent("x", xs).unwrap();
        let seeds = [(&first, "first"), (&second, "second")].map(|(given, label)| {
            let y = tape.conv2d(Conv2d::same(1), &x, &weight, &bias, Activation::None).unwrap();
            (y, tape.persistent(label, ys).unwrap(), given)
        });
        tape.backward(&seeds.each_ref().map(|(y, g, _)| (*y, *g))).unwrap();
        let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default()).unwrap();
        plan.write(&x, &vec![0.5f32; xs.len()]).unwrap();
        seeds.iter().for_each(|(_, g, given)| plan.write(g, &given.values).unwrap());
        plan.run().unwrap();
        let got = plan.read(&gradient).unwrap();
        close(&format!("{mode}: bias"), &got[4..], &[want], 2.0 * tolerance(2 * ys.len()), 0.0);
        let sums = plan.calls().iter().filter(|call| call.shader.name == "channel_sum").count();
        assert_eq!(sums, if gpu.caps().software { 2 } else { 4 }, "{mode}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |n, c, h, w| tape.persistent("tensor", Shape::new(n, c, h, w)).unwrap();
    let (sums, y, x, batches) = (new(1, 4, 1, 12), new(1, 8, 1, 1), new(2, 3, 4, 4), new(2, 8, 1, 1));
    let refused = |r: cvdm::Result<_>| matches!(r, Err(cvdm::Error::Shape(_)));
    let parts = parts(4, 2, [4, 4], 2);
    assert!(sum_splits(parts, &sums, 2, &y, false).is_ok());
    assert!(refused(sum_splits(parts, &sums, 3, &y, false)), "reaches past the end of a split");
    assert!(refused(sum_splits(parts, &sums.range(1..3).unwrap(), 0, &y, false)), "a range of the splits");
    assert!(refused(sum_splits(Parts { bias: 6, ..parts }, &sums, 0, &y, false)), "more values than a split has");
    assert!(refused(sum_splits(parts, &x, 0, &y.range(0..1).unwrap(), false)), "partial sums of another layout");
    assert!(refused(sum_splits(parts, &sums, 0, &batches.range(0..4).unwrap(), false)), "values that lie apart");
    assert!(channel_sum(&x, &y.range(0..3).unwrap(), false).is_ok());
    assert!(refused(channel_sum(&x, &y, false)), "more values than channels");
    assert!(refused(channel_sum(&y, &batches.range(0..4).unwrap(), false)), "values that lie apart");
}
