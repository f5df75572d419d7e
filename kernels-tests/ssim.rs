//! `ssim_rows`, `ssim_columns`, `ssim_spread` and `ssim_backward`: the similarity against the definition over whole windows and
//! against the metric of that name, its gradient against the definition's and central differences.

mod harness;

use cvdm::data::Plane;
use cvdm::kernels::Call;
use cvdm::kernels::ssim::{DataRange, Dissimilarity, Scratch, dissimilarity, scratch};
use cvdm::tape::Tape;
use cvdm::tensor::{Shape, View};
use cvdm::{Error, metrics};
use harness::{Given, close, given, inside, placed, random, run, slopes, wide};

const WINDOW: usize = 11;

/// One window; a row and a column of windows; prime sides; several channels and samples; more windows than one workgroup's.
const SHAPES: [Shape; 6] = [
    Shape::new(1, 1, 11, 11),
    Shape::new(1, 2, 11, 23),
    Shape::new(2, 1, 29, 11),
    Shape::new(1, 1, 31, 37),
    Shape::new(2, 3, 16, 13),
    Shape::new(3, 1, 40, 44),
];

/// The window's weight at a place.
fn weight(y: usize, x: usize) -> f64 {
    let of = |i: usize| (-0.5 * ((i as f64 - 5.0) / 1.5).powi(2)).exp();
    let sum: f64 = (0..WINDOW).map(of).sum();
    of(y) * of(x) / (sum * sum)
}

/// What the definition says: `1 − mean S`, its gradient, and of each pixel the sum of the magnitudes that its gradient is the
/// difference of, which is what rounding is relative to.
fn definition(shape: Shape, range: DataRange, a: &[f64], b: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
    let (black, range) = (f64::from(range.black), f64::from(range.range));
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let (rows, columns) = (shape.h - 10, shape.w - 10);
    let windows = (shape.n * shape.c * rows * columns) as f64;
    let (mut loss, mut gradient, mut magnitude) = (0.0, vec![0.0; a.len()], vec![0.0; a.len()]);
    for plane in 0..shape.n * shape.c {
        for (top, left) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            let places: Vec<(usize, f64)> = (0..WINDOW * WINDOW)
                .map(|i| (i / WINDOW, i % WINDOW))
                .map(|(y, x)| ((plane * shape.h + top + y) * shape.w + left + x, weight(y, x)))
                .collect();
            let mean = |f: &dyn Fn(usize) -> f64| places.iter().map(|&(i, w)| w * f(i)).sum::<f64>();
            let (ma, mb) = (mean(&|i| a[i] - black), mean(&|i| b[i] - black));
            let (da, db) = (|i: usize| a[i] - black - ma, |i: usize| b[i] - black - mb);
            let (saa, sbb, sab) = (mean(&|i| da(i).powi(2)), mean(&|i| db(i).powi(2)), mean(&|i| da(i) * db(i)));
            let (a1, a2) = (2.0 * ma * mb + c1, 2.0 * sab + c2);
            let (b1, b2) = (ma * ma + mb * mb + c1, saa + sbb + c2);
            let s = a1 * a2 / (b1 * b2);
            loss += (1.0 - s) / windows;
            // Quotient rule, factor by factor.
            for &(i, w) in &places {
                let (u, v) = (2.0 * mb / a1 - 2.0 * ma / b1, 2.0 * db(i) / a2 - 2.0 * da(i) / b2);
                gradient[i] -= s * w * (u + v) / windows;
                let of_spread =
                    (2.0 * s / b2 + 2.0 * a1 / (b1 * b2)) * (ma.abs() + mb.abs() + da(i).abs() + db(i).abs());
                magnitude[i] += w * (of_spread + (s * u).abs()) / windows;
            }
        }
    }
    (loss, gradient, magnitude)
}

fn blank(shape: Shape) -> Given {
    given(shape, vec![7.5; shape.len()])
}

/// The scratch tensors and the loss.
fn scratch_tensors(shape: Shape) -> [Given; 5] {
    let Scratch { moments, slopes, spread, partials } = scratch(shape).unwrap();
    [moments, slopes, spread, partials, Shape::vector(1)].map(blank)
}

