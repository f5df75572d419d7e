//! How large a reproduction is: every number of it, and nothing else. The code is the same at every scale.

use std::str::FromStr;

use super::report::{Departures, Setting};
use crate::config::{Condition, DataSection, ModelSection, Predicts, Schedule, Target, TrainConfig, TrainingSection};
use crate::diffusion::{Discretisation, SampleOptions, Variant};
use crate::{Error, Result};

/// The size of a reproduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Whether everything runs: seconds, tiny networks, photographs drawn by the program if there are none.
    Smoke,
    /// Whether the paper's statements can be seen: half an hour a table and seed on two processor cores.
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

/// The numbers of a scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// Sizes of the networks, what they see and what they give; the schedule is the method's.
    pub model: ModelSection,
    /// The simulated measurement and the patches; the folder is the user's.
    pub data: DataSection,
    /// Optimiser and length; the seed is the run's.
    pub training: TrainingSection,
    /// How test images are reconstructed.
    pub sampling: SampleOptions,
    /// Seeds of the tables' trainings, if none are asked for.
    pub seeds: &'static [u64],
    /// Side of the test images in pixels.
    pub test_size: usize,
    /// Test photographs at most.
    pub test_images: usize,
    /// Views of the measured cell.
    pub field_views: usize,
    /// Noise levels of its measurements.
    pub field_noise: &'static [f32],
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
    /// The paper's. It names neither patch nor batch: half of a photograph of HCOCO (640 × 480) less the margin of the
    /// simulation leaves 176², which is also large enough for all five scales of MS-SSIM.
    fn paper() -> Self {
        Self {
            model: ModelSection::default(),
            data: DataSection { patch: 176, batch: 8, ..DataSection::default() },
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
            seeds: &[1],
            test_size: 176,
            test_images: 1000,
            field_views: 8,
            field_noise: &[0.0, 0.1],
            cddpm_last: &[0.01, 0.02, 0.05],
            validation_images: 100,
            studied_images: 20,
            studied_samples: 20,
            sample_counts: &[2, 5, 10],
            step_counts: &[50, 100, 200],
        }
    }

    fn small() -> Self {
        let paper = Self::paper();
        Self {
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
            seeds: &[1, 2, 3],
            test_size: 128,
            test_images: 12,
            field_views: 2,
            validation_images: 6,
            studied_images: 8,
            step_counts: &[10, 20, 80],
            ..paper
        }
    }

    fn smoke() -> Self {
        let small = Self::small();
        Self {
            model: ModelSection { noise_base: 4, rate_base: 4, scales: 3, hidden: 32, ..small.model },
            data: DataSection { patch: 16, batch: 2, ..small.data },
            training: TrainingSection { steps: 12, warmup: 2, checkpoint_every: 4, log_every: 4, ..small.training },
            sampling: SampleOptions { steps: 4, samples: 2, ..small.sampling },
            seeds: &[1],
            test_size: 32,
            test_images: 3,
            field_views: 1,
            field_noise: &[0.0],
            cddpm_last: &[0.01, 0.02],
            validation_images: 2,
            studied_images: 2,
            studied_samples: 5,
            sample_counts: &[2, 3],
            step_counts: &[2],
        }
    }

    /// The training configuration of a schedule. CDDPM's range is the paper's unless `model` is changed afterwards.
    pub fn training(&self, schedule: Schedule, photographs: &std::path::Path, seed: u64) -> TrainConfig {
        let mut config = TrainConfig {
            model: ModelSection { schedule, ..self.model.clone() },
            data: DataSection { photographs: photographs.to_path_buf(), ..self.data.clone() },
            training: TrainingSection { seed, ..self.training.clone() },
            ..TrainConfig::default()
        };
        // One pass gives the target itself; it has no noise or velocity to predict.
        if schedule == Schedule::None {
            config.model.predicts = Predicts::Noise;
        }
        config
    }

    /// How this differs from the paper's.
    pub fn departures(&self) -> Departures {
        let both = Self::paper().settings().into_iter().zip(self.settings());
        let settings: Vec<Setting> =
            both.map(|((name, paper), (_, here))| Setting { name: name.into(), paper, here }).collect();
        let mut notes = vec![
            "The paper names neither patch, batch nor learning rate of this task, nor how many samples it averages or which ranges of \
             CDDPM it tried; what stands in its column there is what this project takes at the scale of the paper. The paper trains and \
             tests on HCOCO."
                .to_string(),
        ];
        if self.training.steps < Self::paper().training.steps {
            notes.push(
                "Why: after a few hundred iterations instead of 200,000, networks of this size that predict the noise from the pair alone \
                 are far behind the classical method, and a table of them would compare how unfinished they are. What a one-pass solution \
                 leaves to be found, as a velocity, is learned sooner. These departures are those of the weights that come with the \
                 program, settled earlier for CVDM and CDDPM alike (their card says how); all methods share them, and none was changed \
                 after a score of this comparison was seen."
                    .to_string(),
            );
        }
        Departures { task: "Phase imaging".into(), settings, notes }
    }

    /// Every setting by name, in words, to be compared with another scale's.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let Self { model, data, training, sampling, .. } = self;
        let list = |values: &[String]| values.join(", ");
        let words = |value: &dyn std::fmt::Debug| format!("{value:?}");
        vec![
            (
                "condition",
                match model.condition {
                    Condition::Pair => "the pair".into(),
                    Condition::PairTie => "the pair and a one-pass TIE solution".into(),
                },
            ),
            (
                "target",
                match model.target {
                    Target::Phase => "the phase".into(),
                    Target::TieResidual => "what the one-pass TIE solution leaves".into(),
                },
            ),
            (
                "the network predicts",
                match model.predicts {
                    Predicts::Noise => "the noise".into(),
                    Predicts::Velocity => "the velocity √γ ε − √σ y".into(),
                },
            ),
            ("base filters of the noise network", model.noise_base.to_string()),
            ("base filters of the rate network", model.rate_base.to_string()),
            ("scales of the networks", model.scales.to_string()),
            ("hidden units of τ and ρ", model.hidden.to_string()),
            ("training patch", format!("{0} × {0}", data.patch)),
            ("batch", data.batch.to_string()),
            ("noise of training pairs", format!("N(ξ, ξ), ξ up to {}", data.noise)),
            ("iterations", training.steps.to_string()),
            (
                "learning rate",
                match training.final_learning_rate {
                    None => words(&training.learning_rate),
                    Some(last) => format!("{} to {last} along a cosine", training.learning_rate),
                },
            ),
            ("warm-up iterations", training.warmup.to_string()),
            (
                "moving average of the weights",
                match training.ema {
                    0.0 => "none".into(),
                    rate => rate.to_string(),
                },
            ),
            ("times of a batch", if training.stratified_times { "spread evenly" } else { "independent" }.into()),
            ("sampling steps T", sampling.steps.to_string()),
            (
                "reverse step",
                match sampling.variant {
                    Variant::Ancestral => "variance β (algorithm 2)".into(),
                    Variant::Posterior => "posterior variance (B.2)".into(),
                    Variant::Deterministic => "deterministic".into(),
                },
            ),
            (
                "discretisation",
                match sampling.discretisation {
                    Discretisation::Product => "1 − β/T (algorithm 2)".into(),
                    Discretisation::Exponential => "exp(−β/T)".into(),
                },
            ),
            ("samples averaged for a reconstruction", sampling.samples.to_string()),
            ("test images", format!("{0} × {0}, at most {1}", self.test_size, self.test_images)),
            ("samples for the study of uncertainty", self.studied_samples.to_string()),
            ("values of CDDPM's last β tried", list(&self.cddpm_last.iter().map(f64::to_string).collect::<Vec<_>>())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scale_makes_configurations_that_can_be_trained() {
        for scale in [Scale::Smoke, Scale::Small, Scale::Paper] {
            let numbers = scale.numbers();
            for schedule in [Schedule::Learned, Schedule::Tied, Schedule::Simple, Schedule::Fixed, Schedule::None] {
                numbers.training(schedule, "photographs".as_ref(), 1).check().unwrap();
            }
            assert_eq!(scale.name().parse::<Scale>().unwrap(), scale);
            assert!(
                numbers.cddpm_last.contains(&ModelSection::default().beta_last),
                "the paper's range is among those"
            );
            let most = *numbers.sample_counts.iter().max().unwrap();
            assert!(most < numbers.studied_samples && !numbers.step_counts.contains(&numbers.sampling.steps));
        }
        assert!("large".parse::<Scale>().unwrap_err().to_string().contains("smoke, small and paper"));
    }

    #[test]
    fn the_papers_scale_is_the_papers() {
        let config = Scale::Paper.numbers().training(Schedule::Learned, "photographs".as_ref(), 1);
        assert_eq!(config.model, ModelSection::default());
        assert_eq!((config.training.steps, config.training.learning_rate, config.training.ema), (200_000, 1e-4, 0.0));
        assert_eq!(Scale::Paper.numbers().sampling.steps, 400);
    }
}
