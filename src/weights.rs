//! Weights and checkpoints as safetensors files, with the configuration that they belong to.
//!
//! Weights hold every parameter by name. A checkpoint holds, besides, the optimiser's moments, the moving average, the step
//! and the seed: everything needed to go on as if nothing had happened. Files are replaced atomically.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::config::TrainConfig;
use crate::data::write_atomically;
use crate::diffusion::{Model, TrainerState};
use crate::{Error, Result};

const CONFIG: &str = "cvdm.config";
const STEP: &str = "cvdm.step";
const SEED: &str = "cvdm.seed";

/// A model with its weights.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The run that made them.
    pub config: TrainConfig,
    /// The model.
    pub model: Model,
    /// Flat parameters.
    pub parameters: Vec<f32>,
    /// Optimiser steps behind them.
    pub step: u64,
}

type Named<'a> = (String, &'a [usize], &'a [f32]);

fn named<'a>(model: &'a Model, prefix: &'a str, flat: &'a [f32]) -> impl Iterator<Item = Named<'a>> {
    model.parameters().iter().map(move |p| (format!("{prefix}{}", p.name), p.shape.as_slice(), &flat[p.range.clone()]))
}

fn write(path: &Path, tensors: Vec<Named<'_>>, metadata: HashMap<String, String>) -> Result<()> {
    let views = tensors
        .iter()
        .map(|(name, shape, values)| {
            let view = TensorView::new(Dtype::F32, shape.to_vec(), bytemuck::cast_slice(values));
            Ok((name.as_str(), view.map_err(|e| Error::file(path, format!("cannot hold \"{name}\": {e}")))?))
        })
        .collect::<Result<Vec<_>>>()?;
    let bytes = serialize(views, Some(metadata)).map_err(|e| Error::file(path, e.to_string()))?;
    write_atomically(path, |file| file.write_all(&bytes))
}

fn metadata(config: &TrainConfig, step: u64) -> Result<HashMap<String, String>> {
    let json = serde_json::to_string(config).map_err(|e| Error::input(format!("the configuration as JSON: {e}")))?;
    Ok(HashMap::from([(CONFIG.into(), json), (STEP.into(), step.to_string())]))
}

/// Writes weights.
///
/// # Errors
/// [`Error::File`] if the file cannot be written; what was there before is untouched.
pub fn save_weights(path: &Path, config: &TrainConfig, model: &Model, flat: &[f32], step: u64) -> Result<()> {
    write(path, named(model, "", flat).collect(), metadata(config, step)?)
}

/// Writes a checkpoint.
///
/// # Errors
/// As [`save_weights`].
pub fn save_checkpoint(path: &Path, config: &TrainConfig, model: &Model, state: &TrainerState) -> Result<()> {
    let mut metadata = metadata(config, state.step)?;
    metadata.insert(SEED.into(), state.seed.to_string());
    let tensors = [
        ("parameters.", &state.parameters),
        ("first_moments.", &state.first_moments),
        ("second_moments.", &state.second_moments),
        ("average.", &state.average),
    ];
    write(path, tensors.iter().flat_map(|(prefix, flat)| named(model, prefix, flat)).collect(), metadata)
}

struct Opened {
    bytes: Vec<u8>,
    config: TrainConfig,
    model: Model,
    metadata: HashMap<String, String>,
}

fn open(path: &Path) -> Result<Opened> {
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let broken = |e: &dyn std::fmt::Display| {
        Error::file(path, format!("is not a complete safetensors file ({e}); it may be truncated or of another kind"))
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(&e))?;
    SafeTensors::deserialize(&bytes).map_err(|e| broken(&e))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let json = metadata.get(CONFIG).ok_or_else(|| {
        Error::file(path, "has no \"cvdm.config\" in its metadata; it was not written by this program")
    })?;
    let config: TrainConfig =
        serde_json::from_str(json).map_err(|e| Error::file(path, format!("its configuration is not readable: {e}")))?;
    config.check().map_err(|e| Error::file(path, e.to_string()))?;
    let model = Model::new(config.model.model())?;
    Ok(Opened { bytes, config, model, metadata })
}

impl Opened {
    fn number(&self, path: &Path, key: &str) -> Result<u64> {
        self.metadata
            .get(key)
            .and_then(|v| v.parse().ok())
            .ok_or_else(|| Error::file(path, format!("has no number \"{key}\" in its metadata")))
    }

    fn flat(&self, path: &Path, prefix: &str) -> Result<Vec<f32>> {
        let file = SafeTensors::deserialize(&self.bytes).map_err(|e| Error::file(path, e.to_string()))?;
        let mut entries = Vec::new();
        for (name, view) in file.iter() {
            let Some(name) = name.strip_prefix(prefix) else { continue };
            if view.dtype() != Dtype::F32 {
                return Err(Error::file(path, format!("\"{name}\" is {:?}; weights are F32", view.dtype())));
            }
            entries.push((name, view.shape().to_vec(), bytemuck::pod_collect_to_vec::<u8, f32>(view.data())));
        }
        self.model
            .parameters()
            .gather(entries.iter().map(|(n, s, v)| (*n, s.as_slice(), v.clone())))
            .map_err(|e| Error::file(path, e.to_string()))
    }
}

/// Reads weights.
///
/// # Errors
/// [`Error::File`] if the file is missing, truncated, of another kind or of another architecture than it says.
pub fn load_weights(path: &Path) -> Result<Weights> {
    let opened = open(path)?;
    let step = opened.number(path, STEP)?;
    let prefix = if opened.metadata.contains_key(SEED) { "average." } else { "" };
    let parameters = opened.flat(path, prefix)?;
    Ok(Weights { parameters, step, config: opened.config, model: opened.model })
}

/// Reads a checkpoint.
///
/// # Errors
/// As [`load_weights`].
pub fn load_checkpoint(path: &Path) -> Result<(TrainConfig, Model, TrainerState)> {
    let opened = open(path)?;
    let state = TrainerState {
        parameters: opened.flat(path, "parameters.")?,
        first_moments: opened.flat(path, "first_moments.")?,
        second_moments: opened.flat(path, "second_moments.")?,
        average: opened.flat(path, "average.")?,
        step: opened.number(path, STEP)?,
        seed: opened.number(path, SEED)?,
    };
    Ok((opened.config, opened.model, state))
}
