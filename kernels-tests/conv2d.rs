//! `conv2d`, `conv2d_grad_input`, `conv2d_grad_weight`, `pack_weights`, `conv2d_3x3`, `conv2d_3x3_grad_weight`.

mod harness;
#[path = "harness/convolution.rs"]
mod reference;
#[path = "harness/variants.rs"]
mod variants;

use cvdm::kernels::conv2d::{self, Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{self, Packing, Variant};
use cvdm::kernels::split_sum::{channel_sum, sum_splits};
use cvdm::kernels::{Call, conv2d_3x3_grad_weight, conv2d_3x3_portable};
use cvdm::tape::Tape;
use cvdm::tensor::{Shape, View};
use harness::{Given, close, given, random, run, softplus, wide};
use reference::tolerance;
use variants::{convolved, portably};

/// Kernel, stride, padding and input shape with its output channels.
const TABLE: &[(usize, usize, usize, [usize; 4], usize)] = &[
    (1, 1, 0, [1, 1, 1, 1], 1),
    (1, 1, 0, [2, 16, 8, 8], 1),
    (1, 1, 0, [1, 3, 5, 7], 6),
    (3, 1, 1, [1, 1, 1, 1], 1),
    (3, 1, 1, [1, 2, 3, 4], 3),
    (3, 1, 1, [2, 3, 4, 8], 8),
    (3, 1, 1, [1, 5, 5, 12], 9),
    (3, 1, 1, [3, 7, 9, 16], 17),
    (3, 1, 1, [1, 16, 11, 20], 16),
    (3, 1, 1, [2, 4, 4, 4], 7),
    (3, 1, 1, [3, 6, 7, 4], 20),
    (3, 1, 1, [1, 3, 7, 13], 5),
    (3, 1, 1, [1, 40, 2, 4], 33),
    (3, 2, 1, [2, 3, 9, 8], 5),
    (3, 1, 0, [1, 2, 6, 5], 3),
    (7, 1, 3, [1, 2, 9, 8], 4),
    (7, 2, 3, [1, 1, 11, 13], 3),
];

struct Case {
    spec: Conv2d,
    xs: Shape,
    ys: Shape,
    x: Given,
    w: Given,
    b: Given,
    g: Given,
    name: String,
}

fn cases() -> impl Iterator<Item = Case> {
    TABLE.iter().enumerate().map(|(i, &(kernel, stride, padding, [n, c, h, w], channels))| {
        let spec = Conv2d { kernel, stride, padding };
        let xs = Shape::new(n, c, h, w);
        let ys = spec.output(xs, channels).unwrap();
        let seed = 10 * i as u64;
        Case {
            spec,
            xs,
            ys,
            x: random(xs, seed, -1.0, 1.0),
            w: random(spec.weight(c, channels), seed + 1, -1.0, 1.0),
            b: random(Shape::vector(channels), seed + 2, -1.0, 1.0),
            g: random(ys, seed + 3, -1.0, 1.0),
            name: format!("{kernel}×{kernel} stride {stride} padding {padding} of {xs} to {channels} channels"),
        }
    })
}

/// The kernel that the tape would choose: packed weights where the fast one suits. Adds to `y` if there is no bias.
fn forward(
    tape: &mut Tape,
    c: Conv2d,
    [x, weight]: [&View; 2],
    bias: Option<&View>,
    act: Activation,
    y: &View,
) -> cvdm::Result<Vec<Call>> {
    let caps = tape.caps();
    if conv2d_3x3::suits(caps, c, x.shape) {
        let variant = Variant::fixed(caps, x.shape, y.shape.c);
        return convolved(tape, (variant, Direction::Forward), x, weight, bias, act, y);
    }
    if conv2d_3x3_portable::suits(c, x.shape) {
        return portably(tape, (2, Direction::Forward), x, weight, bias, act, y);
    }
    Ok(vec![conv2d::forward(c, x, weight, bias, act, y, bias.is_none())?])
}

#[test]
fn forward_with_bias_and_softplus() {
    for c in cases() {
        let plain = reference::forward(c.spec, c.xs, c.ys, &wide(&c.x.values), &wide(&c.w.values));
        let mut want = plain.clone();
        reference::add_bias(c.ys, &mut want, &wide(&c.b.values));
        let smooth: Vec<f64> = want.iter().map(|&v| softplus(v)).collect();
        let before: Vec<f64> = wide(&c.g.values);
        let added: Vec<f64> = plain.iter().zip(&before).map(|(a, b)| a + b).collect();
        let atol = tolerance(c.xs.c * c.spec.kernel * c.spec.kernel);
        let tensors = [c.x, c.w, c.b, given(c.ys, vec![9.0; c.ys.len()]), given(c.ys, vec![9.0; c.ys.len()]), c.g];
        run(
            &tensors,
            |tape, v| {
                let xw = [&v[0], &v[1]];
                let mut calls = forward(tape, c.spec, xw, Some(&v[2]), Activation::None, &v[3])?;
                calls.extend(forward(tape, c.spec, xw, Some(&v[2]), Activation::Softplus, &v[4])?);
                calls.extend(forward(tape, c.spec, xw, None, Activation::None, &v[5])?);
                Ok(calls)
            },
            |mode, got| {
                close(&format!("{mode}: {}", c.name), &got[3], &want, atol, 1e-6);
                close(&format!("{mode}: softplus, {}", c.name), &got[4], &smooth, atol, 1e-6);
                close(&format!("{mode}: added, {}", c.name), &got[5], &added, 2.0 * atol, 1e-6);
            },
        );
    }
}

/// Convolutions by one, 1×1 and 3×3: what remains is their epilogue, here over softplus' whole domain.
#[test]
fn softplus_of_all_numbers() {
    let ends = [0.0, 1e-30, 1e-6, 0.1, 8.31, 8.32, 16.0, 80.0, 87.0, 88.0, 89.0, 125.0, 1e4, 1e30];
    let mut x: Vec<f32> = ends.into_iter().flat_map(|v| [v, -v]).collect();
    x.extend((-400..=400).map(|i| i as f32 / 20.0));
    x.resize(x.len().next_multiple_of(16), 0.5);
    let want: Vec<f64> = x.iter().map(|&v| softplus(f64::from(v))).collect();
    let shape = Shape::new(1, 1, 4, x.len() / 4);
    for kernel in [1, 3] {
        let spec = Conv2d::same(kernel);
        let mut weight = vec![0.0; kernel * kernel];
        weight[kernel * kernel / 2] = 1.0;
        let tensors = [
            given(shape, x.clone()),
            given(spec.weight(1, 1), weight),
            given(Shape::vector(1), vec![0.0]),
            given(shape, vec![9.0; x.len()]),
        ];
        run(
            &tensors,
            |tape, v| forward(tape, spec, [&v[0], &v[1]], Some(&v[2]), Activation::Softplus, &v[3]),
            |mode, got| {
                // Relative everywhere, though below zero the values vanish exponentially: the smallest normal number is
                // softplus(−87.3). Down there the rounding of the exponential's argument counts 87-fold.
                close(&format!("{mode}: {kernel}×{kernel}"), &got[3], &want, 2e-38, 4e-6);
            },
        );
    }
}

#[test]
fn channel_ranges_leave_their_neighbours_alone() {
    for width in [8, 7] {
        let (whole, xs, ys) = (Shape::new(2, 9, 5, width), Shape::new(2, 4, 5, width), Shape::new(2, 3, 5, width));
        let spec = Conv2d::same(3);
        let x = random(whole, 1, -1.0, 1.0);
        let w = random(spec.weight(4, 3), 2, -1.0, 1.0);
        let b = random(Shape::vector(3), 3, -1.0, 1.0);
        let y = random(whole, 4, -1.0, 1.0);
        let plane = xs.plane();
        let sliced: Vec<f64> =
            wide(&x.values).chunks(9 * plane).flat_map(|s| s[3 * plane..7 * plane].to_vec()).collect();
        let mut inside = reference::forward(spec, xs, ys, &sliced, &wide(&w.values));
        reference::add_bias(ys, &mut inside, &wide(&b.values));
        let mut want = wide(&y.values);
        for n in 0..2 {
            let start = (n * 9 + 5) * plane;
            want[start..start + 3 * plane].copy_from_slice(&inside[n * 3 * plane..(n + 1) * 3 * plane]);
        }
        run(
            &[x, w, b, y],
            |tape, v| {
                let x = v[0].range(3..7)?;
                forward(tape, spec, [&x, &v[1]], Some(&v[2]), Activation::None, &v[3].range(5..8)?)
            },
            |mode, got| close(&format!("{mode}: width {width}"), &got[3], &want, tolerance(36), 1e-6),
        );
    }
}

#[test]
fn input_gradient() {
    for c in cases() {
        let want = reference::grad_input(c.spec, c.xs, c.ys, &wide(&c.g.values), &wide(&c.w.values));
        let before = random(c.xs, 77, -1.0, 1.0);
        let added: Vec<f64> = want.iter().zip(&before.values).map(|(a, &b)| a + f64::from(b)).collect();
        let atol = tolerance(c.ys.c * c.spec.kernel * c.spec.kernel);
        let tensors = [c.g, c.w, given(c.xs, vec![9.0; c.xs.len()]), before];
        run(
            &tensors,
            |tape, v| {
                let caps = tape.caps();
                let mut calls = Vec::new();
                for (gx, add) in [(&v[2], false), (&v[3], true)] {
                    if conv2d_3x3::suits(caps, c.spec, c.xs) {
                        let variant = Variant::fixed(caps, c.ys, c.xs.c);
                        let packing = Packing::new(caps, variant, Direction::Backward, [c.ys.c, c.xs.c]);
                        let packed = tape.persistent("packed", packing.shape())?;
                        calls.push(conv2d_3x3::pack(&packing, &v[1], &packed)?);
                        calls.extend(conv2d_3x3::forward(&packing, &v[0], &packed, None, Activation::None, gx, add)?);
                    } else if conv2d_3x3_portable::suits(c.spec, c.xs) {
                        let packing = Packing::portable(caps, 2, Direction::Backward, [c.ys.c, c.xs.c]);
                        let packed = tape.persistent("packed", packing.shape())?;
                        calls.push(conv2d_3x3::pack(&packing, &v[1], &packed)?);
                        let (g, none) = (&v[0], Activation::None);
                        calls.push(conv2d_3x3_portable::forward(caps, &packing, g, &packed, None, none, gx, add)?);
                    } else {
                        calls.push(conv2d::grad_input(c.spec, &v[0], &v[1], None, Activation::None, gx, add)?);
                    }
                }
                Ok(calls)
            },
            |mode, got| {
                close(&format!("{mode}: {}", c.name), &got[2], &want, atol, 1e-6);
                close(&format!("{mode}: added, {}", c.name), &got[3], &added, 2.0 * atol, 1e-6);
            },
        );
    }
}

/// Gradients of weight and bias by the kernels that the tape would choose, written to the first pair and added to the second. Where there are
/// variants, each turn takes two others.
fn grad_parameters(
    tape: &mut Tape,
    (c, turn): (Conv2d, usize),
    x: &View,
    g: &View,
    to: [[&View; 2]; 2],
) -> cvdm::Result<Vec<Call>> {
    let caps = tape.caps();
    let mut calls = Vec::new();
    if conv2d_3x3::suits(caps, c, x.shape) {
        for (i, ([gw, gb], add)) in to.into_iter().zip([false, true]).enumerate() {
            let all = conv2d_3x3_grad_weight::Variant::ALL;
            let variant = all[(2 * turn + i) % all.len()];
            let parts = conv2d_3x3_grad_weight::parts(caps, variant.outputs, x.shape, g.shape.c);
            let sums = tape.persistent("sums", parts.shape())?;
            calls.push(conv2d_3x3_grad_weight::grad_weight(caps, variant, x, g, &sums)?);
            calls.push(sum_splits(parts, &sums, 0, gw, add)?);
            calls.push(sum_splits(parts, &sums, gw.shape.len(), gb, add)?);
        }
    } else if conv2d_3x3_portable::suits(c, x.shape) {
        let parts = conv2d_3x3_portable::parts(caps, x.shape, g.shape.c);
        let sums = tape.persistent("sums", parts.shape())?;
        calls.push(conv2d_3x3_portable::grad_weight(caps, x, g, &sums)?);
        for ([gw, gb], add) in to.into_iter().zip([false, true]) {
            calls.push(sum_splits(parts, &sums, 0, gw, add)?);
            calls.push(sum_splits(parts, &sums, gw.shape.len(), gb, add)?);
        }
    } else {
        for ([gw, gb], add) in to.into_iter().zip([false, true]) {
            calls.push(conv2d::grad_weight(c, x, g, gw, add)?);
            calls.push(channel_sum(g, gb, add)?);
        }
    }
    Ok(calls)
}

#[test]
fn weight_and_bias_gradients() {
    for (turn, c) in cases().enumerate() {
        let want = reference::grad_weight(c.spec, c.xs, c.ys, &wide(&c.x.values), &wide(&c.g.values));
        let want_bias = reference::channel_sums(c.ys, &wide(&c.g.values));
        let (weight, bias) = (c.spec.weight(c.xs.c, c.ys.c), Shape::vector(c.ys.c));
        let (before, before_bias) = (random(weight, 78, -1.0, 1.0), random(bias, 79, -1.0, 1.0));
        let plus =
            |a: &[f64], b: &Given| -> Vec<f64> { a.iter().zip(&b.values).map(|(a, &b)| a + f64::from(b)).collect() };
        let (added, added_bias) = (plus(&want, &before), plus(&want_bias, &before_bias));
        let atol = tolerance(c.ys.n * c.ys.plane());
        let nines = |shape: Shape| given(shape, vec![9.0; shape.len()]);
        run(
            &[c.x, c.g, nines(weight), nines(bias), before, before_bias],
            |tape, v| grad_parameters(tape, (c.spec, turn), &v[0], &v[1], [[&v[2], &v[3]], [&v[4], &v[5]]]),
            |mode, got| {
                close(&format!("{mode}: {}", c.name), &got[2], &want, atol, 1e-6);
                close(&format!("{mode}: bias, {}", c.name), &got[3], &want_bias, atol, 1e-6);
                close(&format!("{mode}: added, {}", c.name), &got[4], &added, 2.0 * atol, 1e-6);
                close(&format!("{mode}: added bias, {}", c.name), &got[5], &added_bias, 2.0 * atol, 1e-6);
            },
        );
    }
}

/// The gradients read channel ranges of x and g, and write ranges of one flat tensor.
#[test]
fn weight_gradients_of_channel_ranges() {
    // A narrow image by every variant.
    for (turn, width) in [8, 8, 8, 8, 8, 7].into_iter().enumerate() {
        let (whole, xs, ys) = (Shape::new(2, 9, 5, width), Shape::new(2, 4, 5, width), Shape::new(2, 3, 5, width));
        let spec = Conv2d::same(3);
        let (x, g) = (random(whole, 1, -1.0, 1.0), random(whole, 2, -1.0, 1.0));
        let plane = xs.plane();
        let part = |t: &Given, from: usize, to: usize| -> Vec<f64> {
            wide(&t.values).chunks(9 * plane).flat_map(|s| s[from * plane..to * plane].to_vec()).collect()
        };
        let (x64, g64) = (part(&x, 3, 7), part(&g, 5, 8));
        let mut want = vec![9.0; 5];
        want.extend(reference::grad_weight(spec, xs, ys, &x64, &g64));
        want.extend([9.0; 2]);
        want.extend(reference::channel_sums(ys, &g64));
        want.push(9.0);
        let flat = given(Shape::vector(want.len()), vec![9.0; want.len()]);
        let twice = given(flat.shape, flat.values.clone());
        run(
            &[x, g, flat, twice],
            |tape, v| {
                let (x, g) = (v[0].range(3..7)?, v[1].range(5..8)?);
                let pair = |v: &View| Ok::<_, cvdm::Error>((v.range(5..113)?, v.range(115..118)?));
                let ((gw, gb), (gw2, gb2)) = (pair(&v[2])?, pair(&v[3])?);
                grad_parameters(tape, (spec, turn), &x, &g, [[&gw, &gb], [&gw2, &gb2]])
            },
            |mode, got| close(&format!("{mode}: width {width}"), &got[2], &want, tolerance(2 * plane), 1e-6),
        );
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    // The reference gradients themselves, against central differences of the reference forward.
    let spec = Conv2d { kernel: 3, stride: 2, padding: 1 };
    let (xs, channels) = (Shape::new(2, 2, 5, 4), 3);
    let ys = spec.output(xs, channels).unwrap();
    let x = wide(&random(xs, 1, -1.0, 1.0).values);
    let w = wide(&random(spec.weight(2, 3), 2, -1.0, 1.0).values);
    let g = wide(&random(ys, 3, -1.0, 1.0).values);
    let loss = |x: &[f64], w: &[f64]| -> f64 {
        reference::forward(spec, xs, ys, x, w).iter().zip(&g).map(|(a, b)| a * b).sum()
    };
    let difference = |at: usize, of_x: bool| {
        let step = |h: f64| {
            let (mut x, mut w) = (x.clone(), w.clone());
            if of_x {
                x[at] += h
            } else {
                w[at] += h
            }
            loss(&x, &w)
        };
        (step(1e-4) - step(-1e-4)) / 2e-4
    };
    for (i, want) in reference::grad_input(spec, xs, ys, &g, &w).into_iter().enumerate() {
        assert!((difference(i, true) - want).abs() < 1e-8, "input {i}");
    }
    for (i, want) in reference::grad_weight(spec, xs, ys, &x, &g).into_iter().enumerate() {
        assert!((difference(i, false) - want).abs() < 1e-8, "weight {i}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let spec = Conv2d::same(3);
    assert!(spec.output(Shape::new(1, 1, 4, 4), 2).is_ok());
    assert!(Conv2d { kernel: 7, stride: 1, padding: 0 }.output(Shape::new(1, 1, 4, 4), 1).is_err());
    assert!(Conv2d { kernel: 3, stride: 0, padding: 1 }.output(Shape::new(1, 1, 4, 4), 1).is_err());
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let x = tape.persistent("x", Shape::new(1, 2, 4, 4)).unwrap();
    let y = tape.persistent("y", Shape::new(1, 3, 4, 5)).unwrap();
    let w = tape.persistent("w", Shape::new(3, 2, 3, 3)).unwrap();
    let refused = conv2d::forward(spec, &x, &w, None, Activation::None, &y, false).unwrap_err().to_string();
    assert!(refused.contains("[1, 3, 4, 5]") && refused.contains("[1, 3, 4, 4]"), "{refused}");
}

/// More values than a software adapter's loops would count if each were an iteration.
#[test]
fn sums_over_many_pixels_leave_none_out() {
    let shape = Shape::new(5, 1, 1024, 1024);
    let ones = || given(shape, vec![1.0; shape.len()]);
    let one = || given(Shape::vector(1), vec![9.0]);
    run(
        &[ones(), ones(), one(), one()],
        |_, v| {
            let gradient = conv2d::grad_weight(Conv2d::same(1), &v[0], &v[1], &v[2], false)?;
            Ok(vec![gradient, channel_sum(&v[0], &v[3], false)?])
        },
        // Whole numbers below 2^24: exact in any order.
        |mode, got| assert_eq!((got[2][0], got[3][0]), (5_242_880.0, 5_242_880.0), "{mode}"),
    );
}
