//! `mean_std` and `count_non_finite`.

mod harness;

use cvdm::Error;
use cvdm::kernels::statistics;
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{caps, close, given, on_both_kinds, random, run};

const ULP: f64 = f32::EPSILON as f64;

#[test]
fn mean_and_deviation() {
    for (case, (n, c, h, w, offset)) in [
        (1, 1, 1, 1, 0.0),
        (1, 2, 4, 4, 0.5),
        (2, 3, 5, 7, 0.0),
        (5, 1, 33, 32, 0.0),
        (64, 2, 3, 3, -3.0),
        (20, 1, 8, 8, 1e4),
    ]
    .into_iter()
    .enumerate()
    {
        let outer = Shape::new(n, c + 2, h, w);
        let x = random(outer, case as u64, offset - 1.0, offset + 1.0);
        let len = c * outer.plane();
        let sample = |b: usize, i: usize| f64::from(x.values[(b * outer.c + 1) * outer.plane() + i]);
        let mean = |i: usize| (0..n).map(|b| sample(b, i)).sum::<f64>() / n as f64;
        let deviation = |i: usize| {
            let squares: f64 = (0..n).map(|b| (sample(b, i) - mean(i)).powi(2)).sum();
            if n == 1 { 0.0 } else { (squares / (n - 1) as f64).sqrt() }
        };
        let means: Vec<f64> = (0..len).map(mean).collect();
        let deviations: Vec<f64> = (0..len).map(deviation).collect();
        let one = Shape::new(1, c, h, w);
        run(
            &[x, given(one, vec![9.0; len]), given(one, vec![9.0; len])],
            |_, v| Ok(vec![statistics::mean_std(&v[0].range(1..c + 1)?, &v[1], &v[2])?]),
            |mode, got| {
                close(&format!("{mode}, {outer}, mean"), &got[1], &means, 4.0 * ULP, 2.0 * ULP);
                close(&format!("{mode}, {outer}, deviation"), &got[2], &deviations, 4.0 * ULP, 8.0 * ULP);
            },
        );
    }
}

/// Shapes around the items of a share and the shares of a sample; whole tensors and channel ranges. Of the last there are more
/// samples than a grid has rows for workgroups, and workgroups past its end.
#[test]
fn values_that_are_not_finite() {
    for (shape, caps) in on_both_kinds([
        Shape::new(1, 2, 1, 1),
        Shape::new(2, 3, 5, 7),
        Shape::new(2, 4, 64, 64),
        Shape::new(3, 4, 32, 33),
        Shape::new(1, 4, 16, 16),
        Shape::new(1, 2, 256, 128),
        Shape::new(65_540, 2, 1, 1),
    ]) {
        let mut x = random(shape, 1, -1.0, 1.0);
        // Some of every kind, the first and the last among them; finite extremes do not count.
        let plane = shape.plane();
        let last = shape.len() - 1;
        for (i, v) in x.values.iter_mut().enumerate() {
            *v = match i {
                _ if i % 13 == 0 => f32::NAN,
                _ if i % 13 == 5 => f32::INFINITY,
                _ if i % 13 == 7 || i == last => f32::NEG_INFINITY,
                _ if i % 13 == 8 => f32::MAX,
                _ => *v,
            };
        }
        let count = |inside: &dyn Fn(usize) -> bool| -> f64 {
            x.values.iter().enumerate().filter(|(i, v)| inside(*i) && !v.is_finite()).count() as f64
        };
        let all = count(&|_| true);
        let from_second = count(&|i| i / plane % shape.c >= 1);
        let empty = |shape: Shape| given(shape, vec![9.0; shape.len()]);
        let (whole, range) = (statistics::count_partials(caps, shape), Shape { c: shape.c - 1, ..shape });
        let one = Shape::vector(1);
        run(
            &[x, empty(whole), empty(one), empty(statistics::count_partials(caps, range)), empty(one)],
            |_, v| {
                let mut calls = statistics::count_non_finite(caps, &v[0], &v[1], &v[2])?;
                calls.extend(statistics::count_non_finite(caps, &v[0].range(1..shape.c)?, &v[3], &v[4])?);
                Ok(calls)
            },
            |mode, got| {
                close(&format!("{mode}, {shape}"), &got[2], &[all], 1e-9, 0.0);
                close(&format!("{mode}, {shape} but the first channel"), &got[4], &[from_second], 1e-9, 0.0);
            },
        );
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |shape| tape.persistent("tensor", shape).unwrap();
    let shape = Shape::new(2, 4, 2, 2);
    let (x, one, other) = (new(shape), new(Shape { n: 1, ..shape }), new(Shape { n: 1, ..shape }));
    let (partials, count) = (new(statistics::count_partials(caps(), shape)), new(Shape::vector(1)));
    assert!(matches!(statistics::mean_std(&x, &one, &one), Err(Error::Shape(_))));
    assert!(matches!(statistics::mean_std(&x, &x, &other), Err(Error::Shape(_))));
    assert!(statistics::mean_std(&x, &one, &other).is_ok());
    assert!(matches!(statistics::count_non_finite(caps(), &x, &x, &count), Err(Error::Shape(_))));
    assert!(matches!(statistics::count_non_finite(caps(), &x, &partials, &one), Err(Error::Shape(_))));
    assert!(statistics::count_non_finite(caps(), &x, &partials, &count).is_ok());
}
