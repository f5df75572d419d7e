//! The training loop: batches prepared beside the device's work, a log, checkpoints, a picture of the losses.
//!
//! A run lives in a folder: `checkpoint.safetensors` (everything to go on from), `weights.safetensors` (to reconstruct with),
//! `log.jsonl`, `losses.png`, `config.toml`, and `lock`, which one program holds.

mod log;

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use crate::config::{ModelSection, NetworkKind, Task, TrainConfig};
use crate::data::write_atomically;
use crate::diffusion::{Hyper, Model, StepCost, Trainer, TrainerState};
use crate::gpu::{Behind, Caps, Gpu};
use crate::interrupt::Interrupt;
use crate::lock::FolderLock;
use crate::plateau::Plateau;
use crate::tasks::{self, Batch, Source};
use crate::weights::{self, Checkpoint};
use crate::{Error, Progress, Result, tell};
use log::Line;

/// Where a run keeps its files.
struct Folder(PathBuf);

impl Folder {
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// What a run ended with.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Steps done, over all sessions.
    pub steps: u64,
    /// The weights.
    pub weights: PathBuf,
}

/// What a training step of a configuration costs on a device of these capabilities; nothing is allocated.
///
/// # Errors
/// Those of [`TrainConfig::check`] and [`StepCost::of`].
pub fn cost(caps: Caps, config: &TrainConfig) -> Result<StepCost> {
    config.check()?;
    StepCost::of(caps, &Model::new(config.model_config())?, &config.step_options())
}

/// Trains until `config.training.steps`, or until interrupted.
///
/// # Errors
/// [`Error::File`] if the folder holds a run already and `resume` is not set, is in use by another program, or cannot be written, or if the
/// checkpoint to resume belongs to another model, seed, batch or optical setting, or has more steps behind it; [`Error::Interrupted`] after an interrupt, with everything saved; device errors.
pub fn train(gpu: &Gpu, config: &TrainConfig, out: &Path, resume: bool, interrupt: &Interrupt) -> Result<Finished> {
    config.check()?;
    let folder = Folder(out.to_path_buf());
    let (Checkpoint { model, state, plateau, .. }, _lock) = start(config, &folder, resume)?;
    let source = tasks::source(config)?;
    let first = state.step;
    let trainer = Trainer::new(gpu, model, config.step_options(), &state)?;
    let toml = toml::to_string(config).map_err(|e| Error::input(format!("the configuration as TOML: {e}")))?;
    write_atomically(folder.file("config.toml"), |f| f.write_all(toml.as_bytes()))?;
    let micro = trainer.micro_batch();
    let split = if micro < config.data.batch { format!(", micro-batches of {micro}") } else { String::new() };
    tell(format_args!(
        "{}: {} parameters, {}, {:.0} MiB on the device{split}, steps {first} to {}",
        gpu.summary().name,
        trainer.model().parameters().count(),
        source.describe(),
        trainer.memory().total() as f64 / (1 << 20) as f64,
        config.training.steps
    ));
    if let Some(advice) = advice(config) {
        tell(advice);
    }
    let mut progress = Progress::new(config.training.steps, "training").resumed_at(first);
    let mut run = Run { gpu, trainer, plateau, config, folder, saved: None };
    let result = thread::scope(|scope| {
        let batches = prepare(scope, &*source, first..config.training.steps);
        let mut turn = batches.iter().cycle();
        let mut next = || {
            let batch = turn.next().and_then(|batches| batches.recv().ok());
            batch.unwrap_or_else(|| Err(Error::Interrupted("the preparation of batches ended early".into())))
        };
        let outcome = run.steps(&mut next, &mut progress, interrupt);
        drop(batches);
        outcome
    });
    // Whatever ended the loop, what was learned is kept, unless the device is gone.
    let saved = run.save();
    progress.finish();
    match (result, saved) {
        // An interrupted run says that it was saved.
        (Err(Error::Interrupted(_)), Err(unsaved)) => return Err(unsaved),
        (result, saved) => result.and(saved)?,
    }
    Ok(Finished { steps: run.trainer.steps(), weights: run.folder.file("weights.safetensors") })
}

