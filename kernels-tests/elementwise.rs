//! `binary`, `copy` and `fill`: sums, products, copies, constants, between channel ranges.

mod harness;

use cvdm::Error;
use cvdm::kernels::elementwise as each;
use cvdm::tape::Tape;
use cvdm::tensor::{Shape, View};
use harness::{Given, close, given, random, run, wide};

/// Sizes around a workgroup's block (256 quads, or 256 values), odd ones, and batches.
const TABLE: &[[usize; 4]] = &[
    [1, 1, 1, 1],
    [3, 1, 1, 3],
    [2, 3, 5, 7],
    [2, 3, 4, 4],
    [1, 1, 7, 9],
    [1, 1, 13, 5],
    [1, 1, 16, 16],
    [2, 1, 4, 65],
    [2, 5, 15, 17],
    [1, 1, 32, 32],
    [1, 1, 31, 33],
    [2, 1, 1, 257],
    [2, 1, 8, 130],
];

/// The largest error of one rounding of a result of this magnitude.
const HALF_ULP: f64 = f32::EPSILON as f64 / 2.0;

/// The values of `inner` placed into `outer` from channel `first` on.
fn place(outer: &Given, first: usize, inner: Shape, value: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    let mut all = wide(&outer.values);
    let len = inner.c * inner.plane();
    for i in 0..inner.len() {
        let at = (i / len * outer.shape.c + first) * inner.plane() + i % len;
        all[at] = value(i, all[at]);
    }
    all
}

#[test]
fn all_operations() {
    for (case, &[n, c, h, w]) in TABLE.iter().enumerate() {
        let (shape, outer) = (Shape::new(n, c, h, w), Shape::new(n, c + 2, h, w));
        let one = Shape { n: 1, ..shape };
        let seed = 10 * case as u64;
        let a = random(outer, seed, -2.0, 2.0);
        let b = random(shape, seed + 1, -2.0, 2.0);
        let single = random(one, seed + 2, -2.0, 2.0);
        let outputs: Vec<Given> = (0..9).map(|i| random(outer, seed + 3 + i, -2.0, 2.0)).collect();
        let len = c * shape.plane();
        // Channel 2 and on of a.
        let a_at = |i: usize| f64::from(a.values[(i / len * outer.c + 2) * shape.plane() + i % len]);
        let b_at = |i: usize| f64::from(b.values[i]);
        let want = [
            place(&outputs[0], 1, shape, |i, _| a_at(i) + b_at(i)),
            place(&outputs[1], 1, shape, |i, _| a_at(i) * b_at(i)),
            place(&outputs[2], 1, shape, |i, y| y + a_at(i) * b_at(i)),
            place(&outputs[3], 1, shape, |i, _| -0.3f32 as f64 * a_at(i)),
            place(&outputs[4], 1, shape, |i, y| y + a_at(i)),
            place(&outputs[5], 1, shape, |i, _| f64::from(single.values[i % len])),
            place(&outputs[6], 1, shape, |_, _| -7.5),
            place(&outputs[7], 1, shape, |i, y| y + a_at(i) + b_at(i)),
            place(&outputs[8], 1, shape, |i, _| 0.5 * a_at(i) - 1.5),
        ];
        let mut tensors =
            vec![given(outer, a.values.clone()), given(shape, b.values.clone()), given(one, single.values.clone())];
        tensors.extend(outputs);
        run(
            &tensors,
            |_, v| {
                let a = v[0].range(2..2 + c)?;
                let y: Vec<View> = v[3..].iter().map(|v| v.range(1..1 + c)).collect::<cvdm::Result<_>>()?;
                Ok(vec![
                    each::add(&a, &v[1], &y[0], false)?,
                    each::multiply(&a, &v[1], &y[1], false)?,
                    each::multiply(&a, &v[1], &y[2], true)?,
                    each::scale(&a, -0.3, &y[3], false)?,
                    each::copy(&a, &y[4], true)?,
                    each::copy(&v[2], &y[5], false)?,
                    each::fill(&y[6], -7.5)?,
                    each::add(&a, &v[1], &y[7], true)?,
                    each::affine(&a, 0.5, -1.5, &y[8], false)?,
                ])
            },
            |mode, got| {
                // Two roundings of magnitudes up to 6, or a single one.
                for (i, want) in want.iter().enumerate() {
                    let atol = if i == 2 || i == 7 { 6.0 * HALF_ULP } else { 1e-300 };
                    let rtol = if i == 5 || i == 6 { 0.0 } else { HALF_ULP };
                    close(&format!("{mode}, {shape}, operation {i}"), &got[3 + i], want, atol, rtol);
                }
            },
        );
    }
}

