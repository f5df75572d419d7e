//! `cvdm op`: the program itself on `.npy` files, against `f64` references, hand values, and arguments that do not fit.

mod harness;
#[path = "op/networks.rs"]
mod networks;
#[path = "harness/convolution.rs"]
mod reference;
#[path = "op/refusals.rs"]
mod refusals;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use cvdm::data::{read_npy, write_npy};
use cvdm::kernels::conv_transpose2d;
use cvdm::kernels::conv2d::Conv2d;
use cvdm::op::OPERATIONS;
use cvdm::random::{Random, Stream};
use cvdm::tensor::Shape;
use harness::{Given, close, random, wide};

type Array = (Vec<usize>, Vec<f32>);

fn program(arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cvdm")).arg("op").args(arguments).output().unwrap()
}

/// Writes the arrays, runs the operation on them with these settings, and reads every result. An error is what the program
/// printed; it has written nothing then.
fn op(name: &str, arrays: &[(&str, &Array)], settings: &[&str]) -> Result<BTreeMap<String, Array>, String> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut arguments = vec![name.to_string(), "--out".into(), out.display().to_string()];
    for (i, (argument, (shape, values))) in arrays.iter().enumerate() {
        let path = folder.path().join(format!("{i}.npy"));
        write_npy(&path, shape, values).unwrap();
        arguments.extend([format!("--{argument}"), path.display().to_string()]);
    }
    arguments.extend(settings.iter().map(ToString::to_string));
    let output = program(&arguments);
    if !output.status.success() {
        assert!(!out.exists(), "{name} failed and left results");
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    Ok(results(&out))
}

fn results(out: &Path) -> BTreeMap<String, Array> {
    let name = |p: &Path| p.file_stem().unwrap().to_str().unwrap().to_string();
    std::fs::read_dir(out).unwrap().map(|e| e.unwrap().path()).map(|p| (name(&p), read_npy(&p).unwrap())).collect()
}

fn names(results: &BTreeMap<String, Array>) -> Vec<&str> {
    results.keys().map(String::as_str).collect()
}

fn dimensions(s: Shape) -> Vec<usize> {
    vec![s.n, s.c, s.h, s.w]
}

fn image(g: &Given) -> Array {
    (dimensions(g.shape), g.values.clone())
}

fn vector(g: &Given) -> Array {
    (vec![g.values.len()], g.values.clone())
}

fn array(shape: &[usize], values: &[f32]) -> Array {
    assert_eq!(shape.iter().product::<usize>(), values.len());
    (shape.to_vec(), values.to_vec())
}

/// Rounding of a sum of this many products of numbers up to one.
fn rounding(terms: usize) -> f64 {
    4.0 * f64::from(f32::EPSILON) * (terms as f64).sqrt().max(2.0)
}

fn check(what: &str, got: &Array, shape: &[usize], want: &[f64], atol: f64) {
    assert_eq!(got.0, shape, "{what}: shape");
    close(what, &got.1, want, atol, 2e-6);
}

#[test]
fn conv2d_against_the_definition() {
    // Kernel, stride, padding, input, output channels, portable kernels asked for.
    let table = [
        (3, 1, 1, Shape::new(2, 5, 6, 8), 9, false),
        (3, 1, 1, Shape::new(1, 3, 5, 8), 4, true),
        (3, 2, 1, Shape::new(1, 3, 7, 6), 4, false),
        (1, 1, 0, Shape::new(2, 4, 3, 5), 3, false),
        (7, 2, 3, Shape::new(1, 2, 9, 11), 3, false),
        (2, 1, 3, Shape::new(1, 2, 3, 4), 2, false),
    ];
    for (i, (kernel, stride, padding, xs, channels, portable)) in table.into_iter().enumerate() {
        let spec = Conv2d { kernel, stride, padding };
        let (ys, ws) = (spec.output(xs, channels).unwrap(), spec.weight(xs.c, channels));
        let seed = 10 * i as u64;
        let (x, w) = (random(xs, seed, -1.0, 1.0), random(ws, seed + 1, -1.0, 1.0));
        let (b, g) = (random(Shape::vector(channels), seed + 2, -1.0, 1.0), random(ys, seed + 3, -1.0, 1.0));
        let (x64, w64, g64) = (wide(&x.values), wide(&w.values), wide(&g.values));
        let mut settings = vec!["--stride".to_string(), stride.to_string(), "--padding".into(), padding.to_string()];
        settings.extend(portable.then(|| "--portable".to_string()));
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let (x, w, b, g) = (image(&x), image(&w), vector(&b), image(&g));
        let arrays = [("input", &x), ("weight", &w), ("bias", &b), ("grad", &g)];
        let got = op("conv2d", &arrays, &settings).unwrap();
        let what = format!("{kernel}×{kernel}, stride {stride}, padding {padding}, {xs}");
        let mut y = reference::forward(spec, xs, ys, &x64, &w64);
        reference::add_bias(ys, &mut y, &wide(&b.1));
        assert_eq!(names(&got), ["gb", "gw", "gx", "y"], "{what}");
        check(&what, &got["y"], &dimensions(ys), &y, rounding(xs.c * kernel * kernel));
        let gx = reference::grad_input(spec, xs, ys, &g64, &w64);
        check(&what, &got["gx"], &dimensions(xs), &gx, rounding(channels * kernel * kernel));
        let gw = reference::grad_weight(spec, xs, ys, &x64, &g64);
        check(&what, &got["gw"], &dimensions(ws), &gw, rounding(ys.n * ys.plane()));
        check(&what, &got["gb"], &[channels], &reference::channel_sums(ys, &g64), rounding(ys.n * ys.plane()));
    }
}

