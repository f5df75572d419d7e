//! `velocity`, `velocity_backward`: against `f64`, and the gradients against central differences.

mod harness;

use cvdm::kernels::velocity;
use cvdm::tensor::Shape;
use harness::{close, given, random, run, wide};

fn noise(gamma: f64, z: f64, v: f64) -> f64 {
    (1.0 - gamma).max(1e-7).sqrt() * z + gamma.max(1e-7).sqrt() * v
}

#[test]
fn forward_and_gradients() {
    for (i, shape) in [Shape::new(1, 1, 1, 1), Shape::new(2, 1, 4, 4), Shape::new(3, 2, 5, 7)].into_iter().enumerate() {
        let (c, plane) = (shape.c, shape.plane());
        let whole = Shape { c: 2 + 2 * c, ..shape };
        let mut latent = random(whole, i as u64, 0.02, 0.98);
        // γ at both ends, where the roots are floored.
        if shape.len() > 30 {
            latent.values[2 * plane] = 0.0;
            latent.values[2 * plane + 1] = 1.0;
        }
        let (v, g) = (random(shape, 7, -2.0, 2.0), random(shape, 8, -1.0, 1.0));
        let before = random(whole, 9, -1.0, 1.0);
        let at = |k: usize, part: usize| {
            let (n, rest) = (k / (c * plane), k % (c * plane));
            (n * whole.c + 2 + part * c) * plane + rest
        };
        let value = |k: usize| {
            let [gamma, z] = [0, 1].map(|part| f64::from(latent.values[at(k, part)]));
            (gamma, z, f64::from(v.values[k]))
        };
        let want: Vec<f64> = (0..shape.len())
            .map(|k| {
                let (a, b, c) = value(k);
                noise(a, b, c)
            })
            .collect();
        let mut gv = Vec::new();
        let mut fresh = wide(&before.values);
        let mut added = wide(&before.values);
        for k in 0..shape.len() {
            let (a, b, c) = value(k);
            let h = 1e-6;
            let slope = |f: &dyn Fn(f64) -> f64| (f(h) - f(-h)) / (2.0 * h) * f64::from(g.values[k]);
            gv.push(slope(&|h| noise(a, b, c + h)));
            let edge = a == 0.0 || a == 1.0;
            let of_z = slope(&|h| noise(a, b + h, c));
            // At a floor one of the two roots is constant; the other's slope is known.
            let of_gamma = match a {
                _ if !edge => slope(&|h| noise(a + h, b, c)),
                0.0 => -0.5 * b * f64::from(g.values[k]),
                _ => 0.5 * c * f64::from(g.values[k]),
            };
            fresh[at(k, 0)] = of_gamma;
            fresh[at(k, 1)] = of_z;
            added[at(k, 0)] += of_gamma;
            added[at(k, 1)] += of_z;
        }
        let empty = given(shape, vec![9.0; shape.len()]);
        let empty_gradient = given(shape, vec![9.0; shape.len()]);
        let copy = given(whole, before.values.clone());
        run(
            &[latent, v, g, empty, empty_gradient, before, copy],
            |_, t| {
                let part = |view: &cvdm::tensor::View, k: usize| view.range(2 + k * c..2 + (k + 1) * c);
                let (gamma, z) = (part(&t[0], 0)?, part(&t[0], 1)?);
                let mut calls = vec![velocity::forward(&gamma, &z, &t[1], &t[3])?];
                for (out, add) in [(&t[5], false), (&t[6], true)] {
                    let (ggamma, gz) = (part(out, 0)?, part(out, 1)?);
                    calls.push(velocity::backward(&gamma, &z, &t[1], &t[2], &t[4], &ggamma, &gz, add)?);
                }
                Ok(calls)
            },
            |mode, got| {
                close(&format!("{mode}: {shape}"), &got[3], &want, 1e-6, 1e-6);
                close(&format!("{mode}: {shape}: of v"), &got[4], &gv, 1e-6, 1e-6);
                close(&format!("{mode}: {shape}: of γ and z"), &got[5], &fresh, 1e-6, 3e-6);
                close(&format!("{mode}: {shape}: added"), &got[6], &added, 1e-6, 3e-6);
            },
        );
    }
}
