//! The diffusion's closed forms, by Monte Carlo: what the forward process and the reverse steps must do to a distribution,
//! whatever their formulas look like in the kernels. Appendices B.1 and B.2; spec/cvdm.md, section 3.
//!
//! A moment estimated from M draws must lie within five standard errors of its closed form: a right kernel fails one in
//! a million, and the seeds are fixed.

mod harness;

use std::collections::HashMap;

use cvdm::gpu::Gpu;
use cvdm::kernels::reverse_step::{self, Discretisation, Reverse, Variant, start, step};
use cvdm::kernels::{Call, noising};
use cvdm::random::{Random, Stream, state};
use cvdm::tape::{Plan, PlanOptions, Tape};
use cvdm::tensor::{Shape, View};
use harness::{Given, close, given, random, run, wide};

const SEED: u64 = 0x5eed_0123;
const VARIANTS: [Variant; 3] = [Variant::Ancestral, Variant::Posterior, Variant::Deterministic];

fn rng(step: u32) -> [f32; 4] {
    state(SEED, step, 0).map(f32::from_bits)
}

/// Fails unless values drawn from a distribution with this mean and variance (and normal, for the error of the variance)
/// have them, and their neighbours are independent.
fn moments(what: &str, values: &[f64], mean: f64, variance: f64) {
    let count = values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let of = |sum: f64, want: f64, error: f64, which: &str| {
        let got = sum / count;
        assert!((got - want).abs() <= 5.0 * error, "{what}: {which} {got}, expected {want} ± {error}");
    };
    of(values.iter().sum(), mean, (variance / count).sqrt(), "mean");
    of(centred.iter().map(|v| v * v).sum(), variance, variance * (2.0 / count).sqrt(), "variance");
    for lag in [1, 2, 4] {
        let products = centred.iter().zip(&centred[lag..]).map(|(a, b)| a * b).sum();
        of(products, 0.0, variance / count.sqrt(), "covariance with a neighbour");
    }
}

/// The values of one channel of one sample.
fn channel(values: &[f32], shape: Shape, n: usize, c: usize) -> Vec<f64> {
    wide(&values[(n * shape.c + c) * shape.plane()..][..shape.plane()])
}

/// A tensor that is constant on every channel.
fn constant(shape: Shape, value: impl Fn(usize) -> f32) -> Given {
    given(shape, (0..shape.len()).map(|i| value(i / shape.plane() % shape.c)).collect())
}

/// Both lane widths.
const PLANES: [(usize, usize); 2] = [(64, 64), (63, 65)];

/// `q(z_t | y) = N(sqrt(γ) y, 1 − γ)`, `γ = exp(−λρ)`: from hardly any noise to almost nothing else.
#[test]
fn the_forward_process_has_its_mean_and_variance() {
    let (ys, lambdas, rhos) = ([-1.0f32, -0.2, 0.7, 1.0], [0.05f32, 0.4, 1.0, 2.5], [1e-3f32, 0.1, 0.7, 2.0, 6.0]);
    for (h, w) in PLANES {
        let shape = Shape::new(rhos.len(), ys.len(), h, w);
        let rho = given(Shape::new(rhos.len(), 3, 1, 1), rhos.iter().flat_map(|&r| [r, -1.0, -1.0]).collect());
        let latent = Shape { c: 2 * shape.c, ..shape };
        run(
            &[
                given(Shape::vector(4), rng(9).to_vec()),
                constant(shape, |c| ys[c]),
                constant(shape, |c| lambdas[c]),
                rho,
                given(latent, vec![0.0; latent.len()]),
            ],
            |_, v| noising::forward(&v[0], &v[1], &v[2], &v[3], &v[4].range(0..4)?, &v[4].range(4..8)?),
            |mode, got| {
                for (n, c) in (0..shape.n).flat_map(|n| (0..shape.c).map(move |c| (n, c))) {
                    let (y, lambda, rho) = (f64::from(ys[c]), f64::from(lambdas[c]), f64::from(rhos[n]));
                    let gamma = (-lambda * rho).exp();
                    let z = channel(&got[4], latent, n, 4 + c);
                    let what = format!("{mode}: {h}×{w}, γ = {gamma:.4}, y = {y}");
                    moments(&what, &z, gamma.sqrt() * y, -(-lambda * rho).exp_m1());
                }
                // Samples are independent of one another.
                let noise = |n: usize| -> Vec<f64> {
                    let gamma = (-f64::from(lambdas[1] * rhos[n])).exp();
                    let standard = |z| (z - gamma.sqrt() * f64::from(ys[1])) / (1.0 - gamma).sqrt();
                    channel(&got[4], latent, n, 5).into_iter().map(standard).collect()
                };
                let (a, b) = (noise(1), noise(2));
                let correlation = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64;
                assert!(
                    correlation.abs() < 5.0 / (a.len() as f64).sqrt(),
                    "{mode}: samples correlate by {correlation}"
                );
            },
        );
    }
}

