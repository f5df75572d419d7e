//! `cvdm simulate --specimen …`: fluorescence images with a known truth.

use std::path::Path;

use clap::ValueEnum;
use cvdm::Result;
use cvdm::data::{Plane, write_tiff};
use cvdm::inverse::{Microscope, SIGNAL_LEVELS, Scene, Specimen, peak_photons};
use cvdm::picture::{Montage, Panel};

/// What is labelled.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Clathrin-coated pits.
    Pits,
    /// Endoplasmic reticulum.
    Reticulum,
    /// Microtubules.
    Microtubules,
    /// Actin bundles.
    Actin,
}

impl Label {
    fn specimen(self) -> Specimen {
        match self {
            Self::Pits => Specimen::Pits,
            Self::Reticulum => Specimen::Reticulum,
            Self::Microtubules => Specimen::Microtubules,
            Self::Actin => Specimen::Actin,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Pits => "pits",
            Self::Reticulum => "reticulum",
            Self::Microtubules => "microtubules",
            Self::Actin => "actin",
        }
    }
}

/// What the picture shows of a specimen.
struct Shown {
    label: Label,
    truth: Plane,
    /// Exposures with their signal levels.
    levels: Vec<(u32, Plane)>,
}

/// A specimen with its exposures, one a signal level.
struct Drawn {
    label: Label,
    scene: Scene,
    images: Vec<Plane>,
}

/// Writes for each label `NAME.truth.tif` (in [0, 1]) and `NAME.widefield.tif` (a page a signal level, in photons), and one
/// `specimens.png` of all.
pub fn run(labels: &[Label], side: usize, seed: u64, out: &Path) -> Result<()> {
    let microscope = Microscope::default();
    let draw = |&label: &Label| {
        // Its own, whatever else is drawn.
        let seed = seed.wrapping_add(label as u64);
        let scene = Scene::draw(label.specimen(), &microscope, side, seed)?;
        let images = (1..=SIGNAL_LEVELS).map(|level| scene.expose(level, seed)).collect::<Result<Vec<_>>>()?;
        Ok(Drawn { label, scene, images })
    };
    // All of them before anything is written: what cannot be drawn leaves an earlier run's files as they are.
    let drawn = labels.iter().map(draw).collect::<Result<Vec<_>>>()?;
    let mut shown = Vec::new();
    for Drawn { label, scene, images } in drawn {
        write_tiff(out.join(format!("{}.truth.tif", label.name())), &[scene.truth()])?;
        write_tiff(out.join(format!("{}.widefield.tif", label.name())), &images.iter().collect::<Vec<_>>())?;
        let levels = (1..).zip(images).filter(|(level, _)| [1, 4, 7, SIGNAL_LEVELS].contains(level)).collect();
        shown.push(Shown { label, truth: scene.truth().clone(), levels });
    }
    let mut montage = Montage::new()
        .title("Simulated specimens: truth, and the camera's count at four signal levels")
        // One scale for the truth and the measurement's larger pixels.
        .panel_size(side.clamp(256, 1024));
    for Shown { label, truth, levels } in &shown {
        let mut panels = vec![Panel::new("truth", truth)];
        for (level, image) in levels {
            let photons = peak_photons(*level)?.round();
            panels.push(Panel::new(format!("level {level}: peak of {photons}"), image).unit("photons"));
        }
        montage = montage.row(label.specimen().name(), panels);
    }
    montage.write_png(out.join("specimens.png"))?;
    say!(
        "{} specimens at {SIGNAL_LEVELS} signal levels (truth {:.1} nm a pixel, the lens resolves {:.0} nm) are in {}",
        shown.len(),
        1e3 * microscope.pixel_um(),
        1e3 * microscope.resolution_um(),
        out.display()
    );
    Ok(())
}
