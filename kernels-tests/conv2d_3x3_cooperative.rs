//! `conv2d_3x3_cooperative`, `conv2d_3x3_cooperative_pack`. The convolution itself needs an adapter with cooperative matrices and says
//! so where there is none; Mesa's software adapter has them from version 26 on.

mod harness;
#[path = "harness/convolution.rs"]
mod reference;

use std::collections::HashMap;
use std::sync::OnceLock;

use cvdm::diffusion::{Discretisation, Model, ModelConfig, SampleOptions, Sampler, Variant};
use cvdm::gpu::{Gpu, Matrices, OpenOptions};
use cvdm::kernels::conv2d::{Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::Input;
use cvdm::kernels::conv2d_3x3_cooperative::{self, packed};
use cvdm::tape::{Plan, PlanOptions, Role, Tape};
use cvdm::tensor::{Element, Shape, View};
use half::f16;
use harness::{Given, close, devices, random, wide, with_halves};

const SPEC: Conv2d = Conv2d::same(3);

/// Devices with matrices, in both shader modes, and the matrices to test; none where the adapter has none. A software adapter that has
/// 8 × 8 matrices computes 16 × 16 ones as well, though it does not say so.
fn with_matrices() -> &'static [(Gpu, Matrices)] {
    static DEVICES: OnceLock<Vec<(Gpu, Matrices)>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let open = |checked_shaders| {
            let gpu = Gpu::open(&OpenOptions { checked_shaders, matrices: true, ..OpenOptions::default() }).unwrap();
            gpu.caps().matrices.map(|matrices| (gpu, matrices))
        };
        let mut all: Vec<_> = [false, true].into_iter().filter_map(open).collect();
        if let Some((gpu, matrices)) = all.first().filter(|(gpu, _)| gpu.caps().software) {
            all.push((gpu.clone(), Matrices { side: 16, ..*matrices }));
        }
        if all.is_empty() {
            eprintln!("not run: {} has no cooperative matrices of halves", devices()[0].1.summary().name);
        }
        all
    })
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&v| f16::from_f32(v).to_f32()).collect()
}

fn write(plan: &Plan, view: &View, values: &[f32]) {
    match view.element {
        Element::F32 => plan.write(view, values).unwrap(),
        Element::F16 => {
            let bits: Vec<u16> = values.iter().map(|&v| f16::from_f32(v).to_bits()).collect();
            plan.write(view, &bits).unwrap();
        }
    }
}

#[test]
fn weights_lie_matrix_by_matrix() {
    for (mode, gpu) in with_halves() {
        for (side, ci, co) in [(8, 5, 19), (16, 17, 3), (16, 16, 32)] {
            let matrices = Matrices { side, subgroup: 8 };
            for direction in [Direction::Forward, Direction::Backward] {
                let back = direction == Direction::Backward;
                let shape = if back { SPEC.weight(co, ci) } else { SPEC.weight(ci, co) };
                let values = rounded(&random(shape, 4, -1.0, 1.0).values);
                let mut tape = Tape::new(gpu.caps());
                let weight = tape.persistent("weight", shape).unwrap();
                let to = tape.stored("packed", packed(matrices, ci, co), Role::Persistent, Element::F16).unwrap();
                tape.push([conv2d_3x3_cooperative::pack(matrices, direction, &weight, [ci, co], &to).unwrap()]);
                let options = PlanOptions { guards: true, ..Default::default() };
                let plan = tape.plan(gpu, &HashMap::new(), options).unwrap();
                plan.write(&weight, &values).unwrap();
                plan.run().unwrap();
                plan.check_guards().unwrap();
                let got = plan.read(&to).unwrap();
                let in_tiles = ci.div_ceil(side);
                for (i, got) in got.into_iter().enumerate() {
                    let (matrix, row, column) = (i / (side * side), i / side % side, i % side);
                    let (tap, a, b) =
                        (matrix % 9, matrix / 9 % in_tiles * side + column, matrix / 9 / in_tiles * side + row);
                    let want = match (a < ci && b < co, back) {
                        (false, _) => 0.0,
                        (true, false) => values[(b * ci + a) * 9 + tap],
                        (true, true) => values[(a * co + b) * 9 + 8 - tap],
                    };
                    assert_eq!(
                        got, want,
                        "{mode}: matrices of {side}, {ci} to {co} channels, {direction:?}, value {i}"
                    );
                }
            }
        }
    }
}

