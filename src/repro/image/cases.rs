//! Test images of microscopy and of super-resolution.

use crate::config::{SuperResolutionSection, Task};
use crate::data::{Plane, Structure};
use crate::repro::Session;
use crate::repro::method::Cases;
use crate::tasks::super_resolution::PhotographPairs;
use crate::tasks::{TestImage, images_of, microscopy};
use crate::{Error, Result};

use super::model::{ImageMethod, Model, Of};

/// Images of one kind with the truths behind them.
#[derive(Debug, Clone)]
pub struct ImageCases {
    /// What they are.
    pub name: String,
    /// They.
    pub all: Vec<TestImage>,
    /// How many times as dense the truths are, along each side.
    pub factor: usize,
    /// The truths' pixel in µm, where their resolution is asked for.
    pub pixel_um: Option<f64>,
}

impl Cases for ImageCases {
    fn name(&self) -> &str {
        &self.name
    }

    fn images(&self) -> impl Iterator<Item = (&str, Vec<&Plane>)> {
        self.all.iter().map(|image| (image.name.as_str(), image.coarse.iter().chain(&image.truth).collect()))
    }
}

impl ImageCases {
    fn new(name: String, all: Vec<TestImage>, factor: usize, pixel_um: Option<f64>) -> Result<Self> {
        if all.is_empty() {
            return Err(Error::input(format!("there are no test images of {name}")));
        }
        Ok(Self { name, all, factor, pixel_um })
    }

    /// The first `count` of them.
    pub fn first(&self, count: usize) -> Self {
        Self { all: self.all.iter().take(count).cloned().collect(), ..self.clone() }
    }

    /// The name in a file's name.
    pub fn slug(&self) -> String {
        self.name.to_lowercase()
    }
}

/// What stands in for the paper's set of a task, if that was not given.
pub fn stand_ins(session: &Session, task: Task) -> Option<String> {
    let (given, words) = match task {
        Task::Phase => return None,
        Task::Microscopy => (
            session.data.biosr.is_some(),
            "BioSR was not given: specimens are drawn by the program (pits, a tubular network, microtubules, actin bundles), blurred by \
             the incoherent transfer function of an objective, and exposed with Poisson and read noise at BioSR's levels of signal. The \
             numbers of the paper are of BioSR and not comparable; orderings may be.",
        ),
        Task::SuperResolution => (
            session.data.imagenet.is_some(),
            "ImageNet was not given: other photographs serve. The numbers of the paper are of ImageNet and not comparable; \
             orderings may be.",
        ),
    };
    (!given).then(|| words.into())
}

/// Held-out cells of a structure, or specimens that are drawn.
///
/// # Errors
/// Those of the set.
pub fn specimens(session: &Session, structure: Structure) -> Result<ImageCases> {
    let method = ImageMethod { of: Of::Structure(structure), model: Model::Cvdm };
    let numbers = &session.numbers.microscopy;
    let config = method.configured(session, 1)?;
    let factor = config.factor();
    let set = microscopy::open(&config, crate::data::Split::HeldOut, numbers.test_size)?;
    let images = images_of(&*set, factor, numbers.test_size, numbers.test_images)?;
    ImageCases::new(structure.folder().into(), images, factor, Some(structure.pixel_um()))
}

/// Photographs that are not trained on.
///
/// # Errors
/// Those of the set.
pub fn photographs(session: &Session) -> Result<ImageCases> {
    let numbers = &session.numbers.super_resolution;
    let config = ImageMethod { of: Of::Photographs, model: Model::Cvdm }.configured(session, 1)?;
    let mut section: SuperResolutionSection = config.super_resolution.clone();
    let mut split = crate::data::Split::HeldOut;
    if session.data.imagenet.is_none() {
        let photographs = session.data.photographs()?;
        section.folder.clone_from(&photographs.test);
        split = photographs.test_split;
    }
    let set = PhotographPairs::open(&section, split)?;
    let images = images_of(&set, section.factor, numbers.test_size, numbers.test_images)?;
    ImageCases::new("photographs".into(), images, section.factor, None)
}