#[test]
fn conv2d_with_softplus_and_without_bias() {
    let (xs, spec) = (Shape::new(1, 3, 4, 8), Conv2d::same(3));
    let (x, w, g) = (random(xs, 1, -1.0, 1.0), random(spec.weight(3, 2), 2, -1.0, 1.0), Shape::new(1, 2, 4, 8));
    let before = reference::forward(spec, xs, g, &wide(&x.values), &wide(&w.values));
    let g = random(g, 3, -1.0, 1.0);
    let settings = ["--padding", "1", "--activation", "softplus"];
    let got = op("conv2d", &[("input", &image(&x)), ("weight", &image(&w)), ("grad", &image(&g))], &settings).unwrap();
    assert_eq!(names(&got), ["gw", "gx", "y"], "no bias, no gradient of it");
    let softplus: Vec<f64> = before.iter().map(|v| v.exp().ln_1p()).collect();
    check("softplus", &got["y"], &[1, 2, 4, 8], &softplus, rounding(27));
    let through: Vec<f64> = before.iter().zip(&g.values).map(|(v, &g)| f64::from(g) / (1.0 + (-v).exp())).collect();
    let gx = reference::grad_input(spec, xs, g.shape, &through, &wide(&w.values));
    check("gx", &got["gx"], &[1, 3, 4, 8], &gx, rounding(18));
}

#[test]
fn conv_transpose2d_against_the_definition() {
    for (kernel, xs, channels) in
        [(2, Shape::new(2, 3, 3, 4), 5), (2, Shape::new(1, 2, 3, 5), 3), (3, Shape::new(1, 3, 4, 5), 2)]
    {
        let spec = conv_transpose2d::adjoint(kernel).unwrap();
        let (ys, ws) = (conv_transpose2d::output(xs, channels), Shape::new(xs.c, channels, kernel, kernel));
        let (x, w) = (random(xs, 1, -1.0, 1.0), random(ws, 2, -1.0, 1.0));
        let (b, g) = (random(Shape::vector(channels), 3, -1.0, 1.0), random(ys, 4, -1.0, 1.0));
        let (x64, w64, g64) = (wide(&x.values), wide(&w.values), wide(&g.values));
        let arrays = [("input", &image(&x)), ("weight", &image(&w)), ("bias", &vector(&b)), ("grad", &image(&g))];
        let got = op("conv_transpose2d", &arrays, &[]).unwrap();
        let what = format!("{kernel}×{kernel} of {xs}");
        let mut y = reference::grad_input(spec, ys, xs, &x64, &w64);
        reference::add_bias(ys, &mut y, &wide(&b.values));
        check(&what, &got["y"], &dimensions(ys), &y, rounding(xs.c * kernel * kernel));
        let gx = reference::forward(spec, ys, xs, &g64, &w64);
        check(&what, &got["gx"], &dimensions(xs), &gx, rounding(channels * kernel * kernel));
        let gw = reference::grad_weight(spec, ys, xs, &g64, &x64);
        check(&what, &got["gw"], &dimensions(ws), &gw, rounding(xs.n * xs.plane()));
        check(&what, &got["gb"], &[channels], &reference::channel_sums(ys, &g64), rounding(ys.n * ys.plane()));
    }
}

