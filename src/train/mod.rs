//! The training loop: batches prepared beside the device's work, a log, checkpoints, a picture of the losses.
//!
//! A run lives in a folder: `checkpoint.safetensors` (everything to go on from), `weights.safetensors` (to reconstruct with),
//! `log.jsonl`, `losses.png`, `config.toml`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::data::write_atomically;
use crate::diffusion::{Losses, Model, StepOptions, Trainer, TrainerState};
use crate::gpu::Gpu;
use crate::interrupt::Interrupt;
use crate::picture::{LineChart, Series};
use crate::tasks::{self, Batch};
use crate::{Error, Progress, Result, weights};

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Line {
    step: u64,
    total: f32,
    noise: f32,
    beta: f32,
    prior: f32,
    gamma: f32,
    learning_rate: f64,
    seconds: f64,
}

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

/// Trains until `config.training.steps`, or until interrupted.
///
/// # Errors
/// [`Error::File`] if the folder holds a run already and `resume` is not set, or cannot be written; [`Error::Input`] if the
/// checkpoint to resume belongs to another model; [`Error::Interrupted`] after an interrupt, with everything saved; device
/// errors.
pub fn train(gpu: &Gpu, config: &TrainConfig, out: &Path, resume: bool, interrupt: &Interrupt) -> Result<Finished> {
    config.check()?;
    let folder = Folder(out.to_path_buf());
    let (model, state) = start(config, &folder, resume)?;
    let source = tasks::source(config)?;
    let options = StepOptions {
        batch: config.data.batch,
        height: config.data.patch,
        width: config.data.patch,
        weights: config.loss_weights(),
        stratified_times: config.training.stratified_times,
        noise_weight: config.training.noise_weight.into(),
        micro_batch: config.training.micro_batch,
        recompute: config.training.recompute,
    };
    let first = state.step;
    let mut trainer = Trainer::new(gpu, model, options, &state)?;
    let toml = toml::to_string(config).map_err(|e| Error::input(format!("the configuration as TOML: {e}")))?;
    write_atomically(folder.file("config.toml"), |f| f.write_all(toml.as_bytes()))?;
    let micro = trainer.micro_batch();
    let split = if micro < config.data.batch { format!(", micro-batches of {micro}") } else { String::new() };
    eprintln!(
        "{}: {} parameters, {}, {:.0} MiB on the device{split}, steps {first} to {}",
        gpu.summary().name,
        trainer.model().parameters().len(),
        source.describe(),
        trainer.memory().total() as f64 / (1 << 20) as f64,
        config.training.steps
    );
    let mut progress = Progress::new(config.training.steps, "training").resumed_at(first);
    let result = std::thread::scope(|scope| {
        // Two batches ahead: enough to hide the simulation, little enough to stop at once.
        let (sender, batches) = sync_channel::<Result<Batch>>(2);
        let source = &*source;
        scope.spawn(move || {
            for step in first..config.training.steps {
                if sender.send(source.batch(step)).is_err() {
                    return;
                }
            }
        });
        let mut next = || {
            batches.recv().unwrap_or_else(|_| Err(Error::Interrupted("the preparation of batches ended early".into())))
        };
        let outcome = steps(&mut trainer, config, &folder, &mut next, &mut progress, interrupt);
        drop(batches);
        outcome
    });
    // Whatever ended the loop, what was learned is kept, unless the device is gone.
    let saved = save(&trainer, config, &folder);
    progress.finish();
    result.and(saved)?;
    Ok(Finished { steps: trainer.steps(), weights: folder.file("weights.safetensors") })
}

/// A fresh state, or the checkpoint's.
fn start(config: &TrainConfig, folder: &Folder, resume: bool) -> Result<(Model, TrainerState)> {
    let checkpoint = folder.file("checkpoint.safetensors");
    if resume {
        let (saved, model, state) = weights::load_checkpoint(&checkpoint)?;
        if (saved.task, &saved.model) != (config.task, &config.model) || saved.model_config() != config.model_config() {
            return Err(Error::file(
                &checkpoint,
                "belongs to another task or [model] section than the configuration; resume with the one in config.toml",
            ));
        }
        return Ok((model, state));
    }
    if checkpoint.exists() {
        return Err(Error::file(
            &checkpoint,
            "exists: this folder holds a run; go on with --resume, or choose another folder",
        ));
    }
    std::fs::create_dir_all(&folder.0).map_err(|e| Error::file(&folder.0, format!("cannot be made: {e}")))?;
    let model = Model::new(config.model_config())?;
    let state = TrainerState::new(&model, config.training.seed);
    Ok((model, state))
}

