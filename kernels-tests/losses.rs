//! `noise_loss`, `weighted_noise_loss`, `schedule_losses` and their sums by `sum_partials`: values against `f64`, gradients against central
//! differences of the `f64` total.

mod harness;

use cvdm::kernels::losses::{
    Schedule, ScheduleWeights, WeightedNoise, noise, noise_partials, schedule, schedule_partials, weighted_noise,
    weighted_noise_partials,
};
use cvdm::kernels::noising::SIGMA_FLOOR;
use cvdm::random::{Random, Stream, state};
use cvdm::tensor::{Shape, View};
use harness::{Given, caps, close, given, on_both_kinds, random, run, wide};

const WEIGHTS: ScheduleWeights = ScheduleWeights { beta: 1.0, prior: 2.0, gamma: 0.3 };

const SHAPES: [Shape; 5] = [
    Shape::new(1, 1, 1, 1),
    Shape::new(2, 3, 4, 4),
    Shape::new(3, 2, 5, 7),
    Shape::new(2, 1, 31, 33),
    Shape::new(2, 1, 64, 68),
];

fn blank(shape: Shape) -> Given {
    given(shape, vec![4.5; shape.len()])
}

#[test]
fn noise_loss_and_gradient() {
    let (seed, step, first, weight) = (99, 3, 17, 1.5);
    for (shape, caps) in on_both_kinds(SHAPES) {
        let per = shape.c * shape.plane();
        let whole = Shape { c: shape.c + 2, ..shape };
        let prediction = random(whole, 1, -2.0, 2.0);
        let own: Vec<f64> = prediction
            .values
            .chunks_exact(whole.c * whole.plane())
            .flat_map(|s| wide(&s[shape.plane()..shape.plane() + per]))
            .collect();
        let eps: Vec<f64> = (0..shape.n as u32)
            .flat_map(|n| wide(&Random { seed, stream: Stream::Noise, step, sample: first + n }.normals(per)))
            .collect();
        let numel = shape.len() as f64;
        let error: Vec<f64> = own.iter().zip(&eps).map(|(p, e)| p - e).collect();
        let loss = error.iter().map(|e| e * e).sum::<f64>() / numel;
        let gradient: Vec<f64> = error.iter().map(|e| 2.0 * weight * e / numel).collect();
        run(
            &[
                given(Shape::vector(4), state(seed, step, first).map(f32::from_bits).to_vec()),
                prediction,
                blank(shape),
                blank(Shape::vector(4)),
                blank(noise_partials(caps, shape)),
            ],
            |_, v| noise(caps, &v[0], &v[1].range(1..1 + shape.c)?, weight as f32, &v[2], &v[3], &v[4]),
            |mode, got| {
                let what = format!("{mode}: {shape}");
                close(&format!("{what}: loss"), &got[3][..1], &[loss], 0.0, 2e-6);
                assert!(got[3][1..].iter().all(|&v| v == 4.5), "{what}: the other losses");
                close(&format!("{what}: gradient"), &got[2], &gradient, 2e-6 / numel, 1e-6);
            },
        );
    }
}

/// `(L_β, L_prior, L_γ)` of one value, before the mean.
fn pixel(y: f64, lambda: f64, [rho, rho1, rho2]: [f64; 3], tau: f64, end: f64) -> [f64; 3] {
    let gamma = (-lambda * rho).exp();
    let gamma_end = (-lambda * end).exp();
    let sigma = (-(-lambda * end).exp_m1()).max(f64::from(SIGMA_FLOOR));
    let r = lambda * gamma * (tau - rho1);
    let q = (lambda * lambda * rho1 * rho1 - lambda * rho2) * gamma;
    [r * r + gamma_end * gamma_end, 0.5 * (gamma_end * y * y + sigma - sigma.ln() - 1.0), q * q]
}

/// Target, λ, the schedules of ρ and τ (rows of three) in `f64`.
struct Case {
    shape: Shape,
    y: Vec<f64>,
    lambda: Vec<f64>,
    rho: Vec<f64>,
    tau: Vec<f64>,
}