/// `(y, gx, gw, gb)` of instance norm in `f64`.
fn norm(shape: Shape, x: &[f64], w: &[f64], b: &[f64], g: &[f64], epsilon: f64) -> [Vec<f64>; 4] {
    let p = shape.plane();
    let [mut y, mut gx, mut gw, mut gb] = [vec![], vec![], vec![0.0; shape.c], vec![0.0; shape.c]];
    for (k, (x, g)) in x.chunks_exact(p).zip(g.chunks_exact(p)).enumerate() {
        let c = k % shape.c;
        let mean = x.iter().sum::<f64>() / p as f64;
        let inverse = (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / p as f64 + epsilon).sqrt().recip();
        let hat: Vec<f64> = x.iter().map(|v| (v - mean) * inverse).collect();
        let (sum, along) = (g.iter().sum::<f64>(), g.iter().zip(&hat).map(|(g, h)| g * h).sum::<f64>());
        y.extend(hat.iter().map(|h| h * w[c] + b[c]));
        gx.extend(g.iter().zip(&hat).map(|(g, h)| w[c] * inverse * (g - sum / p as f64 - h * along / p as f64)));
        gw[c] += along;
        gb[c] += sum;
    }
    [y, gx, gw, gb]
}

#[test]
fn instance_norm_with_and_without_weights() {
    for shape in [Shape::new(2, 3, 4, 6), Shape::new(1, 2, 5, 7)] {
        let c = shape.c;
        let (x, g) = (random(shape, 1, -2.0, 3.0), random(shape, 2, -1.0, 1.0));
        let (w, b) = (random(Shape::vector(c), 3, 0.5, 1.5), random(Shape::vector(c), 4, -1.0, 1.0));
        let (x64, g64) = (wide(&x.values), wide(&g.values));
        let (x, g, w, b) = (image(&x), image(&g), vector(&w), vector(&b));
        let affine = norm(shape, &x64, &wide(&w.1), &wide(&b.1), &g64, 1e-3);
        let arrays = [("input", &x), ("weight", &w), ("bias", &b), ("grad", &g)];
        let got = op("instance_norm", &arrays, &["--epsilon", "1e-3"]).unwrap();
        for (name, want) in ["y", "gx", "gw", "gb"].iter().zip(&affine) {
            close(&format!("{shape}: {name}"), &got[*name].1, want, rounding(shape.plane()), 4e-6);
        }
        let plain = norm(shape, &x64, &vec![1.0; c], &vec![0.0; c], &g64, 1e-5);
        let got = op("instance_norm", &[("input", &x), ("grad", &g)], &[]).unwrap();
        assert_eq!(names(&got), ["gx", "y"], "{shape}");
        for (name, want) in ["y", "gx"].iter().zip(&plain) {
            close(&format!("{shape} without weights: {name}"), &got[*name].1, want, rounding(shape.plane()), 4e-6);
        }
    }
}

