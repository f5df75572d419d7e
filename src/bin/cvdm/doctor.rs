//! `cvdm doctor`: is this machine ready?

use cvdm::Result;
use cvdm::diffusion::{Hyper, Model, ModelConfig, StepOptions, Trainer, TrainerState};
use cvdm::gpu::{Gpu, adapters};

/// The loss after the two steps, by Mesa's software driver. All draws are counted, so that it is the same everywhere up to rounding.
const EXPECTED_LOSS: f32 = 3.386_38;

/// How far from it a right adapter's may be, as a fraction. Other orders of sums and functions of other precision leave less.
const TOLERANCE: f32 = 1e-4;

/// Lists the adapters, opens the chosen one and runs two training steps of a tiny model on it.
pub fn run(open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    say!("adapters:");
    for (i, a) in adapters().iter().enumerate() {
        say!("  {i}: {} — {}, {}, {}", a.name, a.kind, a.backend, a.driver);
    }
    let gpu = open()?;
    let caps = gpu.caps();
    say!("chosen: {}", gpu.summary().name);
    say!("  subgroup operations: {}", if caps.subgroups { "yes" } else { "no (kernels without them run)" });
    match caps.matrices {
        Some(matrices) => say!("  cooperative matrices of halves: {0} × {0}", matrices.side),
        None => say!("  cooperative matrices: not in use (--matrices uses them where there are any)"),
    }
    say!("  timestamps: {}", if caps.timestamps { "yes" } else { "no" });
    say!("  largest tensor: {} MiB", caps.max_binding >> 20);
    let model =
        Model::new(ModelConfig { noise_base: 4, rate_base: 4, scales: 3, hidden: 32, ..ModelConfig::default() })?;
    let options = StepOptions::new(1, 16, 16);
    let state = TrainerState::new(&model, 1);
    let (x, y): (Vec<f32>, Vec<f32>) = (vec![0.25; 2 * 256], (0..256).map(|i| (i % 16) as f32 / 8.0 - 1.0).collect());
    let losses = || -> Result<f32> {
        let mut trainer = Trainer::new(&gpu, model.clone(), options, &state)?;
        for _ in 0..2 {
            trainer.step(&x, &y, &Hyper::default())?;
        }
        Ok(trainer.losses()?.noise)
    };
    let (first, second) = (losses()?, losses()?);
    if !first.is_finite() || first.to_bits() != second.to_bits() {
        return Err(cvdm::Error::Device(format!(
            "two runs of the same training steps gave {first} and {second}; the driver computes wrongly, try another adapter"
        )));
    }
    if (first / EXPECTED_LOSS - 1.0).abs() > TOLERANCE {
        return Err(cvdm::Error::Device(format!(
            "two training steps gave the loss {first}, expected is {EXPECTED_LOSS} up to a ten-thousandth; the driver computes \
             wrongly, try another adapter"
        )));
    }
    say!("  two training steps of a tiny model: right and repeatable (loss {first:.4}, as expected)");
    say!("this machine is ready");
    Ok(())
}