/// A convolution with everything that it can have on the way.
struct Case {
    xs: Shape,
    co: usize,
    stored: [Element; 2],
    scales: bool,
    accumulate: bool,
}

impl Case {
    /// Compares with `f64` on the same rounded values.
    fn check(&self, gpu: &Gpu, matrices: Matrices) {
        let Self { xs, co, stored, scales, accumulate } = *self;
        let ys = Shape { c: co, ..xs };
        let mut tape = Tape::new(gpu.caps());
        let x = tape.stored("x", xs, Role::Persistent, stored[0]).unwrap();
        let y = tape.stored("y", ys, Role::Persistent, stored[1]).unwrap();
        let weight = tape.persistent("weight", SPEC.weight(xs.c, co)).unwrap();
        let bias = tape.persistent("bias", Shape::vector(co)).unwrap();
        let norm = tape.persistent("scales", Shape::new(xs.n, xs.c, 1, 2)).unwrap();
        let to = tape.stored("packed", packed(matrices, xs.c, co), Role::Persistent, Element::F16).unwrap();
        let input = Input { x: &x, scales: scales.then_some(&norm) };
        let (start, activation) =
            if accumulate { (None, Activation::None) } else { (Some(&bias), Activation::Softplus) };
        tape.push([
            conv2d_3x3_cooperative::pack(matrices, Direction::Forward, &weight, [xs.c, co], &to).unwrap(),
            conv2d_3x3_cooperative::forward(matrices, input, &to, start, activation, &y, accumulate).unwrap(),
        ]);
        let plan = tape.plan(gpu, &HashMap::new(), PlanOptions { guards: true, ..Default::default() }).unwrap();
        let draw = |view: &View, seed| Given {
            shape: view.shape,
            values: rounded(&random(view.shape, seed, -1.0, 1.0).values),
        };
        let given = [&x, &weight, &bias, &norm, &y].map(|view| (view, draw(view, view.shape.len() as u64)));
        for (view, values) in &given {
            write(&plan, view, &values.values);
        }
        plan.run().unwrap();
        plan.check_guards().unwrap();
        let got = plan.read(&y).unwrap();

        let [x, weight, bias, norm, before] = given.map(|(_, given)| given.values);
        let x = if scales {
            let plane = xs.plane();
            let normalised = x.iter().enumerate().map(|(i, v)| v * norm[i / plane * 2] + norm[i / plane * 2 + 1]);
            rounded(&normalised.collect::<Vec<_>>())
        } else {
            x
        };
        let mut want = reference::forward(SPEC, xs, ys, &wide(&x), &wide(&weight));
        if accumulate {
            want.iter_mut().zip(&before).for_each(|(w, &b)| *w += f64::from(b));
        } else {
            reference::add_bias(ys, &mut want, &wide(&bias));
            want.iter_mut().for_each(|w| *w = w.exp().ln_1p());
        }
        let name = format!("{xs} to {co} channels, {stored:?}, scales {scales}, accumulate {accumulate}");
        // Sums in single precision; the output rounded where it is stored as halves. A normalised value next to the middle between
        // two halves may be rounded the other way than by the reference.
        let rounding = if stored[1] == Element::F16 { 1.0 / 2048.0 } else { 0.0 };
        let other_way = if scales { 2.0 / 2048.0 } else { 0.0 };
        close(&name, &got, &want, 2e-7 * (9 * xs.c) as f64 + other_way, rounding + 1e-6);
    }
}

