//! The convolution in `f64`, as the definition says, and its adjoint in both arguments.

#![allow(dead_code, reason = "each test program uses its own part")]

use cvdm::kernels::conv2d::Conv2d;
use cvdm::tensor::Shape;

/// Calls `f(index in y, index in x, index in w)` for every product that the convolution sums.
fn products(spec: Conv2d, x: Shape, y: Shape, mut f: impl FnMut(usize, usize, usize)) {
    let k = spec.kernel;
    for n in 0..y.n {
        for (co, ci) in (0..y.c).flat_map(|co| (0..x.c).map(move |ci| (co, ci))) {
            for (oy, ox) in (0..y.h).flat_map(|oy| (0..y.w).map(move |ox| (oy, ox))) {
                for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
                    let iy = (oy * spec.stride + ky) as i64 - spec.padding as i64;
                    let ix = (ox * spec.stride + kx) as i64 - spec.padding as i64;
                    if (0..x.h as i64).contains(&iy) && (0..x.w as i64).contains(&ix) {
                        let at_x = ((n * x.c + ci) * x.h + iy as usize) * x.w + ix as usize;
                        let at_y = ((n * y.c + co) * y.h + oy) * y.w + ox;
                        f(at_y, at_x, ((co * x.c + ci) * k + ky) * k + kx);
                    }
                }
            }
        }
    }
}

/// Rounding of a sum of so many products of values up to 1.
pub fn tolerance(terms: usize) -> f64 {
    4.0 * f64::from(f32::EPSILON) * (terms as f64).sqrt().max(2.0)
}

/// `y = conv2d(x, w)`.
pub fn forward(spec: Conv2d, xs: Shape, ys: Shape, x: &[f64], w: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; ys.len()];
    products(spec, xs, ys, |i, j, k| y[i] += x[j] * w[k]);
    y
}

/// The input gradient.
pub fn grad_input(spec: Conv2d, xs: Shape, ys: Shape, g: &[f64], w: &[f64]) -> Vec<f64> {
    let mut gx = vec![0.0; xs.len()];
    products(spec, xs, ys, |i, j, k| gx[j] += g[i] * w[k]);
    gx
}

/// The weight gradient.
pub fn grad_weight(spec: Conv2d, xs: Shape, ys: Shape, x: &[f64], g: &[f64]) -> Vec<f64> {
    let mut gw = vec![0.0; ys.c * xs.c * spec.kernel * spec.kernel];
    products(spec, xs, ys, |i, j, k| gw[k] += g[i] * x[j]);
    gw
}

/// Adds a bias to every pixel of each channel.
pub fn add_bias(shape: Shape, y: &mut [f64], bias: &[f64]) {
    for (i, v) in y.iter_mut().enumerate() {
        *v += bias[i / shape.plane() % shape.c];
    }
}

/// Sums over samples and pixels, a value a channel.
pub fn channel_sums(shape: Shape, g: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; shape.c];
    for (i, v) in g.iter().enumerate() {
        sums[i / shape.plane() % shape.c] += v;
    }
    sums
}
