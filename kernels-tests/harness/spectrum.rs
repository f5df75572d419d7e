//! The Fourier transform and its magnitude in `f64`, by the sums of the definition.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::f64::consts::TAU;

use cvdm::kernels::fourier::Magnitude;
use cvdm::tensor::Shape;

/// `F [H, W]` of each plane, row by row, as real and imaginary parts: rows first, then columns.
pub fn spectrum(shape: Shape, x: &[f64]) -> Vec<[f64; 2]> {
    let Shape { h, w, .. } = shape;
    let root = |turns: usize, n: usize| (-TAU * (turns % n) as f64 / n as f64).sin_cos();
    let mut all = Vec::new();
    for plane in x.chunks_exact(h * w) {
        let mut rows = vec![[0.0; 2]; h * w];
        for (k, value) in rows.iter_mut().enumerate() {
            for j in 0..w {
                let (s, c) = root(k % w * j, w);
                let x = plane[k / w * w + j];
                *value = [value[0] + x * c, value[1] + x * s];
            }
        }
        for k in 0..h * w {
            let mut sum = [0.0; 2];
            for i in 0..h {
                let (s, c) = root(k / w * i, h);
                let [re, im] = rows[i * w + k % w];
                sum = [sum[0] + re * c - im * s, sum[1] + re * s + im * c];
            }
            all.push(sum);
        }
    }
    all
}

/// Where frequency number `k` of a plane lies in the output.
pub fn shifted(shape: Shape, k: usize) -> usize {
    let Shape { h, w, .. } = shape;
    (k / w + h / 2) % h * w + (k % w + w / 2) % w
}

/// `(|F| + ε)^γ`, frequency zero in the middle.
pub fn magnitude(of: Magnitude, shape: Shape, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for (i, [re, im]) in spectrum(shape, x).into_iter().enumerate() {
        let plane = i / shape.plane() * shape.plane();
        y[plane + shifted(shape, i % shape.plane())] = (re.hypot(im) + f64::from(of.epsilon)).powf(f64::from(of.power));
    }
    y
}
