//! What makes a batch fit: micro-batches give the step of the whole batch, groups of samples the samples of all, and
//! recomputation the gradients of what was kept.

mod harness;

use std::collections::HashMap;

use cvdm::Error;
use cvdm::diffusion::{
    FixedSchedule, Hyper, Losses, Model, ModelConfig, Network, NoiseWeight, Parametrization, SampleOptions, Sampler,
    ScheduleKind, StepOptions, Trainer, TrainerState,
};
use cvdm::gpu::{Gpu, OpenOptions};
use cvdm::kernels::conv2d::{Activation, Conv2d};
use cvdm::kernels::elementwise::copy;
use cvdm::nets::{Parameters, UNet, UNetConfig};
use cvdm::tape::{PlanOptions, Tape};
use cvdm::tensor::{Shape, View};
use harness::{close, devices, random, wide};

const SMALL: ModelConfig = ModelConfig {
    condition_channels: 2,
    target_channels: 1,
    network: Network::UNet,
    noise_base: 4,
    rate_base: 4,
    scales: 3,
    up_kernel: 2,
    hidden: 64,
    schedule: ScheduleKind::Learned,
    start: 6.0,
    parametrization: Parametrization::Noise,
};
const BATCH: usize = 5;
const FIXED: ScheduleKind = ScheduleKind::Fixed(FixedSchedule::PHASE);

/// Every path of a step (schedules, weights of the noise loss, parametrizations) on the first device, the paper's on each.
fn variants() -> Vec<(&'static str, &'static Gpu, ModelConfig, NoiseWeight)> {
    let velocity = ModelConfig { parametrization: Parametrization::Velocity, ..SMALL };
    let (mode, first) = &devices()[0];
    let mut all = vec![
        (*mode, first, ModelConfig { schedule: ScheduleKind::Tied, ..velocity }, NoiseWeight::Uniform),
        (mode, first, ModelConfig { schedule: ScheduleKind::Simple, ..SMALL }, NoiseWeight::Uniform),
        (mode, first, ModelConfig { schedule: FIXED, ..velocity }, NoiseWeight::Uniform),
        (mode, first, SMALL, NoiseWeight::Snr),
    ];
    all.extend(devices().iter().map(|(mode, gpu)| (*mode, gpu, SMALL, NoiseWeight::Uniform)));
    all
}

fn options(size: usize) -> StepOptions {
    StepOptions { stratified_times: true, ..StepOptions::new(BATCH, size, size) }
}

/// The losses and the gradient of the second step, and the state after it.
fn two_steps(
    gpu: &Gpu,
    config: ModelConfig,
    options: StepOptions,
    learning_rate: f64,
) -> (Losses, Vec<f32>, TrainerState) {
    let model = Model::new(config).unwrap();
    let state = TrainerState::new(&model, 7);
    let mut trainer = Trainer::new(gpu, model, options, &state).unwrap();
    let x = random(Shape::new(BATCH, 2, options.height, options.width), 1, -1.0, 1.0).values;
    let y = random(Shape::new(BATCH, 1, options.height, options.width), 2, -1.0, 1.0).values;
    for _ in 0..2 {
        trainer.step(&x, &y, &Hyper { learning_rate, ..Hyper::default() }).unwrap();
    }
    (trainer.losses().unwrap(), trainer.gradient().unwrap(), trainer.state().unwrap())
}

/// Equal but for the order of sums.
fn same(
    what: &str,
    config: ModelConfig,
    got: &(Losses, Vec<f32>, TrainerState),
    want: &(Losses, Vec<f32>, TrainerState),
) {
    let terms = |l: &Losses| [l.noise, l.beta, l.prior, l.gamma];
    close(&format!("{what}: losses"), &terms(&got.0), &wide(&terms(&want.0)), 1e-12, 5e-7);
    for p in Model::new(config).unwrap().parameters().iter() {
        let want = wide(&want.1[p.range.clone()]);
        let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let what = format!("{what}: gradient of {}", p.name);
        // Sums of thousands of terms that cancel, most of all for a bias in front of a norm; the head's add up to about one in
        // magnitude, whatever is left of them.
        close(&what, &got.1[p.range.clone()], &want, 2e-5 * largest + 3e-8, 0.0);
    }
}

