//! `conv2d_3x3_portable` and `conv2d_3x3_portable_grad_weight`: on every device, since they need no subgroups.

mod harness;
#[path = "harness/convolution.rs"]
mod reference;
#[path = "harness/variants.rs"]
mod variants;

use cvdm::kernels::conv2d::{Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{self, Input, Packing, Variant};
use cvdm::kernels::conv2d_3x3_portable as portable;
use cvdm::kernels::split_sum::sum_splits;
use cvdm::tape::Tape;
use cvdm::tensor::{Shape, View};
use harness::{Given, close, given, random, run, softplus, wide};
use reference::tolerance;
use variants::portably;

/// Samples, input and output channels, height and width: channels that are no multiple of four or of eight, one tile and many, images of one
/// quad and of several, heights that end within a tile.
const TABLE: &[[usize; 5]] = &[
    [1, 1, 1, 1, 4],
    [2, 3, 5, 3, 4],
    [1, 4, 8, 2, 8],
    [1, 9, 12, 5, 12],
    [5, 19, 33, 6, 4],
    [2, 6, 17, 7, 16],
    [1, 2, 3, 13, 64],
    // Splits that begin within a row, the last one shorter.
    [1, 5, 6, 3, 68],
];

fn shapes([n, ci, co, h, w]: [usize; 5]) -> (Shape, Shape) {
    (Shape::new(n, ci, h, w), Shape::new(n, co, h, w))
}

/// What is normalised on the way: `x · scale + shift` with a scale and a shift of each sample's channel.
fn normalised(x: &Given, scales: &Given) -> Vec<f64> {
    let plane = x.shape.plane();
    let of = |i: usize| [0, 1].map(|part| f64::from(scales.values[2 * (i / plane) + part]));
    x.values.iter().enumerate().map(|(i, &v)| f64::from(v) * of(i)[0] + of(i)[1]).collect()
}

#[test]
fn forward_and_input_gradient() {
    let spec = Conv2d::same(3);
    for &case in TABLE {
        let (xs, ys) = shapes(case);
        let x = random(xs, 1, -1.0, 1.0);
        let weight = random(spec.weight(xs.c, ys.c), 2, -1.0, 1.0);
        let bias = random(Shape::vector(ys.c), 3, -1.0, 1.0);
        let scales = random(Shape::new(xs.n, xs.c, 1, 2), 4, 0.5, 1.5);
        let g = random(ys, 5, -1.0, 1.0);
        let before = random(xs, 6, -1.0, 1.0);
        let (w64, g64) = (wide(&weight.values), wide(&g.values));
        let mut want = reference::forward(spec, xs, ys, &wide(&x.values), &w64);
        reference::add_bias(ys, &mut want, &wide(&bias.values));
        let want: Vec<f64> = want.into_iter().map(softplus).collect();
        let mut of_normalised = reference::forward(spec, xs, ys, &normalised(&x, &scales), &w64);
        reference::add_bias(ys, &mut of_normalised, &wide(&bias.values));
        let mut want_gx = reference::grad_input(spec, xs, ys, &g64, &w64);
        want_gx.iter_mut().zip(&before.values).for_each(|(a, &b)| *a += f64::from(b));
        let blank = || given(ys, vec![9.0; ys.len()]);
        let tensors = [x, weight, bias, scales, g, blank(), blank(), before];
        for groups in [1, 2] {
            run(
                &tensors,
                |tape, v| {
                    let (forward, b, none) = ((groups, Direction::Forward), Some(&v[2]), Activation::None);
                    let input = Input { x: &v[0], scales: Some(&v[3]) };
                    let mut calls = portably(tape, forward, &v[0], &v[1], b, Activation::Softplus, &v[5])?;
                    calls.extend(portably(tape, forward, input, &v[1], b, none, &v[6])?);
                    calls.extend(portably(tape, (groups, Direction::Backward), &v[4], &v[1], None, none, &v[7])?);
                    Ok(calls)
                },
                |mode, got| {
                    let name = format!("{mode}: {groups} groups, {xs} to {} channels", ys.c);
                    close(&name, &got[5], &want, tolerance(9 * xs.c), 1e-6);
                    close(&format!("{name}: normalised"), &got[6], &of_normalised, 4.0 * tolerance(9 * xs.c), 1e-6);
                    close(&format!("{name}: input gradient"), &got[7], &want_gx, 2.0 * tolerance(9 * ys.c), 1e-6);
                },
            );
        }
    }
}

/// In channel ranges of wider tensors, with the normalised input and without, in one split and in several.
#[test]
fn weight_and_bias_gradients() {
    let spec = Conv2d::same(3);
    let wider = |s: Shape| Shape { c: s.c + 5, ..s };
    for &case in TABLE {
        let (xs, ys) = shapes(case);
        let (x, g) = (random(wider(xs), 1, -1.0, 1.0), random(wider(ys), 2, -1.0, 1.0));
        let scales = random(Shape::new(xs.n, xs.c, 1, 2), 3, 0.5, 1.5);
        let own = Given { shape: xs, values: harness::inside(&x, 2, xs).iter().map(|&v| v as f32).collect() };
        let g64 = harness::inside(&g, 5, ys);
        let mut want = reference::grad_weight(spec, xs, ys, &wide(&own.values), &g64);
        let mut of_normalised = reference::grad_weight(spec, xs, ys, &normalised(&own, &scales), &g64);
        want.extend(reference::channel_sums(ys, &g64));
        of_normalised.extend(reference::channel_sums(ys, &g64));
        let blank = || given(Shape::vector(want.len()), vec![9.0; want.len()]);
        run(
            &[x, g, scales, blank(), blank()],
            |tape, v| {
                let (caps, x, g) = (tape.caps(), v[0].range(2..2 + xs.c)?, v[1].range(5..5 + ys.c)?);
                let mut calls = Vec::new();
                for (scales, to) in [(None, &v[3]), (Some(&v[2]), &v[4])] {
                    let parts = portable::parts(caps, xs, ys.c);
                    let sums = tape.persistent("sums", parts.shape())?;
                    calls.push(portable::grad_weight(caps, Input { x: &x, scales }, &g, &sums)?);
                    calls.push(sum_splits(parts, &sums, 0, to, false)?);
                }
                Ok(calls)
            },
            |mode, got| {
                let name = format!("{mode}: {xs} to {} channels", ys.c);
                close(&name, &got[3], &want, tolerance(ys.n * ys.plane()), 1e-6);
                let atol = 4.0 * tolerance(ys.n * ys.plane());
                close(&format!("{name}: normalised"), &got[4], &of_normalised, atol, 1e-6);
            },
        );
    }
}

/// Weights whose four channels lie next to each other are read there, with the same bits, and a single split of whole rows goes straight to
/// the gradient.
#[test]
fn what_needs_no_tensor_between() {
    let spec = Conv2d::same(3);
    for [n, ci, co, h, w] in [[2, 4, 5, 3, 4], [1, 36, 7, 5, 12], [3, 64, 3, 6, 4]] {
        let (xs, ys) = (Shape::new(n, ci, h, w), Shape::new(n, co, h, w));
        let flat = Shape::vector(spec.weight(ci, co).len() + 8);
        let blank = || given(xs, vec![9.0; xs.len()]);
        run(
            &[random(ys, 1, -1.0, 1.0), random(flat, 2, -1.0, 1.0), blank(), blank(), blank(), blank()],
            |tape, v| {
                let (caps, g, none) = (tape.caps(), &v[0], Activation::None);
                let weight = v[1].range(4..flat.len() - 4)?;
                let mut calls = Vec::new();
                for groups in [1, 2] {
                    let packing = Packing::portable(caps, groups, Direction::Backward, [co, ci]);
                    assert_eq!(packing.in_place(&v[1].range(5..flat.len() - 3)?), None, "not at a whole vec4");
                    let packed = tape.persistent("packed", packing.shape())?;
                    calls.push(conv2d_3x3::pack(&packing, &weight, &packed)?);
                    let there = packing.in_place(&weight).expect("weights as it wants them");
                    let [by_packed, by_place] = [&v[2 * groups], &v[2 * groups + 1]];
                    calls.push(portable::forward(caps, &packing, g, &packed, None, none, by_packed, false)?);
                    calls.push(portable::forward(caps, &there, g, &weight, None, none, by_place, false)?);
                }
                Ok(calls)
            },
            |mode, got| assert!(got[3..6].iter().all(|bits| *bits == got[2]), "{mode}: {xs} from {co} channels"),
        );
    }
    // Many channels and one tile: one split.
    let (xs, ys) = (Shape::new(1, 256, 2, 4), Shape::new(1, 256, 2, 4));
    let (x, g) = (random(xs, 5, -1.0, 1.0), random(ys, 6, -1.0, 1.0));
    let mut want = vec![9.0; 4];
    want.extend(reference::grad_weight(spec, xs, ys, &wide(&x.values), &wide(&g.values)));
    want.extend(reference::channel_sums(ys, &wide(&g.values)));
    want.extend([9.0; 2]);
    let part = want.len() - 6;
    let there = given(Shape::vector(part + 6), vec![9.0; part + 6]);
    run(
        &[x, g, there],
        |tape, v| {
            let to = v[2].range(4..4 + part)?;
            assert!(portable::parts(tape.caps(), xs, 256).are(&to));
            Ok(vec![portable::grad_weight(tape.caps(), &v[0], &v[1], &to)?])
        },
        |mode, got| close(mode, &got[2], &want, tolerance(8), 1e-6),
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let caps = harness::caps();
    let mut tape = Tape::new(caps);
    let [x, y] = [2, 3].map(|c| tape.persistent("map", Shape::new(1, c, 4, 4)).unwrap());
    let mut packed = |packing: &Packing| tape.persistent("packed", packing.shape()).unwrap();
    let own = Packing::portable(caps, 1, Direction::Forward, [2, 3]);
    let other = Packing::new(caps, Variant::WHOLE[2], Direction::Forward, [2, 3]);
    let (own_weights, other_weights) = (packed(&own), packed(&other));
    let forward = |packing: &Packing, weights: &View, bias: Option<&View>, add| {
        portable::forward(caps, packing, &x, weights, bias, Activation::None, &y, add)
    };
    assert!(forward(&own, &own_weights, None, true).is_ok());
    for groups in [0, 3] {
        let none = Packing::portable(caps, groups, Direction::Forward, [2, 3]);
        assert!(forward(&none, &own_weights, None, false).unwrap_err().to_string().contains("groups"));
    }
    // A packing for the other kernel, either way.
    assert!(forward(&other, &other_weights, None, false).is_err());
    assert!(conv2d_3x3::forward(&own, &x, &own_weights, None, Activation::None, &y, false).is_err());
    // Weights of another size, a bias where there is a sum already, a map of another number of channels, sums of another length.
    assert!(forward(&own, &other_weights, None, false).is_err());
    let bias = tape.persistent("bias", Shape::vector(3)).unwrap();
    assert!(portable::forward(caps, &own, &x, &own_weights, Some(&bias), Activation::None, &y, true).is_err());
    assert!(portable::forward(caps, &own, &y, &own_weights, None, Activation::None, &x, false).is_err());
    assert!(portable::grad_weight(caps, &x, &y, &own_weights).is_err());
    // Images of another width are for the kernels of any size.
    assert!(portable::suits(Conv2d::same(3), x.shape) && !portable::suits(Conv2d::same(3), Shape::new(1, 2, 4, 6)));
}