impl Case {
    fn pixel(&self, i: usize, lambda: f64, rho: [f64; 3], tau: f64, end: f64) -> [f64; 3] {
        pixel(self.y[i], lambda, rho, tau, end)
    }

    fn row(&self, i: usize) -> usize {
        i / (self.shape.c * self.shape.plane())
    }

    fn times(&self, i: usize) -> ([f64; 3], f64, f64) {
        let n = self.row(i);
        let rho = [self.rho[3 * n], self.rho[3 * n + 1], self.rho[3 * n + 2]];
        (rho, self.tau[3 * n], self.rho[3 * self.shape.n])
    }

    fn losses(&self) -> [f64; 3] {
        let mut sums = [0.0; 3];
        for i in 0..self.shape.len() {
            let (rho, tau, end) = self.times(i);
            let terms = self.pixel(i, self.lambda[i], rho, tau, end);
            sums.iter_mut().zip(terms).for_each(|(s, t)| *s += t / self.shape.len() as f64);
        }
        sums
    }

    /// Gradients of the weighted total to λ and to the schedules of ρ and τ, by central differences of each value's
    /// terms (all are sums over values).
    fn gradients(&self) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let numel = self.shape.len() as f64;
        let total = |[b, p, g]: [f64; 3]| {
            (f64::from(WEIGHTS.beta) * b + f64::from(WEIGHTS.prior) * p + f64::from(WEIGHTS.gamma) * g) / numel
        };
        let h = 1e-6;
        let slope = |f: &dyn Fn(f64) -> [f64; 3]| (total(f(h)) - total(f(-h))) / (2.0 * h);
        let mut grho = vec![0.0; self.rho.len()];
        let mut gtau = vec![0.0; self.tau.len()];
        let glambda = (0..self.shape.len())
            .map(|i| {
                let (rho, tau, end) = self.times(i);
                let (l, n) = (self.lambda[i], self.row(i));
                for k in 0..3 {
                    let moved = |d: f64| {
                        let mut rho = rho;
                        rho[k] += d;
                        rho
                    };
                    grho[3 * n + k] += slope(&|d| self.pixel(i, l, moved(d), tau, end));
                }
                gtau[3 * n] += slope(&|d| self.pixel(i, l, rho, tau + d, end));
                grho[3 * self.shape.n] += slope(&|d| self.pixel(i, l, rho, tau, end + d));
                slope(&|d| self.pixel(i, l + d, rho, tau, end))
            })
            .collect();
        (glambda, grho, gtau)
    }
}

fn schedules(shape: Shape) -> (Given, Given, Given, Given) {
    let rows = Shape::new(shape.n + 1, 3, 1, 1);
    (random(shape, 1, -1.0, 1.0), random(shape, 2, 0.2, 2.0), random(rows, 3, 0.1, 2.5), random(rows, 4, 0.1, 2.5))
}

/// The losses of tensors in this order: y, λ, ρ, the table that `tau` is of, their gradients but y's, the losses, the partial sums.
fn overwriting<'a>(v: &'a [View], tau: &'a View) -> Schedule<'a> {
    Schedule {
        y: &v[0],
        lambda: &v[1],
        rho: &v[2],
        tau,
        weights: WEIGHTS,
        glambda: &v[4],
        accumulate_lambda: false,
        grho: &v[5],
        accumulate_rho: false,
        gtau: Some(&v[6]),
        accumulate_tau: false,
        losses: &v[7],
        partials: &v[8],
    }
}