/// Prepares the batches of these steps on threads that take them by turns: as many as half of the processors, since a GPU may take less time for
/// a step than one thread for its batch. Each is two batches ahead at most: enough to hide the work, little enough to stop at once.
fn prepare<'a>(scope: &'a Scope<'a, '_>, source: &'a dyn Source, steps: Range<u64>) -> Vec<Receiver<Result<Batch>>> {
    let threads = thread::available_parallelism().map_or(1, usize::from).div_ceil(2).min(8);
    let worker = |first: usize| {
        let (sender, batches) = sync_channel(1);
        let own = steps.clone().skip(first).step_by(threads);
        scope.spawn(move || {
            for step in own {
                if sender.send(source.batch(step)).is_err() {
                    return;
                }
            }
        });
        batches
    };
    (0..threads).map(worker).collect()
}

/// What to know about the patch before a long training: the fast convolutions work on quads of pixels, at every scale.
fn advice(config: &TrainConfig) -> Option<String> {
    let ModelSection { network, scales, .. } = config.model;
    let (patch, whole) = (config.data.patch, 4 << scales.saturating_sub(1));
    (network != NetworkKind::Dfcan && !patch.is_multiple_of(whole)).then(|| {
        format!(
            "note: with {scales} scales a patch of {patch} leaves widths that are no multiple of 4, for which slower kernels serve; \
             a multiple of {whole} trains faster"
        )
    })
}

/// A fresh state, or the checkpoint's, and the folder, for this run alone.
fn start(config: &TrainConfig, folder: &Folder, resume: bool) -> Result<(Checkpoint, FolderLock)> {
    let checkpoint = folder.file("checkpoint.safetensors");
    if resume {
        if !checkpoint.exists() {
            return Err(Error::file(
                &checkpoint,
                "is not there: this folder holds no run to go on with; leave --resume out",
            ));
        }
        let lock = FolderLock::take(&folder.0)?;
        let saved = weights::load_checkpoint(&checkpoint)?;
        let same_task = (saved.config.task, &saved.config.model) == (config.task, &config.model);
        if !same_task || saved.config.model_config() != config.model_config() {
            return Err(Error::file(
                &checkpoint,
                "belongs to another task or [model] section than the configuration; resume with the one in config.toml",
            ));
        }
        // Patches follow from the configuration's seed and batch, times and noise from the checkpoint's: with others it would be neither run.
        let held = |key: &str, held: &dyn Display, given: &dyn Display| {
            let problem = format!("is of a run with {key} = {held}, the configuration has {given}; resume with {held}");
            Err(Error::file(&checkpoint, format!("{problem}, or start a run of its own in another folder")))
        };
        if saved.state.seed != config.training.seed {
            return held("training.seed", &saved.state.seed, &config.training.seed);
        }
        if saved.config.data.batch != config.data.batch {
            return held("data.batch", &saved.config.data.batch, &config.data.batch);
        }
        // The weights say what they were trained for, whatever step of a run it is.
        for ((key, was), (_, given)) in trained_for(&saved.config).into_iter().zip(trained_for(config)) {
            if was != given {
                return held(key, &was, &given);
            }
        }
        if saved.state.step > config.training.steps {
            let (done, asked) = (saved.state.step, config.training.steps);
            return Err(Error::file(
                &checkpoint,
                format!("has {done} steps behind it, training.steps = {asked}; ask for more"),
            ));
        }
        return Ok((saved, lock));
    }
    for (file, advice) in [
        (&checkpoint, "this folder holds a run; go on with --resume, or choose another folder"),
        (&folder.file("weights.safetensors"), "a run here would replace these weights; choose another folder"),
    ] {
        if file.exists() {
            return Err(Error::file(file, format!("exists: {advice}")));
        }
    }
    let lock = FolderLock::take(&folder.0)?;
    // What a run left that was killed before its first checkpoint.
    let _ = std::fs::remove_file(folder.file("log.jsonl"));
    let model = Model::new(config.model_config())?;
    let state = TrainerState::new(&model, config.training.seed);
    Ok((Checkpoint { config: config.clone(), model, state, plateau: Plateau::default() }, lock))
}

