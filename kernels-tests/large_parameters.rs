//! Parameters that no binding holds: kernels are given the part around each of them, and nothing changes but that.

mod harness;

use cvdm::Error;
use cvdm::diffusion::{
    DfcanSize, FixedSchedule, Hyper, Model, ModelConfig, Network, Parametrization, Predictor, SampleOptions, Sampler,
    ScheduleKind, Sr3Size, StepOptions, Trainer, TrainerState,
};
use cvdm::gpu::{Gpu, OpenOptions};
use cvdm::tensor::Shape;
use harness::{devices, random};

const UNET: ModelConfig = ModelConfig {
    condition_channels: 2,
    target_channels: 1,
    network: Network::UNet,
    noise_base: 8,
    rate_base: 4,
    scales: 4,
    up_kernel: 2,
    hidden: 64,
    schedule: ScheduleKind::Learned,
    start: 6.0,
    parametrization: Parametrization::Velocity,
};

/// Models of every network, all with odd numbers of parameters before those of others.
fn models() -> [Model; 3] {
    let sr3 = Network::Sr3(Sr3Size { blocks: 1, groups: 4, heads: 1 });
    let dfcan = DfcanSize { groups: 2, blocks: 2, reduction: 4, attention_size: 16, scale: 1, ..DfcanSize::default() };
    [
        UNET,
        ModelConfig { network: sr3, schedule: ScheduleKind::Fixed(FixedSchedule::PHASE), scales: 3, ..UNET },
        ModelConfig {
            network: Network::Dfcan(dfcan),
            schedule: ScheduleKind::None,
            parametrization: Parametrization::Noise,
            noise_base: 32,
            condition_channels: 1,
            ..UNET
        },
    ]
    .map(|config| Model::new(config).unwrap())
}

/// A device whose bindings hold a part of a model's parameters.
fn small(model: &Model, share: f64, options: OpenOptions) -> Gpu {
    let max_binding = Some((share * 4.0 * model.parameters().len() as f64) as u64);
    Gpu::open(&OpenOptions { max_binding, ..options }).unwrap()
}

/// The state and the gradient after three steps, and how many dispatches of Adam a step has.
fn trained(gpu: &Gpu, model: &Model, learning_rate: f64) -> (TrainerState, Vec<f32>, usize) {
    // Of one sample each, which such small bindings hold.
    let options = StepOptions { micro_batch: Some(1), average: true, ..StepOptions::new(2, 16, 16) };
    let mut trainer = Trainer::new(gpu, model.clone(), options, &TrainerState::new(model, 5)).unwrap();
    let values = |channels: usize, seed| random(Shape::new(2, channels, 16, 16), seed, -1.0, 1.0).values;
    let (x, y) = (values(model.config().condition_channels, 1), values(model.config().target_channels, 2));
    let hyper = Hyper { ema_rate: 0.9, learning_rate, ..Hyper::default() };
    for _ in 0..3 {
        trainer.step(&x, &y, &hyper).unwrap();
    }
    let adams = trainer.plan().calls().iter().filter(|call| call.shader.name == "adam.average").count();
    (trainer.state().unwrap(), trainer.gradient().unwrap(), adams)
}

/// Bit for bit, but for weight gradients on a GPU: such small bindings hold fewer splits of them, which are rounded otherwise.
#[test]
fn training_is_the_same() {
    for (mode, whole) in devices().iter().filter(|(mode, _)| *mode != "checked") {
        let (without_subgroups, as_gpu) = (!whole.caps().subgroups, *mode == "as a GPU");
        let exact = whole.caps().software || without_subgroups;
        // Adam would make steps of the sign of gradients that are mere rounding.
        let learning_rate = if exact { 1e-4 } else { 0.0 };
        // Of the networks without kernels that need subgroups one is enough.
        for model in models().into_iter().take(if without_subgroups { 1 } else { 3 }) {
            // Three windows: 0.45 of the parameters fit into one.
            let slow_buffers = Some(whole.caps().slow_buffers);
            let options = OpenOptions { without_subgroups, as_gpu, slow_buffers, ..OpenOptions::default() };
            let parts = small(&model, 0.45, options);
            let (want, gradient, one) = trained(whole, &model, learning_rate);
            let (got, same_gradient, three) = trained(&parts, &model, learning_rate);
            let what = format!("{mode}: {:?}", model.config().network);
            assert_eq!((one, three), (1, 3), "{what}: dispatches of Adam");
            assert!(gradient.iter().any(|g| *g != 0.0));
            if exact {
                assert_eq!(got, want, "{what}");
                assert_eq!(same_gradient, gradient, "{what}");
                continue;
            }
            assert!(got.parameters == want.parameters && got.average == want.average, "{what}: moved");
            for (name, got, want) in [
                ("gradient", &same_gradient, &gradient),
                ("first moments", &got.first_moments, &want.first_moments),
                ("second moments", &got.second_moments, &want.second_moments),
            ] {
                let largest = want.iter().fold(0.0f32, |a, v| a.max(v.abs()));
                for (i, (a, b)) in got.iter().zip(want).enumerate() {
                    assert!((a - b).abs() <= 1e-4 * largest, "{what}: {name} {i} is {a}, not {b}");
                }
            }
        }
    }
}

#[test]
fn answers_are_the_same_bit_for_bit() {
    let (_, whole) = &devices()[0];
    for model in models() {
        let (parts, flat) = (small(&model, 0.45, OpenOptions::default()), model.parameters().initial(3));
        let x = random(Shape::new(1, model.config().condition_channels, 20, 28), 4, -1.0, 1.0).values;
        if model.config().schedule == ScheduleKind::None {
            let answer = |gpu| Predictor::new(gpu, &model, &flat, (20, 28)).unwrap().predict(&x).unwrap();
            assert_eq!(answer(&parts), answer(whole));
            continue;
        }
        let options = SampleOptions { steps: 3, samples: 2, ..SampleOptions::default() };
        let samples = |gpu| {
            let mut sampler = Sampler::new(gpu, &model, &flat, (20, 28), options).unwrap();
            sampler.sample(&x, true, || Ok(())).unwrap()
        };
        assert_eq!(samples(&parts), samples(whole));
    }
}

#[test]
fn a_weight_that_no_binding_holds_is_refused() {
    let [model, ..] = models();
    // The largest weight is a fourth of all parameters.
    let parts = small(&model, 0.05, OpenOptions::default());
    let refused = Trainer::new(&parts, model.clone(), StepOptions::new(1, 16, 16), &TrainerState::new(&model, 5));
    match refused.err().unwrap() {
        Error::Limit(message) => assert!(
            message.contains("147648 bytes in a binding") && message.contains("fewer base filters"),
            "{message}"
        ),
        other => panic!("{other}"),
    }
}
