//! `activation` and `activation_backward`: every function over the whole domain, its gradient, channel ranges.

mod harness;
#[path = "harness/normal.rs"]
mod normal;

use cvdm::Error;
use cvdm::kernels::activation::{self, Function};
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{close, given, random, run, softplus, wide};
use normal::{bell, gelu, upper_tail};

/// What exp of the adapter and a few roundings leave; below the smallest normal number nothing is promised.
const RTOL: f64 = 2e-6;
const TINY: f64 = 2e-38;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The function, and how far its kernel may be from it.
fn reference(function: Function) -> (fn(f64) -> f64, f64) {
    match function {
        Function::Softplus => (softplus, RTOL),
        Function::Sigmoid => (sigmoid, RTOL),
        Function::Relu => (|x| x.max(0.0), 0.0),
        // Three units in the last place, as the shader says.
        Function::Gelu => (gelu, 3.0 * f32::EPSILON as f64),
        Function::Swish => (|x| x * sigmoid(x), RTOL),
    }
}

const FUNCTIONS: [Function; 5] =
    [Function::Softplus, Function::Sigmoid, Function::Relu, Function::Gelu, Function::Swish];

/// Both ends, the places where formulas change, and a dense sweep between.
fn domain() -> Vec<f32> {
    let mut x =
        vec![0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 125.0, -125.0, 1e4, -1e4, 88.7, -88.7, 87.0, -87.0, 1e30, -1e30];
    x.extend((-2000..2000).map(|i| i as f32 * 0.0093));
    x
}

#[test]
fn whole_domain() {
    let x = domain();
    let shape = Shape::new(1, 1, 8, x.len() / 8);
    let x64 = wide(&x);
    let s: Vec<f64> = x64.iter().map(|&v| softplus(v)).collect();
    let s_f32: Vec<f32> = s.iter().map(|&v| v as f32).collect();
    let g: Vec<f64> = x64.iter().map(|&v| sigmoid(v)).collect();
    let g_f32: Vec<f32> = g.iter().map(|&v| v as f32).collect();
    let from_output: Vec<f64> = s_f32.iter().map(|&s| -(-f64::from(s)).exp_m1()).collect();
    let sigmoid_from_output: Vec<f64> = g_f32.iter().map(|&s| f64::from(s) * (1.0 - f64::from(s))).collect();
    let sigmoid_slope: Vec<f64> = x64.iter().map(|&v| sigmoid(v) * sigmoid(-v)).collect();
    let zeros = || given(shape, vec![0.0; shape.len()]);
    let ones = given(shape, vec![1.0; shape.len()]);
    let tensors = [
        given(shape, x),
        given(shape, s_f32),
        given(shape, g_f32),
        ones,
        zeros(),
        zeros(),
        zeros(),
        zeros(),
        zeros(),
        zeros(),
    ];
    run(
        &tensors,
        |_, v| {
            Ok(vec![
                activation::softplus(&v[0], &v[4])?,
                activation::sigmoid(&v[0], &v[5])?,
                activation::softplus_backward(&v[1], &v[3], &v[6], false)?,
                activation::softplus_backward_from_input(&v[0], &v[3], &v[7], false)?,
                activation::sigmoid_backward(&v[2], &v[3], &v[8], false)?,
                activation::sigmoid_backward_from_input(&v[0], &v[3], &v[9], false)?,
            ])
        },
        |mode, got| {
            for (what, got, want) in [
                ("softplus", &got[4], &s),
                ("sigmoid", &got[5], &g),
                ("softplus slope from output", &got[6], &from_output),
                ("softplus slope from input", &got[7], &g),
                ("sigmoid slope from output", &got[8], &sigmoid_from_output),
                ("sigmoid slope from input", &got[9], &sigmoid_slope),
            ] {
                close(&format!("{mode}, {what}"), got, want, TINY, RTOL);
            }
        },
    );
}

/// ReLU, GELU and swish with their slopes. The latter cross zero, so that their tolerance is absolute.
#[test]
fn whole_domain_of_the_others() {
    let x = domain();
    let shape = Shape::new(1, 1, 8, x.len() / 8);
    let x64 = wide(&x);
    let zeros = || given(shape, vec![0.0; shape.len()]);
    let mut tensors = vec![given(shape, x), given(shape, vec![1.0; shape.len()])];
    tensors.extend((0..6).map(|_| zeros()));
    let others = [Function::Relu, Function::Gelu, Function::Swish];
    run(
        &tensors,
        |_, v| {
            let mut calls = Vec::new();
            for (i, f) in others.into_iter().enumerate() {
                calls.push(f.forward(&v[0], &v[2 + i])?);
                calls.push(f.backward(&v[0], &v[2 + i], &v[1], &v[5 + i], false)?);
            }
            Ok(calls)
        },
        |mode, got| {
            for (i, f) in others.into_iter().enumerate() {
                let (value, rtol) = reference(f);
                let want: Vec<f64> = x64.iter().map(|&v| value(v)).collect();
                // Swish multiplies a sigmoid that may have underflowed, below -87, by its input.
                close(&format!("{mode}, {f:?}"), &got[2 + i], &want, 90.0 * TINY, rtol);
            }
            let relu = x64.iter().map(|&v| f64::from(v > 0.0)).collect::<Vec<_>>();
            close(&format!("{mode}, ReLU slope"), &got[5], &relu, TINY, 0.0);
            let gelu = |x: f64| if x < 0.0 { upper_tail(-x) } else { 1.0 - upper_tail(x) } + x * bell(x);
            let gelu: Vec<f64> = x64.iter().map(|&v| gelu(v)).collect();
            close(&format!("{mode}, GELU slope"), &got[6], &gelu, 1.5e-7, 0.0);
            let swish: Vec<f64> = x64.iter().map(|&v| sigmoid(v) * (1.0 + v * sigmoid(-v))).collect();
            close(&format!("{mode}, swish slope"), &got[7], &swish, 5e-7, 0.0);
        },
    );
}

