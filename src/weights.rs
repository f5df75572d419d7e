//! Weights and checkpoints as safetensors files, with the configuration that they belong to.
//!
//! Weights hold every parameter by name. A checkpoint holds, besides, the optimiser's moments, the moving average, the step,
//! the seed and what was seen of the loss: everything needed to go on as if nothing had happened. Files are replaced atomically.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::config::TrainConfig;
use crate::data::write_atomically;
use crate::diffusion::{Model, TrainerState};
use crate::plateau::Plateau;
use crate::{Error, Result};

/// The one key of the file's metadata. One, because the keys' order in the file is not defined, and equal weights should be
/// equal bytes.
const KEY: &str = "cvdm";

/// What a file says about itself, as JSON under [`KEY`].
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    config: TrainConfig,
    step: u64,
    /// The seed of the run; checkpoints have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// What a run has seen of its loss; of checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plateau: Option<Plateau>,
    /// Of weights that were calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calibration: Option<Calibration>,
}

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
    /// How far its samples' deviations can be believed, if that was found out.
    pub calibration: Option<Calibration>,
}

impl Weights {
    /// Writes them, with their calibration.
    ///
    /// # Errors
    /// As [`save_weights`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let (config, calibration) = (self.config.clone(), self.calibration.clone());
        let header = Header { config, step: self.step, seed: None, plateau: None, calibration };
        write(path, named(&self.model, "", &self.parameters).collect(), &header)
    }
}

/// Everything to go on from.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The run.
    pub config: TrainConfig,
    /// The model.
    pub model: Model,
    /// The optimiser's state.
    pub state: TrainerState,
    /// What was seen of the loss.
    pub plateau: Plateau,
}

type Named<'a> = (String, &'a [usize], &'a [f32]);

fn named<'a>(model: &'a Model, prefix: &'a str, flat: &'a [f32]) -> impl Iterator<Item = Named<'a>> {
    model.parameters().iter().map(move |p| (format!("{prefix}{}", p.name), p.shape.as_slice(), &flat[p.range.clone()]))
}

fn write(path: &Path, tensors: Vec<Named<'_>>, header: &Header) -> Result<()> {
    let views = tensors
        .iter()
        .map(|(name, shape, values)| {
            let view = TensorView::new(Dtype::F32, shape.to_vec(), bytemuck::cast_slice(values));
            Ok((name.as_str(), view.map_err(|e| Error::file(path, format!("cannot hold \"{name}\": {e}")))?))
        })
        .collect::<Result<Vec<_>>>()?;
    let json = serde_json::to_string(header).map_err(|e| Error::input(format!("the configuration as JSON: {e}")))?;
    let metadata = HashMap::from([(KEY.to_string(), json)]);
    let bytes = serialize(views, Some(metadata)).map_err(|e| Error::file(path, e.to_string()))?;
    write_atomically(path, |file| file.write_all(&bytes))
}

/// Writes weights.
///
/// # Errors
/// [`Error::File`] if the file cannot be written; what was there before is untouched.
pub fn save_weights(path: &Path, config: &TrainConfig, model: &Model, flat: &[f32], step: u64) -> Result<()> {
    let header = Header { config: config.clone(), step, seed: None, plateau: None, calibration: None };
    write(path, named(model, "", flat).collect(), &header)
}

/// Writes a checkpoint.
///
/// # Errors
/// As [`save_weights`].
pub fn save_checkpoint(path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    let Checkpoint { config, model, state, plateau } = checkpoint;
    let header = Header {
        config: config.clone(),
        step: state.step,
        seed: Some(state.seed),
        plateau: Some(*plateau),
        calibration: None,
    };
    let tensors = [
        ("parameters.", &state.parameters),
        ("first_moments.", &state.first_moments),
        ("second_moments.", &state.second_moments),
        ("average.", &state.average),
    ];
    write(path, tensors.iter().flat_map(|(prefix, flat)| named(model, prefix, flat)).collect(), &header)
}

struct Opened {
    bytes: Vec<u8>,
    header: Header,
    model: Model,
}

fn open(path: &Path) -> Result<Opened> {
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let broken = |e: &dyn std::fmt::Display| {
        Error::file(path, format!("is not a complete safetensors file ({e}); it may be truncated or of another kind"))
    };
    let (_, file) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(&e))?;
    SafeTensors::deserialize(&bytes).map_err(|e| broken(&e))?;
    let json = file.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| {
        Error::file(path, format!("has no \"{KEY}\" in its metadata; it was not written by this program"))
    })?;
    let header: Header =
        serde_json::from_str(json).map_err(|e| Error::file(path, format!("its configuration is not readable: {e}")))?;
    let calibration = header.calibration.as_ref().map_or(Ok(()), Calibration::check);
    header.config.check().and(calibration).map_err(|e| Error::file(path, e.to_string()))?;
    let model = Model::new(header.config.model_config())?;
    Ok(Opened { bytes, header, model })
}

impl Opened {
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
    let prefix = if opened.header.seed.is_some() { "average." } else { "" };
    let parameters = opened.flat(path, prefix)?;
    let Header { config, step, calibration, .. } = opened.header;
    Ok(Weights { parameters, step, config, model: opened.model, calibration })
}

/// Reads a checkpoint.
///
/// # Errors
/// As [`load_weights`]; [`Error::File`] for weights, which hold no state of a run.
pub fn load_checkpoint(path: &Path) -> Result<Checkpoint> {
    let opened = open(path)?;
    let seed = opened
        .header
        .seed
        .ok_or_else(|| Error::file(path, "holds weights alone; a run goes on from its checkpoint.safetensors"))?;
    let state = TrainerState {
        parameters: opened.flat(path, "parameters.")?,
        first_moments: opened.flat(path, "first_moments.")?,
        second_moments: opened.flat(path, "second_moments.")?,
        average: opened.flat(path, "average.")?,
        step: opened.header.step,
        seed,
    };
    let Header { config, plateau, .. } = opened.header;
    Ok(Checkpoint { config, model: opened.model, state, plateau: plateau.unwrap_or_default() })
}
