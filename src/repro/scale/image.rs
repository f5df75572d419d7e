//! Microscopy and super-resolution of photographs.

use super::{TaskNumbers, phase};
use crate::config::{
    DataSection, DfcanSection, Loss, ModelSection, NetworkKind, Predicts, Schedule, Sr3Section, Target, Task,
    TrainConfig, TrainingSection,
};
use crate::diffusion::SampleOptions;

/// DFCAN, beside the diffusion models.
#[derive(Debug, Clone, PartialEq)]
pub struct Dfcan {
    /// Channels.
    pub channels: usize,
    /// Its size but for those.
    pub section: DfcanSection,
    /// Lines of the log without a lower loss after which the learning rate is halved.
    pub plateau: u64,
}

impl Dfcan {
    /// Its publication's; after how many steps the rate is halved is ours.
    pub(super) fn paper() -> Self {
        Self { channels: 64, section: DfcanSection::default(), plateau: 1000 }
    }

    pub(super) fn small() -> Self {
        // Specimens are mostly dark; from a mean of a half a few hundred steps do not find back from black.
        let section = DfcanSection {
            groups: 2,
            blocks: 2,
            reduction: 8,
            attention_size: 64,
            start_mean: 0.05,
            ..DfcanSection::default()
        };
        Self { channels: 32, section, plateau: 100 }
    }

    pub(super) fn smoke() -> Self {
        let section =
            DfcanSection { groups: 1, blocks: 1, reduction: 4, attention_size: 16, ..DfcanSection::default() };
        Self { channels: 8, section, plateau: 4 }
    }

    /// Its training, as long as that of the task's other networks.
    pub fn config(&self, numbers: &TaskNumbers, seed: u64) -> TrainConfig {
        let mut config = numbers.config(Schedule::None, seed);
        config.model = ModelSection {
            network: NetworkKind::Dfcan,
            schedule: Schedule::None,
            noise_base: self.channels,
            dfcan: self.section.clone(),
            ..ModelSection::default()
        };
        let plain = TrainingSection::default();
        config.training = TrainingSection {
            loss: Loss::MseSsim,
            plateau: Some(self.plateau),
            // Its publication's at every scale.
            learning_rate: plain.learning_rate,
            final_learning_rate: plain.final_learning_rate,
            stratified_times: plain.stratified_times,
            ..config.training
        };
        config
    }
}

/// A model that a short training can teach: narrow, and asked for no more than what interpolation leaves.
fn short(paper: ModelSection) -> ModelSection {
    let (target, predicts) = (Target::Residual, Predicts::Velocity);
    ModelSection { target, predicts, noise_base: 16, rate_base: 8, ..paper }
}

/// The paper's; it does not name the batch.
pub(super) fn microscopy_paper() -> TaskNumbers {
    let phase = phase::paper();
    TaskNumbers {
        task: Task::Microscopy,
        model: ModelSection { beta_last: 0.03, beta_steps: 500, ..phase.model },
        data: DataSection { patch: 256, batch: 8, ..phase.data },
        training: TrainingSection { steps: 400_000, ..phase.training },
        sampling: SampleOptions { steps: 500, ..phase.sampling },
        test_size: 512,
        test_images: 100,
    }
}

pub(super) fn microscopy_small() -> TaskNumbers {
    let (paper, phase) = (microscopy_paper(), phase::small());
    TaskNumbers {
        model: short(paper.model),
        // As large as the test images: DFCAN's spectra grow with the image, and a drawn specimen is scaled by its own maximum.
        data: DataSection { patch: 128, batch: 1, ..paper.data },
        training: TrainingSection { steps: 400, ..phase.training },
        sampling: phase.sampling,
        test_size: 128,
        test_images: 6,
        ..paper
    }
}

pub(super) fn microscopy_smoke() -> TaskNumbers {
    let (small, phase) = (microscopy_small(), phase::smoke());
    TaskNumbers {
        model: phase::tiny(small.model),
        data: DataSection { patch: 16, batch: 2, ..small.data },
        training: TrainingSection { steps: 8, ..phase.training },
        sampling: phase.sampling,
        // Decorrelation analysis fades 20 pixels at either end.
        test_size: 48,
        test_images: 3,
        ..small
    }
}

/// The paper's; it names neither iterations nor batch, and a million are SR3's own.
pub(super) fn super_resolution_paper() -> TaskNumbers {
    let phase = phase::paper();
    TaskNumbers {
        task: Task::SuperResolution,
        model: ModelSection { network: NetworkKind::Sr3, beta_steps: 500, ..phase.model },
        data: DataSection { patch: 256, batch: 8, ..phase.data },
        training: TrainingSection { steps: 1_000_000, ..phase.training },
        sampling: SampleOptions { steps: 500, ..phase.sampling },
        test_size: 256,
        test_images: 1000,
    }
}

pub(super) fn super_resolution_small() -> TaskNumbers {
    let (paper, phase) = (super_resolution_paper(), phase::small());
    TaskNumbers {
        model: ModelSection { sr3: Sr3Section { groups: 8, ..Sr3Section::default() }, ..short(paper.model) },
        data: DataSection { patch: 64, batch: 4, ..paper.data },
        training: TrainingSection { steps: 400, ..phase.training },
        sampling: phase.sampling,
        test_size: 128,
        test_images: 12,
        ..paper
    }
}

pub(super) fn super_resolution_smoke() -> TaskNumbers {
    let (small, phase) = (super_resolution_small(), phase::smoke());
    TaskNumbers {
        model: ModelSection {
            sr3: Sr3Section { blocks: 1, groups: 2, ..Sr3Section::default() },
            ..phase::tiny(small.model)
        },
        data: DataSection { patch: 16, batch: 2, ..small.data },
        training: TrainingSection { steps: 8, ..phase.training },
        sampling: phase.sampling,
        test_size: 32,
        test_images: 3,
        ..small
    }
}
