//! `reverse_start`, `reverse_step`: start and step against `f64` with the CPU mirror's noise, for all variants.

mod harness;

use cvdm::kernels::reverse_step::{Discretisation, Reverse, Variant, power_sums, start, step, sums};
use cvdm::random::{Random, Stream, state};
use cvdm::tensor::{Shape, View};
use harness::{Given, close, given, random, run, wide};

const SEED: u64 = 0xabcd_ef01_2345;
const FIRST: u32 = 3;

fn rng(i: u32, first: u32) -> Given {
    given(Shape::vector(4), state(SEED, i, first).map(f32::from_bits).to_vec())
}

fn noise(shape: Shape, stream: Stream, step: u32) -> Vec<f64> {
    let sample = |n| wide(&Random { seed: SEED, stream, step, sample: FIRST + n }.normals(shape.c * shape.plane()));
    (0..shape.n as u32).flat_map(sample).collect()
}

const BOTH: [Discretisation; 2] = [Discretisation::Product, Discretisation::Exponential];

/// `(β_i, γ̄_{i−1}, γ̄_i)` of one pixel, as logarithms of γ̄.
fn discrete(tau: &[f64], lambda: f64, i: usize, discretisation: Discretisation) -> (f64, f64, f64) {
    let rate = |j: usize| tau[j - 1] * lambda / tau.len() as f64;
    if discretisation == Discretisation::Exponential {
        let before: f64 = -(1..i).map(rate).sum::<f64>();
        return (-(-rate(i)).exp_m1(), before, before - rate(i));
    }
    let beta = |j: usize| rate(j).clamp(1e-20, 1.0 - 1e-6);
    let before: f64 = (1..i).map(|j| (-beta(j)).ln_1p()).sum();
    (beta(i), before, before + (-beta(i)).ln_1p())
}

fn reference(z: f64, eps: f64, n: f64, (beta, before, after): (f64, f64, f64), i: usize, variant: Variant) -> f64 {
    let (s0, s1) = (-before.exp_m1(), -after.exp_m1());
    let alpha = 1.0 - beta;
    match variant {
        Variant::Deterministic => {
            let clean = (z - s1.sqrt() * eps) / after.exp().sqrt();
            before.exp().sqrt() * clean + s0.sqrt() * eps
        }
        _ => {
            let v = if variant == Variant::Ancestral { beta } else { beta * s0 / s1 };
            let mean = (z - beta / s1.sqrt() * eps) / alpha.sqrt();
            mean + if i > 1 { v.sqrt() * n } else { 0.0 }
        }
    }
}

/// τ of a schedule like the trained ones: 12 t, as channel 0 of `[T, 3, 1, 1]`.
fn table(steps: usize) -> Given {
    let rows = (1..=steps).flat_map(|j| [12.0 * j as f32 / steps as f32, -7.0, -7.0]);
    given(Shape::new(steps, 3, 1, 1), rows.collect())
}

/// The sums that belong to a table.
fn sums_of(tau: &Given) -> Given {
    let values: Vec<f32> = tau.values.iter().step_by(3).copied().collect();
    given(sums(tau.shape.n), power_sums(&values))
}

const CASES: [(Shape, usize, usize); 5] = [
    (Shape::new(1, 1, 1, 1), 1, 1),
    (Shape::new(4, 1, 4, 4), 2, 20),
    (Shape::new(3, 2, 5, 7), 1, 50),
    (Shape::new(2, 1, 31, 33), 2, 20),
    (Shape::new(2, 1, 16, 20), 1, 500),
];