#[test]
fn hand_values() {
    let x = array(&[1, 1, 2, 4], &[1.0, 5.0, -1.0, -1.0, 2.0, 3.0, -4.0, -2.0]);
    let g = array(&[1, 1, 1, 2], &[10.0, 20.0]);
    let got = op("max_pool2d", &[("input", &x), ("grad", &g)], &[]).unwrap();
    assert_eq!(got["y"], array(&[1, 1, 1, 2], &[5.0, -1.0]));
    assert_eq!(got["gx"].1, [0.0, 10.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0], "the first of two equal ones");

    let (a, b, c) = (array(&[3], &[1.0, 2.0, 3.0]), array(&[3], &[10.0, 20.0, 30.0]), array(&[3], &[0.5, 0.5, 0.5]));
    let got = op("add", &[("input", &a), ("input", &b), ("input", &c), ("grad", &b)], &[]).unwrap();
    assert_eq!(got["y"], array(&[3], &[11.5, 22.5, 33.5]));
    assert_eq!([&got["gx1"], &got["gx2"], &got["gx3"]], [&b, &b, &b]);

    let got = op("scale", &[("input", &a), ("grad", &b)], &["--factor", "-2.5"]).unwrap();
    assert_eq!(got["y"].1, [-2.5, -5.0, -7.5]);
    assert_eq!(got["gx"].1, [-25.0, -50.0, -75.0]);

    let (one, two) = (array(&[2, 1, 1, 1], &[1.0, 2.0]), array(&[2, 2, 1, 1], &[3.0, 4.0, 5.0, 6.0]));
    let g = array(&[2, 3, 1, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let got = op("concat", &[("input", &one), ("input", &two), ("grad", &g)], &[]).unwrap();
    assert_eq!(got["y"], array(&[2, 3, 1, 1], &[1.0, 3.0, 4.0, 2.0, 5.0, 6.0]));
    assert_eq!((&got["gx1"].1[..], &got["gx2"].1[..]), (&[1.0, 4.0][..], &[2.0, 3.0, 5.0, 6.0][..]));

    let got = op("multiply", &[("input", &a), ("input", &b), ("grad", &c)], &[]).unwrap();
    assert_eq!((&got["y"].1[..], &got["gx1"].1[..]), (&[10.0, 40.0, 90.0][..], &[5.0, 10.0, 15.0][..]));
    assert_eq!(got["gx2"].1, [0.5, 1.0, 1.5]);

    let row = array(&[1, 1, 1, 3], &[1.0, 2.0, 3.0]);
    let padded = op("reflect_pad", &[("input", &row)], &["--shape", "1,1,2,6"]).unwrap();
    assert_eq!(padded["y"], array(&[1, 1, 2, 6], &[1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0]));
    assert_eq!(op("crop", &[("input", &padded["y"])], &["--shape", "1,1,1,3"]).unwrap()["y"], row);

    let got = op("mean_std", &[("input", &array(&[3, 1, 1, 2], &[1.0, 4.0, 2.0, 4.0, 3.0, 4.0]))], &[]).unwrap();
    assert_eq!((&got["y"], &got["std"]), (&array(&[1, 1, 2], &[2.0, 4.0]), &array(&[1, 1, 2], &[1.0, 0.0])));

    assert_eq!(op("channel_sum", &[("input", &two)], &[]).unwrap()["y"], array(&[2], &[8.0, 10.0]));
    assert_eq!(op("sum_of_squares", &[("input", &a)], &[]).unwrap()["y"], array(&[1], &[14.0]));
}

#[test]
fn activations_and_their_gradients_from_either_side() {
    let x = array(&[6], &[-90.0, -3.0, -0.25, 0.0, 2.0, 90.0]);
    let g = array(&[6], &[1.0, -2.0, 3.0, 0.5, 1.0, 2.0]);
    let sigmoid: Vec<f64> = wide(&x.1).iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect();
    let softplus: Vec<f64> = wide(&x.1).iter().map(|v| v.exp().ln_1p()).collect();
    let slope = |of: fn(f64) -> f64| -> Vec<f64> { sigmoid.iter().zip(wide(&g.1)).map(|(s, g)| g * of(*s)).collect() };
    for (name, want, gx) in [("softplus", &softplus, slope(|s| s)), ("sigmoid", &sigmoid, slope(|s| s * (1.0 - s)))] {
        for from in ["output", "input"] {
            let got = op(name, &[("input", &x), ("grad", &g)], &["--from", from]).unwrap();
            check(&format!("{name}, gradient from {from}"), &got["y"], &[6], want, 1e-7);
            check(&format!("{name}, gradient from {from}"), &got["gx"], &[6], &gx, 1e-6);
        }
    }
}

#[test]
fn velocity_turns_into_noise() {
    let (v, g) = (array(&[1, 1, 1, 3], &[0.5, -1.0, 2.0]), array(&[1, 1, 1, 3], &[1.0, 2.0, -1.0]));
    let (gamma, z) = ([0.25, 0.64, 0.5], [1.0, -0.5, 0.3]);
    let latent = array(&[1, 2, 1, 3], &[0.25, 0.64, 0.5, 1.0, -0.5, 0.3]);
    let got = op("velocity", &[("input", &v), ("latent", &latent), ("grad", &g)], &[]).unwrap();
    let (v, g) = (wide(&v.1), wide(&g.1));
    let each = |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..3).map(f).collect() };
    let roots = |i: usize| (f64::sqrt(gamma[i]), f64::sqrt(1.0 - gamma[i]));
    check("y", &got["y"], &[1, 1, 1, 3], &each(&|i| roots(i).1 * z[i] + roots(i).0 * v[i]), 1e-6);
    check("gx", &got["gx"], &[1, 1, 1, 3], &each(&|i| roots(i).0 * g[i]), 1e-6);
    let ggamma = each(&|i| g[i] * (0.5 * v[i] / roots(i).0 - 0.5 * z[i] / roots(i).1));
    let gz = each(&|i| roots(i).1 * g[i]);
    check("glatent", &got["glatent"], &[1, 2, 1, 3], &[ggamma, gz].concat(), 1e-6);
}

