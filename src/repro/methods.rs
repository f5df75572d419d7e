//! The methods that are compared, their training, and their scores on test images.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Session;
use super::cases::{Case, Cases};
use super::part::{Computed, Part, read_json};
use crate::config::{Schedule, TrainConfig};
use crate::data::{Plane, read_planes, write_atomically, write_tiff};
use crate::diffusion::SampleOptions;
use crate::evaluate::{Scores, classical, score};
use crate::inverse::PHASE_RANGE;
use crate::metrics;
use crate::reconstruct::{PhaseResult, Reconstructor};
use crate::weights::load_weights;
use crate::{Error, Progress, Result, train};

/// A method of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// The classical one.
    UsTie,
    /// One pass of the same U-Net.
    Regression,
    /// CDDPM with this `β` at the last of its 400 steps; the paper's is 0.02.
    Cddpm(f64),
    /// One learned schedule for all pixels.
    CvdmSimple,
    /// The paper's.
    Cvdm,
    /// The paper's without `L_γ`.
    CvdmWithoutGamma,
    /// `τ := ρ'`.
    CvdmTied,
}

/// CDDPM with the paper's range.
pub const CDDPM: Method = Method::Cddpm(0.02);

impl Method {
    /// What it is called.
    pub fn name(self) -> String {
        match self {
            Self::UsTie => "US-TIE".into(),
            Self::Regression => "U-Net, one pass".into(),
            CDDPM => "CDDPM".into(),
            Self::Cddpm(last) => format!("CDDPM, β to {last}"),
            Self::CvdmSimple => "CVDM-simple".into(),
            Self::Cvdm => "CVDM".into(),
            Self::CvdmWithoutGamma => "CVDM without L_γ".into(),
            Self::CvdmTied => "CVDM, tied".into(),
        }
    }

    /// How it is trained; none if it needs no training.
    pub fn config(self, session: &Session, seed: u64) -> Option<TrainConfig> {
        let schedule = match self {
            Self::UsTie => return None,
            Self::Regression => Schedule::None,
            Self::Cddpm(_) => Schedule::Fixed,
            Self::CvdmSimple => Schedule::Simple,
            Self::Cvdm | Self::CvdmWithoutGamma => Schedule::Learned,
            Self::CvdmTied => Schedule::Tied,
        };
        let mut config = session.numbers.training(schedule, &session.data.train, seed);
        match self {
            Self::Cddpm(last) => config.model.beta_last = last,
            Self::CvdmWithoutGamma => config.training.weight_gamma = 0.0,
            _ => {}
        }
        Some(config)
    }

    /// Whether it draws samples, so that it has an uncertainty.
    pub fn samples(self) -> bool {
        !matches!(self, Self::UsTie | Self::Regression)
    }
}

/// The numbers of a method on one image. Errors are fractions of the 3.5 rad range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImageScores {
    /// Those that every program of this crate reports.
    #[serde(flatten)]
    pub scores: Scores,
    /// Structural similarity, with the mean difference removed.
    pub ssim: f64,
    /// Aligned mean absolute error of the first sample alone.
    pub mae_one_sample: f64,
}

/// The scores of a method on images of one kind, and where its maps lie.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// Of each image.
    pub scores: Vec<ImageScores>,
    folder: PathBuf,
}

impl Evaluated {
    /// The maps of an image: mean phase and standard deviation in rad, rate, `∫β dt`.
    ///
    /// # Errors
    /// [`Error::File`] if the file is damaged.
    pub fn maps(&self, image: usize) -> Result<[Plane; 4]> {
        let path = self.folder.join(format!("{image}.tif"));
        let maps: [Plane; 4] = read_planes(&path)?
            .try_into()
            .map_err(|planes: Vec<_>| Error::file(&path, format!("holds {} planes, 4 were written", planes.len())))?;
        Ok(maps)
    }

