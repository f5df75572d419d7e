//! The baselines' networks as models: DFCAN's loss and gradient against its own answers and the metric, SR3's network as noise
//! predictor, what a step costs before it is run, and what is refused.

mod harness;

use cvdm::data::Plane;
use cvdm::diffusion::{
    DfcanSize, Hyper, Model, ModelConfig, Network, Predictor, RegressionLoss, SampleOptions, Sampler, ScheduleKind,
    Sr3Size, StepCost, StepOptions, Trainer, TrainerState,
};
use cvdm::gpu::Gpu;
use cvdm::metrics;
use cvdm::tensor::Shape;
use harness::{devices, random};

const BATCH: usize = 3;
const SIDE: usize = 16;

fn dfcan(scale: usize) -> ModelConfig {
    let size = DfcanSize { groups: 1, blocks: 1, reduction: 2, attention_size: 8, scale, ..DfcanSize::default() };
    ModelConfig {
        condition_channels: 1,
        network: Network::Dfcan(size),
        noise_base: 4,
        schedule: ScheduleKind::None,
        ..ModelConfig::default()
    }
}

fn sr3() -> ModelConfig {
    let network = Network::Sr3(Sr3Size { blocks: 1, groups: 2, heads: 1 });
    ModelConfig {
        condition_channels: 3,
        target_channels: 3,
        network,
        noise_base: 4,
        rate_base: 2,
        scales: 3,
        hidden: 8,
        ..ModelConfig::default()
    }
}

fn unet() -> ModelConfig {
    ModelConfig { condition_channels: 1, network: Network::UNet, scales: 2, ..dfcan(1) }
}

/// Random conditions, and targets that follow from them.
fn data(config: &ModelConfig, scale: usize) -> (Vec<f32>, Vec<f32>) {
    let small = SIDE / scale;
    let x = random(Shape::new(BATCH, config.condition_channels, small, small), 1, -1.0, 1.0).values;
    let y = (0..BATCH * config.target_channels * SIDE * SIDE).map(|i| {
        let (plane, row, column) = (i / (SIDE * SIDE), i / SIDE % SIDE, i % SIDE);
        0.8 * x[(plane * small + row / scale) * small + column / scale] - 0.1
    });
    let y = y.collect();
    (x, y)
}

fn trainer(gpu: &Gpu, config: ModelConfig, regression: RegressionLoss, micro_batch: Option<usize>) -> Trainer {
    let model = Model::new(config).unwrap();
    let state = TrainerState::new(&model, 5);
    let options = StepOptions { regression, micro_batch, ..StepOptions::new(BATCH, SIDE, SIDE) };
    Trainer::new(gpu, model, options, &state).unwrap()
}

/// The mean squared error in [0, 1] and `1 − SSIM` of a predictor's answers.
fn distances(gpu: &Gpu, model: &Model, flat: &[f32], x: &[f32], y: &[f32]) -> [f64; 2] {
    let small = SIDE / model.scale();
    let mut predictor = Predictor::new(gpu, model, flat, (small, small)).unwrap();
    let planes = x.chunks(small * small).zip(y.chunks(SIDE * SIDE)).map(|(x, y)| {
        let plane = |values: Vec<f32>| Plane::new(SIDE, SIDE, values).unwrap().map(|v| 0.5 * (v + 1.0));
        (plane(predictor.predict(x).unwrap()), plane(y.to_vec()))
    });
    let each = planes.map(|(answer, truth)| {
        let squares = answer.values().iter().zip(truth.values()).map(|(a, b)| f64::from(a - b).powi(2));
        [squares.sum::<f64>() / (SIDE * SIDE) as f64, 1.0 - metrics::ssim(&answer, &truth, 1.0).unwrap()]
    });
    each.fold([0.0; 2], |sum, of| [0, 1].map(|i| sum[i] + of[i] / BATCH as f64))
}

