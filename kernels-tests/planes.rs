//! `plane_sum` and `plane_broadcast`: sums over pixels and values of channels, between channel ranges.

mod harness;

use cvdm::Error;
use cvdm::gpu::Caps;
use cvdm::kernels::planes;
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{close, dot, given, inside, placed, random, run, slopes, wide};

const TABLE: &[[usize; 4]] =
    &[[1, 1, 1, 1], [2, 3, 1, 3], [2, 5, 4, 4], [1, 65, 2, 2], [3, 2, 7, 9], [1, 3, 31, 37], [2, 2, 64, 64]];

/// Each sum or value of a channel, repeated over its pixels.
fn over(shape: Shape, s: &[f64], f: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    (0..shape.len()).map(|i| f(i, s[i / shape.plane()])).collect()
}

#[test]
fn all_operations() {
    for (case, &[n, c, h, w]) in TABLE.iter().enumerate() {
        let (shape, outer) = (Shape::new(n, c, h, w), Shape::new(n, c + 3, h, w));
        let (small, small_outer) = (planes::values(shape), planes::values(outer));
        let seed = 20 * case as u64;
        let factor = 1.0 / shape.plane() as f32;
        let (a, b) = (random(outer, seed, -2.0, 2.0), random(outer, seed + 1, -2.0, 2.0));
        let s = random(small_outer, seed + 2, -2.0, 2.0);
        let large: Vec<_> = (0..4).map(|i| random(outer, seed + 3 + i, -1.0, 1.0)).collect();
        let sums: Vec<_> = (0..3).map(|i| random(small_outer, seed + 8 + i, -1.0, 1.0)).collect();
        let (a64, b64, s64) = (inside(&a, 2, shape), inside(&b, 3, shape), inside(&s, 1, small));
        let sum = |f: &dyn Fn(usize) -> f64| -> Vec<f64> {
            (0..n * c).map(|k| (k * shape.plane()..(k + 1) * shape.plane()).map(f).sum()).collect()
        };
        let mean: Vec<f64> = sum(&|i| a64[i]).iter().map(|v| v * f64::from(factor)).collect();
        let products = sum(&|i| a64[i] * b64[i]);
        let spread = over(shape, &s64, |_, s| f64::from(factor) * s);
        let want = [
            placed(&large[0], 1, shape, &over(shape, &s64, |i, s| a64[i] + s), false),
            placed(&large[1], 1, shape, &over(shape, &s64, |i, s| a64[i] * s), false),
            placed(&large[2], 1, shape, &over(shape, &s64, |i, s| a64[i] * s), true),
            placed(&large[3], 1, shape, &spread, true),
            placed(&sums[0], 2, small, &mean, false),
            placed(&sums[1], 2, small, &products, false),
            placed(&sums[2], 2, small, &products, true),
        ];
        let mut tensors = vec![a, b, s];
        tensors.extend(large.into_iter().chain(sums));
        for software in [true, false] {
            run(
                &tensors,
                |tape, v| {
                    let caps = Caps { software, ..tape.caps() };
                    let (a, b, s) = (v[0].range(2..2 + c)?, v[1].range(3..3 + c)?, v[2].range(1..1 + c)?);
                    let large = |i: usize| v[3 + i].range(1..1 + c);
                    let small = |i: usize| v[7 + i].range(2..2 + c);
                    Ok(vec![
                        planes::add(&a, &s, &large(0)?, false)?,
                        planes::multiply(&a, &s, &large(1)?, false)?,
                        planes::multiply(&a, &s, &large(2)?, true)?,
                        planes::spread(&s, factor, &large(3)?, true)?,
                        planes::sum(caps, &a, factor, &small(0)?, false)?,
                        planes::dot(caps, &a, &b, &small(1)?, false)?,
                        planes::dot(caps, &a, &b, &small(2)?, true)?,
                    ])
                },
                |mode, got| {
                    // One or two roundings of values up to 5; sums grow with the root of their length.
                    let rounding = f64::from(f32::EPSILON);
                    let reduction = 8.0 * rounding * (shape.plane() as f64).sqrt();
                    for (i, want) in want.iter().enumerate() {
                        let atol = [5.0 * rounding, reduction * f64::from(factor), reduction][[0, 0, 0, 0, 1, 2, 2][i]];
                        close(&format!("{mode}, {shape}, operation {i}"), &got[3 + i], want, atol, rounding);
                    }
                },
            );
        }
    }
}

/// Gradients of `Σ g · (x · s)` and of the mean are the other operations.
#[test]
fn gradients_are_central_differences() {
    let shape = Shape::new(2, 3, 3, 4);
    let small = planes::values(shape);
    let [x, g] = [1, 2].map(|seed| random(shape, seed, -2.0, 2.0));
    let [s, gmean] = [3, 4].map(|seed| random(small, seed, -2.0, 2.0));
    let [x64, g64, s64, gmean64] = [&x, &g, &s, &gmean].map(|t| wide(&t.values));
    let scaled = |x: &[f64], s: &[f64]| dot(&over(shape, s, |i, s| x[i] * s), &g64);
    let gx = slopes(&x64, |x| scaled(x, &s64));
    let gs = slopes(&s64, |s| scaled(&x64, s));
    let mean =
        |x: &[f64]| -> f64 { x.chunks_exact(12).zip(&gmean64).map(|(x, g)| g * x.iter().sum::<f64>() / 12.0).sum() };
    let through_mean = slopes(&x64, mean);
    let blank = |shape: Shape| given(shape, vec![9.0; shape.len()]);
    run(
        &[x, g, s, gmean, blank(shape), blank(small), blank(shape)],
        |tape, v| {
            Ok(vec![
                planes::multiply(&v[1], &v[2], &v[4], false)?,
                planes::dot(tape.caps(), &v[1], &v[0], &v[5], false)?,
                planes::spread(&v[3], 1.0 / 12.0, &v[6], false)?,
            ])
        },
        |mode, got| {
            close(&format!("{mode}, gx"), &got[4], &gx, 1e-6, 1e-6);
            close(&format!("{mode}, gs"), &got[5], &gs, 1e-5, 1e-6);
            close(&format!("{mode}, through the mean"), &got[6], &through_mean, 1e-6, 1e-6);
        },
    );
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |c, h| tape.persistent("tensor", Shape::new(2, c, h, h)).unwrap();
    let (x, y, s, other) = (new(3, 4), new(3, 4), new(3, 1), new(2, 1));
    assert!(matches!(planes::add(&x, &other, &y, false), Err(Error::Shape(_))));
    assert!(matches!(planes::add(&x, &s, &x, false), Err(Error::Shape(_))));
    assert!(matches!(planes::multiply(&s, &s, &y, false), Err(Error::Shape(_))));
    assert!(matches!(planes::spread(&s, f32::NAN, &y, false), Err(Error::Input(_))));
    assert!(matches!(planes::sum(gpu.caps(), &x, 1.0, &other, false), Err(Error::Shape(_))));
    assert!(matches!(planes::dot(gpu.caps(), &x, &s, &s, false), Err(Error::Shape(_))));
}