#[test]
fn a_step_follows_the_formulas() {
    for (shape, maps, steps) in CASES {
        let c = shape.c;
        let whole = Shape { c: 2 * c + 2, ..shape };
        let lambda = random(Shape { n: maps, ..shape }, 1, 0.1, 1.5);
        let prediction = random(shape, 2, -2.0, 2.0);
        let latent = random(whole, 3, -2.0, 2.0);
        let tau = table(steps);
        let t: Vec<f64> = tau.values.iter().step_by(3).map(|&t| f64::from(t)).collect();
        let (per, plane) = (c * shape.plane(), shape.plane());
        let zs: Vec<f64> =
            latent.values.chunks_exact(whole.c * plane).flat_map(|s| wide(&s[plane..plane + per])).collect();
        let mut counts = vec![1, 2, steps.div_ceil(2), steps];
        counts.retain(|&i| i <= steps);
        counts.dedup();
        let all = [Variant::Ancestral, Variant::Posterior, Variant::Deterministic];
        for (variant, discretisation) in all.into_iter().flat_map(|v| BOTH.map(|d| (v, d))) {
            for &i in &counts {
                let n = noise(shape, Stream::Sampler, i as u32);
                let (z, gamma): (Vec<f64>, Vec<f64>) = (0..shape.len())
                    .map(|k| {
                        let at = k / per / (shape.n / maps) * per + k % per;
                        let d = discrete(&t, f64::from(lambda.values[at]), i, discretisation);
                        (reference(zs[k], f64::from(prediction.values[k]), n[k], d, i, variant), d.1.exp())
                    })
                    .unzip();
                run(
                    &[
                        rng(i as u32, FIRST),
                        given(lambda.shape, lambda.values.clone()),
                        given(tau.shape, tau.values.clone()),
                        given(shape, prediction.values.clone()),
                        given(whole, latent.values.clone()),
                        sums_of(&tau),
                    ],
                    |_, v| {
                        let (z, gamma) = (v[4].range(1..1 + c)?, v[4].range(2 + c..2 + 2 * c)?);
                        let tau = v[2].range(0..1)?;
                        step(
                            &Reverse {
                                rng: &v[0],
                                lambda: &v[1],
                                tau: &tau,
                                sums: &v[5],
                                gamma: &gamma,
                                z: &z,
                                discretisation,
                            },
                            &v[3],
                            variant,
                        )
                    },
                    |mode, got| {
                        let what = format!("{mode}: {shape}, {variant:?}, {discretisation:?}, step {i} of {steps}");
                        for (s, sample) in got[4].chunks_exact(whole.c * plane).enumerate() {
                            let own = s * per..(s + 1) * per;
                            close(&format!("{what}: z"), &sample[plane..][..per], &z[own.clone()], 4e-6, 4e-6);
                            let at = &sample[2 * plane + per..][..per];
                            close(&format!("{what}: γ"), at, &gamma[own], 1e-7, 1e-5);
                            let old = &latent.values[s * whole.c * plane..];
                            assert_eq!(sample[..plane], old[..plane], "{what}: neighbours");
                            assert_eq!(
                                sample[plane + per..][..plane],
                                old[plane + per..][..plane],
                                "{what}: neighbours"
                            );
                        }
                    },
                );
            }
        }
    }
}