#[test]
fn schedule_losses_and_gradients() {
    for (shape, caps) in on_both_kinds(SHAPES) {
        let (y, lambda, rho, tau) = schedules(shape);
        let rows = rho.shape;
        let case = Case {
            shape,
            y: wide(&y.values),
            lambda: wide(&lambda.values),
            rho: wide(&rho.values),
            tau: wide(&tau.values),
        };
        let losses = case.losses();
        let (glambda, grho, gtau) = case.gradients();
        let sum = |g: &[f64]| -> Vec<f64> { g.iter().map(|g| 4.5 + g).collect() };
        let partials = schedule_partials(caps, shape);
        run(
            &[
                y,
                lambda,
                rho,
                tau,
                blank(shape),
                blank(rows),
                blank(rows),
                blank(Shape::vector(4)),
                blank(partials),
                blank(shape),
                blank(rows),
                blank(rows),
            ],
            |_, v| {
                let tau = v[3].range(0..1)?;
                let args = overwriting(v, &tau);
                let mut calls = schedule(caps, &args)?;
                calls.extend(schedule(
                    caps,
                    &Schedule {
                        glambda: &v[9],
                        accumulate_lambda: true,
                        grho: &v[10],
                        accumulate_rho: true,
                        gtau: Some(&v[11]),
                        accumulate_tau: true,
                        ..args
                    },
                )?);
                Ok(calls)
            },
            |mode, got| {
                let what = format!("{mode}: {shape}");
                assert_eq!(got[7][0], 4.5, "{what}: the noise loss is not written here");
                close(&format!("{what}: losses"), &got[7][1..], &losses, 1e-7, 4e-6);
                let atol = 1e-5 / shape.len() as f64;
                close(&format!("{what}: λ"), &got[4], &glambda, atol, 1e-5);
                close(&format!("{what}: ρ"), &got[5], &grho, 1e-5, 1e-5);
                close(&format!("{what}: τ"), &got[6], &gtau, 1e-5, 1e-5);
                close(&format!("{what}: λ accumulated"), &got[9], &sum(&glambda), 1e-6, 1e-6);
                close(&format!("{what}: ρ accumulated"), &got[10], &sum(&grho), 1e-5, 2e-6);
                close(&format!("{what}: τ accumulated"), &got[11], &sum(&gtau), 1e-5, 2e-6);
            },
        );
    }
}

#[test]
fn tied_schedules_have_no_gap() {
    let shape = Shape::new(2, 1, 5, 6);
    let (y, lambda, rho, _) = schedules(shape);
    let rows = rho.shape;
    let mut case = Case {
        shape,
        y: wide(&y.values),
        lambda: wide(&lambda.values),
        rho: wide(&rho.values),
        tau: vec![0.0; rows.len()],
    };
    for n in 0..=shape.n {
        case.tau[3 * n] = case.rho[3 * n + 1];
    }
    let losses = case.losses();
    let (glambda, mut grho, gtau) = case.gradients();
    for n in 0..=shape.n {
        grho[3 * n + 1] += gtau[3 * n];
    }
    let partials = schedule_partials(caps(), shape);
    run(
        &[y, lambda, rho, blank(shape), blank(rows), blank(Shape::vector(4)), blank(partials)],
        |_, v| {
            let tau = v[2].range(1..2)?;
            let args = Schedule {
                y: &v[0],
                lambda: &v[1],
                rho: &v[2],
                tau: &tau,
                weights: WEIGHTS,
                glambda: &v[3],
                accumulate_lambda: false,
                grho: &v[4],
                accumulate_rho: false,
                gtau: None,
                accumulate_tau: false,
                losses: &v[5],
                partials: &v[6],
            };
            assert!(schedule(caps(), &Schedule { gtau: Some(&v[4]), ..args }).is_err());
            schedule(caps(), &args)
        },
        |mode, got| {
            close(&format!("{mode}: losses"), &got[5][1..], &losses, 1e-7, 4e-6);
            close(&format!("{mode}: λ"), &got[3], &glambda, 1e-6, 1e-5);
            close(&format!("{mode}: ρ"), &got[4], &grho, 1e-5, 1e-5);
        },
    );
}

