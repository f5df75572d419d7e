//! What a sampler promises of its answers, whatever the batch and the number of steps.

mod harness;

use cvdm::Error;
use cvdm::diffusion::{Discretisation, FixedSchedule, Model, ModelConfig, SampleOptions, Sampler, ScheduleKind};
use cvdm::tensor::Shape;
use harness::{close, devices, random};

fn small() -> ModelConfig {
    ModelConfig { noise_base: 4, rate_base: 4, scales: 2, hidden: 64, ..ModelConfig::default() }
}

/// Bit for bit, with channels and sizes that kernels are dealt out for.
#[test]
fn a_sample_is_the_same_in_any_batch() {
    let (_, gpu) = &devices()[0];
    for (noise_base, size) in [(16, (64, 64)), (8, (16, 32))] {
        let model = Model::new(ModelConfig { noise_base, ..small() }).unwrap();
        let flat = model.parameters().initial(3);
        let x = random(Shape::new(1, 2, size.0, size.1), 5, -1.0, 1.0).values;
        let samples = |batch| {
            let options = SampleOptions { steps: 2, samples: 4, batch, ..Default::default() };
            let mut sampler = Sampler::new(gpu, &model, &flat, size, options).unwrap();
            assert_eq!(sampler.batch(), batch);
            sampler.sample(&x, true, || Ok(())).unwrap().samples
        };
        let all = samples(4);
        for batch in [1, 2] {
            assert!(samples(batch) == all, "base {noise_base}, {size:?}: {batch} side by side");
        }
    }
}

/// The integral of a rate is one of time, not of the steps that sample it.
#[test]
fn the_integral_of_beta_is_that_of_the_schedule() {
    let (_, gpu) = &devices()[0];
    for schedule in [ScheduleKind::Tied, ScheduleKind::Fixed(FixedSchedule::PHASE)] {
        let model = Model::new(ModelConfig { schedule, ..small() }).unwrap();
        let flat = model.parameters().initial(7);
        for steps in [1, 3] {
            let options = SampleOptions { steps, samples: 1, ..SampleOptions::default() };
            let mut sampler = Sampler::new(gpu, &model, &flat, (4, 4), options).unwrap();
            let answer = sampler.sample(&[0.25; 32], false, || Ok(())).unwrap();
            let [from, to] = [0.0, 1.0].map(|t| model.time_integral(&flat, t));
            let want: Vec<f64> = answer.rate.iter().map(|&rate| f64::from(rate) * (to - from)).collect();
            close(&format!("{schedule:?}, {steps} steps"), &answer.beta_integral, &want, 0.0, 1e-6);
        }
    }
}

#[test]
fn an_answer_that_is_not_finite_is_an_error() {
    let (_, gpu) = &devices()[0];
    let model = Model::new(small()).unwrap();
    let nothing = vec![f32::NAN; model.parameters().len()];
    let options = SampleOptions { steps: 2, samples: 1, ..SampleOptions::default() };
    let mut sampler = Sampler::new(gpu, &model, &nothing, (4, 4), options).unwrap();
    let refused = sampler.sample(&[0.25; 32], false, || Ok(())).unwrap_err();
    assert!(matches!(&refused, Error::Input(m) if m.contains("NaN") && m.contains("2 steps")), "{refused}");
}

/// Without a loop over steps none are too many for an adapter that ends loops.
#[test]
fn a_series_takes_any_number_of_steps() {
    let (_, gpu) = &devices()[0];
    let model = Model::new(small()).unwrap();
    let flat = model.parameters().initial(7);
    let new = |steps, discretisation| {
        let options = SampleOptions { steps, samples: 1, discretisation, ..SampleOptions::default() };
        Sampler::new(gpu, &model, &flat, (4, 4), options).map(|_| ())
    };
    new(70_000, Discretisation::Exponential).unwrap();
    let product = new(70_000, Discretisation::Product);
    match product {
        Err(Error::Limit(m)) => assert!(gpu.caps().ends_loops && m.contains("fewer steps"), "{m}"),
        other => assert!(!gpu.caps().ends_loops, "{other:?}"),
    }
}
