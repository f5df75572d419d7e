//! What is timed of the operations that other networks than the U-Net need, at the shapes of its levels.

use cvdm::gpu::Caps;
use cvdm::kernels::activation::Function;
use cvdm::kernels::conv2d::{Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_1x1;
use cvdm::kernels::fourier::{self, Magnitude};
use cvdm::kernels::matmul::{Product, matmul};
use cvdm::kernels::resize::{self, Filter};
use cvdm::kernels::{group_norm, planes, softmax, split_sum, upsample};
use cvdm::tensor::Shape;

use super::cases::{Case, Level, case, over};

/// Attention of larger images would take gigabytes for the weights of all pairs of pixels.
const LARGEST_ATTENTION: usize = 32;

/// The kernels of one level.
pub fn network(level: Level) -> Vec<Case> {
    let s = level.shape();
    let c = s.c;
    let small = planes::values(s);
    // SR3's, or as many as there are channels.
    let groups = c.min(32);
    let mut cases = vec![
        case(&["activation", "activation_backward"], format!("GELU of {s}"), move |r| {
            let (x, y, gx) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
            Ok(vec![Function::Gelu.forward(&x, &y)?, Function::Gelu.backward(&x, &y, &y, &gx, false)?])
        })
        .counted_as(&[("activation", "GELU"), ("activation_backward", "GELU's gradient")]),
        case(
            &["group_moments", "group_norm", "group_sums", "group_norm_backward"],
            format!("{groups} groups of {s}"),
            move |r| {
                let caps = r.tape.caps();
                let (x, y, g, gx) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
                let per_channel = group_norm::stats(s);
                let (moments, stats, sums) = (r.tensor(per_channel)?, r.tensor(per_channel)?, r.tensor(per_channel)?);
                let (weight, bias) = (r.tensor(Shape::vector(c))?, r.tensor(Shape::vector(c))?);
                let mut calls =
                    group_norm::forward(caps, groups, &x, [&weight, &bias], &moments, &stats, &y, 1e-5)?.to_vec();
                calls.extend(group_norm::backward(caps, groups, &x, &weight, &stats, &g, &sums, &gx, false)?);
                Ok(calls)
            },
        ),
        case(&["plane_sum", "plane_broadcast"], s, move |r| {
            let caps = r.tape.caps();
            let (x, y, values, means) = (r.tensor(s)?, r.tensor(s)?, r.tensor(small)?, r.tensor(small)?);
            Ok(vec![planes::sum(caps, &x, 1e-3, &means, false)?, planes::multiply(&x, &values, &y, false)?])
        }),
        case(&["pixel_shuffle"], format!("by 2 of {s}"), move |r| {
            let (x, y) = (r.tensor(s)?, r.tensor(upsample::shuffled(s, 2)?)?);
            Ok(vec![upsample::pixel_shuffle(2, &x, &y, false)?])
        }),
        every(s, 2, if s.w.is_multiple_of(8) { &["decimate_quads"] } else { &["decimate"] }),
        every(s, 4, &["decimate"]),
        case(
            &["conv2d_1x1_pack", "conv2d_1x1", "conv2d_1x1_grad_weight", "sum_splits"],
            format!("1×1 of {s}"),
            move |r| {
                let (x, y, gx, c) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?, s.c);
                let (weight, bias) = (r.tensor(Conv2d::same(1).weight(c, c))?, r.tensor(Shape::vector(c))?);
                let (packed, back) = (r.tensor(conv2d_1x1::packed(c, c))?, r.tensor(conv2d_1x1::packed(c, c))?);
                let parts = conv2d_1x1::parts(s, c);
                let (sums, gw) = (r.tensor(parts.shape())?, r.tensor(Shape::vector(c * c))?);
                Ok(vec![
                    conv2d_1x1::pack(Direction::Forward, &weight, [c, c], &packed)?,
                    conv2d_1x1::forward(&x, &packed, Some(&bias), Activation::None, &y, false)?,
                    conv2d_1x1::pack(Direction::Backward, &weight, [c, c], &back)?,
                    conv2d_1x1::forward(&y, &back, None, Activation::None, &gx, false)?,
                    conv2d_1x1::grad_weight(&x, &y, &sums)?,
                    split_sum::sum_splits(parts, &sums, 0, &gw, false)?,
                ])
            },
        ),
        case(&["upsample", "upsample_backward"], format!("by 2 of {s}"), move |r| {
            let (x, gx, y) = (r.tensor(s)?, r.tensor(s)?, r.tensor(upsample::enlarged(s, 2))?);
            Ok(vec![upsample::nearest(2, &x, &y)?, upsample::nearest_backward(2, &y, &gx, false)?])
        }),
        case(&["resize", "resize_backward"], format!("bicubic by 2 of {s}"), move |r| {
            let large = upsample::enlarged(s, 2);
            let (x, gx, y, between) =
                (r.tensor(s)?, r.tensor(s)?, r.tensor(large)?, r.tensor(resize::scratch(s, large))?);
            let mut calls = resize::forward(Filter::Bicubic, &x, &between, &y)?.to_vec();
            calls.extend(resize::backward(Filter::Bicubic, &y, &between, &gx, false)?);
            Ok(calls)
        }),
        case(
            &["fft_rows", "fft_columns", "fourier_magnitude", "fourier_magnitude_backward", "fft_rows_backward"],
            s,
            move |r| {
                let (caps, of) = (r.tape.caps(), Magnitude { epsilon: 1e-8, power: 0.8 });
                let (x, y, gx) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
                let (spectrum, gspectrum) = (r.tensor(fourier::spectrum(s))?, r.tensor(fourier::spectrum(s))?);
                let mut calls = fourier::magnitude(caps, of, &x, &spectrum, &y)?.to_vec();
                calls.extend(fourier::magnitude_backward(caps, of, &spectrum, &y, &gspectrum, &gx, false)?);
                Ok(calls)
            },
        ),
    ];
    if s.h <= LARGEST_ATTENTION {
        cases.push(case(
            &["matmul", "matmul_quads", "softmax", "softmax_backward"],
            format!("attention of {s}"),
            move |r| {
                let caps = r.tape.caps();
                let (q, k, v, y) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
                let pairs = Product::LeftTransposed.output(1, s, s)?;
                let (scores, shares, g) = (r.tensor(pairs)?, r.tensor(pairs)?, r.tensor(pairs)?);
                // The kernel of the other kind of adapter too.
                let other = Caps { software: !caps.software, ..caps };
                Ok(vec![
                    matmul(other, Product::LeftTransposed, 1, 0.1, &q, &k, &scores, false)?,
                    matmul(caps, Product::LeftTransposed, 1, 0.1, &q, &k, &scores, false)?,
                    softmax::forward(caps, &scores, &shares)?,
                    matmul(caps, Product::RightTransposed, 1, 1.0, &v, &shares, &y, false)?,
                    matmul(caps, Product::Plain, 1, 1.0, &v, &shares, &y, false)?,
                    softmax::backward(caps, &shares, &scores, &g, false)?,
                ])
            },
        ));
    }
    over(s, cases)
}

/// Every so many pixels of a map, and back to it.
fn every(s: Shape, factor: usize, shader: &'static [&'static str]) -> Case {
    case(shader, format!("one pixel in {factor} of {s}, and back"), move |r| {
        let (x, gx, y) = (r.tensor(s)?, r.tensor(s)?, r.tensor(upsample::decimated(s, factor)?)?);
        Ok(vec![upsample::decimate(factor, &x, &y, false)?, upsample::decimate_backward(factor, &y, &gx, false)?])
    })
}
