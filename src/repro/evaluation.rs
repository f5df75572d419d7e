//! The scores of a method on images, as parts of a reproduction: computed once, whichever table asks for them.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Session;
use super::method::{Cases, Method};
use super::part::{Computed, read_json};
use super::training::trained;
use crate::data::{Plane, read_planes, write_atomically, write_tiff};
use crate::diffusion::SampleOptions;
use crate::weights::load_weights;
use crate::{Error, Progress, Result};

/// The scores of a method on images of one kind, and where its maps lie.
#[derive(Debug, Clone)]
pub struct Evaluated<S> {
    /// Of each image.
    pub scores: Vec<S>,
    folder: PathBuf,
}

impl<S> Evaluated<S> {
    /// The planes that were kept of an image, which must be `N`.
    ///
    /// # Errors
    /// [`Error::File`] if the file is damaged.
    pub fn maps<const N: usize>(&self, image: usize) -> Result<[Plane; N]> {
        let damaged = |planes: Vec<Plane>| {
            let problem = format!("image {image} has {} planes, {N} were written; remove the folder", planes.len());
            Error::file(&self.folder, problem)
        };
        self.planes(image)?.try_into().map_err(damaged)
    }

    /// The planes that were kept of an image.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read.
    pub fn planes(&self, image: usize) -> Result<Vec<Plane>> {
        read_planes(self.folder.join(format!("{image}.tif")))
    }

    /// The samples of an image, if they were kept.
    ///
    /// # Errors
    /// [`Error::File`] if they were not.
    pub fn samples(&self, image: usize) -> Result<Vec<Plane>> {
        read_planes(self.folder.join(format!("{image}-samples.tif")))
    }
}

/// Scores a method on images, or finds the scores. `keep` keeps the samples. Every image is a file of its own, so that a stopped
/// evaluation goes on where it was. All images of one size are sampled with the same noise, that of the settings' one seed.
///
/// # Errors
/// Those of the training, and of reconstruction.
pub fn evaluated<M: Method>(
    session: &mut Session,
    method: M,
    seed: u64,
    cases: &M::Cases,
    sampling: SampleOptions,
    keep: bool,
) -> Result<Evaluated<M::Scores>> {
    let model = trained(session, method, seed)?;
    let own_name = method.full_name();
    let key = model.as_ref().map_or(own_name.as_str(), |m| m.key.as_str());
    let sampled = if method.samples() { settings(&sampling) } else { Value::Null };
    let inputs = json!({ "model": key, "cases": cases.fingerprint().to_string(), "sampling": sampled, "keep": keep });
    let of_seed = if model.is_some() { format!(", seed {seed}") } else { String::new() };
    let of_steps = if method.samples() {
        format!(", T = {}, {} samples", sampling.steps, sampling.samples)
    } else {
        String::new()
    };
    let name = format!("{own_name}{of_seed} on {} of {}{of_steps}", cases.count(), cases.name());
    let (gpu, interrupt) = (session.gpu.clone(), session.interrupt.clone());
    let part = session.parts.get("score", &name, &inputs, |folder| {
        let weights = model.as_ref().map(|m| load_weights(&m.weights)).transpose()?;
        let mut solver = method.solver(&gpu, weights, sampling)?;
        let mut progress = Progress::new(cases.count() as u64, own_name.as_str());
        let mut scores: Vec<M::Scores> = Vec::new();
        for image in 0..cases.count() {
            let file = folder.join(format!("{image}.json"));
            let of_image = match read_json(&file)? {
                Some(of_image) => of_image,
                None => {
                    let check = || match interrupt.requested() {
                        true => Err(Error::Interrupted("between two steps of sampling".into())),
                        false => Ok(()),
                    };
                    check()?;
                    let solved = M::solve(&mut solver, cases, image, check)?;
                    write_tiff(folder.join(format!("{image}.tif")), &solved.maps.iter().collect::<Vec<_>>())?;
                    if keep {
                        let samples: Vec<&Plane> = solved.samples.iter().collect();
                        write_tiff(folder.join(format!("{image}-samples.tif")), &samples)?;
                    }
                    let text = serde_json::to_string(&solved.scores).map_err(|e| Error::file(&file, e.to_string()))?;
                    write_atomically(&file, |f| f.write_all(text.as_bytes()))?;
                    solved.scores
                }
            };
            scores.push(of_image);
            progress.advance(1);
        }
        progress.finish();
        let seconds = scores.iter().map(M::seconds).sum();
        Ok(Computed { result: scores, seconds: Some(seconds) })
    })?;
    Ok(Evaluated { scores: part.result, folder: part.folder })
}

/// What samples depend on. What a later version added is named only where it is used, so that finished parts stay known.
fn settings(sampling: &SampleOptions) -> Value {
    let SampleOptions { steps, samples, variant, discretisation, seed, halves, batch: _ } = sampling;
    let mut how = json!({
        "steps": steps, "samples": samples, "variant": format!("{variant:?}"),
        "discretisation": format!("{discretisation:?}"), "seed": seed,
    });
    if *halves {
        how["halves"] = json!(true);
    }
    how
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_another_part() {
        let (single, halves) =
            (SampleOptions::default(), SampleOptions { halves: true, batch: 3, ..SampleOptions::default() });
        assert_ne!(settings(&single), settings(&halves));
        assert_eq!(settings(&single), settings(&SampleOptions { batch: 3, ..single }), "the batch changes no bit");
    }
}