#[test]
fn micro_batches_give_the_step_of_the_whole_batch() {
    for (mode, gpu, config, noise_weight) in variants() {
        let options = StepOptions { noise_weight, ..options(16) };
        // Adam would make steps of the sign of gradients that are mere rounding.
        let whole = two_steps(gpu, config, options, 0.0);
        for micro in [1, 2, 3] {
            let what = format!("{mode}: {:?}, {noise_weight:?}, micro-batches of {micro}", config.schedule);
            let split = two_steps(gpu, config, StepOptions { micro_batch: Some(micro), ..options }, 0.0);
            same(&what, config, &split, &whole);
        }
        let more = two_steps(gpu, config, StepOptions { micro_batch: Some(BATCH + 1), ..options }, 0.0);
        assert_eq!(more, whole, "{mode}: a micro-batch of more than the batch is the batch");
    }
}

/// A device whose bindings hold three samples of the widest tensor, `[N, 8, 32, 32]`, but not four.
fn small() -> Gpu {
    let max_binding = Some(3 * 4 * 8 * 32 * 32 + 1000);
    Gpu::open(&OpenOptions { max_binding, ..Default::default() }).unwrap()
}

#[test]
fn a_batch_beyond_the_limit_is_split() {
    let (_, large) = &devices()[0];
    let model = Model::new(SMALL).unwrap();
    let state = TrainerState::new(&model, 7);
    let new = |options| Trainer::new(&small(), model.clone(), options, &state);
    // Five in two groups that fit: three and two.
    assert_eq!(new(options(32)).unwrap().micro_batch(), 3);
    assert_eq!(Trainer::new(large, model.clone(), options(32), &state).unwrap().micro_batch(), BATCH);
    same(
        "split by the limit",
        SMALL,
        &two_steps(&small(), SMALL, options(32), 0.0),
        &two_steps(large, SMALL, options(32), 0.0),
    );

    let refused = |options| new(options).err().unwrap();
    match refused(options(64)) {
        Error::Limit(m) => assert!(m.contains("[1, 8, 64, 64]") && m.contains("smaller images"), "{m}"),
        other => panic!("{other}"),
    }
    match refused(StepOptions { micro_batch: Some(4), ..options(32) }) {
        Error::Limit(m) => assert!(m.contains("micro-batches of 4"), "{m}"),
        other => panic!("{other}"),
    }
    assert!(matches!(refused(StepOptions { micro_batch: Some(0), ..options(32) }), Error::Input(_)));
}

#[test]
fn values_that_are_not_a_batch_are_refused() {
    let (_, gpu) = &devices()[0];
    let model = Model::new(SMALL).unwrap();
    let state = TrainerState::new(&model, 7);
    let split = StepOptions { micro_batch: Some(2), ..options(16) };
    let mut trainer = Trainer::new(gpu, model, split, &state).unwrap();
    let (x, y) = (vec![0.0; BATCH * 2 * 256], vec![0.0; BATCH * 256]);
    let hyper = Hyper::default();
    assert!(trainer.step(&x[1..], &y, &hyper).unwrap_err().to_string().contains("conditions"));
    assert!(trainer.step(&x, &y[..256], &hyper).unwrap_err().to_string().contains("targets"));
    assert_eq!(trainer.steps(), 0);
    trainer.step(&x, &y, &hyper).unwrap();
}

