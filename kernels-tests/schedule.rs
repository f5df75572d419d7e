//! `schedule`, `schedule_backward`: (ρ, ρ', ρ'') and the gradient of its raw parameters against `f64` and central
//! differences.

mod harness;

use cvdm::kernels::schedule::{backward, forward, parameter_count};
use cvdm::tensor::Shape;
use harness::{Given, close, given, random, run, wide};

/// The network in `f64`, with everything summed in the plain order.
fn reference(raw: &[f64], t: f64) -> [f64; 3] {
    let h = (raw.len() - 3) / 3;
    let a = raw[0].abs();
    let u = a * t + raw[1].abs();
    let (mut f, mut f1, mut f2) = (u + raw[2 + 3 * h].abs(), a, 0.0);
    for k in 0..h {
        let (w, c, v) = (raw[2 + k].abs(), raw[2 + h + k], raw[2 + 2 * h + k].abs());
        let s = 1.0 / (1.0 + (-(w * u + c)).exp());
        let s1 = s * (1.0 - s);
        f += v * s;
        f1 += a * v * w * s1;
        f2 += a * a * v * w * w * s1 * (1.0 - 2.0 * s);
    }
    [t * f, f + t * f1, 2.0 * f1 + t * f2]
}

/// Raw parameters of both signs; l3 is scaled so that the sum over the hidden units stays near one.
fn parameters(hidden: usize, seed: u64) -> Given {
    let mut p = random(Shape::vector(parameter_count(hidden)), seed, -2.0, 2.0);
    p.values[2 + 2 * hidden..2 + 3 * hidden].iter_mut().for_each(|v| *v /= hidden as f32);
    p
}

fn times(count: usize, seed: u64) -> Given {
    let mut t = random(Shape::vector(count), seed, 0.0, 1.0);
    t.values[0] = 0.0;
    t.values[count - 1] = 1.0;
    t
}

fn blank(shape: Shape) -> Given {
    given(shape, vec![3.25; shape.len()])
}

const CASES: [(usize, usize); 6] = [(1, 1), (63, 2), (64, 5), (65, 3), (257, 17), (1024, 33)];

#[test]
fn values_and_derivatives_follow_the_formulas() {
    for (hidden, count) in CASES {
        let (p, t) = (parameters(hidden, 1), times(count, 2));
        let want: Vec<f64> = t.values.iter().flat_map(|&t| reference(&wide(&p.values), f64::from(t))).collect();
        run(
            &[p, t, blank(Shape::new(count, 3, 1, 1))],
            |_, v| forward(&v[0], &v[1], &v[2]),
            |mode, got| close(&format!("{mode}: {hidden} units"), &got[2], &want, 3e-6, 2e-6),
        );
    }
}

#[test]
fn parameters_may_be_a_range_of_a_flat_tensor() {
    let (hidden, count) = (5, 3);
    let len = parameter_count(hidden);
    let flat = random(Shape::vector(len + 7), 3, -1.0, 1.0);
    let (t, g) = (times(count, 4), random(Shape::new(count, 3, 1, 1), 5, -1.0, 1.0));
    let own: Vec<f64> = wide(&flat.values[4..4 + len]);
    let want: Vec<f64> = t.values.iter().flat_map(|&t| reference(&own, f64::from(t))).collect();
    let (at, gv) = (wide(&t.values), wide(&g.values));
    let gflat = blank(flat.shape);
    run(
        &[flat, t, blank(Shape::new(count, 3, 1, 1)), g, gflat],
        |_, v| {
            let p = v[0].range(4..4 + len)?;
            let mut calls = forward(&p, &v[1], &v[2])?;
            calls.extend(backward(&p, &v[1], &v[3], &v[4].range(4..4 + len)?, true)?);
            Ok(calls)
        },
        |mode, got| {
            close(&format!("{mode}: range"), &got[2], &want, 3e-6, 2e-6);
            let grad: Vec<f64> = differences(&own, &at, &gv).iter().map(|g| 3.25 + g).collect();
            close(&format!("{mode}: accumulated"), &got[4][4..4 + len], &grad, 1e-5, 1e-5);
            assert!(got[4][..4].iter().chain(&got[4][4 + len..]).all(|&v| v == 3.25), "{mode}: neighbours");
        },
    );
}