/// The discrete schedule of one rate: `β_i`, `γ̄_{i−1}`, `γ̄_i`.
#[derive(Clone, Copy)]
struct At {
    beta: f64,
    before: f64,
    after: f64,
}

const STEPS: usize = 50;

/// τ of a schedule like the trained ones, 12 t.
fn tau() -> Vec<f32> {
    (1..=STEPS).map(|j| 12.0 * j as f32 / STEPS as f32).collect()
}

fn at(lambda: f32, i: usize) -> At {
    let beta = |j: usize| f64::from(tau()[j - 1]) * f64::from(lambda) / STEPS as f64;
    let before: f64 = (1..i).map(|j| 1.0 - beta(j)).product();
    At { beta: beta(i), before, after: before * (1.0 - beta(i)) }
}

impl At {
    /// The noise that leads from y to z.
    fn noise(&self, z: f64, y: f64) -> f64 {
        (z - self.after.sqrt() * y) / (1.0 - self.after).sqrt()
    }

    /// `(a, b, v)` with `q(z_{i−1} | z_i, y) = N(a z_i + b y, v)`: appendix B.2, and its variants' v. The deterministic
    /// step has the same form with other weights and no variance.
    fn posterior(&self, variant: Variant, i: usize) -> (f64, f64, f64) {
        let (s0, s1) = (1.0 - self.before, 1.0 - self.after);
        if variant == Variant::Deterministic {
            let a = (s0 / s1).sqrt();
            return (a, self.before.sqrt() - a * self.after.sqrt(), 0.0);
        }
        let v = if variant == Variant::Posterior { self.beta * s0 / s1 } else { self.beta };
        ((1.0 - self.beta).sqrt() * s0 / s1, self.before.sqrt() * self.beta / s1, if i > 1 { v } else { 0.0 })
    }
}

const LAMBDAS: [f32; 3] = [0.3, 0.69, 1.4];
const TARGETS: [f32; 3] = [-0.8, 0.1, 1.0];

/// One step from latents `z` with predictions `eps`, on every device; `check` gets the new latents and γ.
fn one_step(i: usize, variant: Variant, z: &Given, eps: &Given, check: impl Fn(&str, &[f32], &[f32])) {
    let shape = z.shape;
    let latent = Shape { c: 2 * shape.c, ..shape };
    let sample = shape.c * shape.plane();
    let joined: Vec<f32> =
        z.values.chunks(sample).flat_map(|s| vec![0.0; sample].into_iter().chain(s.iter().copied())).collect();
    run(
        &[
            given(Shape::vector(4), rng(i as u32).to_vec()),
            constant(Shape { n: 1, ..shape }, |c| LAMBDAS[c]),
            given(Shape::new(STEPS, 1, 1, 1), tau()),
            given(shape, eps.values.clone()),
            given(latent, joined),
            given(reverse_step::sums(STEPS), reverse_step::power_sums(&tau())),
        ],
        |_, v| {
            let (gamma, z) = (v[4].range(0..shape.c)?, v[4].range(shape.c..2 * shape.c)?);
            step(
                &Reverse {
                    rng: &v[0],
                    lambda: &v[1],
                    tau: &v[2],
                    sums: &v[5],
                    gamma: &gamma,
                    z: &z,
                    discretisation: Discretisation::Product,
                },
                &v[3],
                variant,
            )
        },
        |mode, got| {
            let half = |from: usize| -> Vec<f32> {
                got[4].chunks(2 * sample).flat_map(|s| s[from..from + sample].to_vec()).collect()
            };
            check(mode, &half(sample), &half(0));
        },
    );
}

