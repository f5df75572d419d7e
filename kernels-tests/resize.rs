//! `resize` and `resize_backward`: bilinear and bicubic resampling against the definition in both dimensions at once.

mod harness;
#[path = "harness/resampling.rs"]
mod resampling;

use cvdm::Error;
use cvdm::kernels::resize::{self, Filter};
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{close, dot, given, inside, placed, random, run, slopes};
use resampling::{forward, products};

/// Batch, channels, and sizes before and after: single pixels, up and down, whole and broken factors, one side kept.
const TABLE: &[[usize; 6]] = &[
    [1, 1, 1, 1, 1, 1],
    [1, 2, 1, 1, 3, 5],
    [2, 3, 4, 5, 1, 1],
    [2, 2, 5, 7, 10, 14],
    [1, 3, 13, 11, 5, 4],
    [1, 1, 6, 4, 6, 9],
    [1, 2, 3, 2, 17, 8],
    [1, 1, 16, 16, 33, 12],
    [2, 1, 2, 31, 7, 31],
];

#[test]
fn forward_and_adjoint() {
    for (case, &[n, c, h, w, to_h, to_w]) in TABLE.iter().enumerate() {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let (xs, ys) = (Shape::new(n, c, h, w), Shape::new(n, c, to_h, to_w));
            let wider = |shape: Shape| Shape { c: shape.c + 3, ..shape };
            let mut seeds = 20 * case as u64..;
            let mut new = |shape| random(wider(shape), seeds.next().unwrap(), -1.0, 1.0);
            let (x, g, y, gx, gx_added) = (new(xs), new(ys), new(ys), new(xs), new(xs));
            let (x64, g64) = (inside(&x, 2, xs), inside(&g, 1, ys));
            let mut gradient = vec![0.0; xs.len()];
            products(filter, xs, ys, |o, i, w| gradient[i] += w * g64[o]);
            let value = forward(filter, xs, ys, &x64);
            let want = [
                placed(&y, 3, ys, &value, false),
                placed(&gx, 1, xs, &gradient, false),
                placed(&gx_added, 1, xs, &gradient, true),
            ];
            let between = resize::scratch(xs, ys);
            let scratch = || given(between, vec![9.0; between.len()]);
            run(
                &[x, g, y, gx, gx_added, scratch(), scratch()],
                |_, v| {
                    let (x, g, y) = (v[0].range(2..2 + c)?, v[1].range(1..1 + c)?, v[2].range(3..3 + c)?);
                    let mut calls = resize::forward(filter, &x, &v[5], &y)?.to_vec();
                    calls.extend(resize::backward(filter, &g, &v[6], &v[3].range(1..1 + c)?, false)?);
                    calls.extend(resize::backward(filter, &g, &v[6], &v[4].range(1..1 + c)?, true)?);
                    Ok(calls)
                },
                |mode, got| {
                    // Four roundings a side of values near one; the adjoint adds up as many as there are outputs an input.
                    let rounding = f64::from(f32::EPSILON);
                    let outputs = 16.0 * (1.0 + (to_h * to_w) as f64 / (h * w) as f64);
                    let name = |what: &str| format!("{mode}, {filter:?} of {xs} to {ys}, {what}");
                    close(&name("y"), &got[2], &want[0], 4.0 * rounding, 0.0);
                    close(&name("gx"), &got[3], &want[1], rounding * outputs.sqrt(), 4.0 * rounding);
                    close(&name("gx added"), &got[4], &want[2], rounding * outputs.sqrt(), 4.0 * rounding);
                },
            );
        }
    }
}

#[test]
fn gradients_are_central_differences() {
    let (xs, ys) = (Shape::new(1, 2, 4, 5), Shape::new(1, 2, 7, 3));
    for filter in [Filter::Bilinear, Filter::Bicubic] {
        let (x, g) = (random(xs, 1, -1.0, 1.0), random(ys, 2, -1.0, 1.0));
        let g64 = harness::wide(&g.values);
        let want = slopes(&harness::wide(&x.values), |x| dot(&forward(filter, xs, ys, x), &g64));
        let between = resize::scratch(xs, ys);
        run(
            &[g, given(between, vec![9.0; between.len()]), given(xs, vec![9.0; xs.len()])],
            |_, v| Ok(resize::backward(filter, &v[0], &v[1], &v[2], false)?.into()),
            |mode, got| close(&format!("{mode}, {filter:?}"), &got[2], &want, 1e-6, 1e-6),
        );
    }
}

/// Straight lines stay straight away from the edges, constants everywhere, and the same size changes nothing.
#[test]
fn what_both_filters_keep() {
    for filter in [Filter::Bilinear, Filter::Bicubic] {
        let (xs, ys) = (Shape::new(1, 2, 12, 12), Shape::new(1, 2, 30, 18));
        let x: Vec<f32> = (0..xs.len()).map(|i| if i < 144 { (i % 12) as f32 } else { 0.7 }).collect();
        let other = random(xs, 3, -1.0, 1.0);
        let blank = |shape: Shape| given(shape, vec![9.0; shape.len()]);
        let kept = other.values.clone();
        run(
            &[given(xs, x), blank(resize::scratch(xs, ys)), blank(ys), other, blank(xs), blank(xs)],
            |_, v| {
                let mut calls = resize::forward(filter, &v[0], &v[1], &v[2])?.to_vec();
                calls.extend(resize::forward(filter, &v[3], &v[4], &v[5])?);
                Ok(calls)
            },
            |mode, got| {
                let (line, constant) = got[2].split_at(540);
                for (k, v) in line.iter().enumerate().filter(|(k, _)| (3..15).contains(&(k % 18))) {
                    let want = ((k % 18) as f32 + 0.5) * 12.0 / 18.0 - 0.5;
                    assert!((v - want).abs() < 4e-6, "{mode}, {filter:?}: {v} instead of {want}");
                }
                assert!(constant.iter().all(|v| (v - 0.7).abs() < 2e-7), "{mode}, {filter:?}: a constant");
                assert_eq!(got[5], kept, "{mode}, {filter:?}: the same size");
            },
        );
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |c, h, w| tape.persistent("tensor", Shape::new(1, c, h, w)).unwrap();
    let (x, between, y, other) = (new(2, 4, 4), new(2, 4, 8), new(2, 8, 8), new(3, 8, 8));
    let (long, longer, scratch) = (new(1, 1, 20_000), new(1, 1, 60_000), new(1, 1, 60_000));
    let bilinear = |x, between, y| resize::forward(Filter::Bilinear, x, between, y);
    assert!(bilinear(&x, &between, &y).is_ok());
    assert!(matches!(bilinear(&x, &between, &other), Err(Error::Shape(_))));
    assert!(matches!(bilinear(&x, &x, &y), Err(Error::Shape(_))));
    assert!(matches!(bilinear(&long, &scratch, &longer), Err(Error::Shape(_))));
    assert!(matches!(resize::backward(Filter::Bicubic, &y, &between, &other, false), Err(Error::Shape(_))));
}
