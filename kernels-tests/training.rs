//! Ten full CVDM training steps against PyTorch (`fixtures/training.safetensors`): the four losses of every step, all
//! gradients of the first, and the parameters after the last.

#[path = "harness/fixture.rs"]
mod fixture;
mod harness;

use cvdm::diffusion::{
    FixedSchedule, Hyper, Model, ModelConfig, Network, NoiseWeight, Parametrization, ScheduleKind, StepOptions,
    Trainer, TrainerState,
};
use cvdm::gpu::Gpu;
use fixture::Fixture;
use harness::{close, devices, wide};

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

fn options(stratified_times: bool) -> StepOptions {
    StepOptions { stratified_times, average: true, ..StepOptions::new(4, 16, 16) }
}

fn flat(model: &Model, file: &Fixture, prefix: &str) -> Vec<f32> {
    let named: Vec<_> = model
        .parameters()
        .iter()
        .map(|p| (p.name.as_str(), p.shape.as_slice(), file.values(&format!("{prefix}.{}", p.name))))
        .collect();
    model.parameters().gather(named).unwrap()
}

fn trainer(gpu: &Gpu, config: ModelConfig, stratified: bool) -> Trainer {
    let model = Model::new(config).unwrap();
    let state = TrainerState::new(&model, 7);
    Trainer::new(gpu, model, options(stratified), &state).unwrap()
}

