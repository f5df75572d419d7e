//! `reflect_pad`: padding and cropping move values, exactly.

mod harness;

use cvdm::Error;
use cvdm::kernels::pad;
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{Given, close, given, random, run, wide};

/// Walks to and fro over `0..size` from 0 on.
fn walk(size: usize, steps: usize) -> usize {
    let (mut at, mut forward) = (0, true);
    for _ in 0..steps {
        if size == 1 {
            break;
        }
        if at == size - 1 {
            forward = false;
        } else if at == 0 {
            forward = true;
        }
        at = if forward { at + 1 } else { at - 1 };
    }
    at
}

fn padded(x: &Given, channels: std::ops::Range<usize>, h: usize, w: usize) -> Vec<f64> {
    let s = x.shape;
    let mut y = Vec::new();
    for n in 0..s.n {
        for c in channels.clone() {
            for i in 0..h {
                for j in 0..w {
                    y.push(f64::from(x.values[((n * s.c + c) * s.h + walk(s.h, i)) * s.w + walk(s.w, j)]));
                }
            }
        }
    }
    y
}

#[test]
fn padding_and_cropping() {
    for (case, (n, c, [h, w], [to_h, to_w])) in [
        (1, 1, [1, 1], [3, 2]),
        (1, 1, [4, 4], [4, 4]),
        (2, 3, [5, 7], [8, 8]),
        (1, 2, [2, 3], [16, 17]),
        (2, 1, [1, 5], [7, 32]),
        (1, 3, [61, 50], [64, 64]),
    ]
    .into_iter()
    .enumerate()
    {
        let outer = Shape::new(n, c + 2, h, w);
        let large = Shape::new(n, c, to_h, to_w);
        let x = random(outer, case as u64, -1.0, 1.0);
        let want = padded(&x, 1..c + 1, to_h, to_w);
        let back = given(outer, vec![0.5; outer.len()]);
        // What comes back lies in channels 2 and on; the first two stay.
        let len = c * outer.plane();
        let mut want_back = wide(&back.values);
        for i in 0..n * len {
            let sample = i / len * outer.c * outer.plane();
            want_back[sample + 2 * outer.plane() + i % len] = f64::from(x.values[sample + outer.plane() + i % len]);
        }
        run(
            &[x, given(large, vec![9.0; large.len()]), back],
            |_, v| {
                Ok(vec![pad::reflect_pad(&v[0].range(1..c + 1)?, &v[1])?, pad::crop(&v[1], &v[2].range(2..c + 2)?)?])
            },
            |mode, got| {
                close(&format!("{mode}, {outer} to {large}"), &got[1], &want, 1e-300, 0.0);
                close(&format!("{mode}, {large} back to {outer}"), &got[2], &want_back, 1e-300, 0.0);
            },
        );
    }
}

/// The example of PyTorch's `ReflectionPad2d` documentation, its right and lower part.
#[test]
fn as_in_pytorch() {
    let x = given(Shape::new(1, 1, 3, 3), (0..9).map(|i| i as f32).collect());
    let want = [0, 1, 2, 1, 0, 3, 4, 5, 4, 3, 6, 7, 8, 7, 6, 3, 4, 5, 4, 3, 0, 1, 2, 1, 0].map(f64::from);
    run(
        &[x, given(Shape::new(1, 1, 5, 5), vec![9.0; 25])],
        |_, v| Ok(vec![pad::reflect_pad(&v[0], &v[1])?]),
        |mode, got| close(mode, &got[1], &want, 1e-300, 0.0),
    );
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |c, h, w| tape.persistent("tensor", Shape::new(1, c, h, w)).unwrap();
    let (small, large, other) = (new(2, 3, 5), new(2, 4, 5), new(3, 4, 5));
    assert!(matches!(pad::reflect_pad(&large, &small), Err(Error::Shape(_))));
    assert!(matches!(pad::reflect_pad(&small, &other), Err(Error::Shape(_))));
    assert!(matches!(pad::reflect_pad(&small, &small), Err(Error::Shape(_))));
    assert!(matches!(pad::crop(&small, &large), Err(Error::Shape(_))));
    assert!(matches!(pad::crop(&large, &large), Err(Error::Shape(_))));
}