#[test]
fn adam_is_a_step_of_the_learning_rate_from_rest() {
    let (x, g) = (array(&[2, 2], &[1.0, -1.0, 0.5, 2.0]), array(&[2, 2], &[0.3, -2.0, 1e-3, 40.0]));
    let settings = ["--learning-rate", "0.1", "--ema-rate", "0.75"];
    let got = op("adam", &[("input", &x), ("grad", &g)], &settings).unwrap();
    // From zero moments the bias corrections cancel: the step is lr · sign(g), but for ε.
    let y = [0.9, -0.9, 0.4, 1.9];
    check("y", &got["y"], &[2, 2], &y, 2e-6);
    let average: Vec<f64> = x.1.iter().zip(y).map(|(&x, y)| 0.75 * f64::from(x) + 0.25 * y).collect();
    check("average", &got["average"], &[2, 2], &average, 1e-6);
    check("m", &got["moment1"], &[2, 2], &[0.03, -0.2, 1e-4, 4.0], 1e-9);
    check("v", &got["moment2"], &[2, 2], &[9e-5, 4e-3, 1e-9, 1.6], 1e-12);
}

#[test]
fn random_numbers_are_those_of_the_processor() {
    let settings =
        ["--shape", "2,1,3,5", "--seed", "12345678901234", "--step", "7", "--sample", "4", "--stream", "sampler"];
    let got = op("philox", &[], &settings).unwrap();
    let normals = |sample| Random { seed: 12_345_678_901_234, stream: Stream::Sampler, step: 7, sample }.normals(15);
    check("normals", &got["y"], &[2, 1, 3, 5], &wide(&[normals(4), normals(5)].concat()), 2e-6);
    let uniforms = op("philox", &[], &["--shape", "1,1,2,2", "--kind", "uniforms"]).unwrap();
    let base = Random { seed: 0, stream: Stream::Noise, step: 0, sample: 0 };
    assert_eq!(uniforms["y"].1, [0, 1, 2, 3].map(|j| base.uniform(j)));
}

#[test]
fn the_diffusion_from_times_to_losses() {
    let (n, shape) = (2, [2, 1, 3, 4]);
    let s = Shape::new(2, 1, 3, 4);
    let weight = vector(&random(Shape::vector(12), 1, -1.0, 1.0));
    let times = array(&[3], &[0.25, 0.5, 1.0]);
    let rho =
        op("schedule", &[("input", &times), ("weight", &weight), ("grad", &array(&[3, 3], &[1.0; 9]))], &[]).unwrap();
    assert_eq!(rho["gw"].0, [12]);
    let rho = &rho["y"];
    assert_eq!(rho.0, [3, 3]);

    let (y, lambda) = (image(&random(s, 2, -1.0, 1.0)), image(&random(s, 3, 0.1, 2.0)));
    let random_numbers = ["--seed", "5", "--step", "2"];
    let rows = array(&[n, 3], &rho.1[..6]);
    let noised = op("noising", &[("input", &y), ("lambda", &lambda), ("rho", &rows)], &random_numbers).unwrap();
    let eps = op("philox", &[], &[&["--shape", "2,1,3,4"], &random_numbers[..]].concat()).unwrap();
    let mut want = Vec::new();
    for sample in 0..2 {
        let gamma = |i: usize| (-f64::from(lambda.1[i]) * f64::from(rho.1[3 * sample])).exp();
        let pixels = 12 * sample..12 * (sample + 1);
        want.extend(pixels.clone().map(gamma));
        want.extend(
            pixels.map(|i| gamma(i).sqrt() * f64::from(y.1[i]) + (1.0 - gamma(i)).sqrt() * f64::from(eps["y"].1[i])),
        );
    }
    check("γ and z", &noised["y"], &[2, 2, 3, 4], &want, 4e-6);

    // The true noise has no loss; the noise moved by a half has a quarter, and the gradient 2 · 0.5 / count.
    let moved = array(&shape, &eps["y"].1.iter().map(|v| v + 0.5).collect::<Vec<_>>());
    let arrays = [("input", &moved), ("grad", &array(&[1], &[3.0]))];
    let loss = op("noise_loss", &arrays, &random_numbers).unwrap();
    check("loss", &loss["y"], &[1], &[0.25], 1e-6);
    check("gradient", &loss["gx"], &shape, &[3.0 / 24.0; 24], 1e-6);

    // Tied: τ = ρ′ leaves mean(γ(1)²) of the first loss alone.
    let got = op("schedule_losses", &[("input", &y), ("lambda", &lambda), ("rho", rho)], &[]).unwrap();
    let first = lambda.1.iter().map(|&l| (-2.0 * f64::from(l) * f64::from(rho.1[6])).exp()).sum::<f64>() / 24.0;
    check("first loss", &array(&[1], &got["y"].1[..1]), &[1], &[first], 1e-6);
    let tau = array(&[3], &[rho.1[1], rho.1[4], rho.1[7]]);
    let arrays = [("input", &y), ("lambda", &lambda), ("rho", rho), ("tau", &tau), ("grad", &array(&[3], &[1.0; 3]))];
    let apart = op("schedule_losses", &arrays, &[]).unwrap();
    assert_eq!(names(&apart), ["glambda", "grho", "gtau", "y"]);
    check("the same losses", &apart["y"], &[3], &wide(&got["y"].1), 1e-6);
}

