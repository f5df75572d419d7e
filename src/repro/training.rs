//! Training as a part of a reproduction: once for each configuration and seed, whatever asks for it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::Session;
use super::method::Method;
use super::part::{Computed, Part};
use crate::config::{DfcanSection, MicroscopySection, Sr3Section, SuperResolutionSection, Task, TrainConfig};
use crate::{Error, Result, train};

/// A trained model.
pub struct Trained {
    /// Its weights.
    pub weights: PathBuf,
    /// The part's fingerprint.
    pub key: String,
}

/// Trains a method, or finds it trained; none if it needs no training.
///
/// # Errors
/// Those of [`train::train`].
pub fn trained<M: Method>(session: &mut Session, method: M, seed: u64) -> Result<Option<Trained>> {
    let Some(config) = method.config(session, seed)? else { return Ok(None) };
    let images = session.data.training_fingerprint(config.task)?;
    let of = if config.task == Task::Microscopy { "images" } else { "photographs" };
    let inputs = json!({ of: images, "config": fingerprint(&config)? });
    let name = format!("training {}, seed {seed}", method.full_name());
    let (gpu, interrupt) = (session.gpu.clone(), session.interrupt.clone());
    let part: Part<u64> = session.parts.get("train", &name, &inputs, |folder| {
        let resume = folder.join("checkpoint.safetensors").exists();
        let finished = train::train(&gpu, &config, folder, resume, &interrupt)?;
        Ok(Computed { result: finished.steps, seconds: logged_seconds(&folder.join("log.jsonl"))? })
    })?;
    session.note_configuration(&method.full_name(), &config)?;
    Ok(Some(Trained { weights: part.folder.join("weights.safetensors"), key: part.key }))
}

/// The configuration without what says where things are, and how often a run is saved and, unless the step size is halved by its log, logged:
/// what its result depends on.
pub fn placeless(config: &TrainConfig) -> TrainConfig {
    let mut config = config.clone();
    let default = TrainConfig::default();
    config.data.photographs.clone_from(&default.data.photographs);
    config.microscopy.folder.clone_from(&default.microscopy.folder);
    config.super_resolution.folder.clone_from(&default.super_resolution.folder);
    config.training.checkpoint_every = default.training.checkpoint_every;
    if config.training.plateau.is_none() {
        config.training.log_every = default.training.log_every;
    }
    config
}

/// What a training's result depends on: its settings as far as they differ from the defaults, so that a setting which a later
/// version adds does not make finished trainings unknown. Where the data lie and how often a run is saved change nothing.
fn fingerprint(config: &TrainConfig) -> Result<Value> {
    let failed = |e: serde_json::Error| Error::input(format!("the configuration as JSON: {e}"));
    let mut default = serde_json::to_value(TrainConfig::default()).map_err(failed)?;
    // Sections that are left out while they hold nothing but defaults.
    default["microscopy"] = serde_json::to_value(MicroscopySection::default()).map_err(failed)?;
    default["super_resolution"] = serde_json::to_value(SuperResolutionSection::default()).map_err(failed)?;
    default["model"]["sr3"] = serde_json::to_value(Sr3Section::default()).map_err(failed)?;
    default["model"]["dfcan"] = serde_json::to_value(DfcanSection::default()).map_err(failed)?;
    let ours = serde_json::to_value(placeless(config)).map_err(failed)?;
    Ok(differing(&ours, &default).unwrap_or_default())
}

/// What of a value differs from another; of objects those entries alone.
fn differing(ours: &Value, other: &Value) -> Option<Value> {
    let (Some(entries), Some(_)) = (ours.as_object(), other.as_object()) else {
        return (ours != other).then(|| ours.clone());
    };
    let kept = entries.iter().filter_map(|(key, value)| Some((key.clone(), differing(value, &other[key])?)));
    let kept: serde_json::Map<_, _> = kept.collect();
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// The time that all sessions of a training spent up to their last logged steps, from its log, in which each session's seconds start at
/// zero. A session ends where the next line names another one; two that went on from the same checkpoint have the same name, and logs of
/// earlier versions have none, so that it also ends where the step or the seconds do not rise.
fn logged_seconds(log: &Path) -> Result<Option<f64>> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(default)]
        step: u64,
        #[serde(default)]
        session: u64,
        seconds: f64,
    }
    let text = fs::read_to_string(log).map_err(|e| Error::file(log, format!("cannot be read: {e}")))?;
    let lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let goes_on = |a: &Line, b: &Line| a.session == b.session && a.step < b.step && a.seconds <= b.seconds;
    let sessions = lines.chunk_by(goes_on).filter_map(<[Line]>::last);
    Ok((!lines.is_empty()).then(|| sessions.map(|line| line.seconds).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_all_sessions_is_summed() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.jsonl");
        let seconds = |lines: &[(u64, u64, f64)]| {
            let line = |&(session, step, seconds): &(u64, u64, f64)| {
                format!("{{\"session\":{session},\"step\":{step},\"seconds\":{seconds}}}\n")
            };
            // A line that a crash cut short.
            fs::write(&log, lines.iter().map(line).collect::<String>() + "{\"secon").unwrap();
            logged_seconds(&log).unwrap()
        };
        assert_eq!(seconds(&[(0, 10, 1.0), (0, 20, 3.0), (20, 30, 0.5), (20, 40, 2.0)]), Some(5.0));
        // The second session's first line comes later after its beginning than the first session's last.
        assert_eq!(seconds(&[(0, 10, 1.0), (10, 20, 4.0), (10, 30, 5.0)]), Some(6.0));
        // Both went on from step 10.
        assert_eq!(seconds(&[(0, 10, 1.0), (10, 20, 1.5), (10, 20, 2.0), (10, 30, 3.0)]), Some(5.5));
        // Logs without the session.
        fs::write(&log, "{\"step\":1,\"seconds\":2.0}\n{\"step\":2,\"seconds\":1.0}\n").unwrap();
        assert_eq!(logged_seconds(&log).unwrap(), Some(3.0));
        fs::write(&log, "").unwrap();
        assert_eq!(logged_seconds(&log).unwrap(), None);
    }

    #[test]
    fn a_training_is_known_by_what_changes_its_result() {
        let mut config = TrainConfig::default();
        assert_eq!(fingerprint(&config).unwrap(), Value::Null);
        config.data.photographs = "elsewhere".into();
        config.training.log_every = 7;
        assert_eq!(fingerprint(&config).unwrap(), Value::Null);
        config.training.seed = 2;
        assert_eq!(fingerprint(&config).unwrap(), json!({ "training": { "seed": 2 } }));
    }

    #[test]
    fn where_a_set_lies_is_no_part_of_its_fingerprint() {
        let mut config = TrainConfig { task: Task::Microscopy, ..TrainConfig::default() };
        let here = fingerprint(&config).unwrap();
        config.microscopy.folder = "elsewhere".into();
        config.super_resolution.folder = "elsewhere".into();
        assert_eq!(fingerprint(&config).unwrap(), here);
        config.microscopy.last_level = Some(3);
        assert_eq!(fingerprint(&config).unwrap()["microscopy"], json!({ "last_level": 3 }));
    }
}
