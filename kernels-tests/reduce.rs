//! `sum_squares` and `sum_partials`: the sum of squares of a flat tensor, at sizes around the lanes, the workgroup
//! and the number of invocations.

mod harness;

use cvdm::kernels::reduce::{sum_of_squares, sum_of_squares_partials};
use cvdm::tensor::Shape;
use harness::{close, given, random, run, wide};

#[test]
fn sums_of_squares() {
    for len in [1, 3, 4, 5, 31, 32, 33, 2047, 2049, 200_003] {
        let x = random(Shape::vector(len), 1, -1.0, 1.0);
        let want: f64 = wide(&x.values).iter().map(|v| v * v).sum();
        let partials = sum_of_squares_partials(len);
        let scratch = given(partials, vec![5.0; partials.len()]);
        run(
            &[x, scratch, given(Shape::vector(1), vec![5.0])],
            |_, v| sum_of_squares(&v[0], &v[1], &v[2]),
            |mode, got| close(&format!("{mode}: {len} values"), &got[2], &[want], 0.0, 1e-6),
        );
    }
}