/// Central differences of `Σ g · (ρ, ρ', ρ'')`, in `f64`.
fn differences(raw: &[f64], times: &[f64], g: &[f64]) -> Vec<f64> {
    let objective = |raw: &[f64]| -> f64 {
        times
            .iter()
            .zip(g.chunks_exact(3))
            .map(|(&t, g)| {
                let r = reference(raw, t);
                r[0] * g[0] + r[1] * g[1] + r[2] * g[2]
            })
            .sum()
    };
    let mut raw = raw.to_vec();
    (0..raw.len())
        .map(|i| {
            // A step beyond zero would straddle the kink of |.|.
            let (old, step) = (raw[i], (raw[i].abs() / 2.0).min(1e-5));
            raw[i] = old + step;
            let high = objective(&raw);
            raw[i] = old - step;
            let low = objective(&raw);
            raw[i] = old;
            (high - low) / (2.0 * step)
        })
        .collect()
}

#[test]
fn gradients_equal_central_differences() {
    for (hidden, count) in [(1, 1), (64, 2), (257, 17), (300, 5)] {
        let (p, t) = (parameters(hidden, 6), times(count, 7));
        let g = random(Shape::new(count, 3, 1, 1), 8, -1.0, 1.0);
        let want = differences(&wide(&p.values), &wide(&t.values), &wide(&g.values));
        let gp = blank(p.shape);
        run(
            &[p, t, g, gp],
            |_, v| backward(&v[0], &v[1], &v[2], &v[3], false),
            |mode, got| close(&format!("{mode}: {hidden} units, {count} times"), &got[3], &want, 1e-5, 1e-5),
        );
    }
}

#[test]
fn a_parameter_of_zero_gets_no_gradient_but_for_the_free_bias() {
    let (hidden, count) = (3, 2);
    let p = given(Shape::vector(12), vec![0.0; 12]);
    let g = given(Shape::new(count, 3, 1, 1), vec![1.0; 6]);
    run(
        &[p, times(count, 1), g, blank(Shape::vector(12))],
        |_, v| backward(&v[0], &v[1], &v[2], &v[3], false),
        |mode, got| {
            assert!(got[3].iter().all(|&v| v == 0.0), "{mode}, {hidden} units: {:?}", got[3]);
        },
    );
}

#[test]
fn rho_never_falls_so_gamma_never_rises() {
    let count = 65;
    let t = given(Shape::vector(count), (0..count).map(|i| i as f32 / 64.0).collect());
    for seed in 10..16 {
        let scale = [0.01, 1.0, 30.0][seed as usize % 3];
        let p = random(Shape::vector(parameter_count(40)), seed, -scale, scale);
        run(
            &[p, given(t.shape, t.values.clone()), blank(Shape::new(count, 3, 1, 1))],
            |_, v| forward(&v[0], &v[1], &v[2]),
            |mode, got| {
                assert_eq!(got[2][0], 0.0, "{mode}, seed {seed}: γ(0) = 1 needs ρ(0) = 0");
                assert!(got[2].iter().all(|v| v.is_finite()), "{mode}, seed {seed}");
                assert!(got[2].chunks_exact(3).all(|r| r[1] >= 0.0), "{mode}, seed {seed}: ρ' < 0");
                for lambda in [1e-4, 0.69, 50.0] {
                    let gamma: Vec<f32> = got[2].chunks_exact(3).map(|r| (-lambda * r[0]).exp()).collect();
                    assert!(gamma.windows(2).all(|g| g[1] <= g[0]), "{mode}, seed {seed}: γ rises");
                }
            },
        );
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    run(
        &[blank(Shape::vector(13)), times(2, 1), blank(Shape::new(2, 3, 1, 1)), blank(Shape::vector(12))],
        |_, v| {
            assert!(forward(&v[0], &v[1], &v[2]).unwrap_err().to_string().contains("3H + 3"));
            assert!(forward(&v[3], &v[1], &v[1]).is_err());
            forward(&v[3], &v[1], &v[2])
        },
        |_, _| {},
    );
}