/// The calls on `a`, `b`, `ga` and, from there, the tensors of [`scratch_tensors`].
fn record(a: View, b: View, ga: View, rest: &[View], range: DataRange, accumulate: bool) -> cvdm::Result<Vec<Call>> {
    let [moments, slopes, spread, partials, loss] = rest else { panic!("five tensors") };
    let scratch = Scratch { moments, slopes, spread, partials };
    dissimilarity(&Dissimilarity { a: &a, b: &b, range, weight: 0.7, ga: &ga, accumulate, loss, scratch })
}

/// Images that resemble each other, from `low` to `high`.
fn images(shape: Shape, seed: u64, low: f32, high: f32) -> [Given; 2] {
    let b = random(shape, seed, low, high);
    let noise = random(shape, seed + 1, low, high);
    let values = b.values.iter().zip(&noise.values).map(|(b, n)| 0.6 * b + 0.4 * n).collect();
    [given(shape, values), b]
}

#[test]
fn similarity_and_gradient_are_the_definitions() {
    for (case, shape) in SHAPES.into_iter().enumerate() {
        for (range, low, high) in [(DataRange::UNIT, 0.0, 1.0), (DataRange::NETWORK, -1.0, 1.0)] {
            let wider = Shape { c: shape.c + 3, ..shape };
            let [a, b] = images(wider, 10 * case as u64, low, high);
            let [ga, added] = [20, 30].map(|seed| random(wider, seed, -1.0, 1.0));
            let (a64, b64) = (inside(&a, 2, shape), inside(&b, 1, shape));
            let (loss, gradient, magnitude) = definition(shape, range, &a64, &b64);
            let gradient: Vec<f64> = gradient.iter().map(|g| 0.7 * g).collect();
            let want = [placed(&ga, 3, shape, &gradient, false), placed(&added, 0, shape, &gradient, true)];
            let largest = magnitude.iter().fold(0.0f64, |m, v| m.max(*v));
            let tensors: Vec<Given> =
                [a, b, ga, added].into_iter().chain(scratch_tensors(shape)).chain(scratch_tensors(shape)).collect();
            let c = shape.c;
            run(
                &tensors,
                |_, v| {
                    let (a, b) = (v[0].range(2..2 + c)?, v[1].range(1..1 + c)?);
                    let mut calls = record(a, b, v[2].range(3..3 + c)?, &v[4..9], range, false)?;
                    calls.extend(record(a, b, v[3].range(0..c)?, &v[9..14], range, true)?);
                    Ok(calls)
                },
                |mode, got| {
                    let name = format!("{mode}: {shape} from {low}");
                    // A mean of many roundings near one; the gradient's in parts of what it is a difference of.
                    close(&name, &got[8], &[loss], 2e-6, 0.0);
                    let eps = f64::from(f32::EPSILON);
                    close(&format!("{name}, gradient"), &got[2], &want[0], 2.0 * eps * largest, 0.0);
                    close(&format!("{name}, added"), &got[3], &want[1], 2.0 * eps * largest + eps, 0.0);
                },
            );
        }
    }
}

#[test]
fn the_gradient_is_the_loss_s_slope() {
    let shape = Shape::new(1, 1, 13, 14);
    let [a, b] = images(shape, 5, 0.0, 1.0);
    let (a64, b64) = (wide(&a.values), wide(&b.values));
    let want = slopes(&a64, |a| 0.7 * definition(shape, DataRange::UNIT, a, &b64).0);
    let tensors: Vec<Given> = [a, b, blank(shape)].into_iter().chain(scratch_tensors(shape)).collect();
    run(
        &tensors,
        |_, v| record(v[0], v[1], v[2], &v[3..], DataRange::UNIT, false),
        |mode, got| close(mode, &got[2], &want, 3e-7, 1e-6),
    );
}