#[test]
fn extremes_stay_finite() {
    // Rows: t = 0, an ordinary time, one far along; ρ(1) from nearly nothing (σ₁ at its floor) to everything.
    for end in [0.0, 1e-8, 6.0, 100.0] {
        let shape = Shape::new(3, 1, 2, 4);
        let rows = Shape::new(4, 3, 1, 1);
        let rho = vec![0.0, 0.1, 12.0, 0.4, 5.0, 12.0, 6.0, 24.0, 12.0, end, 24.0, 12.0];
        let tau: Vec<f32> = rho.chunks_exact(3).flat_map(|r| [r[1], 0.0, 0.0]).collect();
        let lambda: Vec<f32> = (0..shape.len()).map(|i| [1e-4, 1.0, 50.0, 1e-2][i % 4]).collect();
        let y = random(shape, 1, -1.0, 1.0);
        let case = Case { shape, y: wide(&y.values), lambda: wide(&lambda), rho: wide(&rho), tau: wide(&tau) };
        let losses = case.losses();
        let partials = schedule_partials(caps(), shape);
        run(
            &[
                y,
                given(shape, lambda),
                given(rows, rho),
                given(rows, tau),
                blank(shape),
                blank(rows),
                blank(rows),
                blank(Shape::vector(4)),
                blank(partials),
            ],
            |_, v| schedule(caps(), &overwriting(v, &v[3].range(0..1)?)),
            |mode, got| {
                close(&format!("{mode}: ρ(1) = {end}"), &got[7][1..], &losses, 1e-6, 1e-5);
                let all = got[4].iter().chain(&got[5]).chain(&got[6]);
                assert!(all.clone().all(|g| g.is_finite()), "{mode}: ρ(1) = {end}: a gradient is not finite");
                if end == 0.0 {
                    // σ₁ is at its floor: only γ₁ y² and γ₁² are left, and γ₁ = 1.
                    let want: f64 = (0..shape.len())
                        .map(|i| case.lambda[i] * (-2.0 * f64::from(WEIGHTS.beta) - case.y[i] * case.y[i]))
                        .sum::<f64>()
                        / shape.len() as f64;
                    close(&format!("{mode}: ρ(1) at the floor"), &got[5][9..10], &[want], 1e-6, 1e-5);
                }
            },
        );
    }
}

/// The weight `λτ/2σ` times a squared error.
fn weighted(lambda: f64, rho: f64, tau: f64, square: f64) -> f64 {
    0.5 * lambda * tau * square / (-(-lambda * rho).exp_m1()).max(f64::from(SIGMA_FLOOR))
}

#[test]
fn weighted_noise_loss_and_gradients() {
    let (seed, step, first, weight) = (99, 3, 17, 1.5);
    for (shape, caps) in on_both_kinds(SHAPES) {
        for tied in [false, true] {
            let (prediction, lambda, rho, tau) = schedules(shape);
            let rows = rho.shape;
            let per = shape.c * shape.plane();
            let numel = shape.len() as f64;
            let eps: Vec<f64> = (0..shape.n as u32)
                .flat_map(|n| wide(&Random { seed, stream: Stream::Noise, step, sample: first + n }.normals(per)))
                .collect();
            let (mut loss, h) = (0.0, 1e-6);
            let [mut gprediction, mut glambda, mut grho, mut gtau] =
                [vec![], vec![], vec![0.0; 3 * rows.n], vec![0.0; 3 * rows.n]];
            for (i, eps) in eps.iter().enumerate() {
                let n = i / per;
                let time = f64::from(rho.values[3 * n]);
                let pace = f64::from(if tied { rho.values[3 * n + 1] } else { tau.values[3 * n] });
                let rate = f64::from(lambda.values[i]);
                let error = f64::from(prediction.values[i]) - eps;
                let square = error * error;
                loss += weighted(rate, time, pace, square) / numel;
                let slope = |f: &dyn Fn(f64) -> f64| weight * (f(h) - f(-h)) / (2.0 * h) / numel;
                gprediction.push(slope(&|d| weighted(rate, time, pace, (error + d).powi(2))));
                glambda.push(slope(&|d| weighted(rate + d, time, pace, square)));
                grho[3 * n] += slope(&|d| weighted(rate, time + d, pace, square));
                let of_pace = slope(&|d| weighted(rate, time, pace + d, square));
                if tied { grho[3 * n + 1] += of_pace } else { gtau[3 * n] += of_pace }
            }
            run(
                &[
                    given(Shape::vector(4), state(seed, step, first).map(f32::from_bits).to_vec()),
                    prediction,
                    lambda,
                    rho,
                    tau,
                    blank(shape),
                    blank(shape),
                    blank(rows),
                    blank(rows),
                    blank(Shape::vector(4)),
                    blank(weighted_noise_partials(caps, shape)),
                ],
                |_, v| {
                    let tau = if tied { v[3].range(1..2)? } else { v[4].range(0..1)? };
                    let call = WeightedNoise {
                        rng: &v[0],
                        prediction: &v[1],
                        lambda: &v[2],
                        rho: &v[3],
                        tau: &tau,
                        weight: weight as f32,
                        gprediction: &v[5],
                        glambda: &v[6],
                        grho: &v[7],
                        gtau: (!tied).then_some(&v[8]),
                        losses: &v[9],
                        partials: &v[10],
                    };
                    assert!(weighted_noise(caps, &WeightedNoise { gtau: tied.then_some(&v[8]), ..call }).is_err());
                    weighted_noise(caps, &call)
                },
                |mode, got| {
                    let what = format!("{mode}: {shape}, tied {tied}");
                    close(&format!("{what}: loss"), &got[9][..1], &[loss], 0.0, 1e-5);
                    let atol = 1e-5 / numel;
                    close(&format!("{what}: prediction"), &got[5], &gprediction, atol, 1e-5);
                    close(&format!("{what}: λ"), &got[6], &glambda, 10.0 * atol, 2e-5);
                    close(&format!("{what}: ρ"), &got[7], &grho, 1e-4, 2e-5);
                    if !tied {
                        close(&format!("{what}: τ"), &got[8], &gtau, 1e-5, 1e-5);
                    }
                },
            );
        }
    }
}