#[test]
fn squared_error_and_similarity_are_the_metrics_and_the_gradient_their_slope() {
    for (mode, gpu) in devices() {
        for (config, scale, micro_batch) in [(dfcan(2), 2, None), (dfcan(1), 1, Some(2)), (unet(), 1, None)] {
            let (x, y) = data(&config, scale);
            let loss = RegressionLoss::SquaredErrorAndSimilarity;
            let mut trainer = trainer(gpu, config, loss, micro_batch);
            let flat = trainer.state().unwrap().parameters;
            // A step of size zero leaves the parameters where loss and gradient were taken.
            trainer.step(&x, &y, &Hyper { learning_rate: 0.0, ..Hyper::default() }).unwrap();
            let got = trainer.losses().unwrap();
            let [squares, dissimilarity] = distances(gpu, trainer.model(), &flat, &x, &y);
            let name = format!("{mode}, {:?}", config.network);
            // Single precision through the network, twice.
            assert!((f64::from(got.noise) - squares).abs() < 1e-5 * squares, "{name}: {got:?}, {squares}");
            assert!((f64::from(got.dissimilarity) - dissimilarity).abs() < 1e-5, "{name}: {got:?}, {dissimilarity}");
            assert_eq!((got.beta, got.prior, got.gamma), (0.0, 0.0, 0.0));
            let total = squares + 0.1 * dissimilarity;
            assert!((f64::from(got.total(&Default::default())) - total).abs() < 1e-5, "{name}");
            // Along the gradient the loss rises by its length; digits and third derivative as in regression.rs.
            let gradient = trainer.gradient().unwrap();
            let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            let along = |step: f64| {
                let moved = flat.iter().zip(&gradient);
                let flat: Vec<f32> = moved.map(|(p, g)| p + (step * f64::from(*g) / length) as f32).collect();
                let [squares, dissimilarity] = distances(gpu, trainer.model(), &flat, &x, &y);
                squares + 0.1 * dissimilarity
            };
            let slope = (along(1e-2) - along(-1e-2)) / 2e-2;
            assert!((slope / length - 1.0).abs() < 1e-2, "{name}: {slope} and {length}");
        }
    }
}

#[test]
fn both_learn_what_they_are_shown() {
    let (_, gpu) = &devices()[0];
    for (config, scale) in [(dfcan(2), 2), (sr3(), 1)] {
        let (x, y) = data(&config, scale);
        let mut trainer = trainer(gpu, config, RegressionLoss::SquaredError, None);
        let mut losses = Vec::new();
        for _ in 0..150 {
            trainer.step(&x, &y, &Hyper { learning_rate: 5e-3, ..Hyper::default() }).unwrap();
            losses.push(trainer.losses().unwrap().noise);
        }
        let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
        let (first, last) = (mean(&losses[..10]), mean(&losses[140..]));
        assert!(last < 0.6 * first, "{:?}: {first} to {last}", config.network);
    }
}

#[test]
fn sr3s_network_sees_the_noise_level_and_samples() {
    let (_, gpu) = &devices()[0];
    let model = Model::new(sr3()).unwrap();
    assert_eq!((model.input_channels(), model.multiple(), model.scale()), (9, 4, 1));
    let first = model.parameters().iter().find(|p| p.name == "noise.first.weight").unwrap();
    assert_eq!(first.shape, [4, 9, 3, 3], "condition, γ map and latent");
    let flat = model.parameters().initial(1);
    let options = SampleOptions { steps: 3, samples: 2, ..SampleOptions::default() };
    let mut sampler = Sampler::new(gpu, &model, &flat, (10, 13), options).unwrap();
    let condition: Vec<f32> = (0..3 * 130).map(|i| (i % 17) as f32 / 8.5 - 1.0).collect();
    let result = sampler.sample(&condition, true, || Ok(())).unwrap();
    assert_eq!((result.mean.len(), result.samples.len()), (3 * 130, 2));
    assert!(result.mean.iter().chain(&result.std).all(|v| v.is_finite()));
    // In micro-batches the step is the same up to rounding.
    let (x, y) = data(&sr3(), 1);
    let gradient = |micro_batch| {
        let mut trainer = trainer(gpu, sr3(), RegressionLoss::SquaredError, micro_batch);
        trainer.step(&x, &y, &Hyper { learning_rate: 0.0, ..Hyper::default() }).unwrap();
        trainer.gradient().unwrap()
    };
    let (whole, parts) = (gradient(None), gradient(Some(1)));
    let largest = whole.iter().fold(0.0f32, |m, g| m.max(g.abs()));
    assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-5 * largest));
}

