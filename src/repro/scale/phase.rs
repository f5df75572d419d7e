//! Phase imaging.

use super::TaskNumbers;
use crate::config::{Condition, DataSection, ModelSection, Predicts, Target, Task, TrainingSection};
use crate::diffusion::{Discretisation, SampleOptions, Variant};

/// The paper's. It names neither patch nor batch. Half of a photograph of HCOCO (640 × 480) less the margin of the simulation leaves
/// 176² for tests, which is also large enough for all five scales of MS-SSIM. Patches of 128² stay whole quads at all five
/// scales of the networks, as the fast kernels want them.
pub(super) fn paper() -> TaskNumbers {
    TaskNumbers {
        task: Task::Phase,
        model: ModelSection::default(),
        data: DataSection { patch: 128, batch: 8, ..DataSection::default() },
        training: TrainingSection { checkpoint_every: 1000, log_every: 100, ..TrainingSection::default() },
        sampling: SampleOptions {
            steps: 400,
            samples: 1,
            batch: 0,
            variant: Variant::Ancestral,
            discretisation: Discretisation::Product,
            seed: 1,
            halves: false,
        },
        test_size: 176,
        test_images: 1000,
    }
}

pub(super) fn small() -> TaskNumbers {
    let paper = paper();
    TaskNumbers {
        model: ModelSection {
            condition: Condition::PairTie,
            target: Target::TieResidual,
            predicts: Predicts::Velocity,
            noise_base: 16,
            rate_base: 8,
            ..paper.model
        },
        data: DataSection { patch: 128, batch: 2, ..paper.data },
        training: TrainingSection {
            steps: 1000,
            learning_rate: 4e-4,
            final_learning_rate: Some(1e-5),
            warmup: 50,
            ema: 0.99,
            stratified_times: true,
            checkpoint_every: 100,
            log_every: 10,
            ..paper.training
        },
        sampling: SampleOptions {
            steps: 40,
            samples: 4,
            variant: Variant::Posterior,
            discretisation: Discretisation::Exponential,
            ..paper.sampling
        },
        test_size: 128,
        test_images: 12,
        ..paper
    }
}

/// A model that only shows that everything works.
pub(super) fn tiny(small: ModelSection) -> ModelSection {
    ModelSection { noise_base: 4, rate_base: 4, scales: 3, hidden: 32, ..small }
}

pub(super) fn smoke() -> TaskNumbers {
    let small = small();
    TaskNumbers {
        model: tiny(small.model),
        data: DataSection { patch: 16, batch: 2, ..small.data },
        training: TrainingSection { steps: 12, warmup: 2, checkpoint_every: 4, log_every: 4, ..small.training },
        sampling: SampleOptions { steps: 4, samples: 2, ..small.sampling },
        test_size: 32,
        test_images: 3,
        ..small
    }
}
