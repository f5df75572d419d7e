//! A model without a schedule: its loss and gradient against the network's own answers, and what it refuses.

mod harness;

use cvdm::diffusion::{
    Hyper, Model, ModelConfig, Network, Parametrization, Predictor, SampleOptions, Sampler, ScheduleKind, StepOptions,
    Trainer, TrainerState,
};
use cvdm::gpu::Gpu;
use cvdm::tensor::Shape;
use harness::{devices, random};

const SMALL: ModelConfig = ModelConfig {
    condition_channels: 2,
    target_channels: 1,
    network: Network::UNet,
    noise_base: 3,
    rate_base: 3,
    scales: 2,
    up_kernel: 2,
    hidden: 8,
    schedule: ScheduleKind::None,
    start: 6.0,
    parametrization: Parametrization::Noise,
};
const BATCH: usize = 3;
const SIDE: usize = 8;

fn data() -> (Vec<f32>, Vec<f32>) {
    let of = |channels, seed| random(Shape::new(BATCH, channels, SIDE, SIDE), seed, -1.0, 1.0).values;
    (of(2, 1), of(1, 2))
}

fn trainer(gpu: &Gpu, micro_batch: Option<usize>) -> (Trainer, TrainerState) {
    let model = Model::new(SMALL).unwrap();
    let state = TrainerState::new(&model, 5);
    let options = StepOptions { micro_batch, ..StepOptions::new(BATCH, SIDE, SIDE) };
    (Trainer::new(gpu, model, options, &state).unwrap(), state)
}

/// The mean squared error of the predictor's answers.
fn error(gpu: &Gpu, model: &Model, flat: &[f32], x: &[f32], y: &[f32]) -> f64 {
    let mut predictor = Predictor::new(gpu, model, flat, (SIDE, SIDE)).unwrap();
    let answers: Vec<f32> = x.chunks(2 * SIDE * SIDE).flat_map(|x| predictor.predict(x).unwrap()).collect();
    answers.iter().zip(y).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / y.len() as f64
}

#[test]
fn the_loss_is_the_squared_error_and_the_gradient_its_slope() {
    let (x, y) = data();
    for (mode, gpu) in devices() {
        for micro_batch in [None, Some(2)] {
            let (mut trainer, state) = trainer(gpu, micro_batch);
            // A step of size zero leaves the parameters where loss and gradient were taken.
            trainer.step(&x, &y, &Hyper { learning_rate: 0.0, ..Hyper::default() }).unwrap();
            let losses = trainer.losses().unwrap();
            let want = error(gpu, trainer.model(), &state.parameters, &x, &y);
            assert!((f64::from(losses.noise) / want - 1.0).abs() < 1e-5, "{mode}: {losses:?}, {want}");
            assert_eq!((losses.beta, losses.prior, losses.gamma), (0.0, 0.0, 0.0));
            let gradient = trainer.gradient().unwrap();
            let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            // Along the gradient the error rises by its length: central difference, step 1e-2 of a direction of length 1, where
            // single precision leaves four digits and the third derivative takes less than one in a hundred.
            let along = |step: f64| {
                let moved = state.parameters.iter().zip(&gradient);
                let flat: Vec<f32> = moved.map(|(p, g)| p + (step * f64::from(*g) / length) as f32).collect();
                error(gpu, trainer.model(), &flat, &x, &y)
            };
            let slope = (along(1e-2) - along(-1e-2)) / 2e-2;
            assert!((slope / length - 1.0).abs() < 1e-2, "{mode}, {micro_batch:?}: {slope} and {length}");
        }
    }
}

#[test]
fn it_learns_what_it_is_shown() {
    let (_, gpu) = &devices()[0];
    let (x, y) = data();
    let (mut trainer, state) = trainer(gpu, None);
    for _ in 0..150 {
        trainer.step(&x, &y, &Hyper { learning_rate: 1e-2, ..Hyper::default() }).unwrap();
    }
    let trained = trainer.state().unwrap().parameters;
    let error_of = |flat: &[f32]| error(gpu, trainer.model(), flat, &x, &y);
    let (before, after) = (error_of(&state.parameters), error_of(&trained));
    assert!(after < 0.5 * before, "{before} to {after}");
}

#[test]
fn odd_sizes_are_padded_and_wrong_uses_refused() {
    let (_, gpu) = &devices()[0];
    let model = Model::new(SMALL).unwrap();
    let flat = model.parameters().initial(1);
    let mut predictor = Predictor::new(gpu, &model, &flat, (7, 5)).unwrap();
    assert_eq!(predictor.predict(&[0.1; 2 * 35]).unwrap().len(), 35);
    assert!(predictor.predict(&[0.1; 35]).is_err());
    assert!(predictor.predict(&[f32::NAN; 2 * 35]).unwrap_err().to_string().contains("NaN"));
    let sampler = Sampler::new(gpu, &model, &flat, (8, 8), SampleOptions::default());
    assert!(sampler.err().unwrap().to_string().contains("Predictor"));
    let diffusion = Model::new(ModelConfig { schedule: ScheduleKind::Learned, ..SMALL }).unwrap();
    let flat = diffusion.parameters().initial(1);
    assert!(Predictor::new(gpu, &diffusion, &flat, (8, 8)).err().unwrap().to_string().contains("schedule"));
    let velocity = ModelConfig { parametrization: Parametrization::Velocity, ..SMALL };
    assert!(Model::new(velocity).unwrap_err().to_string().contains("velocity"));
}