#[test]
fn the_reverse_process() {
    let lambda = array(&[1, 1, 2, 2], &[0.5, 1.0, 1.5, 2.0]);
    let tau = array(&[2], &[0.4, 0.8]);
    let start = op("reverse_start", &[("lambda", &lambda), ("tau", &tau)], &["--samples", "3", "--seed", "9"]).unwrap();
    assert_eq!(start["y"].0, [3, 2, 2, 2]);
    let gamma: Vec<f64> = wide(&lambda.1).iter().map(|l| (1.0 - 0.2 * l) * (1.0 - 0.4 * l)).collect();
    check("γ̄ of both steps", &array(&[4], &start["y"].1[..4]), &[4], &gamma, 1e-6);
    let settings = ["--discretisation", "exponential", "--seed", "9"];
    let exponential = op("reverse_start", &[("lambda", &lambda), ("tau", &tau)], &settings).unwrap();
    let gamma: Vec<f64> = wide(&lambda.1).iter().map(|l| (-0.6 * l).exp()).collect();
    check("exponential γ̄", &array(&[4], &exponential["y"].1[..4]), &[4], &gamma, 1e-6);
    assert_eq!(exponential["y"].1[4..], start["y"].1[4..8], "the same latent");
    let (z, e) = (array(&[1, 1, 2, 2], &[0.3, -0.2, 1.0, 2.0]), array(&[1, 1, 2, 2], &[0.1, 0.5, -1.0, 0.7]));
    let arrays = [("input", &z), ("prediction", &e), ("lambda", &lambda), ("tau", &tau)];
    // At the last step (i = 1) γ̄ before is 1 and every variant gives the mean (z − sqrt(β) ε̂)/sqrt(1 − β), β = 0.2 λ.
    let value = |i: usize| {
        let beta = 0.2 * f64::from(lambda.1[i]);
        (f64::from(z.1[i]) - beta.sqrt() * f64::from(e.1[i])) / (1.0 - beta).sqrt()
    };
    let want = [vec![1.0; 4], (0..4).map(value).collect()].concat();
    for variant in ["ancestral", "posterior", "deterministic"] {
        let got = op("reverse_step", &arrays, &["--step", "1", "--variant", variant]).unwrap();
        check(variant, &got["y"], &[1, 2, 2, 2], &want, 2e-6);
    }
    assert!(op("reverse_step", &arrays, &["--step", "3"]).unwrap_err().contains("2 steps"));
}

#[test]
fn the_list_has_every_operation_with_its_arguments() {
    let output = program(&["--list".into()]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for operation in OPERATIONS {
        assert!(text.contains(&format!("{}\n  {}", operation.name, operation.formula)), "{}", operation.name);
        for argument in operation.arguments {
            assert!(text.contains(argument.about), "{}: --{}", operation.name, argument.name);
        }
    }
    let one = String::from_utf8(program(&["scale".into(), "--list".into()]).stdout).unwrap();
    assert!(one.contains("--factor") && !one.contains("conv2d"));
}
