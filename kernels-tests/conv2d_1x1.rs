//! `conv2d_1x1`, `conv2d_1x1_pack` and `conv2d_1x1_grad_weight`.

mod harness;
#[path = "harness/convolution.rs"]
mod reference;

use cvdm::Error;
use cvdm::kernels::conv2d::{Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_1x1;
use cvdm::kernels::split_sum::sum_splits;
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{close, inside, placed, random, run, wide};
use reference::tolerance;

const SPEC: Conv2d = Conv2d::same(1);

/// Input shapes and output channels: below, at and above a tile of 8 channels and a pair of quads, with many and with few pixels.
const TABLE: &[([usize; 4], usize)] = &[
    ([1, 1, 1, 4], 1),
    ([1, 4, 2, 2], 7),
    ([2, 7, 3, 4], 8),
    ([1, 8, 2, 6], 9),
    ([3, 9, 4, 5], 17),
    ([2, 16, 16, 16], 16),
    ([1, 33, 2, 2], 40),
    ([2, 3, 36, 28], 5),
    // Heads, and the gradient that comes back through one.
    ([2, 32, 6, 10], 1),
    ([1, 9, 2, 2], 1),
    ([1, 9, 6, 6], 3),
    ([2, 1, 4, 6], 13),
];

#[test]
fn forward_and_both_gradients() {
    for (case, &([n, c, h, w], channels)) in TABLE.iter().enumerate() {
        let (xs, ys) = (Shape::new(n, c, h, w), Shape::new(n, channels, h, w));
        let weight = SPEC.weight(c, channels);
        // Ranges of wider tensors; the weight starts where no quad does.
        let wider = |shape: Shape| Shape { c: shape.c + 3, ..shape };
        let seed = 20 * case as u64;
        let (x, g) = (random(wider(xs), seed, -1.0, 1.0), random(wider(ys), seed + 1, -1.0, 1.0));
        let theta = random(Shape::vector(1 + weight.len() + channels), seed + 2, -1.0, 1.0);
        let outputs = [wider(ys), wider(ys), wider(xs), wider(xs), Shape::vector(weight.len())];
        let outputs: Vec<_> = (3..).zip(outputs).map(|(i, shape)| random(shape, seed + i, -1.0, 1.0)).collect();

        let (x64, g64) = (inside(&x, 1, xs), inside(&g, 2, ys));
        let (w64, b64) = (wide(&theta.values[1..1 + weight.len()]), wide(&theta.values[1 + weight.len()..]));
        let plain = reference::forward(SPEC, xs, ys, &x64, &w64);
        let mut relu = plain.clone();
        reference::add_bias(ys, &mut relu, &b64);
        relu.iter_mut().for_each(|v| *v = v.max(0.0));
        let gx = reference::grad_input(SPEC, xs, ys, &g64, &w64);
        let want = [
            placed(&outputs[0], 2, ys, &relu, false),
            placed(&outputs[1], 2, ys, &plain, true),
            placed(&outputs[2], 1, xs, &gx, false),
            placed(&outputs[3], 1, xs, &gx, true),
            reference::grad_weight(SPEC, xs, ys, &x64, &g64),
        ];
        let mut tensors = vec![x, g, theta];
        tensors.extend(outputs);
        run(
            &tensors,
            |tape, v| {
                let (x, g) = (v[0].range(1..1 + c)?, v[1].range(2..2 + channels)?);
                let (w, b) = (v[2].range(1..1 + weight.len())?, v[2].range(1 + weight.len()..v[2].shape.c)?);
                let y = |i: usize| v[i].range(2..2 + channels);
                let gx = |i: usize| v[i].range(1..1 + c);
                let forth = tape.persistent("packed", conv2d_1x1::packed(c, channels))?;
                let back = tape.persistent("packed back", conv2d_1x1::packed(channels, c))?;
                let parts = conv2d_1x1::parts(xs, channels);
                let sums = tape.persistent("sums", parts.shape())?;
                Ok(vec![
                    conv2d_1x1::pack(Direction::Forward, &w, [c, channels], &forth)?,
                    conv2d_1x1::pack(Direction::Backward, &w, [channels, c], &back)?,
                    conv2d_1x1::forward(&x, &forth, Some(&b), Activation::Relu, &y(3)?, false)?,
                    conv2d_1x1::forward(&x, &forth, None, Activation::None, &y(4)?, true)?,
                    conv2d_1x1::forward(&g, &back, None, Activation::None, &gx(5)?, false)?,
                    conv2d_1x1::forward(&g, &back, None, Activation::None, &gx(6)?, true)?,
                    conv2d_1x1::grad_weight(&x, &g, &sums)?,
                    sum_splits(parts, &sums, 0, &v[7], false)?,
                ])
            },
            |mode, got| {
                for (i, want) in want.iter().enumerate() {
                    let terms = [c, c, channels, channels, xs.n * xs.plane()][i];
                    let what = format!("{mode}: operation {i} of {xs} to {channels} channels");
                    close(&what, &got[3 + i], want, 2.0 * tolerance(terms), 1e-6);
                }
            },
        );
    }
}

#[test]
fn what_suits_and_what_does_not() {
    let suits = |spec, [n, c, h, w]: [usize; 4], channels| conv2d_1x1::suits(spec, Shape::new(n, c, h, w), channels);
    assert!(suits(SPEC, [1, 4, 2, 2], 4));
    assert!(suits(SPEC, [1, 32, 2, 2], 1) && suits(SPEC, [1, 1, 2, 2], 8));
    assert!(!suits(SPEC, [1, 4, 3, 3], 4) && !suits(SPEC, [1, 3, 2, 2], 4) && !suits(SPEC, [1, 4, 2, 2], 1));
    assert!(!suits(Conv2d::same(3), [1, 4, 2, 2], 4) && !suits(Conv2d { stride: 2, ..SPEC }, [1, 4, 2, 2], 4));
    // Deep sums are split, up to a quad a split; large weights are not.
    let splits = |[n, c, h, w]: [usize; 4], channels| conv2d_1x1::parts(Shape::new(n, c, h, w), channels).splits;
    assert_eq!(splits([4, 16, 64, 64], 16), 256);
    assert_eq!(splits([1, 256, 8, 8], 256), 1);
    assert_eq!(splits([64, 8, 2, 2], 8), 1);
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |c, h, w| tape.persistent("tensor", Shape::new(1, c, h, w)).unwrap();
    let (x, y, odd, small) = (new(4, 2, 2), new(5, 2, 2), new(4, 3, 3), new(5, 1, 4));
    let (weight, packed, parts) = (new(20, 1, 1), new(4, 1, 8), new(1, 1, 20));
    let refused = |call: cvdm::Result<_>| matches!(call, Err(Error::Shape(_)));
    let forward = |x, packed, y| conv2d_1x1::forward(x, packed, None, Activation::None, y, false);
    assert!(forward(&x, &packed, &y).is_ok() && conv2d_1x1::grad_weight(&x, &y, &parts).is_ok());
    assert!(refused(forward(&odd, &packed, &odd)) && refused(forward(&x, &packed, &small)));
    assert!(refused(forward(&x, &weight, &y)) && refused(forward(&x, &packed, &x)));
    assert!(refused(conv2d_1x1::pack(Direction::Forward, &weight, [4, 6], &packed)));
    assert!(refused(conv2d_1x1::pack(Direction::Forward, &weight, [5, 4], &packed)));
    assert!(refused(conv2d_1x1::grad_weight(&x, &small, &parts)) && refused(conv2d_1x1::grad_weight(&x, &y, &packed)));
}