#[test]
fn start_draws_the_latent_and_the_last_gamma() {
    for ((shape, maps, steps), discretisation) in CASES.into_iter().flat_map(|c| BOTH.map(|d| (c, d))) {
        let c = shape.c;
        let lambda = random(Shape { n: maps, ..shape }, 1, 0.1, 1.5);
        let tau = table(steps);
        let t: Vec<f64> = tau.values.iter().step_by(3).map(|&t| f64::from(t)).collect();
        let per = c * shape.plane();
        let z = noise(shape, Stream::Latent, 0);
        let gamma: Vec<f64> = (0..shape.len())
            .map(|k| {
                discrete(
                    &t,
                    f64::from(lambda.values[k / per / (shape.n / maps) * per + k % per]),
                    steps,
                    discretisation,
                )
                .2
                .exp()
            })
            .collect();
        let whole = Shape { c: 2 * c, ..shape };
        run(
            &[rng(77, FIRST), lambda, sums_of(&tau), given(whole, vec![0.0; whole.len()]), tau],
            |_, v| {
                let (gamma, z, tau) = (v[3].range(0..c)?, v[3].range(c..2 * c)?, v[4].range(0..1)?);
                let o =
                    Reverse { rng: &v[0], lambda: &v[1], tau: &tau, sums: &v[2], gamma: &gamma, z: &z, discretisation };
                start(&o)
            },
            |mode, got| {
                for (s, sample) in got[3].chunks_exact(2 * per).enumerate() {
                    let own = s * per..(s + 1) * per;
                    close(&format!("{mode}: {shape}: γ"), &sample[..per], &gamma[own.clone()], 1e-7, 1e-5);
                    close(&format!("{mode}: {shape}: z"), &sample[per..], &z[own], 5e-7, 5e-7);
                }
            },
        );
    }
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    let discretisation = Discretisation::Product;
    let shape = Shape::new(4, 1, 6, 10);
    let (one, both) = (Shape { n: 1, ..shape }, Shape { c: 2, ..shape });
    let (lambda, prediction, latent) =
        (random(one, 1, 0.1, 1.5), random(shape, 2, -1.0, 1.0), random(both, 3, -1.0, 1.0));
    let mut tensors = vec![];
    for n in 0..4 {
        tensors.push(rng(5, FIRST + n as u32));
        tensors.push(given(one, prediction.values[n * 60..(n + 1) * 60].to_vec()));
        tensors.push(given(Shape { c: 2, ..one }, latent.values[n * 120..(n + 1) * 120].to_vec()));
    }
    tensors.extend([rng(5, FIRST), prediction, latent, lambda, table(10), sums_of(&table(10))]);
    run(
        &tensors,
        |_, v| {
            let mut calls = vec![];
            for s in v[..15].chunks_exact(3) {
                let (gamma, z, tau) = (s[2].range(0..1)?, s[2].range(1..2)?, v[16].range(0..1)?);
                let o = Reverse {
                    rng: &s[0],
                    lambda: &v[15],
                    tau: &tau,
                    sums: &v[17],
                    gamma: &gamma,
                    z: &z,
                    discretisation,
                };
                calls.extend(step(&o, &s[1], Variant::Posterior)?);
            }
            Ok(calls)
        },
        |mode, got| {
            let singles: Vec<f32> = got[..12].chunks_exact(3).flat_map(|s| s[2].clone()).collect();
            assert_eq!(got[14], singles, "{mode}");
        },
    );
}