#[test]
fn samples_beyond_the_limit_go_in_groups() {
    let (_, large) = &devices()[0];
    let model = Model::new(SMALL).unwrap();
    let flat = model.parameters().initial(3);
    let options = SampleOptions { steps: 3, samples: BATCH, ..Default::default() };
    let x = random(Shape::new(1, 2, 32, 32), 5, -1.0, 1.0).values;
    let sampler = |gpu: &Gpu, size| Sampler::new(gpu, &model, &flat, size, options);
    let (mut all, mut groups) = (sampler(large, (32, 32)).unwrap(), sampler(&small(), (32, 32)).unwrap());
    assert_eq!((all.batch(), groups.batch()), (BATCH, 3));
    let mut told = 0;
    let want = all.sample(&x, true, || Ok(())).unwrap();
    let got = groups
        .sample(&x, true, || {
            told += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(told, 2 * options.steps, "two groups");
    assert_eq!(got.samples, want.samples);
    assert_eq!((&got.rate, &got.beta_integral), (&want.rate, &want.beta_integral));
    let largest = want.mean.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
    close("mean", &got.mean, &wide(&want.mean), 1e-6 * largest, 0.0);
    close("standard deviation", &got.std, &wide(&want.std), 1e-6 * largest, 0.0);
    match sampler(&small(), (64, 64)).err().unwrap() {
        Error::Limit(m) => assert!(m.contains("smaller images"), "{m}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_step_with_recomputation_is_the_step_without() {
    for (mode, gpu, config, noise_weight) in variants() {
        for micro_batch in [None, Some(2)] {
            let options = StepOptions { noise_weight, micro_batch, ..options(16) };
            let kept = two_steps(gpu, config, options, 1e-3);
            let again = two_steps(gpu, config, StepOptions { recompute: true, ..options }, 1e-3);
            assert!(kept.1.iter().any(|g| *g != 0.0));
            assert_eq!(again, kept, "{mode}: {:?}, {noise_weight:?}, {micro_batch:?}", config.schedule);
        }
    }
}

/// Runs a recording, each tensor between sentinels or all of them sharing memory, and reads `views`.
fn values(gpu: &Gpu, tape: &Tape, given: &[(View, Vec<f32>)], guards: bool, views: &[View]) -> Vec<Vec<f32>> {
    let plan = tape.plan(gpu, &HashMap::new(), PlanOptions { guards, ..Default::default() }).unwrap();
    for (view, values) in given {
        plan.write(view, values).unwrap();
    }
    plan.run().unwrap();
    plan.check_guards().unwrap();
    views.iter().map(|v| plan.read(v).unwrap()).collect()
}

#[test]
fn a_networks_gradients_are_the_same_in_less_memory() {
    let config =
        UNetConfig { in_channels: 3, out_channels: 1, base: 4, scales: 3, up_kernel: 2, head: Activation::Softplus };
    let shape = Shape::new(2, 3, 32, 24);
    for (mode, gpu) in devices() {
        let mut parameters = Parameters::default();
        let net = UNet::new(config, &mut parameters, "net").unwrap();
        let run = |recompute: bool, guards: bool| {
            let mut tape = Tape::new(gpu.caps());
            if recompute {
                tape.recompute();
            }
            let of = |tape: &mut Tape, name, shape| tape.persistent(name, shape).unwrap();
            let theta = of(&mut tape, "parameters", parameters.shape());
            let gradient = of(&mut tape, "gradient", parameters.shape());
            let (x, gx) = (of(&mut tape, "x", shape), of(&mut tape, "gx", shape));
            let one = Shape { c: 1, ..shape };
            let (y, gy) = (of(&mut tape, "y", one), of(&mut tape, "gy", one));
            tape.parameters(&theta, &gradient).unwrap();
            tape.watch(&x);
            net.record_into(&mut tape, &theta, &x, &y).unwrap();
            let gradients = tape.backward(&[(y, gy)]).unwrap();
            tape.push([copy(&gradients.of(&x).unwrap(), &gx, false).unwrap()]);
            assert!(parameters.iter().all(|p| tape.has_gradient(&p.range)));
            let given = [
                (theta, parameters.initial(4)),
                (x, random(shape, 5, -1.0, 1.0).values),
                (gy, random(one, 6, -1.0, 1.0).values),
            ];
            (tape.memory().shared, values(gpu, &tape, &given, guards, &[y, gx, gradient]))
        };
        let (kept, want) = run(false, false);
        for guards in [false, true] {
            let (again, got) = run(true, guards);
            assert_eq!(got, want, "{mode}: output, gradient of x, gradient of the parameters");
            // On a GPU, weight gradients are in so many splits that of maps as small as these they take more than the maps.
            let bound = if gpu.caps().software { 3 * kept } else { 4 * kept };
            assert!(4 * again < bound, "{mode}: {again} of {kept} bytes");
        }
    }
}

/// Values that something outside of their segment reads stay as they are: a second reader, a call of no operation, a seed. And
/// a tensor that two operations of a segment write in parts is made again whole.
#[test]
fn what_is_read_from_outside_of_a_segment_is_kept() {
    const SPEC: Conv2d = Conv2d::same(3);
    let shape = Shape::new(2, 4, 8, 8);
    let (weights, step) = (4 * 4 * 9 + 4, 4 * 8 * 9 + 4);
    for (mode, gpu) in devices() {
        let run = |recompute: bool| {
            let mut tape = Tape::new(gpu.caps());
            if recompute {
                tape.recompute();
            }
            let flat = Shape::vector(4 * weights + step);
            let theta = tape.persistent("parameters", flat).unwrap();
            let gradient = tape.persistent("gradient", flat).unwrap();
            let [x, gx, seen, g1, g2] = ["x", "gx", "seen", "g1", "g2"].map(|n| tape.persistent(n, shape).unwrap());
            tape.parameters(&theta, &gradient).unwrap();
            tape.watch(&x);
            let conv = |tape: &mut Tape, i: usize, x: &View, y: &View| {
                let (start, len) = (i * weights, 4 * x.shape.c * 9);
                let (w, b) = (theta.range(start..start + len)?, theta.range(start + len..start + len + 4)?);
                tape.conv2d_into(SPEC, x, &w, &b, Activation::Softplus, y)
            };
            let (seed, h, inside, out) = tape
                .segment(|tape| {
                    let both = tape.intermediate("both", Shape { c: 8, ..shape })?;
                    conv(tape, 0, &x, &both.range(0..4)?)?;
                    conv(tape, 1, &x, &both.range(4..8)?)?;
                    let [seed, h, inside, out] = ["seed", "h", "inside", "out"].map(|n| tape.intermediate(n, shape));
                    let (seed, h, inside, out) = (seed?, h?, inside?, out?);
                    conv(tape, 4, &both, &seed)?;
                    conv(tape, 2, &seed, &h)?;
                    // A segment inside of a segment is part of it.
                    tape.segment(|tape| conv(tape, 3, &h, &inside))?;
                    conv(tape, 2, &inside, &out)?;
                    Ok((seed, h, inside, out))
                })
                .unwrap();
            let second = tape.intermediate("second reader", shape).unwrap();
            conv(&mut tape, 3, &h, &second).unwrap();
            tape.push([copy(&inside, &seen, false).unwrap()]);
            let before = tape.calls().len();
            tape.backward(&[(out, g1), (second, g2), (seed, gx)]).unwrap();
            let given: Vec<(View, Vec<f32>)> = [theta, x, gx, g1, g2]
                .iter()
                .enumerate()
                .map(|(i, v)| (*v, random(v.shape, 20 + i as u64, -0.5, 0.5).values))
                .collect();
            (tape.calls().len() - before, values(gpu, &tape, &given, false, &[seen, gradient]))
        };
        let ((kept, want), (again, got)) = (run(false), run(true));
        assert_eq!(got, want, "{mode}");
        // The two convolutions into `both` alone are made again, and the packed weights of the six of the segment.
        assert_eq!(again, kept + 2 + 6, "{mode}: calls of the backward pass");
    }
}

/// One call writes a norm and its pooling: where a segment makes them again it makes both, whichever of them is kept.
#[test]
fn a_norm_and_its_pooling_are_made_again() {
    const SPEC: Conv2d = Conv2d::same(3);
    let shape = Shape::new(2, 4, 8, 8);
    let half = Shape::new(2, 4, 4, 4);
    let layer = 4 * 4 * 9 + 4;
    for ((mode, gpu), outside) in devices().iter().flat_map(|device| [(device, false), (device, true)]) {
        let run = |recompute: bool| {
            let mut tape = Tape::new(gpu.caps());
            if recompute {
                tape.recompute();
            }
            let flat = Shape::vector(4 * layer + 8);
            let [theta, gradient] = ["parameters", "gradient"].map(|n| tape.persistent(n, flat).unwrap());
            let [x, g1] = ["x", "g1"].map(|n| tape.persistent(n, shape).unwrap());
            let g2 = tape.persistent("g2", half).unwrap();
            tape.parameters(&theta, &gradient).unwrap();
            let conv = |tape: &mut Tape, i: usize, x: &View| {
                let (w, b) = (theta.range(i * layer..i * layer + 144)?, theta.range(i * layer + 144..(i + 1) * layer)?);
                tape.conv2d(SPEC, x, &w, &b, Activation::Softplus)
            };
            let norm = [0, 4].map(|i| theta.range(4 * layer + i..4 * layer + i + 4).unwrap());
            let (y, full, small) = tape
                .segment(|tape| {
                    let h = conv(tape, 0, &x)?;
                    let y = tape.intermediate("y", shape)?;
                    let pooled = tape.instance_norm_pooled(&h, &norm[0], &norm[1], 1e-3, &y)?;
                    let small = conv(tape, 1, &pooled)?;
                    let full = if outside { None } else { Some(conv(tape, 2, &y)?) };
                    Ok((y, full, conv(tape, 3, &small)?))
                })
                .unwrap();
            let full = full.unwrap_or_else(|| conv(&mut tape, 2, &y).unwrap());
            tape.backward(&[(full, g1), (small, g2)]).unwrap();
            assert!(tape.has_gradient(&(0..flat.len())));
            let given: Vec<(View, Vec<f32>)> = [theta, x, g1, g2]
                .iter()
                .enumerate()
                .map(|(i, v)| (*v, random(v.shape, 40 + i as u64, -0.5, 0.5).values))
                .collect();
            let poolings = tape.calls().iter().filter(|c| c.shader.name.starts_with("instance_norm_pool")).count();
            (poolings, values(gpu, &tape, &given, false, &[gradient]))
        };
        let ((once, want), (twice, got)) = (run(false), run(true));
        assert!(got == want, "{mode}, the norm read outside: {outside}");
        assert_eq!((once, twice), (1, 2), "{mode}, the norm read outside: {outside}");
    }
}