fn steps(
    trainer: &mut Trainer,
    config: &TrainConfig,
    folder: &Folder,
    next: &mut impl FnMut() -> Result<Batch>,
    progress: &mut Progress,
    interrupt: &Interrupt,
) -> Result<()> {
    let training = &config.training;
    let started = Instant::now();
    while trainer.steps() < training.steps {
        if interrupt.requested() {
            return Err(Error::Interrupted(format!(
                "training stopped after step {} and was saved; go on with --resume",
                trainer.steps()
            )));
        }
        let batch = next()?;
        let hyper = config.hyper(trainer.steps());
        trainer.step(&batch.x, &batch.y, &hyper)?;
        trainer.wait()?;
        progress.advance(1);
        let step = trainer.steps();
        if step.is_multiple_of(training.log_every) || step == training.steps {
            let losses = trainer.losses()?;
            let line = line(step, &losses, config, hyper.learning_rate, started.elapsed().as_secs_f64());
            if !line.total.is_finite() {
                return Err(Error::input(format!(
                    "the loss became {} at step {step}; lower training.learning_rate and start again",
                    line.total
                )));
            }
            append(folder, &line)?;
            progress.set_message(format!("loss {:.4} (noise {:.4})", line.total, line.noise));
        }
        if step.is_multiple_of(training.checkpoint_every) {
            save(trainer, config, folder)?;
        }
    }
    Ok(())
}

fn line(step: u64, losses: &Losses, config: &TrainConfig, learning_rate: f64, seconds: f64) -> Line {
    let Losses { noise, beta, prior, gamma } = *losses;
    let total = losses.total(&config.loss_weights());
    Line { step, total, noise, beta, prior, gamma, learning_rate, seconds }
}

fn append(folder: &Folder, line: &Line) -> Result<()> {
    let path = folder.file("log.jsonl");
    let failed = |e: std::io::Error| Error::file(&path, format!("cannot be written: {e}"));
    let text = serde_json::to_string(line).map_err(|e| Error::file(&path, e.to_string()))?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    writeln!(file, "{text}").map_err(failed)
}

fn save(trainer: &Trainer, config: &TrainConfig, folder: &Folder) -> Result<()> {
    let state = trainer.state()?;
    if state.parameters.iter().any(|v| !v.is_finite()) {
        return Err(Error::input("the parameters are no longer finite; the last checkpoint is kept"));
    }
    weights::save_checkpoint(&folder.file("checkpoint.safetensors"), config, trainer.model(), &state)?;
    weights::save_weights(&folder.file("weights.safetensors"), config, trainer.model(), &state.average, state.step)?;
    picture(folder)
}

/// Draws the log. Lines after the checkpoint that a killed run was resumed from appear twice; the later one counts.
fn picture(folder: &Folder) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(folder.file("log.jsonl")) else { return Ok(()) };
    let mut lines: std::collections::BTreeMap<u64, Line> = std::collections::BTreeMap::new();
    for line in text.lines().filter_map(|l| serde_json::from_str::<Line>(l).ok()) {
        lines.insert(line.step, line);
    }
    if lines.len() < 2 {
        return Ok(());
    }
    let series = |name: &str, value: fn(&Line) -> f32| {
        // The logarithmic axis has no place for zero, which a fixed schedule's losses are.
        let points = lines.values().map(|l| (l.step as f64, f64::from(value(l)))).filter(|p| p.1 > 0.0);
        Series::new(name, points.collect::<Vec<_>>()).smoothed(0.9)
    };
    let mut chart = LineChart::new("Training losses").x_label("step").y_label("loss").log_y();
    type Value = fn(&Line) -> f32;
    let all: [(&str, Value); 5] =
        [("total", |l| l.total), ("noise", |l| l.noise), ("β", |l| l.beta), ("prior", |l| l.prior), ("γ", |l| l.gamma)];
    for (name, value) in all {
        if lines.values().any(|l| value(l) > 0.0) {
            chart = chart.series(series(name, value));
        }
    }
    chart.write_png(folder.file("losses.png"))
}
