//! What differs from the paper, in words.

use super::{Numbers, Scale, TaskNumbers};
use crate::config::{Condition, NetworkKind, Predicts, Target, Task};
use crate::diffusion::{Discretisation, Variant};
use crate::metrics::ms_ssim_scales;
use crate::repro::report::{Departures, Setting};

impl Numbers {
    /// How a task's differ from the paper's. `stand_ins` says what stands in for the paper's data, if anything does.
    pub fn departures(&self, task: Task, stand_ins: Option<String>) -> Departures {
        let paper = Scale::Paper.numbers();
        let both = paper.settings(task).into_iter().zip(self.settings(task));
        let settings: Vec<Setting> =
            both.map(|((name, paper), (_, here))| Setting { name: name.into(), paper, here }).collect();
        let mut notes: Vec<String> = stand_ins.into_iter().collect();
        notes.push(unnamed(task).into());
        if self.of(task).training.steps < paper.of(task).training.steps {
            notes.push(why(task).into());
        }
        let name = match task {
            Task::Phase => "Phase imaging",
            Task::Microscopy => "Microscopy",
            Task::SuperResolution => "Super-resolution of photographs",
        };
        Departures { task: name.into(), settings, notes }
    }

    /// Every setting of a task by name, in words, to be compared with another scale's.
    fn settings(&self, task: Task) -> Vec<(&'static str, String)> {
        let list = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
        let numbers = self.of(task);
        let mut settings = numbers.settings();
        match task {
            Task::Phase => settings.extend([
                ("samples for the study of uncertainty", self.studied_samples.to_string()),
                ("values of CDDPM's last β tried", list(self.cddpm_last)),
            ]),
            Task::Microscopy => settings.extend([
                ("channels of DFCAN", self.dfcan.channels.to_string()),
                ("groups × blocks of DFCAN", format!("{} × {}", self.dfcan.section.groups, self.dfcan.section.blocks)),
                ("spectra of DFCAN's attention", format!("{0} × {0}", self.dfcan.section.attention_size)),
                ("mean of DFCAN's answers before training", self.dfcan.section.start_mean.to_string()),
            ]),
            Task::SuperResolution => settings.extend([
                ("residual blocks at each scale", numbers.model.sr3.blocks.to_string()),
                ("groups of the norms", numbers.model.sr3.groups.to_string()),
            ]),
        }
        settings
    }
}

/// What the paper leaves open.
fn unnamed(task: Task) -> &'static str {
    match task {
        Task::Phase => {
            "The paper names neither patch, batch nor learning rate of this task, nor how many samples it averages or which ranges of \
             CDDPM it tried; what stands in its column there is what this project takes at the scale of the paper. The paper trains on \
             photographs of ImageNet and tests on HCOCO (section 4.2). Here the data folder's other photographs are trained on also \
             where ImageNet is given: of HCOCO those of its train list, else train-photographs."
        }
        Task::Microscopy => {
            "The paper names neither the batch nor how many samples it averages; what stands in its column there is what this project \
             takes at the scale of the paper. One model a structure, trained on all levels of signal."
        }
        Task::SuperResolution => {
            "The paper names neither iterations nor batch, and quotes SR3's numbers from its publication; what stands in its column \
             there is what this project takes at the scale of the paper. Here both schedules are trained with the same network and for \
             as long. The paper takes SR3's network without its sizes. That of SR3's publication for 64² to 256² has 128 channels times \
             1, 2, 4, 4, 8 and 8 and three blocks a resolution, some 625 million parameters, with attention in every block at 16², \
             dropout, and skips scaled by 1/√2. At the scale of the paper this one has the sizes of a widely used reimplementation, 64 \
             channels times 1, 2, 4, 8 and 8 and two blocks, some 92 million parameters; at every scale attention is in the middle alone, and \
             dropout and scaled skips are left out."
        }
    }
}

/// Why a smaller scale departs.
fn why(task: Task) -> &'static str {
    match task {
        Task::Phase => {
            "Why: after a few hundred iterations instead of 200,000, networks of this size that predict the noise from the pair alone \
             are far behind the classical method, and a table of them would compare how unfinished they are. What a one-pass solution \
             leaves to be found, as a velocity, is learned sooner. These departures are those of the weights that come with the \
             program, settled earlier for CVDM and CDDPM alike (their card says how); all methods share them, and none was changed \
             after a score of this comparison was seen."
        }
        Task::Microscopy | Task::SuperResolution => {
            "Why: networks that are trained for so short a time learn a velocity sooner than a noise, and sample well in fewer steps by \
             the posterior's variance, as in phase imaging. The residual was decided after a first run of 600 iterations without it, on \
             the first structure of microscopy: a U-Net whose last block ends in an instance norm answers every image with the same \
             mean, and a velocity contains the image's. All methods share these departures but DFCAN, which answers with the image."
        }
    }
}

impl TaskNumbers {
    /// The settings that a task has in common with the others, and those of its own measurement.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let Self { task, model, data, training, sampling, .. } = self;
        let words = |value: &dyn std::fmt::Debug| format!("{value:?}");
        let mut settings = Vec::new();
        if *task == Task::Phase {
            settings.extend([(
                "condition",
                match model.condition {
                    Condition::Pair => "the pair".into(),
                    Condition::PairTie => "the pair and a one-pass TIE solution".into(),
                },
            )]);
        }
        settings.extend([
            (
                "target",
                match model.target {
                    Target::Phase if *task == Task::Phase => "the phase".into(),
                    Target::Phase => "the fine image".into(),
                    Target::TieResidual => "what the one-pass TIE solution leaves".into(),
                    Target::Residual => "what interpolation leaves".into(),
                },
            ),
            (
                "the network predicts",
                match model.predicts {
                    Predicts::Noise => "the noise".into(),
                    Predicts::Velocity => "the velocity √γ ε − √σ y".into(),
                },
            ),
            (
                "the network",
                match model.network {
                    NetworkKind::Unet => "U-Net".into(),
                    NetworkKind::Sr3 => "SR3's".into(),
                    NetworkKind::Dfcan => "DFCAN".into(),
                },
            ),
            ("base filters of the noise network", model.noise_base.to_string()),
            ("base filters of the rate network", model.rate_base.to_string()),
            ("scales of the networks", model.scales.to_string()),
            ("hidden units of τ and ρ", model.hidden.to_string()),
            ("training patch", format!("{0} × {0}", data.patch)),
            ("batch", data.batch.to_string()),
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
            ("scales of MS-SSIM that test images have room for", ms_ssim_scales(self.test_size).to_string()),
        ]);
        if *task == Task::Phase {
            settings.push(("noise of training pairs", format!("N(ξ, ξ), ξ up to {}", data.noise)));
        }
        settings
    }
}
