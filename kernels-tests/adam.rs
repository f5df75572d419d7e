//! `adam`: one step from an arbitrary state against PyTorch's formula in `f64`.

mod harness;

use cvdm::kernels::adam::{Hyper, step};
use cvdm::tensor::Shape;
use harness::{close, given, random, run, wide};

#[test]
fn a_step_is_pytorchs() {
    let hyper = Hyper { learning_rate: 1e-2, ema_rate: 0.9, ..Hyper::default() };
    for (len, k, scale) in
        [(1, 1, 1.0), (3, 2, 0.5), (4, 1000, 1.0), (5, 3, 1.0), (257, 1, 0.25), (1030, 7, 1.0), ((1 << 19) + 5, 2, 1.0)]
    {
        let shape = Shape::vector(len);
        let g = random(shape, 1, -1.0, 1.0);
        let p = random(shape, 2, -1.0, 1.0);
        let m = random(shape, 3, -0.1, 0.1);
        let v = random(shape, 4, 0.0, 0.1);
        let e = random(shape, 5, -1.0, 1.0);
        let (c1, c2) = (1.0 - hyper.beta1.powi(k), 1.0 - hyper.beta2.powi(k));
        let gs: Vec<f64> = wide(&g.values).iter().map(|g| scale * g).collect();
        let blend = |old: &[f32], beta: f64, new: &dyn Fn(usize) -> f64| -> Vec<f64> {
            old.iter().enumerate().map(|(i, &o)| beta * f64::from(o) + (1.0 - beta) * new(i)).collect()
        };
        let m1 = blend(&m.values, hyper.beta1, &|i| gs[i]);
        let v1 = blend(&v.values, hyper.beta2, &|i| gs[i] * gs[i]);
        let p1: Vec<f64> = (0..len)
            .map(|i| {
                let denominator = v1[i].sqrt() / c2.sqrt() + hyper.epsilon;
                f64::from(p.values[i]) - hyper.learning_rate / c1 * m1[i] / denominator
            })
            .collect();
        let e1 = blend(&e.values, hyper.ema_rate, &|i| p1[i]);
        let settings = given(Shape::vector(8), hyper.values(k as u32, scale).to_vec());
        let untouched = e.values.clone();
        let inputs = [settings, g, p, m, v, e];
        for averaged in [true, false] {
            run(
                &inputs,
                |tape, t| {
                    let caps = tape.caps();
                    assert!(step(caps, &t[0], &t[1], &t[2], &t[3], &t[3], None).is_err(), "one tensor for two moments");
                    assert!(
                        step(caps, &t[0], &t[1], &t[2], &t[3], &t[4], Some(&t[2])).is_err(),
                        "the average is the parameters"
                    );
                    step(caps, &t[0], &t[1], &t[2], &t[3], &t[4], averaged.then_some(&t[5]))
                },
                |mode, got| {
                    let what = format!("{mode}: {len} parameters, averaged {averaged}");
                    close(&format!("{what}: p"), &got[2], &p1, 2e-7, 1e-6);
                    close(&format!("{what}: m"), &got[3], &m1, 1e-8, 1e-6);
                    close(&format!("{what}: v"), &got[4], &v1, 0.0, 1e-6);
                    if averaged {
                        close(&format!("{what}: average"), &got[5], &e1, 2e-7, 1e-6);
                    } else {
                        assert_eq!(got[5], untouched, "{what}");
                    }
                },
            );
        }
    }
}

#[test]
fn no_gradient_and_no_history_leave_the_parameters_alone() {
    let shape = Shape::vector(6);
    let zeros = || given(shape, vec![0.0; 6]);
    let settings = given(Shape::vector(8), Hyper::default().values(1, 1.0).to_vec());
    let p = random(shape, 1, -1.0, 1.0);
    let want = p.values.clone();
    run(
        &[settings, zeros(), p, zeros(), zeros(), zeros()],
        |tape, t| step(tape.caps(), &t[0], &t[1], &t[2], &t[3], &t[4], Some(&t[5])),
        |mode, got| {
            assert_eq!(got[2], want, "{mode}");
            close(&format!("{mode}: an average of rate 0 copies"), &got[5], &wide(&want), 0.0, 2e-7);
        },
    );
}