/// Given one z_i and y, `z_{i−1}` has the mean and variance of appendix B.2.
#[test]
fn a_reverse_step_draws_from_the_posterior() {
    const Z: f64 = 0.6;
    for (h, w) in PLANES {
        let shape = Shape::new(1, 3, h, w);
        for (i, variant) in [2, 17, STEPS].into_iter().flat_map(|i| VARIANTS.map(|v| (i, v))) {
            let noise = |c: usize| at(LAMBDAS[c], i).noise(Z, f64::from(TARGETS[c])) as f32;
            one_step(i, variant, &constant(shape, |_| Z as f32), &constant(shape, noise), |mode, z, gamma| {
                for c in 0..3 {
                    let (a, b, v) = at(LAMBDAS[c], i).posterior(variant, i);
                    let what = format!("{mode}: {h}×{w}, {variant:?}, step {i}, λ = {}", LAMBDAS[c]);
                    let mean = a * Z + b * f64::from(TARGETS[c]);
                    let got = channel(z, shape, 0, c);
                    if v > 0.0 {
                        moments(&what, &got, mean, v);
                    } else {
                        assert!(got.iter().all(|g| (g - mean).abs() < 2e-6), "{what}: {}, expected {mean}", got[0]);
                    }
                    let expected = at(LAMBDAS[c], i).before;
                    assert!(channel(gamma, shape, 0, c).iter().all(|g| (g / expected - 1.0).abs() < 1e-5), "{what}: γ");
                }
            });
        }
    }
}

/// From `z_i ~ q(z_i | y)` and the true noise, the posterior's and the deterministic step reach `q(z_{i−1} | y)`; the
/// larger variance of the paper's step adds what it is larger by.
#[test]
fn a_reverse_step_goes_back_along_the_forward_process() {
    let shape = Shape::new(2, 3, 64, 64);
    let draw = |n| Random { seed: 77, stream: Stream::Noise, step: 1, sample: n }.normals(3 * shape.plane());
    let eps = given(shape, [draw(0), draw(1)].concat());
    for (i, variant) in [2, 17, STEPS].into_iter().flat_map(|i| VARIANTS.map(|v| (i, v))) {
        let z = (0..shape.len()).map(|k| {
            let (c, eps) = (k / shape.plane() % 3, f64::from(eps.values[k]));
            let at = at(LAMBDAS[c], i);
            (at.after.sqrt() * f64::from(TARGETS[c]) + (1.0 - at.after).sqrt() * eps) as f32
        });
        one_step(i, variant, &given(shape, z.collect()), &eps, |mode, z, _| {
            for (n, c) in (0..2).flat_map(|n| (0..3).map(move |c| (n, c))) {
                let at = at(LAMBDAS[c], i);
                let excess = match variant {
                    Variant::Ancestral => at.beta - at.posterior(Variant::Posterior, i).2,
                    _ => 0.0,
                };
                let what = format!("{mode}: {variant:?}, step {i}, λ = {}", LAMBDAS[c]);
                let mean = at.before.sqrt() * f64::from(TARGETS[c]);
                moments(&what, &channel(z, shape, n, c), mean, 1.0 - at.before + excess);
            }
        });
    }
}

/// The tensors of a sampler: rng, λ, τ, the prediction, the latent of γ and z channels, and the sums of τ's powers.
struct Sampler {
    start: Plan,
    step: Plan,
    views: Vec<View>,
}