    /// The samples of an image in rad, if they were kept.
    ///
    /// # Errors
    /// [`Error::File`] if they were not.
    pub fn samples(&self, image: usize) -> Result<Vec<Plane>> {
        read_planes(self.folder.join(format!("{image}-samples.tif")))
    }
}

/// A trained model.
pub struct Trained {
    /// Its weights.
    pub weights: PathBuf,
    /// The part's fingerprint.
    pub key: String,
}

/// Trains a method, or finds it trained.
///
/// # Errors
/// Those of [`train::train`].
pub fn trained(session: &mut Session, method: Method, seed: u64) -> Result<Option<Trained>> {
    let Some(config) = method.config(session, seed) else { return Ok(None) };
    let inputs = json!({ "photographs": session.data.train_fingerprint, "config": fingerprint(&config)? });
    let name = format!("training {}, seed {seed}", method.name());
    let (gpu, interrupt) = (session.gpu.clone(), session.interrupt.clone());
    let part: Part<u64> = session.parts.get("train", &name, &inputs, |folder| {
        let resume = folder.join("checkpoint.safetensors").exists();
        let finished = train::train(&gpu, &config, folder, resume, &interrupt)?;
        Ok(Computed { result: finished.steps, seconds: logged_seconds(&folder.join("log.jsonl"))? })
    })?;
    session.note_configuration(&method.name(), &config)?;
    Ok(Some(Trained { weights: part.folder.join("weights.safetensors"), key: part.key }))
}

/// What a training's result depends on: its settings as far as they differ from the defaults, so that a setting which a later
/// version adds does not make finished trainings unknown. Where the photographs lie and how often a run is saved change nothing.
fn fingerprint(config: &TrainConfig) -> Result<Value> {
    let mut config = config.clone();
    let default = TrainConfig::default();
    config.data.photographs.clone_from(&default.data.photographs);
    config.training.checkpoint_every = default.training.checkpoint_every;
    config.training.log_every = default.training.log_every;
    let json =
        |c: &TrainConfig| serde_json::to_value(c).map_err(|e| Error::input(format!("the configuration as JSON: {e}")));
    Ok(differing(&json(&config)?, &json(&default)?).unwrap_or_default())
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

/// The time that all sessions of a training spent, from its log, in which each session's seconds start at zero.
fn logged_seconds(log: &Path) -> Result<Option<f64>> {
    #[derive(Deserialize)]
    struct Line {
        seconds: f64,
    }
    let text = fs::read_to_string(log).map_err(|e| Error::file(log, format!("cannot be read: {e}")))?;
    let seconds: Vec<f64> =
        text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()).map(|line| line.seconds).collect();
    let ends = seconds.iter().zip(seconds.iter().skip(1).chain([&0.0])).filter(|(now, next)| next < now);
    Ok((!seconds.is_empty()).then(|| ends.map(|(now, _)| now).sum()))
}