#[test]
fn the_convolution_is_that_of_the_rounded_values() {
    use Element::{F16, F32};
    for (gpu, matrices) in with_matrices() {
        for (i, (n, ci, co, h, w)) in [
            (1, 1, 1, 1, 4),
            (2, 8, 16, 8, 8),
            (1, 17, 33, 9, 12),
            (2, 5, 40, 11, 20),
            (1, 64, 32, 16, 16),
            (3, 33, 9, 3, 36),
        ]
        .into_iter()
        .enumerate()
        {
            for (j, stored) in [[F16, F16], [F16, F32], [F32, F16], [F32, F32]].into_iter().enumerate() {
                let (scales, accumulate) = ((i + j) % 2 == 0, (i + j) % 3 == 0);
                Case { xs: Shape::new(n, ci, h, w), co, stored, scales, accumulate }.check(gpu, *matrices);
            }
        }
    }
}

#[test]
fn sampling_on_matrices_is_close_to_single_precision() {
    let model =
        Model::new(ModelConfig { noise_base: 16, rate_base: 4, scales: 3, hidden: 8, ..Default::default() }).unwrap();
    let flat = model.parameters().initial(3);
    let x = random(Shape::new(1, 2, 32, 64), 9, -1.0, 1.0).values;
    let sample = |gpu: &Gpu, halves| {
        let options = SampleOptions {
            steps: 6,
            samples: 2,
            variant: Variant::Posterior,
            discretisation: Discretisation::Exponential,
            halves,
            ..SampleOptions::default()
        };
        let mut sampler = Sampler::new(gpu, &model, &flat, (32, 64), options).unwrap();
        let calls = sampler.step_plan().calls();
        let on_matrices = calls.iter().filter(|c| c.shader.name.starts_with("conv2d_3x3_cooperative")).count();
        (sampler.sample(&x, false, || Ok(())).unwrap().mean, on_matrices)
    };
    for (gpu, _) in with_matrices() {
        let (want, none) = sample(gpu, false);
        let (got, some) = sample(gpu, true);
        assert!(none == 0 && some > 8, "{none} and {some} convolutions on matrices");
        let square = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>();
        let error = square(&mut got.iter().zip(&want).map(|(g, w)| f64::from(g - w)));
        let relative = (error / square(&mut want.iter().map(|&w| f64::from(w)))).sqrt();
        // The roundings of halves that are stored, and those of normalised inputs: measured 0.0012.
        assert!(relative > 0.0 && relative < 3e-3, "{relative}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_, gpu) = &devices()[0];
    let matrices = Matrices { side: 16, subgroup: 32 };
    let mut tape = Tape::new(gpu.caps());
    let mut new = |shape| tape.persistent("tensor", shape).unwrap();
    let (x, y, weight) = (new(Shape::new(1, 3, 4, 16)), new(Shape::new(1, 2, 4, 16)), new(SPEC.weight(3, 2)));
    let (single, bias) = (new(packed(matrices, 3, 2)), new(Shape::vector(2)));
    let refused = conv2d_3x3_cooperative::pack(matrices, Direction::Forward, &weight, [3, 2], &single).unwrap_err();
    assert!(refused.to_string().contains("halves"), "{refused}");
    let forward = |weights: &View, bias, y: &View, accumulate| {
        conv2d_3x3_cooperative::forward(matrices, &x, weights, bias, Activation::None, y, accumulate)
    };
    assert!(forward(&single, None, &y, false).is_err(), "weights in single precision");
    let halves = tape.stored("packed", packed(matrices, 3, 2), Role::Persistent, Element::F16).unwrap();
    assert!(forward(&halves, None, &y, false).is_ok());
    assert!(forward(&halves, Some(&bias), &y, true).is_err(), "a bias and what is there");
    let many = tape.persistent("y", Shape::new(1, 33, 4, 16)).unwrap();
    assert!(forward(&halves, None, &many, false).is_err(), "more channels than were packed");
}

#[test]
fn a_device_uses_matrices_only_if_asked_to() {
    assert!(devices().iter().all(|(_, gpu)| gpu.caps().matrices.is_none()));
}
