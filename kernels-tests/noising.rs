//! `noising`, `noising_backward`: γ, z and their gradients against `f64`, with the noise of the CPU mirror.

mod harness;

use cvdm::kernels::noising::{Backward, SIGMA_FLOOR, backward, backward_partials, forward};
use cvdm::random::{Random, Stream, state};
use cvdm::tensor::{Shape, View};
use harness::{Given, caps, close, given, on_both_kinds, random, run, wide};

const SEED: u64 = 0x1234_5678_9abc;
const STEP: u32 = 41;
const FIRST: u32 = 6;

/// Both lane widths; one item an invocation, and several.
const SHAPES: [Shape; 6] = [
    Shape::new(1, 1, 1, 1),
    Shape::new(2, 1, 4, 4),
    Shape::new(3, 2, 5, 7),
    Shape::new(2, 3, 8, 12),
    Shape::new(2, 1, 31, 33),
    Shape::new(1, 1, 64, 68),
];

fn rng() -> Given {
    given(Shape::vector(4), state(SEED, STEP, FIRST).map(f32::from_bits).to_vec())
}

fn noise(shape: Shape) -> Vec<f64> {
    (0..shape.n as u32)
        .flat_map(|n| {
            let random = Random { seed: SEED, stream: Stream::Noise, step: STEP, sample: FIRST + n };
            wide(&random.normals(shape.c * shape.plane()))
        })
        .collect()
}

/// γ and z of one value.
fn reference(y: f64, lambda: f64, rho: f64, eps: f64) -> (f64, f64) {
    let gamma = (-lambda * rho).exp();
    let sigma = (-(-lambda * rho).exp_m1()).max(f64::from(SIGMA_FLOOR));
    (gamma, gamma.sqrt() * y + sigma.sqrt() * eps)
}

/// Channels `from..from + c` of every sample.
fn channels(values: &[f32], whole: Shape, from: usize, c: usize) -> Vec<f32> {
    let plane = whole.plane();
    values.chunks_exact(whole.c * plane).flat_map(|s| s[from * plane..(from + c) * plane].to_vec()).collect()
}

/// Everything but those channels.
fn outside(values: &[f32], whole: Shape, ranges: &[(usize, usize)]) -> Vec<f32> {
    (0..whole.c)
        .filter(|c| !ranges.iter().any(|&(from, n)| (from..from + n).contains(c)))
        .flat_map(|c| channels(values, whole, c, 1))
        .collect()
}

#[test]
fn gamma_and_z_fill_their_channels() {
    for shape in SHAPES {
        let c = shape.c;
        let whole = Shape { c: 2 * c + 3, ..shape };
        let y = random(Shape { c: c + 2, ..shape }, 1, -1.0, 1.0);
        let lambda = random(shape, 2, 0.01, 3.0);
        let rho = random(Shape::new(shape.n + 1, 3, 1, 1), 3, 0.01, 4.0);
        let (own, eps) = (wide(&channels(&y.values, y.shape, 1, c)), noise(shape));
        let per = c * shape.plane();
        let (gamma, z): (Vec<f64>, Vec<f64>) = (0..shape.len())
            .map(|i| reference(own[i], f64::from(lambda.values[i]), f64::from(rho.values[i / per * 3]), eps[i]))
            .unzip();
        run(
            &[rng(), y, lambda, rho, given(whole, vec![9.5; whole.len()])],
            |_, v| {
                let (g, z) = (v[4].range(1..1 + c)?, v[4].range(2 + c..2 + 2 * c)?);
                forward(&v[0], &v[1].range(1..1 + c)?, &v[2], &v[3], &g, &z)
            },
            |mode, got| {
                let what = format!("{mode}: {shape}");
                close(&format!("{what}: γ"), &channels(&got[4], whole, 1, c), &gamma, 1e-7, 2e-6);
                close(&format!("{what}: z"), &channels(&got[4], whole, 2 + c, c), &z, 2e-6, 2e-6);
                let rest = outside(&got[4], whole, &[(1, c), (2 + c, c)]);
                assert!(rest.iter().all(|&v| v == 9.5), "{what}: neighbours");
            },
        );
    }
}

