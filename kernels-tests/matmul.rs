//! `matmul`, `matmul_quads`, `softmax` and `softmax_backward`: what attention is made of, and attention itself.

mod harness;
#[path = "harness/matrices.rs"]
mod matrices;

use cvdm::Error;
use cvdm::gpu::Caps;
use cvdm::kernels::matmul::{Product, matmul};
use cvdm::kernels::softmax;
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{close, dot, given, inside, placed, random, run, slopes, wide};
use matrices::{product_of, softmax_of};

const ROUNDING: f64 = f32::EPSILON as f64;

/// Batch and heads; rows, length of the sum and columns around the tile of 32 and the step of 8; multiples of four.
const PRODUCTS: &[([usize; 2], [usize; 3])] = &[
    ([1, 1], [1, 1, 1]),
    ([2, 3], [5, 7, 3]),
    ([1, 2], [31, 8, 33]),
    ([2, 1], [32, 9, 32]),
    ([1, 1], [64, 65, 40]),
    ([1, 4], [3, 130, 67]),
    ([1, 1], [4, 4, 4]),
    ([2, 3], [12, 8, 20]),
    ([1, 2], [64, 36, 40]),
];

#[test]
fn products_of_all_kinds() {
    for (case, &([n, heads], [rows, depth, columns])) in PRODUCTS.iter().enumerate() {
        for product in [Product::Plain, Product::RightTransposed, Product::LeftTransposed] {
            let matrix = |rows, columns| Shape::new(n, heads * rows, 1, columns);
            let a_shape = if product == Product::LeftTransposed { matrix(depth, rows) } else { matrix(rows, depth) };
            let b_shape =
                if product == Product::RightTransposed { matrix(columns, depth) } else { matrix(depth, columns) };
            let y_shape = matrix(rows, columns);
            assert_eq!(product.output(heads, a_shape, b_shape).unwrap(), y_shape);
            let wider = |shape: Shape| Shape { c: shape.c + 3, ..shape };
            let mut seeds = 10 * case as u64..;
            let mut new = |shape| random(wider(shape), seeds.next().unwrap(), -1.0, 1.0);
            let (a, b, y, added) = (new(a_shape), new(b_shape), new(y_shape), new(y_shape));
            let sizes = [rows, depth, columns];
            let value = product_of(product, sizes, 0.25, &inside(&a, 1, a_shape), &inside(&b, 2, b_shape));
            let want = [placed(&y, 3, y_shape, &value, false), placed(&added, 3, y_shape, &value, true)];
            let tensors = [a, b, y, added];
            for software in [true, false] {
                run(
                    &tensors,
                    |tape, v| {
                        let caps = Caps { software, ..tape.caps() };
                        let (a, b) = (v[0].range(1..1 + a_shape.c)?, v[1].range(2..2 + b_shape.c)?);
                        let to = |i: usize| v[i].range(3..3 + y_shape.c);
                        Ok(vec![
                            matmul(caps, product, heads, 0.25, &a, &b, &to(2)?, false)?,
                            matmul(caps, product, heads, 0.25, &a, &b, &to(3)?, true)?,
                        ])
                    },
                    |mode, got| {
                        let atol = ROUNDING * (1.0 + (depth as f64).sqrt());
                        for (i, want) in want.iter().enumerate() {
                            let what = format!("{mode}, software {software}, {product:?} {sizes:?}, {i}");
                            close(&what, &got[2 + i], want, atol, ROUNDING);
                        }
                    },
                );
            }
        }
    }
}

#[test]
fn softmax_and_its_gradient() {
    for (case, [n, c, h, w]) in
        [[1, 1, 1, 1], [2, 3, 1, 5], [1, 7, 4, 4], [2, 2, 3, 21], [1, 3, 16, 20], [1, 2, 31, 37], [1, 130, 1, 2]]
            .into_iter()
            .enumerate()
    {
        let (shape, outer) = (Shape::new(n, c, h, w), Shape::new(n, c + 3, h, w));
        let mut seeds = 10 * case as u64..;
        let mut new = |low, high| random(outer, seeds.next().unwrap(), low, high);
        let (x, g, y, gx, added) = (new(-6.0, 6.0), new(-1.0, 1.0), new(-1.0, 1.0), new(-1.0, 1.0), new(-1.0, 1.0));
        let (x64, g64) = (inside(&x, 2, shape), inside(&g, 1, shape));
        let value: Vec<f64> = x64.chunks_exact(shape.plane()).flat_map(softmax_of).collect();
        let gradient: Vec<f64> = (value.chunks_exact(shape.plane()).zip(g64.chunks_exact(shape.plane())))
            .flat_map(|(y, g)| y.iter().zip(g).map(|(y_i, g_i)| y_i * (g_i - dot(y, g))).collect::<Vec<_>>())
            .collect();
        let want = [
            placed(&y, 3, shape, &value, false),
            placed(&gx, 1, shape, &gradient, false),
            placed(&added, 1, shape, &gradient, true),
        ];
        let tensors = [x, g, y, gx, added];
        for software in [true, false] {
            run(
                &tensors,
                |tape, v| {
                    let caps = Caps { software, ..tape.caps() };
                    let (x, g, y) = (v[0].range(2..2 + c)?, v[1].range(1..1 + c)?, v[2].range(3..3 + c)?);
                    Ok(vec![
                        softmax::forward(caps, &x, &y)?,
                        softmax::backward(caps, &y, &g, &v[3].range(1..1 + c)?, false)?,
                        softmax::backward(caps, &y, &g, &v[4].range(1..1 + c)?, true)?,
                    ])
                },
                |mode, got| {
                    for (i, want) in want.iter().enumerate() {
                        // An exponential, a sum and a division; the largest value is near one.
                        let what = format!("{mode}, software {software}, {shape}, {i}");
                        close(&what, &got[2 + i], want, 4.0 * ROUNDING, 12.0 * ROUNDING);
                    }
                },
            );
        }
    }
}

