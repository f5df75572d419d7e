//! `conv_transpose2d`, `conv_transpose2d_grad_input`, `conv_transpose2d_grad_weight`; `conv_transpose2d_portable`,
//! `conv_transpose2d_portable_grad_input`, `conv_transpose2d_portable_grad_weight`; and the way round them for any size.

mod harness;
#[path = "harness/convolution.rs"]
mod reference;

use cvdm::gpu::Caps;
use cvdm::kernels::split_sum::{channel_sum, sum_splits};
use cvdm::kernels::{conv_transpose2d as up, conv2d};
use cvdm::tensor::Shape;
use harness::{Given, close, given, random, run, wide};

/// Kernel, input shape and output channels.
const TABLE: &[(usize, [usize; 4], usize)] = &[
    (2, [1, 1, 1, 1], 1),
    (2, [1, 1, 1, 4], 1),
    (2, [2, 3, 1, 4], 2),
    (2, [1, 4, 3, 4], 8),
    (2, [2, 5, 4, 8], 9),
    (2, [1, 16, 7, 12], 17),
    (2, [2, 7, 2, 12], 6),
    (2, [1, 18, 3, 8], 5),
    (2, [2, 41, 4, 4], 37),
    (2, [3, 5, 3, 20], 6),
    (2, [3, 2, 5, 7], 3),
    (3, [1, 1, 1, 1], 1),
    (3, [2, 3, 4, 5], 6),
    (3, [1, 4, 3, 8], 2),
];

#[test]
fn forward_and_gradients() {
    // As dealt out for this kind of adapter and for the other one, which has slices.
    for (i, (software, &(kernel, [n, c, h, w], channels))) in
        [true, false].iter().flat_map(|software| TABLE.iter().map(move |row| (software, row))).enumerate()
    {
        // The reference is the definition: the adjoint of the convolution that halves the size.
        let spec = up::adjoint(kernel).unwrap();
        let xs = Shape::new(n, c, h, w);
        let ys = up::output(xs, channels);
        let seed = 100 + 10 * i as u64;
        let x = random(xs, seed, -1.0, 1.0);
        let weight = random(Shape::new(c, channels, kernel, kernel), seed + 1, -1.0, 1.0);
        let bias = random(Shape::vector(channels), seed + 2, -1.0, 1.0);
        let g = random(ys, seed + 3, -1.0, 1.0);
        let before = random(xs, seed + 4, -1.0, 1.0);
        let (x64, w64, g64) = (wide(&x.values), wide(&weight.values), wide(&g.values));
        let mut y = reference::grad_input(spec, ys, xs, &x64, &w64);
        reference::add_bias(ys, &mut y, &wide(&bias.values));
        let gx = reference::forward(spec, ys, xs, &g64, &w64);
        let gw = reference::grad_weight(spec, ys, xs, &g64, &x64);
        let gb = reference::channel_sums(ys, &g64);
        let (ws, bs) = (Shape::new(c, channels, kernel, kernel), Shape::vector(channels));
        let (before_w, before_b) = (random(ws, seed + 5, -1.0, 1.0), random(bs, seed + 6, -1.0, 1.0));
        let plus =
            |a: &[f64], b: &Given| -> Vec<f64> { a.iter().zip(&b.values).map(|(a, &b)| a + f64::from(b)).collect() };
        let (added, added_w, added_b) = (plus(&gx, &before), plus(&gw, &before_w), plus(&gb, &before_b));
        let name = format!("{kernel}×{kernel} of {xs} to {channels} channels");
        let rounding = |terms: usize| 4.0 * f64::from(f32::EPSILON) * (terms as f64).sqrt().max(2.0);
        // Among other parameters, at any offset.
        let first = i % 4;
        let mut among = vec![9.0; first];
        among.extend(&weight.values);
        let tensors = [
            x,
            given(Shape::vector(among.len()), among),
            bias,
            g,
            given(ys, vec![9.0; ys.len()]),
            given(xs, vec![9.0; xs.len()]),
            before,
            given(ws, vec![9.0; ws.len()]),
            given(bs, vec![9.0; channels]),
            before_w,
            before_b,
        ];
        run(
            &tensors,
            |tape, v| {
                let caps = Caps { software: *software, ..tape.caps() };
                let weight = v[1].range(first..first + ws.len())?;
                let mut calls = vec![
                    up::forward(caps, kernel, &v[0], &weight, &v[2], &v[4])?,
                    up::grad_input(caps, kernel, &v[3], &weight, &v[5], false)?,
                    up::grad_input(caps, kernel, &v[3], &weight, &v[6], true)?,
                ];
                let outputs = [(&v[7], &v[8], false), (&v[9], &v[10], true)];
                if up::suits(kernel, xs) {
                    let parts = up::parts(caps, xs, channels);
                    let sums = tape.persistent("sums", parts.shape())?;
                    calls.push(up::grad_weight(caps, &v[0], &v[3], &sums)?);
                    for (gw, gb, add) in outputs {
                        calls.push(sum_splits(parts, &sums, 0, gw, add)?);
                        calls.push(sum_splits(parts, &sums, gw.shape.len(), gb, add)?);
                    }
                } else {
                    for (gw, gb, add) in outputs {
                        calls.push(conv2d::grad_weight(spec, &v[3], &v[0], gw, add)?);
                        calls.push(channel_sum(&v[3], gb, add)?);
                    }
                }
                Ok(calls)
            },
            |mode, got| {
                close(&format!("{mode}: {name}"), &got[4], &y, rounding(4 * c), 1e-6);
                close(&format!("{mode}: input gradient, {name}"), &got[5], &gx, rounding(4 * channels), 1e-6);
                close(&format!("{mode}: added, {name}"), &got[6], &added, rounding(4 * channels), 1e-6);
                let (terms, sums) = (rounding(n * h * w), rounding(ys.n * ys.plane()));
                close(&format!("{mode}: weight gradient, {name}"), &got[7], &gw, terms, 1e-6);
                close(&format!("{mode}: bias gradient, {name}"), &got[8], &gb, sums, 1e-6);
                close(&format!("{mode}: added weight gradient, {name}"), &got[9], &added_w, terms, 1e-6);
                close(&format!("{mode}: added bias gradient, {name}"), &got[10], &added_b, sums, 1e-6);
            },
        );
    }
}