/// The gradients of a product are products: against central differences.
#[test]
fn product_gradients() {
    const STEP: f64 = 1e-4;
    let shape = Shape::new(2, 2, 3, 4);
    let [a, b, gy] = [1, 2, 3].map(|seed| random(shape, seed, -2.0, 2.0));
    let slope = |of: &Given, other: &Given, i: usize| {
        let at = |by: f64| (f64::from(of.values[i]) + by) * f64::from(other.values[i]) * f64::from(gy.values[i]);
        (at(STEP) - at(-STEP)) / (2.0 * STEP)
    };
    let ga: Vec<f64> = (0..shape.len()).map(|i| slope(&a, &b, i)).collect();
    let gb: Vec<f64> = (0..shape.len()).map(|i| slope(&b, &a, i) + 1.0).collect();
    let copies = [&a, &b, &gy].map(|t| given(shape, t.values.clone()));
    let [a, b, gy] = copies;
    run(
        &[a, b, gy, given(shape, vec![9.0; shape.len()]), given(shape, vec![1.0; shape.len()])],
        |_, v| Ok(vec![each::multiply(&v[2], &v[1], &v[3], false)?, each::multiply(&v[2], &v[0], &v[4], true)?]),
        |mode, got| {
            close(&format!("{mode}, ga"), &got[3], &ga, 1e-6, 0.0);
            close(&format!("{mode}, gb"), &got[4], &gb, 1e-6, 0.0);
        },
    );
}

#[test]
fn wrong_shapes_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |n, c| tape.persistent("tensor", Shape::new(n, c, 2, 2)).unwrap();
    let (a, b, y, two) = (new(3, 4), new(3, 4), new(3, 3), new(2, 4));
    let refused = |r: cvdm::Result<cvdm::kernels::Call>| matches!(r, Err(Error::Shape(_)));
    assert!(refused(each::add(&a, &b, &y, false)));
    assert!(refused(each::add(&a, &b, &a, false)));
    assert!(refused(each::multiply(&a, &y, &b, false)));
    assert!(refused(each::copy(&two, &a, false)));
    assert!(refused(each::copy(&a.range(0..2).unwrap(), &a.range(2..4).unwrap(), false)));
    assert!(matches!(each::scale(&a, f32::INFINITY, &b, false), Err(Error::Input(_))));
    assert!(matches!(each::affine(&a, 1.0, f32::NAN, &b, false), Err(Error::Input(_))));
    assert!(matches!(each::fill(&a, f32::NAN), Err(Error::Input(_))));
}

/// A block's items are taken in turn by however many invocations there are: by one subgroup on a software adapter, by one each on a GPU.
#[test]
fn any_number_of_invocations_shares_a_block() {
    // Blocks that are full and one that is not, in two samples.
    let shape = Shape::new(2, 3, 20, 36);
    let (a, b) = (random(shape, 1, -1.0, 1.0), random(shape, 2, -1.0, 1.0));
    let want: Vec<f64> = wide(&a.values).iter().zip(wide(&b.values)).map(|(a, b)| a + b).collect();
    let blank = || given(shape, vec![9.0; shape.len()]);
    run(
        &[a, b, blank(), blank(), blank(), blank()],
        |_, v| {
            let by = |number: usize, wg: u32| Ok(each::add(&v[0], &v[1], &v[number], false)?.with("WG", wg));
            [(2, 1), (3, 8), (4, 48), (5, 256)].into_iter().map(|(number, wg)| by(number, wg)).collect()
        },
        |mode, got| (2..6).for_each(|number| close(mode, &got[number], &want, 1e-7, 1e-7)),
    );
}