#[test]
fn ten_steps_are_pytorchs() {
    let file = fixture::read("training");
    let config: serde_json::Value = serde_json::from_str(&file.config()).unwrap();
    let seed = config["seed"].as_u64().unwrap();
    let hyper = Hyper { learning_rate: 1e-3, ..Hyper::default() };
    let (x, y) = (file.values("x"), file.values("y"));
    let terms = ["noise", "beta", "prior", "gamma"].map(|t| file.values(&format!("loss.{t}")));
    for (mode, gpu) in devices() {
        let model = Model::new(SMALL).unwrap();
        let start = flat(&model, &file, "init");
        let state = TrainerState { parameters: start.clone(), seed, ..TrainerState::new(&model, seed) };
        let mut trainer = Trainer::new(gpu, model.clone(), options(false), &state).unwrap();
        for k in 0..10 {
            close("times", &trainer.times(k as u64), &wide(&file.values("times")[4 * k..4 * k + 4]), 1e-7, 0.0);
            trainer.step(&x, &y, &hyper).unwrap();
            let got = trainer.losses().unwrap();
            for (name, got, want) in [
                ("L_∞", got.noise, &terms[0]),
                ("L_β", got.beta, &terms[1]),
                ("L_prior", got.prior, &terms[2]),
                ("L_γ", got.gamma, &terms[3]),
            ] {
                close(&format!("{mode}: {name} of step {k}"), &[got], &[f64::from(want[k])], 0.0, 1e-5);
            }
            if k == 0 {
                let gradient = trainer.gradient().unwrap();
                for p in model.parameters().iter() {
                    let want = file.values(&format!("grad.{}", p.name));
                    let largest = want.iter().fold(0.0f64, |m, &v| m.max(f64::from(v).abs()));
                    close(
                        &format!("{mode}: gradient of {}", p.name),
                        &gradient[p.range.clone()],
                        &wide(&want),
                        2e-4 * largest,
                        0.0,
                    );
                }
            }
        }
        let last = trainer.state().unwrap().parameters;
        let want = flat(&model, &file, "final");
        close(&format!("{mode}: parameters after ten steps"), &last, &wide(&want), 2e-5, 0.0);
        let rms = |a: &[f32], b: &[f32]| {
            (a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
        };
        assert!(rms(&last, &want) < 1e-4 * rms(&start, &want), "{mode}: parameters after ten steps");
    }
}

#[test]
fn every_kind_of_schedule_trains_and_repeats_bit_for_bit() {
    let (_, gpu) = &devices()[0];
    let file = fixture::read("training");
    let (x, y) = (file.values("x"), file.values("y"));
    let hyper = Hyper { learning_rate: 1e-3, ema_rate: 0.5, ..Hyper::default() };
    let (noise, velocity) = (Parametrization::Noise, Parametrization::Velocity);
    for (schedule, parametrization) in [
        (ScheduleKind::Learned, noise),
        (ScheduleKind::Learned, velocity),
        (ScheduleKind::Tied, noise),
        (ScheduleKind::Simple, noise),
        (ScheduleKind::Fixed(FixedSchedule::PHASE), velocity),
    ] {
        let run = |steps: usize| {
            let mut trainer = trainer(gpu, ModelConfig { schedule, parametrization, ..SMALL }, true);
            let mut losses = Vec::new();
            for _ in 0..steps {
                trainer.step(&x, &y, &hyper).unwrap();
                losses.push(trainer.losses().unwrap().noise);
            }
            (losses, trainer.state().unwrap())
        };
        let (losses, state) = run(30);
        assert_eq!((losses.clone(), state.clone()), run(30), "{schedule:?} repeats");
        let mean = |l: &[f32]| l.iter().sum::<f32>() / l.len() as f32;
        assert!(mean(&losses[20..]) < 0.9 * mean(&losses[..5]), "{schedule:?}: the loss falls: {losses:?}");
        assert!(state.parameters.iter().all(|v| v.is_finite()));
        assert_ne!(state.average, state.parameters, "the average lags behind");
    }
}

#[test]
fn without_an_average_the_step_is_the_same() {
    let (_, gpu) = &devices()[0];
    let file = fixture::read("training");
    let (x, y) = (file.values("x"), file.values("y"));
    let train = |average: bool| {
        let averaged = trainer(gpu, SMALL, false);
        let options = StepOptions { average, ..options(false) };
        let mut trainer = Trainer::new(gpu, averaged.model().clone(), options, &averaged.state().unwrap()).unwrap();
        for _ in 0..3 {
            trainer.step(&x, &y, &Hyper::default()).unwrap();
        }
        let (state, memory) = (trainer.state().unwrap(), trainer.memory().total());
        let refused = trainer.step(&x, &y, &Hyper { ema_rate: 0.5, ..Hyper::default() }).is_err();
        (state, memory, refused)
    };
    let (kept, larger, with) = train(true);
    let (plain, smaller, without) = train(false);
    assert_eq!(kept.parameters, plain.parameters);
    assert_eq!(plain.average, plain.parameters);
    assert!(smaller < larger, "{smaller} bytes without an average, {larger} with one");
    assert!(!with && without, "a rate is refused where no average is kept, and only there");
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one() {
    let (_, gpu) = &devices()[0];
    let file = fixture::read("training");
    let (x, y) = (file.values("x"), file.values("y"));
    let hyper = Hyper::default();
    let mut whole = trainer(gpu, SMALL, false);
    let mut first = trainer(gpu, SMALL, false);
    for _ in 0..3 {
        first.step(&x, &y, &hyper).unwrap();
    }
    let mut second = Trainer::new(gpu, first.model().clone(), options(false), &first.state().unwrap()).unwrap();
    for _ in 0..3 {
        second.step(&x, &y, &hyper).unwrap();
    }
    for _ in 0..6 {
        whole.step(&x, &y, &hyper).unwrap();
    }
    assert_eq!(whole.state().unwrap(), second.state().unwrap());
}

/// The whole step's gradient, along its own direction, is the change of the total: for every schedule that is learned, with
/// and without the bound's weight on the noise loss, which sends gradients to the schedule of its own.
#[test]
fn the_gradient_of_a_step_is_the_slope_of_its_total() {
    let (_, gpu) = &devices()[0];
    let file = fixture::read("training");
    let (x, y) = (file.values("x"), file.values("y"));
    let still = Hyper { learning_rate: 0.0, ..Hyper::default() };
    for schedule in [ScheduleKind::Learned, ScheduleKind::Tied, ScheduleKind::Simple] {
        for noise_weight in [NoiseWeight::Uniform, NoiseWeight::Snr] {
            let model = Model::new(ModelConfig { schedule, ..SMALL }).unwrap();
            let options = StepOptions { noise_weight, ..options(true) };
            let start = TrainerState::new(&model, 7);
            let at = |parameters: Vec<f32>| {
                let state = TrainerState { parameters, ..start.clone() };
                let mut trainer = Trainer::new(gpu, model.clone(), options, &state).unwrap();
                trainer.step(&x, &y, &still).unwrap();
                (f64::from(trainer.losses().unwrap().total(&options.weights)), trainer.gradient().unwrap())
            };
            let (_, gradient) = at(start.parameters.clone());
            // Every part of the model gets a direction of about the same slope, or the networks would drown the schedule.
            let mut direction = vec![0.0f32; gradient.len()];
            for p in model.parameters().iter() {
                let norm = gradient[p.range.clone()].iter().map(|g| g * g).sum::<f32>().sqrt().max(1e-12);
                for i in p.range.clone() {
                    direction[i] = gradient[i] / norm;
                }
            }
            // Small against 1e-3, where some of the schedule's parameters start: their sign may not change.
            let h = 1e-4f32;
            let moved = |sign: f32| start.parameters.iter().zip(&direction).map(|(p, d)| p + sign * h * d).collect();
            let slope = (at(moved(1.0)).0 - at(moved(-1.0)).0) / (2.0 * f64::from(h));
            let want: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let what = format!("{schedule:?}, {noise_weight:?}");
            assert!((slope - want).abs() < 0.02 * want, "{what}: slope {slope}, gradient {want}");
        }
    }
}

#[test]
fn the_weight_of_the_bound_needs_a_learned_schedule() {
    let (_, gpu) = &devices()[0];
    let model = Model::new(ModelConfig { schedule: ScheduleKind::Fixed(FixedSchedule::PHASE), ..SMALL }).unwrap();
    let options = StepOptions { noise_weight: NoiseWeight::Snr, ..options(false) };
    let state = TrainerState::new(&model, 7);
    let error = Trainer::new(gpu, model, options, &state).err().unwrap().to_string();
    assert!(error.contains("learned"), "{error}");
}