impl Sampler {
    /// Two recordings of the same tensors; the second one works on the buffers of the first.
    fn new(gpu: &Gpu, shape: Shape, variant: Variant) -> Self {
        let record = |calls: &dyn Fn(&Reverse<'_>, &View) -> Vec<Call>| {
            let mut tape = Tape::new(gpu.caps());
            let views: Vec<View> = [
                Shape::vector(4),
                Shape { n: 1, ..shape },
                Shape::new(STEPS, 1, 1, 1),
                shape,
                Shape { c: 2 * shape.c, ..shape },
                reverse_step::sums(STEPS),
            ]
            .into_iter()
            .map(|shape| tape.persistent("sampler", shape).unwrap())
            .collect();
            let (gamma, z) = (views[4].range(0..shape.c).unwrap(), views[4].range(shape.c..2 * shape.c).unwrap());
            let reverse = Reverse {
                rng: &views[0],
                lambda: &views[1],
                tau: &views[2],
                sums: &views[5],
                gamma: &gamma,
                z: &z,
                discretisation: Discretisation::Product,
            };
            tape.push(calls(&reverse, &views[3]));
            (tape, views)
        };
        let (tape, views) = record(&|reverse, _| start(reverse).unwrap());
        let start = tape.plan(gpu, &HashMap::new(), PlanOptions::default()).unwrap();
        let shared = views.iter().map(|v| (v.tensor, start.buffer(v).unwrap().clone())).collect();
        let (tape, views) = record(&|reverse, prediction| step(reverse, prediction, variant).unwrap());
        let step = tape.plan(gpu, &shared, PlanOptions::default()).unwrap();
        Self { start, step, views }
    }

    /// γ and z of every value.
    fn latent(&self) -> (Vec<f64>, Vec<f64>) {
        let c = self.views[4].shape.c / 2;
        let read = |range| wide(&self.step.read(&self.views[4].range(range).unwrap()).unwrap());
        (read(0..c), read(c..2 * c))
    }
}

/// Algorithm 2 from start to end with a predictor that knows y: the sample is y, the noise network is shown the γ̄ of
/// each step, and on the way z is distributed as the composition of the steps says.
#[test]
fn a_perfect_predictor_recovers_the_target() {
    for (gpu_index, (h, w)) in [(0, (48, 48)), (1, (47, 49)), (2, (48, 48))] {
        let (mode, gpu) = &harness::devices()[gpu_index];
        let shape = Shape::new(2, 3, h, w);
        let y = wide(&random(shape, 4, -1.0, 1.0).values);
        let channel = |k: usize| k / shape.plane() % 3;
        for variant in VARIANTS {
            let sampler = Sampler::new(gpu, shape, variant);
            let (plan, v) = (&sampler.step, &sampler.views);
            plan.write(&v[0], &rng(0)).unwrap();
            plan.write(&v[1], &constant(Shape { n: 1, ..shape }, |c| LAMBDAS[c]).values).unwrap();
            plan.write(&v[2], &tau()).unwrap();
            plan.write(&v[5], &reverse_step::power_sums(&tau())).unwrap();
            sampler.start.run().unwrap();
            // z_i = share · y + noise of variance `spread`, a pair a channel.
            let mut law = [(0.0, 1.0); 3];
            for i in (1..=STEPS).rev() {
                let at = LAMBDAS.map(|lambda| at(lambda, i));
                let what = format!("{mode}: {variant:?}, before step {i}");
                let (gamma, z) = sampler.latent();
                for (c, (share, spread)) in law.into_iter().enumerate() {
                    let own = (0..shape.len()).filter(|&k| channel(k) == c);
                    let rest: Vec<f64> = own.map(|k| z[k] - share * y[k]).collect();
                    moments(&format!("{what}, λ = {}", LAMBDAS[c]), &rest, 0.0, spread);
                }
                let close = |(k, g): (usize, &f64)| (g / at[channel(k)].after - 1.0).abs() < 2e-5;
                assert!(gamma.iter().enumerate().all(close), "{what}: γ");
                let eps: Vec<f32> = (0..shape.len()).map(|k| at[channel(k)].noise(z[k], y[k]) as f32).collect();
                plan.write(&v[0], &rng(i as u32)).unwrap();
                plan.write(&v[3], &eps).unwrap();
                plan.run().unwrap();
                for (law, at) in law.iter_mut().zip(at) {
                    let (a, b, variance) = at.posterior(variant, i);
                    *law = (a * law.0 + b, a * a * law.1 + variance);
                }
            }
            let (gamma, z) = sampler.latent();
            assert!(gamma.iter().all(|&g| g == 1.0), "{mode}: {variant:?}: γ̄_0 is 1");
            let z: Vec<f32> = z.iter().map(|&v| v as f32).collect();
            close(&format!("{mode}: {variant:?}"), &z, &y, 1e-6, 1e-6);
        }
    }
}