/// Nothing overflows, and equal values share.
#[test]
fn softmax_of_extremes() {
    let rows = [[1e30, -1e30, 0.0, 5.0], [3e38, 3e38, -3e38, 0.0], [-200.0, -201.0, -200.0, -300.0], [7.0; 4]];
    let shape = Shape::new(1, 4, 1, 4);
    let want: Vec<f64> = rows.iter().flat_map(|row| softmax_of(&row.map(|v: f32| f64::from(v)))).collect();
    run(
        &[given(shape, rows.concat()), given(shape, vec![9.0; 16])],
        |tape, v| Ok(vec![softmax::forward(tape.caps(), &v[0], &v[1])?]),
        |mode, got| close(mode, &got[1], &want, 1e-38, 12.0 * ROUNDING),
    );
}

/// `softmax(scale · qᵀ k)` applied to `v`, for every head: pixels attend to pixels.
fn attention(shape: Shape, heads: usize, scale: f64, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
    let (width, pixels) = (shape.c / heads, shape.plane());
    let scores = product_of(Product::LeftTransposed, [pixels, width, pixels], scale, q, k);
    let shares: Vec<f64> = scores.chunks_exact(pixels).flat_map(softmax_of).collect();
    product_of(Product::RightTransposed, [width, pixels, pixels], 1.0, v, &shares)
}

/// The tape's attention and the gradients that its parts give, against central differences.
#[test]
fn attention_on_the_tape() {
    let (shape, heads) = (Shape::new(2, 6, 2, 5), 2);
    let scale = 1.0 / 3f64.sqrt();
    let [q, k, v, g] = [1, 2, 3, 4].map(|seed| random(shape, seed, -1.5, 1.5));
    let [q64, k64, v64, g64] = [&q, &k, &v, &g].map(|t| wide(&t.values));
    let value = attention(shape, heads, scale, &q64, &k64, &v64);
    let gq = slopes(&q64, |q| dot(&attention(shape, heads, scale, q, &k64, &v64), &g64));
    let gk = slopes(&k64, |k| dot(&attention(shape, heads, scale, &q64, k, &v64), &g64));
    let gv = slopes(&v64, |v| dot(&attention(shape, heads, scale, &q64, &k64, v), &g64));
    for (mode, gpu) in harness::devices() {
        let mut tape = Tape::new(gpu.caps());
        let qkv = tape.persistent("q, k and v", Shape { c: 18, ..shape }).unwrap();
        let y = tape.persistent("y", shape).unwrap();
        let seed = tape.persistent("g", shape).unwrap();
        tape.watch(&qkv);
        let [q_view, k_view, v_view] = [0, 1, 2].map(|i| qkv.range(6 * i..6 * (i + 1)).unwrap());
        tape.attention_into(heads, &q_view, &k_view, &v_view, &y).unwrap();
        let gradient = tape.backward(&[(y, seed)]).unwrap().of(&qkv).unwrap();
        let out = tape.persistent("gradient", Shape { c: 18, ..shape }).unwrap();
        tape.push([cvdm::kernels::elementwise::copy(&gradient, &out, false).unwrap()]);
        let plan = tape.plan(gpu, &Default::default(), Default::default()).unwrap();
        let together = |parts: [&[f32]; 3]| -> Vec<f32> {
            (0..2).flat_map(|n| parts.map(|p| p[60 * n..60 * (n + 1)].to_vec()).concat()).collect()
        };
        plan.write(&qkv, &together([&q.values, &k.values, &v.values])).unwrap();
        plan.write(&seed, &g.values).unwrap();
        plan.run().unwrap();
        close(&format!("{mode}, attention"), &plan.read(&y).unwrap(), &value, 4.0 * ROUNDING, 8.0 * ROUNDING);
        let got = plan.read(&out).unwrap();
        for (i, (what, want)) in [("gq", &gq), ("gk", &gk), ("gv", &gv)].into_iter().enumerate() {
            let part: Vec<f32> = (0..2).flat_map(|n| got[180 * n + 60 * i..][..60].to_vec()).collect();
            close(&format!("{mode}, {what}"), &part, want, 1e-6, 1e-6);
        }
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |n, c, w| tape.persistent("tensor", Shape::new(n, c, 1, w)).unwrap();
    let (a, b, y, more) = (new(1, 4, 6), new(1, 6, 5), new(1, 4, 5), new(2, 6, 5));
    let plain = |heads, a, b, y| matmul(gpu.caps(), Product::Plain, heads, 1.0, a, b, y, false);
    assert!(plain(1, &a, &b, &y).is_ok());
    assert!(matches!(plain(2, &a, &b, &y), Err(Error::Shape(_))));
    assert!(matches!(plain(0, &a, &b, &y), Err(Error::Shape(_))));
    assert!(matches!(plain(3, &a, &b, &y), Err(Error::Shape(_))));
    assert!(matches!(plain(1, &a, &more, &y), Err(Error::Shape(_))));
    assert!(matches!(plain(1, &a, &b, &b), Err(Error::Shape(_))));
    assert!(matches!(matmul(gpu.caps(), Product::Plain, 1, f32::NAN, &a, &b, &y, false), Err(Error::Input(_))));
    assert!(matches!(softmax::forward(gpu.caps(), &a, &a), Err(Error::Shape(_))));
    assert!(matches!(softmax::backward(gpu.caps(), &a, &b, &y, false), Err(Error::Shape(_))));
    assert!(matches!(tape.attention(4, &b, &b, &b), Err(Error::Shape(_))));
}