#[test]
fn extreme_rates_stay_finite() {
    // From no noise at all to a β that must be clipped: at λ = 50 all of γ is gone long before T.
    let shape = Shape::new(1, 1, 2, 4);
    let lambda: Vec<f32> = [0.0, 1e-30, 1e-4, 0.1, 1.0, 10.0, 50.0, 1e4].to_vec();
    for steps in [1, 50, 500] {
        for i in [1, 2, steps] {
            let all = [Variant::Ancestral, Variant::Posterior, Variant::Deterministic];
            for (variant, discretisation) in all.into_iter().flat_map(|v| BOTH.map(|d| (v, d))) {
                run(
                    &[
                        rng(i as u32, 0),
                        given(shape, lambda.clone()),
                        table(steps),
                        random(shape, 1, -1.0, 1.0),
                        random(Shape { c: 2, ..shape }, 2, -1.0, 1.0),
                        given(Shape { c: 2, ..shape }, vec![0.0; 16]),
                        sums_of(&table(steps)),
                    ],
                    |_, v| {
                        let tau = v[2].range(0..1)?;
                        let (gamma, z) = (v[4].range(0..1)?, v[4].range(1..2)?);
                        let o = Reverse {
                            rng: &v[0],
                            lambda: &v[1],
                            tau: &tau,
                            sums: &v[6],
                            gamma: &gamma,
                            z: &z,
                            discretisation,
                        };
                        let mut calls = step(&o, &v[3], variant)?;
                        let (gamma, z) = (v[5].range(0..1)?, v[5].range(1..2)?);
                        calls.extend(start(&Reverse { gamma: &gamma, z: &z, ..o })?);
                        Ok(calls)
                    },
                    |mode, got| {
                        let what = format!("{mode}: {variant:?}, step {i} of {steps}");
                        assert!(got[4].iter().chain(&got[5]).all(|v| v.is_finite()), "{what}: {:?}", got[4]);
                        let powers = got[4][..8].iter().chain(&got[5][..8]);
                        assert!(powers.clone().all(|g| (0.0..=1.0).contains(g)), "{what}: γ outside of [0, 1]");
                    },
                );
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let discretisation = Discretisation::Product;
    let shape = Shape::new(3, 1, 2, 2);
    let zeros = |s: Shape| given(s, vec![0.0; s.len()]);
    run(
        &[
            rng(1, 0),
            zeros(Shape { n: 2, ..shape }),
            table(4),
            zeros(shape),
            zeros(Shape { c: 2, ..shape }),
            zeros(shape),
            sums_of(&table(4)),
        ],
        |_, v| {
            let (gamma, z, tau) = (v[4].range(0..1)?, v[4].range(1..2)?, v[2].range(0..1)?);
            let o = Reverse { rng: &v[0], lambda: &v[1], tau: &tau, sums: &v[6], gamma: &gamma, z: &z, discretisation };
            assert!(start(&Reverse { lambda: &v[5], sums: &v[3], ..o }).unwrap_err().to_string().contains("powers"));
            assert!(start(&o).unwrap_err().to_string().contains("divides 3"));
            assert!(start(&Reverse { lambda: &v[5], tau: &v[2], ..o }).is_err());
            step(&Reverse { lambda: &v[5], ..o }, &v[3], Variant::Ancestral)
        },
        |_, _| {},
    );
}

#[test]
fn long_steep_runs_take_every_factor() {
    // 2000 factors for each item of a large map: loops near the 65,535 iterations that llvmpipe allows an invocation. The first step is
    // so large that no pixel takes the series.
    const STEPS: usize = 2000;
    let shape = Shape::new(1, 1, 64, 64);
    let mut tau = table(STEPS);
    tau.values.iter_mut().step_by(3).for_each(|t| *t = 1.0);
    tau.values[0] = 400.0;
    let values: Vec<f64> = tau.values.iter().step_by(3).map(|&t| f64::from(t)).collect();
    let lambda = random(shape, 1, 0.8, 1.5);
    let at = |l: f32| discrete(&values, f64::from(l), STEPS, Discretisation::Product);
    let (before, after): (Vec<f64>, Vec<f64>) =
        lambda.values.iter().map(|&l| at(l)).map(|(_, before, after)| (before.exp(), after.exp())).unzip();
    let both = Shape { c: 2, ..shape };
    run(
        &[
            rng(STEPS as u32, 0),
            lambda,
            sums_of(&tau),
            random(shape, 2, -1.0, 1.0),
            given(both, vec![0.5; both.len()]),
            given(both, vec![0.5; both.len()]),
            tau,
        ],
        |_, v| {
            let tau = v[6].range(0..1)?;
            let on = |latent: &View| -> cvdm::Result<[View; 2]> { Ok([latent.range(0..1)?, latent.range(1..2)?]) };
            let ([gamma, z], [last, first]) = (on(&v[4])?, on(&v[5])?);
            let discretisation = Discretisation::Product;
            let o = Reverse { rng: &v[0], lambda: &v[1], tau: &tau, sums: &v[2], gamma: &gamma, z: &z, discretisation };
            let mut calls = step(&o, &v[3], Variant::Posterior)?;
            calls.extend(start(&Reverse { gamma: &last, z: &first, ..o })?);
            Ok(calls)
        },
        |mode, got| {
            // Half a unit in the last place of each factor. One that is left out makes four times as much.
            let rtol = STEPS as f64 * f64::from(f32::EPSILON) / 2.0;
            close(&format!("{mode}: γ"), &got[4][..shape.len()], &before, 0.0, rtol);
            close(&format!("{mode}: γ at T"), &got[5][..shape.len()], &after, 0.0, rtol);
        },
    );
}

#[test]
fn sums_of_powers_are_those_of_the_first_steps() {
    let tau = [3.0f32, 0.5, 6.0, -1.0];
    let table = power_sums(&tau);
    assert_eq!(table.len(), sums(tau.len()).len());
    assert_eq!(table[..8], [0.0; 8]);
    for k in 1..=tau.len() {
        let first: Vec<f64> = tau[..k].iter().map(|&t| f64::from(t.max(0.0))).collect();
        let largest = first.iter().copied().fold(0.0, f64::max);
        let want = (1..8).map(|m| first.iter().map(|t| (t / largest).powi(m)).sum::<f64>() / f64::from(m));
        close(&format!("first {k}"), &table[8 * k..][..8], &want.chain([largest]).collect::<Vec<_>>(), 0.0, 1e-7);
    }
}
