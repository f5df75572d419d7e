//! Products of matrices and softmax in `f64`.

#![allow(dead_code, reason = "each test program uses its own part")]

use cvdm::kernels::matmul::Product;

/// `scale · A B` of every head, with `A [rows, depth]` and `B [depth, columns]` read where the product says.
pub fn product_of(product: Product, sizes: [usize; 3], scale: f64, a: &[f64], b: &[f64]) -> Vec<f64> {
    let [rows, depth, columns] = sizes;
    let mut y = Vec::new();
    for (a, b) in a.chunks_exact(rows * depth).zip(b.chunks_exact(depth * columns)) {
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            let of_a = |k: usize| if product == Product::LeftTransposed { a[k * rows + i] } else { a[i * depth + k] };
            let of_b =
                |k: usize| if product == Product::RightTransposed { b[j * depth + k] } else { b[k * columns + j] };
            y.push(scale * (0..depth).map(|k| of_a(k) * of_b(k)).sum::<f64>());
        }
    }
    y
}

/// Softmax of one row.
pub fn softmax_of(row: &[f64]) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::MIN, f64::max);
    let e: Vec<f64> = row.iter().map(|v| (v - top).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|v| v / sum).collect()
}
