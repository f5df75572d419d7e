//! The variants of `conv2d_3x3` and `conv2d_3x3_grad_weight` against each other, and where they read and write.

mod harness;
#[path = "harness/convolution.rs"]
mod reference;
#[path = "harness/variants.rs"]
mod variants;

use cvdm::kernels::conv2d::{self, Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{self, Input, Packing, Reads, Variant};
use cvdm::kernels::conv2d_3x3_grad_weight;
use cvdm::kernels::split_sum::{channel_sum, sum_splits};
use cvdm::tape::Tape;
use cvdm::tensor::{Shape, View};
use harness::{close, given, has_subgroups, random, run, softplus, wide};
use reference::tolerance;
use variants::{convolved, variants};

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
                    let softplus = Activation::Softplus;
                    let mut calls =
                        convolved(tape, (variant, Direction::Forward), &v[0], &v[1], Some(&v[2]), softplus, &v[4])?;
                    calls.extend(convolved(
                        tape,
                        (variant, Direction::Backward),
                        &v[3],
                        &v[1],
                        None,
                        Activation::None,
                        &v[5],
                    )?);
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
    for (outputs, winograd) in [(1, false), (2, false), (1, true), (2, true)] {
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
                    let variant = conv2d_3x3_grad_weight::Variant { outputs, images, winograd };
                    let parts = conv2d_3x3_grad_weight::parts(caps, outputs, xs, ys.c);
                    let sums = tape.persistent("sums", parts.shape())?;
                    calls.push(conv2d_3x3_grad_weight::grad_weight(caps, variant, &x, &g, &sums)?);
                    calls.push(sum_splits(parts, &sums, 0, to, false)?);
                }
                Ok(calls)
            },
            |mode, got| assert!(got[2] == got[3], "{mode}: {outputs} outputs, winograd {winograd}"),
        );
    }
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
    let blank = || given(flat, vec![9.0; part + 6]);
    run(
        &[x, g, blank(), blank(), blank()],
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
            let by_one = |winograd| conv2d_3x3_grad_weight::Variant { outputs: 1, images: false, winograd };
            let other = conv2d_3x3_grad_weight::grad_weight(caps, by_one(false), &v[0], &v[1], &v[3]);
            assert!(other.is_err(), "a vector of another length");
            let by =
                |winograd, to: &View| conv2d_3x3_grad_weight::grad_weight(caps, by_one(winograd), &v[0], &v[1], to);
            Ok(vec![by(false, &to)?, by(true, &v[4].range(4..4 + part)?)?])
        },
        |mode, got| {
            close(mode, &got[2], &want, tolerance(32), 1e-6);
            if has_subgroups(mode) {
                close(&format!("{mode}: by Winograd"), &got[4], &want, tolerance(32), 1e-6);
            }
        },
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let [x, y] = [2, 3].map(|c| tape.persistent("map", Shape::new(1, c, 4, 4)).unwrap());
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