/// The loss of two images.
fn loss_of(a: &Plane, b: &Plane, range: DataRange, mut check: impl FnMut(&str, f32, &[f32])) {
    let shape = Shape::new(1, 1, a.height(), a.width());
    let tensors = [given(shape, a.values().to_vec()), given(shape, b.values().to_vec()), blank(shape)];
    let tensors: Vec<Given> = tensors.into_iter().chain(scratch_tensors(shape)).collect();
    run(&tensors, |_, v| record(v[0], v[1], v[2], &v[3..], range, false), |mode, got| check(mode, got[7][0], &got[2]));
}

#[test]
fn it_is_the_metric_of_that_name() {
    let truth = Plane::from_fn(40, 52, |y, x| 0.5 + 0.4 * ((y * y) as f32 * 0.02 + x as f32 * 0.3).sin());
    let noisy = Plane::from_fn(40, 52, |y, x| (truth.at(y, x) + 0.2 * ((y * 31 + x * 17) % 13) as f32 / 13.0).min(1.0));
    let metric = metrics::ssim(&noisy, &truth, 1.0).unwrap();
    assert!((0.5..0.99).contains(&metric), "a test of something: {metric}");
    loss_of(&noisy, &truth, DataRange::UNIT, |mode, loss, _| {
        assert!((f64::from(loss) - (1.0 - metric)).abs() < 1e-6, "{mode}: {loss} and {metric}");
    });
    // The networks' range is the same picture.
    let network = |p: &Plane| p.map(|v| 2.0 * v - 1.0);
    loss_of(&network(&noisy), &network(&truth), DataRange::NETWORK, |mode, loss, _| {
        assert!((f64::from(loss) - (1.0 - metric)).abs() < 1e-6, "{mode}: {loss} and {metric}");
    });
}

#[test]
fn at_the_ends_of_the_domain() {
    let flat = |value: f32| Plane::from_fn(17, 19, |_, _| value);
    let texture = Plane::from_fn(17, 19, |y, x| ((y * 7 + x * 3) % 11) as f32 / 10.0);
    // Equal images: no loss and, at the maximum, no slope. Rounding is relative to the slopes of a flat window, 2/c2.
    for image in [flat(0.0), flat(1.0), texture.clone()] {
        loss_of(&image, &image, DataRange::UNIT, |mode, loss, gradient| {
            assert!(loss.abs() < 1e-6, "{mode}: {loss}");
            assert!(gradient.iter().all(|g| g.abs() < 1e-6), "{mode}: a slope at the maximum");
        });
    }
    // Black against white: c1/(1 + c1) of luminance is left, nothing of it by rounding.
    loss_of(&flat(0.0), &flat(1.0), DataRange::UNIT, |mode, loss, _| {
        assert!((f64::from(loss) - 1.0 / 1.0001).abs() < 1e-6, "{mode}: {loss}");
    });
    // A negative: similarity below zero.
    loss_of(&texture, &texture.map(|v| 1.0 - v), DataRange::UNIT, |mode, loss, _| {
        assert!(loss > 1.0, "{mode}: {loss}")
    });
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_, gpu) = &harness::devices()[0];
    let shape = Shape::new(1, 1, 16, 16);
    let small = Shape::new(1, 1, 10, 16);
    assert!(matches!(scratch(small), Err(Error::Shape(_))));
    let mut tape = Tape::new(gpu.caps());
    let mut new = |shape| tape.persistent("tensor", shape).unwrap();
    let (a, b, ga, other) = (new(shape), new(shape), new(shape), new(small));
    let Scratch { moments, slopes, spread, partials } = scratch(shape).unwrap();
    let rest = [moments, slopes, spread, partials, Shape::vector(1)].map(&mut new);
    let mut swapped = rest;
    swapped.swap(0, 2);
    let unit = DataRange::UNIT;
    assert!(record(a, b, ga, &rest, unit, false).is_ok());
    assert!(matches!(record(a, other, ga, &rest, unit, false), Err(Error::Shape(_))));
    assert!(matches!(record(a, b, a, &rest, unit, false), Err(Error::Shape(_))));
    assert!(matches!(record(a, b, ga, &swapped, unit, false), Err(Error::Shape(_))));
    assert!(matches!(record(a, b, ga, &rest, DataRange { black: 0.0, range: 0.0 }, false), Err(Error::Input(_))));
}