/// Sizes around a workgroup's 64 values and 64 quads, odd ones, batches of channel ranges; gradients are central
/// differences of the `f64` forward pass, and are added where that is asked.
#[test]
fn shapes_and_ranges() {
    const STEP: f64 = 1e-5;
    for (case, [n, c, h, w]) in [
        [1, 1, 1, 1],
        [1, 1, 1, 3],
        [2, 3, 5, 7],
        [2, 3, 4, 4],
        [1, 1, 7, 9],
        [1, 1, 13, 5],
        [1, 1, 16, 16],
        [2, 1, 4, 65],
        [3, 2, 31, 33],
        [2, 5, 20, 16],
    ]
    .into_iter()
    .enumerate()
    {
        let (shape, outer) = (Shape::new(n, c, h, w), Shape::new(n, c + 3, h, w));
        let seed = 10 * case as u64;
        let x = random(outer, seed, -4.0, 4.0);
        let gy = random(shape, seed + 1, -1.0, 1.0);
        let y = random(outer, seed + 2, -1.0, 1.0);
        let gx = random(outer, seed + 3, -1.0, 1.0);
        let len = c * shape.plane();
        // Channel 2 and on of x, 1 and on of the outputs.
        let at = |i: usize, channel: usize| i / len * outer.c * shape.plane() + channel * shape.plane() + i % len;
        let want = FUNCTIONS.map(|function| {
            let value = reference(function).0;
            let (mut want_y, mut want_gx) = (wide(&y.values), wide(&gx.values));
            for i in 0..shape.len() {
                let v = f64::from(x.values[at(i, 2)]);
                want_y[at(i, 1)] = value(v);
                let slope = (value(v + STEP) - value(v - STEP)) / (2.0 * STEP);
                want_gx[at(i, 1)] += slope * f64::from(gy.values[i]);
            }
            (want_y, want_gx)
        });
        let copy = |t: &harness::Given| given(outer, t.values.clone());
        let mut tensors = vec![copy(&x), gy, copy(&gx), copy(&gx)];
        tensors.extend(FUNCTIONS.iter().flat_map(|_| [copy(&y), copy(&gx)]));
        run(
            &tensors,
            |_, v| {
                let inner = |i: usize, first: usize| v[i].range(first..first + c);
                let mut calls = Vec::new();
                for (i, f) in FUNCTIONS.into_iter().enumerate() {
                    let (x, y, gx) = (inner(0, 2)?, inner(4 + 2 * i, 1)?, inner(5 + 2 * i, 1)?);
                    calls.push(f.forward(&x, &y)?);
                    calls.push(f.backward(&x, &y, &v[1], &gx, true)?);
                }
                calls.push(activation::softplus_backward_from_input(&inner(0, 2)?, &v[1], &inner(2, 1)?, true)?);
                calls.push(activation::sigmoid_backward_from_input(&inner(0, 2)?, &v[1], &inner(3, 1)?, true)?);
                Ok(calls)
            },
            |mode, got| {
                for (i, (f, (want_y, want_gx))) in FUNCTIONS.into_iter().zip(&want).enumerate() {
                    let name = format!("{mode}, {shape}, {f:?}");
                    close(&format!("{name}, y"), &got[4 + 2 * i], want_y, 1e-300, reference(f).1);
                    close(&format!("{name}, gx"), &got[5 + 2 * i], want_gx, 5e-7, RTOL);
                    if i < 2 {
                        close(&format!("{name}, gx from input"), &got[2 + i], want_gx, 5e-7, RTOL);
                    }
                }
            },
        );
    }
}

/// NaN stays NaN whatever the function, and ReLU gives exactly what `max` does for all else. In quads and value by value.
#[test]
fn nan_stays_and_relu_is_exact() {
    const VALUES: [f32; 9] = [f32::NAN, -1.0, 2.5, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-40, -f32::NAN];
    for side in [3, 6] {
        let shape = Shape::new(1, 1, side, side);
        let x: Vec<f32> = VALUES.iter().copied().cycle().take(shape.len()).collect();
        let mut tensors = vec![given(shape, x.clone())];
        tensors.extend(FUNCTIONS.iter().map(|_| given(shape, vec![0.0; shape.len()])));
        run(
            &tensors,
            |_, v| FUNCTIONS.iter().zip(&v[1..]).map(|(f, y)| f.forward(&v[0], y)).collect(),
            |mode, got| {
                for (function, y) in FUNCTIONS.iter().zip(&got[1..]) {
                    for (&x, &y) in x.iter().zip(y) {
                        let what = format!("{mode}, side {side}: {function:?} of {x} is {y}");
                        assert!(!x.is_nan() || y.is_nan(), "{what}");
                        assert!(*function != Function::Relu || x.is_nan() || y == x.max(0.0), "{what}");
                    }
                }
            },
        );
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let x = tape.persistent("x", Shape::new(1, 4, 2, 2)).unwrap();
    let y = tape.persistent("y", Shape::new(1, 3, 2, 2)).unwrap();
    assert!(matches!(activation::softplus(&x, &y), Err(Error::Shape(_))));
    assert!(matches!(activation::softplus(&x, &x), Err(Error::Shape(_))));
    assert!(matches!(activation::sigmoid_backward(&x, &y, &x, false), Err(Error::Shape(_))));
}
