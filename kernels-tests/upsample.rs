//! `pixel_shuffle`, `upsample`, `upsample_backward`, `decimate` and `decimate_quads`, exactly but for the sums.

mod harness;

use cvdm::Error;
use cvdm::kernels::upsample;
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{close, dot, inside, placed, random, run, wide};

/// Factors, and shapes of the small planes with so many large ones.
const TABLE: &[(usize, [usize; 4])] = &[
    (1, [1, 1, 1, 1]),
    (2, [1, 1, 1, 1]),
    (2, [2, 3, 4, 4]),
    (2, [2, 65, 3, 12]),
    (3, [2, 2, 5, 7]),
    (2, [1, 5, 13, 9]),
    (4, [1, 2, 8, 17]),
];

/// Of each value of the large planes `[N, C, sH, sW]` its index in the small ones, `[N, C s², H, W]` or `[N, C, H, W]`.
fn sources(large: Shape, s: usize, shuffled: bool) -> Vec<usize> {
    let mut all = Vec::new();
    for nc in 0..large.n * large.c {
        for (i, j) in (0..large.h).flat_map(|i| (0..large.w).map(move |j| (i, j))) {
            let channel = if shuffled { (nc * s + i % s) * s + j % s } else { nc };
            all.push((channel * (large.h / s) + i / s) * (large.w / s) + j / s);
        }
    }
    all
}

#[test]
fn all_operations() {
    for (case, &(s, [n, c, h, w])) in TABLE.iter().enumerate() {
        let large = Shape::new(n, c, s * h, s * w);
        let (deep, small) = (Shape::new(n, c * s * s, h, w), Shape::new(n, c, h, w));
        assert_eq!(upsample::shuffled(deep, s).unwrap(), large);
        assert_eq!(upsample::enlarged(small, s), large);
        let wider = |shape: Shape| Shape { c: shape.c + 3, ..shape };
        let seed = 20 * case as u64;
        let mut seeds = seed..;
        let mut new = |shape| random(wider(shape), seeds.next().unwrap(), -2.0, 2.0);
        let (x, x_deep, g) = (new(small), new(deep), new(large));
        let outputs = [new(large), new(large), new(deep), new(deep), new(large), new(small), new(small)];
        let (of_deep, of_small) = (sources(large, s, true), sources(large, s, false));
        let (x64, deep64, g64) = (inside(&x, 2, small), inside(&x_deep, 1, deep), inside(&g, 3, large));
        let shuffled: Vec<f64> = of_deep.iter().map(|&i| deep64[i]).collect();
        let enlarged: Vec<f64> = of_small.iter().map(|&i| x64[i]).collect();
        let (mut unshuffled, mut summed) = (vec![0.0; deep.len()], vec![0.0; small.len()]);
        for (k, g) in g64.iter().enumerate() {
            unshuffled[of_deep[k]] = *g;
            summed[of_small[k]] += g;
        }
        // An adjoint: <g, shuffle(x)> = <unshuffle(g), x>.
        assert!((dot(&g64, &shuffled) - dot(&unshuffled, &deep64)).abs() < 1e-9);
        assert!((dot(&g64, &enlarged) - dot(&summed, &x64)).abs() < 1e-9);
        let want = [
            placed(&outputs[0], 2, large, &shuffled, false),
            placed(&outputs[1], 2, large, &shuffled, true),
            placed(&outputs[2], 2, deep, &unshuffled, false),
            placed(&outputs[3], 2, deep, &unshuffled, true),
            placed(&outputs[4], 2, large, &enlarged, false),
            placed(&outputs[5], 2, small, &summed, false),
            placed(&outputs[6], 2, small, &summed, true),
        ];
        let mut tensors = vec![x, x_deep, g];
        tensors.extend(outputs);
        run(
            &tensors,
            |_, v| {
                let (x, g) = (v[0].range(2..2 + c)?, v[2].range(3..3 + c)?);
                let deep = v[1].range(1..1 + deep.c)?;
                let to = |i: usize| v[3 + i].range(2..v[3 + i].shape.c - 1);
                Ok(vec![
                    upsample::pixel_shuffle(s, &deep, &to(0)?, false)?,
                    upsample::pixel_shuffle(s, &deep, &to(1)?, true)?,
                    upsample::pixel_unshuffle(s, &g, &to(2)?, false)?,
                    upsample::pixel_unshuffle(s, &g, &to(3)?, true)?,
                    upsample::nearest(s, &x, &to(4)?)?,
                    upsample::nearest_backward(s, &g, &to(5)?, false)?,
                    upsample::nearest_backward(s, &g, &to(6)?, true)?,
                ])
            },
            |mode, got| {
                // What is only moved is exact; a sum of s² values up to 2 rounds with every one.
                let rounding = f64::from(f32::EPSILON);
                for (i, want) in want.iter().enumerate() {
                    let atol = [1e-300, 2.0 * rounding, 2.0 * (s * s) as f64 * rounding][[0, 1, 0, 1, 0, 2, 2][i]];
                    close(&format!("{mode}, {s} of {small}, operation {i}"), &got[3 + i], want, atol, 0.0);
                }
            },
        );
    }
}

