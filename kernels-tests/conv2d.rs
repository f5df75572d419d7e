//! `conv2d`, `conv2d_grad_input`, `conv2d_grad_weight`, `pack_weights`, `conv2d_3x3`, `conv2d_3x3_grad_weight`.

mod harness;
#[path = "harness/convolution.rs"]
mod reference;

use cvdm::kernels::conv2d::{self, Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{self, Input, Packing, Reads, Variant};
use cvdm::kernels::split_sum::{channel_sum, sum_splits};
use cvdm::kernels::{Call, conv2d_3x3_grad_weight};
use cvdm::tape::Tape;
use cvdm::tensor::{Shape, View};
use harness::{Given, close, given, random, run, variants, wide};

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

/// Rounding of a sum of `terms` products of values up to 1.
fn tolerance(terms: usize) -> f64 {
    2.0 * f64::from(f32::EPSILON) * (terms as f64).sqrt().max(2.0) * 2.0
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
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
        return by_variant(tape, variant, Direction::Forward, [x, weight], bias, act, y);
    }
    Ok(vec![conv2d::forward(c, x, weight, bias, act, y, bias.is_none())?])
}

/// As `forward`, and as the input gradient, by one of the 3×3 kernels' variants.
fn by_variant(
    tape: &mut Tape,
    variant: Variant,
    direction: Direction,
    [x, weight]: [&View; 2],
    bias: Option<&View>,
    act: Activation,
    y: &View,
) -> cvdm::Result<Vec<Call>> {
    let packing = Packing::new(tape.caps(), variant, direction, [x.shape.c, y.shape.c]);
    let packed = tape.persistent("packed", packing.shape())?;
    let mut calls = vec![conv2d_3x3::pack(&packing, weight, &packed)?];
    calls.extend(conv2d_3x3::forward(&packing, x, &packed, bias, act, y, bias.is_none())?);
    Ok(calls)
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

/// Gradients of weight and bias by the kernels that the tape would choose, written to the first pair and added to the second.
fn grad_parameters(tape: &mut Tape, c: Conv2d, x: &View, g: &View, to: [[&View; 2]; 2]) -> cvdm::Result<Vec<Call>> {
    let caps = tape.caps();
    let mut calls = Vec::new();
    if conv2d_3x3::suits(caps, c, x.shape) {
        // The two results by different kernels: each variant has its turn with one of the shapes.
        for (i, ([gw, gb], add)) in to.into_iter().zip([false, true]).enumerate() {
            let variant = conv2d_3x3_grad_weight::Variant::ALL[(g.shape.c + i) % 5];
            let parts = conv2d_3x3_grad_weight::parts(caps, variant.outputs, x.shape, g.shape.c);
            let sums = tape.persistent("sums", parts.shape())?;
            calls.push(conv2d_3x3_grad_weight::grad_weight(caps, variant, x, g, &sums)?);
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
    for c in cases() {
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
            |tape, v| grad_parameters(tape, c.spec, &v[0], &v[1], [[&v[2], &v[3]], [&v[4], &v[5]]]),
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
    for width in [8, 7] {
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
                grad_parameters(tape, spec, &x, &g, [[&gw, &gb], [&gw2, &gb2]])
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

/// Whole blocks of output channels and parts of one, one chunk of input channels and several, windows with one block and with
/// more, slices with more, fewer and no channels: all variants give the same numbers and, but for those that add up in slices, bit for bit,
/// or which one measuring chooses would change a result.
#[test]
fn every_variant_gives_the_same_numbers() {
    let spec = Conv2d::same(3);
    // Each of so many additions rounds a sum that is itself as large as the root of their number.
    let atol = |terms: usize| 0.5 * f64::from(f32::EPSILON) * terms as f64;
    for (n, ci, co, h, w) in [(2, 3, 5, 3, 4), (1, 60, 70, 5, 12), (1, 180, 9, 4, 8), (5, 19, 33, 6, 4)] {
        let (xs, ys) = (Shape::new(n, ci, h, w), Shape::new(n, co, h, w));
        let x = random(xs, 1, -1.0, 1.0);
        let weight = random(spec.weight(ci, co), 2, -1.0, 1.0);
        let bias = random(Shape::vector(co), 3, -1.0, 1.0);
        let g = random(ys, 4, -1.0, 1.0);
        let before = random(xs, 5, -1.0, 1.0);
        let mut want = reference::forward(spec, xs, ys, &wide(&x.values), &wide(&weight.values));
        reference::add_bias(ys, &mut want, &wide(&bias.values));
        let want: Vec<f64> = want.into_iter().map(softplus).collect();
        let mut want_gx = reference::grad_input(spec, xs, ys, &wide(&g.values), &wide(&weight.values));
        want_gx.iter_mut().zip(&before.values).for_each(|(a, &b)| *a += f64::from(b));
        let tensors = [x, weight, bias, g, given(ys, vec![9.0; ys.len()]), before];
        let mut first: Option<[Vec<f32>; 2]> = None;
        for variant in variants() {
            run(
                &tensors,
                |tape, v| {
                    if !tape.caps().subgroups {
                        let forward =
                            conv2d::forward(spec, &v[0], &v[1], Some(&v[2]), Activation::Softplus, &v[4], false)?;
                        let backward = conv2d::grad_input(spec, &v[3], &v[1], None, Activation::None, &v[5], true)?;
                        return Ok(vec![forward, backward]);
                    }
                    let xw = [&v[0], &v[1]];
                    let softplus = Activation::Softplus;
                    let mut calls = by_variant(tape, variant, Direction::Forward, xw, Some(&v[2]), softplus, &v[4])?;
                    let gw = [&v[3], &v[1]];
                    calls.extend(by_variant(tape, variant, Direction::Backward, gw, None, Activation::None, &v[5])?);
                    Ok(calls)
                },
                |mode, got| {
                    let name = format!("{mode}: {variant:?}, {xs} to {co} channels");
                    close(&name, &got[4], &want, atol(9 * ci), 1e-6);
                    close(&format!("{name}: input gradient"), &got[5], &want_gx, atol(9 * co), 1e-6);
                    if mode == "unchecked" && variant.slices == 1 {
                        let first = first.get_or_insert_with(|| [got[4].clone(), got[5].clone()]);
                        assert!(first[0] == got[4] && first[1] == got[5], "{name}: other bits than the first variant");
                    }
                },
            );
        }
    }
}

/// An input gradient that reads the weights where they lie has the bits of one that reads them packed: blocks that are full and not, weights
/// in the middle of their tensor, and whatever else it is that prevents it.
#[test]
fn an_input_gradient_reads_weights_in_place() {
    let spec = Conv2d::same(3);
    for (n, ci, co, h, w) in [(2, 4, 5, 3, 4), (1, 36, 7, 5, 12), (3, 64, 3, 6, 4), (1, 140, 2, 4, 8)] {
        let (xs, ys) = (Shape::new(n, ci, h, w), Shape::new(n, co, h, w));
        let flat = Shape::vector(spec.weight(ci, co).len() + 8);
        let tensors = [random(ys, 1, -1.0, 1.0), random(flat, 2, -1.0, 1.0)];
        let outputs = [0; 3].map(|_| given(xs, vec![9.0; xs.len()]));
        run(
            &tensors.into_iter().chain(outputs).collect::<Vec<_>>(),
            |tape, v| {
                let (caps, g) = (tape.caps(), &v[0]);
                let weight = v[1].range(4..flat.len() - 4)?;
                let backward = |variant| Packing::new(caps, variant, Direction::Backward, [co, ci]);
                let variant = |outputs, reads| Variant { outputs, reads, slices: 1 };
                // What has its four channels elsewhere, or sees a window of packed weights.
                for other in [variant(2, Reads::Storage), variant(1, Reads::Images), variant(4, Reads::Uniform)] {
                    assert_eq!(backward(other).in_place(&weight), None);
                }
                let four = variant(4, Reads::Storage);
                assert_eq!(Packing::new(caps, four, Direction::Forward, [co, ci]).in_place(&weight), None);
                assert_eq!(Packing::new(caps, four, Direction::Backward, [co, ci + 2]).in_place(&weight), None);
                assert_eq!(backward(four).in_place(&v[1].range(5..flat.len() - 3)?), None, "not at a whole vec4");
                if !caps.subgroups {
                    return (2..5)
                        .map(|i| conv2d::grad_input(spec, g, &weight, None, Activation::None, &v[i], false))
                        .collect();
                }
                let mut calls = Vec::new();
                for (reads, gx) in [(Reads::Storage, &v[2]), (Reads::Images, &v[3])] {
                    let packing = backward(variant(4, reads)).in_place(&weight).expect("weights as it wants them");
                    calls.extend(conv2d_3x3::forward(&packing, g, &weight, None, Activation::None, gx, false)?);
                    let wrong = conv2d_3x3::forward(&packing, g, &v[1], None, Activation::None, gx, false);
                    assert!(wrong.is_err(), "weights of another size");
                }
                let packing = backward(four);
                let packed = tape.persistent("packed", packing.shape())?;
                calls.push(conv2d_3x3::pack(&packing, &weight, &packed)?);
                calls.extend(conv2d_3x3::forward(&packing, g, &packed, None, Activation::None, &v[4], false)?);
                Ok(calls)
            },
            |mode, got| assert!(got[2] == got[4] && got[3] == got[4], "{mode}: {xs} from {co} channels"),
        );
    }
}

/// Where a weight gradient reads changes no bit of it, in ranges of channels too: measuring may choose either.
#[test]
fn images_give_the_weight_gradient_of_buffers() {
    let (xs, ys) = (Shape::new(3, 6, 7, 12), Shape::new(3, 18, 7, 12));
    let wider = |s: Shape| Shape { c: s.c + 5, ..s };
    let gradient = Shape::vector(9 * xs.c * ys.c + ys.c);
    for outputs in [1, 2] {
        let (x, g) = (random(wider(xs), 1, -1.0, 1.0), random(wider(ys), 2, -1.0, 1.0));
        let blank = || given(gradient, vec![9.0; gradient.len()]);
        run(
            &[x, g, blank(), blank()],
            |tape, v| {
                let (caps, x, g) = (tape.caps(), v[0].range(2..2 + xs.c)?, v[1].range(5..5 + ys.c)?);
                let mut calls = Vec::new();
                for (images, to) in [(false, &v[2]), (true, &v[3])] {
                    if !conv2d_3x3::suits(caps, Conv2d::same(3), xs) {
                        let weight = to.range(0..9 * xs.c * ys.c)?;
                        calls.push(conv2d::grad_weight(Conv2d::same(3), &x, &g, &weight, false)?);
                        continue;
                    }
                    let variant = conv2d_3x3_grad_weight::Variant { outputs, images };
                    let parts = conv2d_3x3_grad_weight::parts(caps, outputs, xs, ys.c);
                    let sums = tape.persistent("sums", parts.shape())?;
                    calls.push(conv2d_3x3_grad_weight::grad_weight(caps, variant, &x, &g, &sums)?);
                    calls.push(sum_splits(parts, &sums, 0, to, false)?);
                }
                Ok(calls)
            },
            |mode, got| assert!(got[2] == got[3], "{mode}: {outputs} outputs"),
        );
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
    let y = tape.persistent("y", Shape::new(1, 3, 4, 4)).unwrap();
    let packing = Packing::new(gpu.caps(), Variant::WHOLE[0], Direction::Forward, [2, 3]);
    let packed = tape.persistent("packed", packing.shape()).unwrap();
    for (slices, reads) in [(0, Reads::Storage), (usize::MAX, Reads::Storage), (2, Reads::Images), (2, Reads::Uniform)]
    {
        let packing = Packing::new(gpu.caps(), Variant { outputs: 1, reads, slices }, Direction::Forward, [2, 3]);
        let packed = tape.persistent("packed", packing.shape()).unwrap();
        let refused = conv2d_3x3::forward(&packing, &x, &packed, None, Activation::None, &y, false).unwrap_err();
        assert!(refused.to_string().contains(&format!("{slices} slices")), "{refused}");
    }
    // Scales of another number of channels.
    let input = Input { x: &x, scales: Some(&tape.persistent("scales", Shape::new(1, 3, 1, 2)).unwrap()) };
    assert!(conv2d_3x3::forward(&packing, input, &packed, None, Activation::None, &y, false).is_err());
    assert!(
        conv2d_3x3_grad_weight::grad_weight(gpu.caps(), conv2d_3x3_grad_weight::Variant::ALL[0], input, &y, &packed)
            .is_err()
    );
}

#[test]
fn a_single_split_goes_straight_to_the_gradient() {
    // Many channels and one tile: one split on every adapter.
    let (xs, ys) = (Shape::new(1, 32, 2, 8), Shape::new(1, 36, 2, 8));
    let (x, g) = (random(xs, 5, -1.0, 1.0), random(ys, 6, -1.0, 1.0));
    let spec = Conv2d::same(3);
    let mut want = vec![9.0; 4];
    want.extend(reference::grad_weight(spec, xs, ys, &wide(&x.values), &wide(&g.values)));
    want.extend(reference::channel_sums(ys, &wide(&g.values)));
    want.extend([9.0; 2]);
    let part = want.len() - 6;
    let flat = Shape::vector(part + 6);
    run(
        &[x, g, given(flat, vec![9.0; part + 6]), given(flat, vec![9.0; part + 6])],
        |tape, v| {
            let caps = tape.caps();
            let to = v[2].range(4..4 + part)?;
            if !conv2d_3x3::suits(caps, spec, xs) {
                let split = 36 * 32 * 9;
                let (gw, gb) = (to.range(0..split)?, to.range(split..part)?);
                return Ok(vec![conv2d::grad_weight(spec, &v[0], &v[1], &gw, false)?, channel_sum(&v[1], &gb, false)?]);
            }
            let parts = conv2d_3x3_grad_weight::parts(caps, 1, xs, 36);
            assert!(parts.are(&to) && !parts.are(&v[2].range(3..3 + part)?), "a whole vec4 is where it starts");
            for (inputs, outputs) in [(31, 36), (32, 34)] {
                let padded = conv2d_3x3_grad_weight::parts(caps, 1, Shape { c: inputs, ..xs }, outputs);
                let there = v[2].range(4..4 + padded.values())?;
                assert!(padded.splits == 1 && !padded.are(&there), "rows or a bias of no whole vec4");
            }
            let by_one = conv2d_3x3_grad_weight::Variant::ALL[0];
            let other = conv2d_3x3_grad_weight::grad_weight(caps, by_one, &v[0], &v[1], &v[3]);
            assert!(other.is_err(), "a vector of another length");
            Ok(vec![conv2d_3x3_grad_weight::grad_weight(caps, by_one, &v[0], &v[1], &to)?])
        },
        |mode, got| close(mode, &got[2], &want, tolerance(32), 1e-6),
    );
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
