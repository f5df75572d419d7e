//! How large a reproduction is: every number of it, and nothing else. The code is the same at every scale.

mod image;
mod phase;
mod words;

use std::str::FromStr;

pub use image::Dfcan;

use crate::config::{DataSection, ModelSection, Predicts, Schedule, Task, TrainConfig, TrainingSection};
use crate::data::Structure;
use crate::diffusion::SampleOptions;
use crate::{Error, Result};

/// The size of a reproduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Whether everything runs: seconds, tiny networks, images drawn by the program if there are none.
    Smoke,
    /// Whether the paper's statements can be seen: half an hour to an hour a table and seed on two processor cores.
    Small,
    /// The paper's own setting, for a GPU.
    Paper,
}

impl FromStr for Scale {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Smoke, Self::Small, Self::Paper]
            .into_iter()
            .find(|scale| scale.name() == text)
            .ok_or_else(|| Error::input(format!("the scale \"{text}\"; there are smoke, small and paper")))
    }
}

impl Scale {
    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Small => "small",
            Self::Paper => "paper",
        }
    }

    /// Its numbers.
    pub fn numbers(self) -> Numbers {
        match self {
            Self::Smoke => Numbers::smoke(),
            Self::Small => Numbers::small(),
            Self::Paper => Numbers::paper(),
        }
    }
}

/// The numbers of a task at a scale.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskNumbers {
    /// The task.
    pub task: Task,
    /// Sizes of the networks, what they see and what they give; the schedule is the method's.
    pub model: ModelSection,
    /// The simulated measurement and the patches; the folder is the user's.
    pub data: DataSection,
    /// Optimiser and length; the seed is the run's.
    pub training: TrainingSection,
    /// How test images are reconstructed.
    pub sampling: SampleOptions,
    /// Side of the test images in pixels.
    pub test_size: usize,
    /// Test images at most, of each kind.
    pub test_images: usize,
}

impl TaskNumbers {
    /// The training configuration of a schedule, but for the folders. CDDPM's range is the model's.
    pub fn config(&self, schedule: Schedule, seed: u64) -> TrainConfig {
        let mut config = TrainConfig {
            task: self.task,
            model: ModelSection { schedule, ..self.model.clone() },
            data: self.data.clone(),
            training: TrainingSection { seed, ..self.training.clone() },
            ..TrainConfig::default()
        };
        // The range is of the fixed schedule alone.
        if schedule != Schedule::Fixed {
            let ModelSection { beta_first, beta_last, beta_steps, .. } = ModelSection::default();
            config.model = ModelSection { beta_first, beta_last, beta_steps, ..config.model };
        }
        // One pass gives the target itself; it has no noise or velocity to predict.
        if schedule == Schedule::None {
            config.model.predicts = Predicts::Noise;
        }
        config
    }
}

/// The numbers of a scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// Phase imaging; tests on photographs.
    pub phase: TaskNumbers,
    /// Microscopy.
    pub microscopy: TaskNumbers,
    /// Super-resolution of photographs.
    pub super_resolution: TaskNumbers,
    /// Seeds of the tables' trainings, if none are asked for.
    pub seeds: &'static [u64],
    /// Views of the measured cell.
    pub field_views: usize,
    /// Noise levels of its measurements.
    pub field_noise: &'static [f32],
    /// Focal stacks that are simulated where none are given.
    pub stacks: usize,
    /// Side that photographs are brought to before they are shrunk for super-resolution.
    pub photograph_side: usize,
    /// Structures of table 1.
    pub structures: &'static [Structure],
    /// DFCAN of table 1.
    pub dfcan: Dfcan,
    /// `β` of the last step that CDDPM is tuned over.
    pub cddpm_last: &'static [f64],
    /// Validation photographs at most.
    pub validation_images: usize,
    /// Photographs whose uncertainty is studied, at most.
    pub studied_images: usize,
    /// Samples of each of them.
    pub studied_samples: usize,
    /// Smaller numbers of samples to compare with.
    pub sample_counts: &'static [usize],
    /// Numbers of sampling steps to compare with.
    pub step_counts: &'static [usize],
}