/// The gradients of tensors in this order: the random state, y, λ, ρ, the gradient that γ's and z's are ranges of, the gradients of λ
/// and ρ, the partial sums.
fn overwriting<'a>(v: &'a [View], [ggamma, gz]: [&'a View; 2]) -> Backward<'a> {
    Backward {
        rng: &v[0],
        y: &v[1],
        lambda: &v[2],
        rho: &v[3],
        ggamma,
        gz,
        glambda: &v[5],
        accumulate_lambda: false,
        grho: &v[6],
        accumulate_rho: false,
        partials: &v[7],
    }
}

#[test]
fn gradients_equal_central_differences() {
    // γ's range before z's, and behind it.
    let orders = SHAPES.into_iter().flat_map(|shape| [(shape, true), (shape, false)]);
    for ((shape, gamma_first), caps) in on_both_kinds(orders) {
        let c = shape.c;
        let (at_gamma, at_z) = if gamma_first { (0, c + 1) } else { (c + 1, 0) };
        let (whole, rows) = (Shape { c: 2 * c + 1, ..shape }, Shape::new(shape.n + 1, 3, 1, 1));
        let per = c * shape.plane();
        let y = random(shape, 4, -1.0, 1.0);
        let lambda = random(shape, 5, 0.1, 3.0);
        let rho = random(rows, 6, 0.05, 3.0);
        let g = random(whole, 7, -1.0, 1.0);
        let start = random(shape, 8, -1.0, 1.0);
        let eps = noise(shape);
        let of_range = |first: usize| wide(&channels(&g.values, whole, first, c));
        let (gg, gz) = (of_range(at_gamma), of_range(at_z));
        let at = |i: usize, lambda: f64, rho: f64| {
            let (gamma, z) = reference(f64::from(y.values[i]), lambda, rho, eps[i]);
            gg[i] * gamma + gz[i] * z
        };
        let h = 1e-6;
        let mut glambda = wide(&start.values);
        let mut grho = vec![0.0; rows.len()];
        for (i, gradient) in glambda.iter_mut().enumerate() {
            let (l, r) = (f64::from(lambda.values[i]), f64::from(rho.values[i / per * 3]));
            *gradient += (at(i, l + h, r) - at(i, l - h, r)) / (2.0 * h);
            grho[i / per * 3] += (at(i, l, r + h) - at(i, l, r - h)) / (2.0 * h);
        }
        let partials = backward_partials(caps, shape);
        run(
            &[
                rng(),
                given(shape, y.values.clone()),
                given(shape, lambda.values.clone()),
                given(rows, rho.values.clone()),
                given(whole, g.values.clone()),
                given(shape, start.values.clone()),
                given(rows, vec![8.0; rows.len()]),
                given(partials, vec![0.0; partials.len()]),
                given(shape, vec![8.0; shape.len()]),
                given(rows, vec![8.0; rows.len()]),
            ],
            |_, v| {
                let (ggamma, gz) = (v[4].range(at_gamma..at_gamma + c)?, v[4].range(at_z..at_z + c)?);
                let args = Backward { accumulate_lambda: true, ..overwriting(v, [&ggamma, &gz]) };
                let mut calls = backward(caps, &args)?;
                let other =
                    Backward { glambda: &v[8], grho: &v[9], accumulate_lambda: false, accumulate_rho: true, ..args };
                calls.extend(backward(caps, &other)?);
                Ok(calls)
            },
            |mode, got| {
                let what = format!("{mode}: {shape}");
                let atol = 1e-6 * (per as f64).sqrt();
                close(&format!("{what}: λ"), &got[5], &glambda, 4e-6, 4e-6);
                close(&format!("{what}: ρ"), &got[6], &grho, 4.0 * atol, 4e-6);
                let plain: Vec<f64> = glambda.iter().zip(&start.values).map(|(g, &s)| g - f64::from(s)).collect();
                let added: Vec<f64> = grho.iter().map(|g| 8.0 + g).collect();
                close(&format!("{what}: λ overwritten"), &got[8], &plain, 4e-6, 4e-6);
                close(&format!("{what}: ρ accumulated"), &got[9], &added, 4.0 * atol, 4e-6);
            },
        );
    }
}

#[test]
fn extremes_stay_finite_and_the_floor_passes_no_gradient() {
    // Sample 0 at t = 0; the others from almost no noise to nothing but noise.
    let shape = Shape::new(4, 1, 2, 4);
    let rows = Shape::new(4, 3, 1, 1);
    let rho = given(rows, [0.0, 1e-4, 6.0, 30.0].iter().flat_map(|&r| [r, 0.0, 0.0]).collect());
    let lambda: Vec<f32> = (0..shape.len()).map(|i| [1e-4, 1.0, 50.0, 1e-2][i % 4]).collect();
    let y = random(shape, 1, -1.0, 1.0);
    let own = wide(&y.values);
    let eps = noise(shape);
    let partials = backward_partials(caps(), shape);
    run(
        &[
            rng(),
            y,
            given(shape, lambda.clone()),
            rho,
            given(Shape { c: 2, ..shape }, vec![1.0; 2 * shape.len()]),
            given(shape, vec![0.0; shape.len()]),
            given(rows, vec![0.0; rows.len()]),
            given(partials, vec![0.0; partials.len()]),
            given(Shape { c: 2, ..shape }, vec![0.0; 2 * shape.len()]),
        ],
        |_, v| {
            let (g, z) = (v[4].range(0..1)?, v[4].range(1..2)?);
            let (gamma, latent) = (v[8].range(0..1)?, v[8].range(1..2)?);
            let mut calls = forward(&v[0], &v[1], &v[2], &v[3], &gamma, &latent)?;
            calls.extend(backward(caps(), &overwriting(v, [&g, &z]))?);
            Ok(calls)
        },
        |mode, got| {
            for (i, (&l, &rate)) in got[5].iter().zip(&lambda).enumerate() {
                let rho = [0.0, f64::from(1e-4f32), 6.0, 30.0][i / 8];
                let (gamma, z) = reference(own[i], f64::from(rate), rho, eps[i]);
                let at = i / 8 * 16 + i % 8;
                close(&format!("{mode}: γ, z {i}"), &[got[8][at], got[8][at + 8]], &[gamma, z], 3e-6, 3e-6);
                assert!(l.is_finite(), "{mode}: gradient {i} of λ is {l}");
            }
            assert!(got[5][..8].iter().all(|&g| g == 0.0), "{mode}: ρ = 0 leaves λ no gradient");
            // At t = 0 σ is at the floor, and only γ and sqrt(γ) y are left: dρ = −Σ λ (1 + y / 2).
            let want: f64 = (0..8).map(|i| -f64::from(lambda[i]) * (1.0 + 0.5 * own[i])).sum();
            close(&format!("{mode}: ρ at t = 0"), &got[6][..1], &[want], 1e-6, 3e-6);
            assert!(got[6].iter().all(|g| g.is_finite()), "{mode}: {:?}", got[6]);
        },
    );
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    let shape = Shape::new(4, 1, 6, 10);
    let (one, both) = (Shape { n: 1, ..shape }, Shape { c: 2, ..shape });
    let (y, lambda) = (random(shape, 1, -1.0, 1.0), random(shape, 2, 0.1, 3.0));
    let rho = random(Shape::new(4, 3, 1, 1), 3, 0.1, 3.0);
    let mut given_tensors = vec![rng(), given(both, vec![0.0; both.len()])];
    for n in 0..4 {
        let part = |t: &Given, len: usize, s| given(s, t.values[n * len..(n + 1) * len].to_vec());
        given_tensors.push(given(Shape::vector(4), state(SEED, STEP, FIRST + n as u32).map(f32::from_bits).to_vec()));
        given_tensors.push(part(&y, 60, one));
        given_tensors.push(part(&lambda, 60, one));
        given_tensors.push(part(&rho, 3, Shape::vector(3)));
        given_tensors.push(given(Shape { c: 2, ..one }, vec![0.0; 120]));
    }
    given_tensors.extend([y, lambda, rho]);
    run(
        &given_tensors,
        |_, v| {
            let (gamma, z) = (v[1].range(0..1)?, v[1].range(1..2)?);
            let mut calls = forward(&v[0], &v[22], &v[23], &v[24], &gamma, &z)?;
            for s in v[2..22].chunks_exact(5) {
                calls.extend(forward(&s[0], &s[1], &s[2], &s[3], &s[4].range(0..1)?, &s[4].range(1..2)?)?);
            }
            Ok(calls)
        },
        |mode, got| {
            let singles: Vec<f32> = got[2..22].chunks_exact(5).flat_map(|s| s[4].clone()).collect();
            assert_eq!(got[1], singles, "{mode}");
        },
    );
}

#[test]
fn gamma_and_z_must_be_apart_in_one_tensor() {
    let shape = Shape::new(1, 1, 2, 2);
    let both = Shape { c: 2, ..shape };
    let zeros = |s: Shape| given(s, vec![0.0; s.len()]);
    run(
        &[rng(), zeros(shape), zeros(shape), zeros(Shape::vector(3)), zeros(both)],
        |_, v| {
            let (gamma, z) = (v[4].range(0..1)?, v[4].range(1..2)?);
            assert!(forward(&v[0], &v[1], &v[2], &v[3], &gamma, &gamma).is_err());
            assert!(forward(&v[0], &v[1], &v[2], &v[3], &gamma, &v[1]).is_err());
            forward(&v[0], &v[1], &v[2], &v[3], &gamma, &z)
        },
        |_, _| {},
    );
}