#[test]
fn every_so_many_pixels_and_back() {
    for (case, &(s, [n, c, h, w])) in TABLE.iter().enumerate() {
        let (large, small) = (Shape::new(n, c, s * h, s * w), Shape::new(n, c, h, w));
        assert_eq!(upsample::decimated(large, s).unwrap(), small);
        let wider = |shape: Shape| Shape { c: shape.c + 3, ..shape };
        let new = |shape, i: u64| random(wider(shape), 40 * case as u64 + i, -2.0, 2.0);
        let (x, g) = (new(large, 0), new(small, 1));
        let outputs = [new(small, 2), new(large, 3), new(large, 4), new(small, 5)];
        let (x64, g64) = (inside(&x, 1, large), inside(&g, 2, small));
        let (mut taken, mut spread) = (vec![0.0; small.len()], vec![0.0; large.len()]);
        for (k, source) in sources(large, s, false).into_iter().enumerate() {
            let (i, j) = (k / large.w % large.h, k % large.w);
            if i.is_multiple_of(s) && j.is_multiple_of(s) {
                taken[source] = x64[k];
                spread[k] = g64[source];
            }
        }
        assert!((dot(&g64, &taken) - dot(&spread, &x64)).abs() < 1e-9, "an adjoint");
        let want = [
            placed(&outputs[0], 2, small, &taken, false),
            placed(&outputs[1], 2, large, &spread, false),
            placed(&outputs[2], 2, large, &spread, true),
            placed(&outputs[3], 2, small, &taken, true),
        ];
        let mut tensors = vec![x, g];
        tensors.extend(outputs);
        run(
            &tensors,
            |_, v| {
                let (x, g) = (v[0].range(1..1 + c)?, v[1].range(2..2 + c)?);
                let to = |i: usize| v[2 + i].range(2..2 + c);
                Ok(vec![
                    upsample::decimate(s, &x, &to(0)?, false)?,
                    upsample::decimate_backward(s, &g, &to(1)?, false)?,
                    upsample::decimate_backward(s, &g, &to(2)?, true)?,
                    upsample::decimate(s, &x, &to(3)?, true)?,
                ])
            },
            |mode, got| {
                for (i, want) in want.iter().enumerate() {
                    // Moved is exact; added rounds once.
                    let atol = if i >= 2 { 2.0 * f64::from(f32::EPSILON) } else { 1e-300 };
                    close(&format!("{mode}, {s} of {large}, operation {i}"), &got[2 + i], want, atol, 0.0);
                }
            },
        );
    }
}

/// The order of the channels, by hand.
#[test]
fn channels_become_rows_and_columns() {
    let x = harness::given(Shape::new(1, 4, 1, 2), vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0, 30.0, 31.0]);
    let y = harness::given(Shape::new(1, 1, 2, 4), vec![9.0; 8]);
    run(
        &[x, y],
        |_, v| Ok(vec![upsample::pixel_shuffle(2, &v[0], &v[1], false)?]),
        |mode, got| assert_eq!(wide(&got[1]), [0.0, 10.0, 1.0, 11.0, 20.0, 30.0, 21.0, 31.0], "{mode}"),
    );
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |c, h| tape.persistent("tensor", Shape::new(1, c, h, h)).unwrap();
    let (x, y, same) = (new(4, 4), new(1, 8), new(4, 8));
    assert!(upsample::pixel_shuffle(2, &x, &y, false).is_ok());
    assert!(matches!(upsample::shuffled(Shape::new(1, 6, 2, 2), 2), Err(Error::Shape(_))));
    assert!(matches!(upsample::pixel_shuffle(0, &x, &y, false), Err(Error::Shape(_))));
    assert!(matches!(upsample::pixel_shuffle(2, &x, &same, false), Err(Error::Shape(_))));
    assert!(matches!(upsample::pixel_unshuffle(2, &y, &same, false), Err(Error::Shape(_))));
    assert!(matches!(upsample::nearest(3, &x, &same), Err(Error::Shape(_))));
    assert!(matches!(upsample::nearest(0, &x, &same), Err(Error::Shape(_))));
    assert!(matches!(upsample::nearest_backward(2, &x, &same, false), Err(Error::Shape(_))));
    assert!(matches!(upsample::decimated(Shape::new(1, 1, 4, 5), 2), Err(Error::Shape(_))));
    assert!(matches!(upsample::decimate(2, &x, &same, false), Err(Error::Shape(_))));
}
