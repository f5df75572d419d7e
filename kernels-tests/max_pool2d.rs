//! `max_pool2d` and `max_pool2d_backward`, exactly: a maximum rounds nothing.

mod harness;

use cvdm::Error;
use cvdm::kernels::max_pool2d as pool;
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{Given, close, given, random, run, wide};

const TABLE: &[[usize; 4]] = &[
    [1, 1, 2, 2],
    [2, 3, 2, 4],
    [1, 5, 6, 10],
    [3, 2, 4, 8],
    [2, 7, 14, 22],
    [1, 3, 32, 32],
    [2, 2, 34, 66],
    [2, 5, 10, 72],
    [1, 1, 2, 520],
    [2, 16, 16, 12],
];

/// The index in `x` of the first maximum of every square, in the order of the pooled values.
fn argmax(shape: Shape, x: &[f32]) -> Vec<usize> {
    let mut all = Vec::new();
    for plane in 0..shape.n * shape.c {
        for i in (0..shape.h).step_by(2) {
            for j in (0..shape.w).step_by(2) {
                let at = |r: usize, s: usize| (plane * shape.h + i + r) * shape.w + j + s;
                let square = [at(0, 0), at(0, 1), at(1, 0), at(1, 1)];
                let best = square.into_iter().fold(square[0], |best, k| if x[k] > x[best] { k } else { best });
                all.push(best);
            }
        }
    }
    all
}

/// Few distinct values, so that most squares have equal maxima, with negative ones and both ends of the range.
fn with_ties(shape: Shape, seed: u64) -> Given {
    let coarse = random(shape, seed, -2.0, 2.0).values;
    let value = |v: &f32| {
        if *v > 1.9 {
            f32::MAX
        } else if *v < -1.9 {
            f32::MIN
        } else {
            v.round()
        }
    };
    given(shape, coarse.iter().map(value).collect())
}

#[test]
fn forward_and_gradient() {
    for (case, &[n, c, h, w]) in TABLE.iter().enumerate() {
        let shape = Shape::new(n, c, h, w);
        let half = pool::output(shape).unwrap();
        let seed = 10 * case as u64;
        for x in [random(shape, seed, -1.0, 1.0), with_ties(shape, seed + 1)] {
            let gy = random(half, seed + 2, -1.0, 1.0);
            let before = random(shape, seed + 3, -1.0, 1.0);
            let places = argmax(shape, &x.values);
            let y: Vec<f64> = places.iter().map(|&k| f64::from(x.values[k])).collect();
            let mut gx = vec![0.0; shape.len()];
            let mut added = wide(&before.values);
            for (&k, &g) in places.iter().zip(&gy.values) {
                gx[k] = f64::from(g);
                added[k] = f64::from((added[k] as f32) + g);
            }
            let empty = |shape: Shape| given(shape, vec![9.0; shape.len()]);
            run(
                &[x, gy, before, empty(half), empty(shape)],
                |_, v| {
                    Ok(vec![
                        pool::forward(&v[0], &v[3])?,
                        pool::backward(&v[0], &v[1], &v[4], false)?,
                        pool::backward(&v[0], &v[1], &v[2], true)?,
                    ])
                },
                |mode, got| {
                    close(&format!("{mode}, {shape}, y"), &got[3], &y, 1e-300, 0.0);
                    close(&format!("{mode}, {shape}, gx"), &got[4], &gx, 1e-300, 0.0);
                    close(&format!("{mode}, {shape}, gx added"), &got[2], &added, 1e-300, 0.0);
                },
            );
        }
    }
}

#[test]
fn gradient_is_a_central_difference() {
    const STEP: f32 = 1e-4;
    let shape = Shape::new(2, 2, 4, 6);
    let x = random(shape, 3, -1.0, 1.0);
    let gy = random(pool::output(shape).unwrap(), 4, -1.0, 1.0);
    let loss = |x: &[f32]| -> f64 {
        argmax(shape, x).iter().zip(&gy.values).map(|(&k, &g)| f64::from(x[k]) * f64::from(g)).sum()
    };
    let slope = |i: usize| {
        let (mut up, mut down) = (x.values.clone(), x.values.clone());
        up[i] += STEP;
        down[i] -= STEP;
        (loss(&up) - loss(&down)) / (f64::from(up[i]) - f64::from(down[i]))
    };
    let want: Vec<f64> = (0..shape.len()).map(slope).collect();
    run(
        &[
            given(shape, x.values.clone()),
            given(pool::output(shape).unwrap(), gy.values.clone()),
            given(shape, vec![9.0; shape.len()]),
        ],
        |_, v| Ok(vec![pool::backward(&v[0], &v[1], &v[2], false)?]),
        |mode, got| close(mode, &got[2], &want, 1e-9, 1e-9),
    );
}

#[test]
fn channel_ranges() {
    for [h, w] in [[4, 8], [2, 6]] {
        let (outer, inner) = (Shape::new(2, 6, h, w), Shape::new(2, 3, h, w));
        let (outer_half, half) = (pool::output(outer).unwrap(), pool::output(inner).unwrap());
        let x = random(outer, 1, -1.0, 1.0);
        let y = random(outer_half, 2, -1.0, 1.0);
        let gx = random(outer, 3, -1.0, 1.0);
        let sample = 3 * inner.plane();
        let part: Vec<f32> =
            (0..2).flat_map(|n| x.values[(n * 6 + 2) * inner.plane()..][..sample].iter().copied()).collect();
        let places = argmax(inner, &part);
        let (mut want_y, mut want_gx) = (wide(&y.values), wide(&gx.values));
        for n in 0..2 {
            want_gx[(n * 6 + 3) * inner.plane()..][..sample].fill(0.0);
        }
        for (i, &k) in places.iter().enumerate() {
            let (of_y, of_x) = (3 * half.plane(), sample);
            want_y[(i / of_y * 6 + 1) * half.plane() + i % of_y] = f64::from(part[k]);
            want_gx[(k / of_x * 6 + 3) * inner.plane() + k % of_x] = f64::from(part[k]);
        }
        run(
            &[x, y, gx],
            |_, v| {
                let (x, y) = (v[0].range(2..5)?, v[1].range(1..4)?);
                Ok(vec![pool::forward(&x, &y)?, pool::backward(&x, &y, &v[2].range(3..6)?, false)?])
            },
            |mode, got| {
                close(&format!("{mode}, {h}×{w}, y"), &got[1], &want_y, 1e-300, 0.0);
                close(&format!("{mode}, {h}×{w}, gx"), &got[2], &want_gx, 1e-300, 0.0);
            },
        );
    }
}

#[test]
fn wrong_shapes_are_refused() {
    assert!(matches!(pool::output(Shape::new(1, 1, 3, 4)), Err(Error::Shape(_))));
    assert!(matches!(pool::output(Shape::new(1, 1, 4, 5)), Err(Error::Shape(_))));
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |h, w| tape.persistent("tensor", Shape::new(1, 2, h, w)).unwrap();
    let (x, odd, y) = (new(4, 4), new(3, 4), new(2, 2));
    assert!(matches!(pool::forward(&odd, &y), Err(Error::Shape(_))));
    assert!(matches!(pool::forward(&x, &odd), Err(Error::Shape(_))));
    assert!(matches!(pool::backward(&x, &y, &x, false), Err(Error::Shape(_))));
    assert!(matches!(pool::backward(&x, &x, &y, false), Err(Error::Shape(_))));
}