/// Scores a method on images, or finds the scores. `keep` keeps the samples.
///
/// # Errors
/// Those of the training, and of reconstruction.
pub fn evaluated(
    session: &mut Session,
    method: Method,
    seed: u64,
    cases: &Cases,
    sampling: SampleOptions,
    keep: bool,
) -> Result<Evaluated> {
    let model = trained(session, method, seed)?;
    let key = model.as_ref().map_or("us-tie", |m| m.key.as_str());
    let SampleOptions { steps, samples, variant, discretisation, seed: draws, .. } = sampling;
    let how = json!({
        "steps": steps, "samples": samples, "variant": format!("{variant:?}"),
        "discretisation": format!("{discretisation:?}"), "seed": draws,
    });
    let sampled = if method.samples() { how } else { Value::Null };
    let inputs = json!({ "model": key, "cases": cases.fingerprint(), "sampling": sampled, "keep": keep });
    let of_seed = if model.is_some() { format!(", seed {seed}") } else { String::new() };
    let of_steps = if method.samples() {
        format!(", T = {}, {} samples", sampling.steps, sampling.samples)
    } else {
        String::new()
    };
    let name = format!("{}{of_seed} on {} of {}{of_steps}", method.name(), cases.all.len(), cases.name);
    let (gpu, interrupt) = (session.gpu.clone(), session.interrupt.clone());
    let part = session.parts.get("score", &name, &inputs, |folder| {
        let weights = model.as_ref().map(|m| load_weights(&m.weights)).transpose()?;
        let mut reconstructor = weights.map(|w| Reconstructor::new(&gpu, w, sampling));
        let mut progress = Progress::new(cases.all.len() as u64, method.name());
        let mut scores: Vec<ImageScores> = Vec::new();
        for (i, case) in cases.all.iter().enumerate() {
            let file = folder.join(format!("{i}.json"));
            let score = match read_json(&file)? {
                Some(score) => score,
                None => {
                    let check = || match interrupt.requested() {
                        true => Err(Error::Interrupted("between two steps of sampling".into())),
                        false => Ok(()),
                    };
                    check()?;
                    let result = match &mut reconstructor {
                        Some(model) => model.reconstruct(&case.pair, &case.setup, true, check)?,
                        None => by_us_tie(case)?,
                    };
                    write_maps(folder, i, &result, keep)?;
                    let score = scored(case, &result)?;
                    let text = serde_json::to_string(&score).map_err(|e| Error::file(&file, e.to_string()))?;
                    write_atomically(&file, |f| f.write_all(text.as_bytes()))?;
                    score
                }
            };
            scores.push(score);
            progress.advance(1);
        }
        progress.finish();
        let seconds = scores.iter().map(|s| s.scores.seconds).sum();
        Ok(Computed { result: scores, seconds: Some(seconds) })
    })?;
    Ok(Evaluated { scores: part.result, folder: part.folder })
}

/// US-TIE with the paper's stopping rule, in the shape of the others' results.
fn by_us_tie(case: &Case) -> Result<PhaseResult> {
    let (phase, seconds) = classical(&case.pair, &case.setup, case.noisy)?;
    let none = phase.map(|_| 0.0);
    Ok(PhaseResult { phase, std: none.clone(), rate: none.clone(), beta_integral: none, samples: Vec::new(), seconds })
}

fn scored(case: &Case, result: &PhaseResult) -> Result<ImageScores> {
    let (phase, truth, range) = (&result.phase, &case.truth, f64::from(PHASE_RANGE));
    let mut scores = score(phase, truth, result.seconds)?;
    // Of an exact answer, which a photograph without contrast allows, it is infinite, and JSON has no such number.
    scores.psnr = scores.psnr.min(200.0);
    let offset = truth.mean() - phase.mean();
    let mae_one_sample = match result.samples.first() {
        Some(sample) => metrics::mae_aligned(sample, truth, range)?,
        None => scores.mae_aligned,
    };
    Ok(ImageScores { ssim: metrics::ssim(&phase.map(|v| v + offset), truth, range)?, scores, mae_one_sample })
}

fn write_maps(folder: &Path, image: usize, result: &PhaseResult, keep: bool) -> Result<()> {
    let PhaseResult { phase, std, rate, beta_integral, samples, .. } = result;
    write_tiff(folder.join(format!("{image}.tif")), &[phase, std, rate, beta_integral])?;
    if keep {
        let samples: Vec<&Plane> = samples.iter().collect();
        write_tiff(folder.join(format!("{image}-samples.tif")), &samples)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_all_sessions_is_summed() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.jsonl");
        // Two sessions of 3 and 2 seconds, and a line that a crash cut short.
        fs::write(&log, "{\"seconds\":1.0}\n{\"seconds\":3.0}\n{\"secon\n{\"seconds\":0.5}\n{\"seconds\":2.0}\n")
            .unwrap();
        assert_eq!(logged_seconds(&log).unwrap(), Some(5.0));
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
    fn the_papers_range_has_the_papers_name() {
        assert_eq!((CDDPM.name().as_str(), Method::Cddpm(0.05).name().as_str()), ("CDDPM", "CDDPM, β to 0.05"));
    }
}