/// The settings of the data that say what weights are good for, of each task.
fn trained_for(config: &TrainConfig) -> Vec<(&'static str, String)> {
    let TrainConfig { data, microscopy, super_resolution, .. } = config;
    match config.task {
        Task::Phase => vec![
            ("data.wavelength_um", data.wavelength_um.to_string()),
            ("data.pixel_um", data.pixel_um.to_string()),
            ("data.defocus_um", data.defocus_um.to_string()),
        ],
        Task::Microscopy => vec![("microscopy.structure", format!("{:?}", microscopy.structure))],
        Task::SuperResolution => vec![("super_resolution.factor", super_resolution.factor.to_string())],
    }
}

/// A run on its way.
struct Run<'a> {
    gpu: &'a Gpu,
    trainer: Trainer,
    plateau: Plateau,
    config: &'a TrainConfig,
    folder: Folder,
    /// When a checkpoint was saved, and how long that took.
    saved: Option<(Instant, Duration)>,
}

/// A checkpoint waits until so many times the time that the last one took have gone by: where steps are fast and networks large, saving would
/// take longer than training.
const BETWEEN_SAVES: u32 = 20;

impl Run<'_> {
    fn steps(
        &mut self,
        next: &mut impl FnMut() -> Result<Batch>,
        progress: &mut Progress,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let training = &self.config.training;
        let (session, started) = (self.trainer.steps(), Instant::now());
        let mut behind = Behind::default();
        while self.trainer.steps() < training.steps {
            if interrupt.requested() {
                return Err(Error::Interrupted(format!(
                    "training stopped after step {} and was saved; go on with --resume",
                    self.trainer.steps()
                )));
            }
            let batch = next()?;
            let mut hyper: Hyper = self.config.hyper(self.trainer.steps());
            hyper.learning_rate *= self.plateau.factor();
            let submitted = self.trainer.step(&batch.x, &batch.y, &hyper)?;
            behind.wait(self.gpu, submitted)?;
            progress.advance(1);
            let step = self.trainer.steps();
            if step.is_multiple_of(training.log_every) || step == training.steps {
                let losses = self.trainer.losses()?;
                let time = (session, started.elapsed().as_secs_f64());
                let line = Line::new(step, &losses, self.config, hyper.learning_rate, time);
                if !line.total.is_finite() {
                    return Err(Error::input(format!(
                        "the loss became {} at step {step}; lower training.learning_rate and start again",
                        line.total
                    )));
                }
                line.append(&self.folder)?;
                progress.set_message(format!("loss {:.4} (noise {:.4})", line.total, line.noise));
                // Not at the last step out of turn: a run that goes on from there must see what an uninterrupted one sees.
                if let Some(patience) = training.plateau.filter(|_| step.is_multiple_of(training.log_every)) {
                    self.plateau.see(line.total, patience);
                }
            }
            let waited = self.saved.is_none_or(|(at, took)| at.elapsed() >= BETWEEN_SAVES * took);
            if step.is_multiple_of(training.checkpoint_every) && waited {
                let started = Instant::now();
                self.save()?;
                self.saved = Some((Instant::now(), started.elapsed()));
            }
        }
        Ok(())
    }

    fn save(&self) -> Result<()> {
        let state = self.trainer.state()?;
        if state.parameters.iter().any(|v| !v.is_finite()) {
            return Err(Error::input(
                "the parameters are no longer finite; the last checkpoint is kept: start again with a lower training.learning_rate",
            ));
        }
        let (config, model) = (self.config.clone(), self.trainer.model().clone());
        let checkpoint = Checkpoint { config, model, state, plateau: self.plateau };
        weights::save_checkpoint(&self.folder.file("checkpoint.safetensors"), &checkpoint)?;
        let Checkpoint { config, model, state, .. } = &checkpoint;
        weights::save_weights(&self.folder.file("weights.safetensors"), config, model, &state.average, state.step)?;
        log::picture(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DataSection;

    #[test]
    fn patches_that_leave_odd_widths_are_told() {
        let of = |patch, scales, network| {
            let data = DataSection { patch, ..DataSection::default() };
            let model = ModelSection { scales, network, ..ModelSection::default() };
            advice(&TrainConfig { data, model, ..TrainConfig::default() })
        };
        assert_eq!(of(128, 5, NetworkKind::Unet), None);
        assert_eq!(of(16, 3, NetworkKind::Sr3), None);
        assert_eq!(of(18, 3, NetworkKind::Dfcan), None);
        assert!(of(176, 5, NetworkKind::Unet).unwrap().contains("a multiple of 64"));
    }
}