#[test]
fn a_step_with_recomputation_is_the_step_without_in_less_memory() {
    for (mode, gpu) in devices() {
        for (config, scale) in [(dfcan(2), 2), (sr3(), 1)] {
            let (x, y) = data(&config, scale);
            let model = Model::new(config).unwrap();
            let run = |recompute| {
                let options = StepOptions { recompute, ..StepOptions::new(BATCH, SIDE, SIDE) };
                let mut trainer = Trainer::new(gpu, model.clone(), options, &TrainerState::new(&model, 5)).unwrap();
                for _ in 0..2 {
                    trainer.step(&x, &y, &Hyper::default()).unwrap();
                }
                (trainer.state().unwrap(), trainer.gradient().unwrap(), trainer.memory().shared)
            };
            let ((kept, gradient, more), (again, same, less)) = (run(false), run(true));
            assert_eq!((again, same), (kept, gradient), "{mode}, {:?}", config.network);
            assert!(less < more, "{mode}, {:?}: {less} of {more} bytes", config.network);
        }
    }
}

#[test]
fn a_steps_cost_is_known_before_it_is_made() {
    let (_, gpu) = &devices()[0];
    for (config, micro_batch) in [(dfcan(2), None), (sr3(), Some(2)), (unet(), None)] {
        let options = StepOptions { micro_batch, ..StepOptions::new(BATCH, SIDE, SIDE) };
        let model = Model::new(config).unwrap();
        let cost = StepCost::of(gpu.caps(), &model, &options).unwrap();
        let trainer = trainer(gpu, config, RegressionLoss::SquaredError, micro_batch);
        assert_eq!(cost.parameters, model.parameters().count());
        assert_eq!((cost.memory, cost.micro_batch), (trainer.memory(), trainer.micro_batch()));
        let calls = trainer.plan().calls();
        assert_eq!(cost.dispatches, calls.len());
        assert_eq!(cost.flops, calls.iter().map(|c| c.flops).sum::<u64>());
        assert_eq!(cost.bytes, calls.iter().map(|c| c.bytes).sum::<u64>());
        assert_eq!(cost.seconds(cost.flops as f64 / 2.0, f64::INFINITY), 2.0);
        assert_eq!(cost.seconds(f64::INFINITY, cost.bytes as f64 / 3.0), 3.0);
    }
    let none = StepOptions { micro_batch: Some(0), ..StepOptions::new(BATCH, SIDE, SIDE) };
    assert!(StepCost::of(gpu.caps(), &Model::new(sr3()).unwrap(), &none).is_err());
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_, gpu) = &devices()[0];
    let learned = ModelConfig { schedule: ScheduleKind::Learned, ..dfcan(2) };
    assert!(Model::new(learned).unwrap_err().to_string().contains("one pass"));
    let groups = ModelConfig { network: Network::Sr3(Sr3Size::default()), ..sr3() };
    assert!(Model::new(groups).unwrap_err().to_string().contains("groups"));
    // A target of a size that the network does not make, and one too small for a window of the similarity.
    let refused = |height, width| {
        let model = Model::new(dfcan(2)).unwrap();
        let options =
            StepOptions { regression: RegressionLoss::SquaredErrorAndSimilarity, ..StepOptions::new(1, height, width) };
        Trainer::new(gpu, model.clone(), options, &TrainerState::new(&model, 1)).err().unwrap().to_string()
    };
    assert!(refused(15, 16).contains("2 times as large"));
    assert!(refused(8, 16).contains("11 × 11"));
    // An odd size is padded and comes back enlarged.
    let model = Model::new(dfcan(2)).unwrap();
    let mut predictor = Predictor::new(gpu, &model, &model.parameters().initial(1), (7, 5)).unwrap();
    let answer = predictor.predict(&[0.1; 35]).unwrap();
    assert_eq!(answer.len(), 4 * 35);
    assert!(answer.iter().all(|v| (-1.0..=1.0).contains(v)));
}