/// Where λρ is small the gradient to λ is a difference that all but vanishes.
#[test]
fn a_weighted_loss_is_exact_where_noise_is_small() {
    let shape = Shape::new(4, 1, 4, 4);
    let times = [1e-7f32, 1e-5, 1e-3, 0.2];
    for ((), caps) in on_both_kinds([()]) {
        // A row a sample, and one for t = 1.
        let rows = Shape::new(5, 3, 1, 1);
        let rho = given(rows, times.iter().chain(&[6.0]).flat_map(|&t| [t, 1.0, 0.0]).collect());
        let (prediction, lambda) = (random(shape, 1, 4.0, 5.0), random(shape, 2, 0.5, 2.0));
        let slope = |i: usize| {
            let rate = f64::from(lambda.values[i]);
            let a = rate * f64::from(times[i / 16]);
            let sigma = -(-a).exp_m1();
            let (sigma, left) =
                if sigma < f64::from(SIGMA_FLOOR) { (f64::from(SIGMA_FLOOR), 0.0) } else { (sigma, (-a).exp()) };
            (sigma - a * left) / (2.0 * sigma * sigma)
        };
        let want: Vec<f64> = (0..4)
            .flat_map(|n| wide(&Random { seed: 5, stream: Stream::Noise, step: 1, sample: n }.normals(16)))
            .zip(&prediction.values)
            .enumerate()
            .map(|(i, (eps, &p))| slope(i) * (f64::from(p) - eps).powi(2) / shape.len() as f64)
            .collect();
        let tensors = [
            given(Shape::vector(4), state(5, 1, 0).map(f32::from_bits).to_vec()),
            prediction,
            lambda,
            rho,
            blank(shape),
            blank(shape),
            blank(rows),
            blank(Shape::vector(4)),
            blank(weighted_noise_partials(caps, shape)),
        ];
        run(
            &tensors,
            |_, v| {
                weighted_noise(
                    caps,
                    &WeightedNoise {
                        rng: &v[0],
                        prediction: &v[1],
                        lambda: &v[2],
                        rho: &v[3],
                        tau: &v[3].range(1..2)?,
                        weight: 1.0,
                        gprediction: &v[4],
                        glambda: &v[5],
                        grho: &v[6],
                        gtau: None,
                        losses: &v[7],
                        partials: &v[8],
                    },
                )
            },
            |mode, got| close(&format!("{mode}: λ"), &got[5], &want, 0.0, 2e-5),
        );
    }
}