impl Numbers {
    fn paper() -> Self {
        Self {
            phase: phase::paper(),
            microscopy: image::microscopy_paper(),
            super_resolution: image::super_resolution_paper(),
            seeds: &[1],
            field_views: 8,
            field_noise: &[0.0, 0.1],
            stacks: 3,
            photograph_side: 256,
            structures: &Structure::PAPER,
            dfcan: Dfcan::paper(),
            cddpm_last: &[0.01, 0.02, 0.05],
            validation_images: 100,
            studied_images: 20,
            studied_samples: 20,
            sample_counts: &[2, 5, 10],
            step_counts: &[50, 100, 200],
        }
    }

    fn small() -> Self {
        Self {
            phase: phase::small(),
            microscopy: image::microscopy_small(),
            super_resolution: image::super_resolution_small(),
            seeds: &[1, 2, 3],
            field_views: 2,
            dfcan: Dfcan::small(),
            validation_images: 6,
            studied_images: 8,
            step_counts: &[10, 20, 80],
            ..Self::paper()
        }
    }

    fn smoke() -> Self {
        Self {
            phase: phase::smoke(),
            microscopy: image::microscopy_smoke(),
            super_resolution: image::super_resolution_smoke(),
            seeds: &[1],
            field_views: 1,
            field_noise: &[0.0],
            stacks: 2,
            photograph_side: 64,
            structures: &[Structure::Er, Structure::Microtubules],
            dfcan: Dfcan::smoke(),
            cddpm_last: &[0.01, 0.02],
            validation_images: 2,
            studied_images: 2,
            studied_samples: 5,
            sample_counts: &[2, 3],
            step_counts: &[2],
        }
    }

    /// A task's.
    pub fn of(&self, task: Task) -> &TaskNumbers {
        match task {
            Task::Phase => &self.phase,
            Task::Microscopy => &self.microscopy,
            Task::SuperResolution => &self.super_resolution,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALES: [Scale; 3] = [Scale::Smoke, Scale::Small, Scale::Paper];

    #[test]
    fn every_scale_makes_configurations_that_can_be_trained() {
        for scale in SCALES {
            let numbers = scale.numbers();
            for task in [Task::Phase, Task::Microscopy, Task::SuperResolution] {
                for schedule in [Schedule::Learned, Schedule::Tied, Schedule::Simple, Schedule::Fixed, Schedule::None] {
                    numbers.of(task).config(schedule, 1).check().unwrap();
                }
                assert_eq!(numbers.of(task).task, task);
            }
            numbers.dfcan.config(&numbers.microscopy, 1).check().unwrap();
            assert_eq!(scale.name().parse::<Scale>().unwrap(), scale);
            assert!(
                numbers.cddpm_last.contains(&ModelSection::default().beta_last),
                "the paper's range is among those"
            );
            let most = *numbers.sample_counts.iter().max().unwrap();
            assert!(most < numbers.studied_samples && !numbers.step_counts.contains(&numbers.phase.sampling.steps));
        }
        assert!("large".parse::<Scale>().unwrap_err().to_string().contains("smoke, small and paper"));
    }

    #[test]
    fn the_papers_scale_is_the_papers() {
        let numbers = Scale::Paper.numbers();
        let config = |task| numbers.of(task).config(Schedule::Learned, 1);
        let phase = config(Task::Phase);
        assert_eq!(phase.model, ModelSection::default());
        assert_eq!((phase.training.steps, phase.training.learning_rate, phase.training.ema), (200_000, 1e-4, 0.0));
        let steps = |task| numbers.of(task).sampling.steps;
        assert_eq!([Task::Phase, Task::Microscopy, Task::SuperResolution].map(steps), [400, 500, 500]);
        // The same as the configurations that come with the program, whose folders are the defaults.
        let example = |name: &str| {
            let mut config = TrainConfig::read(format!("examples/paper/{name}.toml").as_ref()).unwrap();
            config.training.checkpoint_every = 1000;
            // How often a run is logged changes nothing, unless its step size is halved by the log.
            if config.training.plateau.is_none() {
                config.training.log_every = 100;
            }
            config
        };
        assert_eq!(example("biosr-cvdm"), config(Task::Microscopy));
        assert_eq!(example("biosr-cddpm"), numbers.microscopy.config(Schedule::Fixed, 1));
        assert_eq!(example("biosr-dfcan"), numbers.dfcan.config(&numbers.microscopy, 1));
        assert_eq!(example("imagenet-cvdm"), config(Task::SuperResolution));
        assert_eq!(example("imagenet-cddpm"), numbers.super_resolution.config(Schedule::Fixed, 1));
    }
}
