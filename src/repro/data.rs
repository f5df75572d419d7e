//! The images that a reproduction works on: the sets of a folder, as far as the subjects need them.

use std::fs;
use std::path::{Path, PathBuf};

use super::Subject;
use super::scale::Scale;
use super::synthetic::draw_photographs;
use crate::config::Task;
use crate::data::{CellSplit, Fingerprint, Split, is_hcoco, list_biosr, list_imagenet, photographs_of};
use crate::{Error, Result};

/// What is expected, and where it comes from.
const LAYOUT: &str = "expected is a folder with
  train-photographs/   PNG, JPEG or TIFF; every eighth is kept for validation
  test-photographs/    photographs that are not trained on
  HCOCO/               instead of both: real_images/*.jpg with HCOCO_train.txt and HCOCO_test.txt (the paper's, of the set iHarmony4)
  hl60/hl60.npy        optional: a measured field, float32 [views, 2, height, width], phase in rad and amplitude
  brightfield/         optional: optics.toml (wavelength_um, pixel_um, spacing_um) and a TIFF or a folder of numbered images a stack
  BioSR/               CCPs, ER, Microtubules, F-actin with Cell_001/RawSIMData_level_01.mrc … (figshare, \"BioSR\"); simulated without
  ImageNet/            train/ and val/ (ILSVRC 2012, image-net.org); without it the photographs serve
`make data` (scripts/fetch-data.sh) makes one with photographs and field; at the scale of the paper its own sets are needed";

/// Photographs to train and to test on.
#[derive(Debug, Clone)]
pub struct PhotographFolders {
    /// The folder to train on: its [`Split::Train`].
    pub train: PathBuf,
    /// The folder to test on.
    pub test: PathBuf,
    /// Which of them.
    pub test_split: Split,
    /// Names and sizes of those to train on.
    fingerprint: String,
    count: [usize; 2],
}

/// A set by its folder, and its files by names and sizes.
#[derive(Debug, Clone)]
pub struct Set {
    /// Its folder.
    pub folder: PathBuf,
    fingerprint: String,
    count: usize,
}

/// A folder of data, checked for what the subjects need.
#[derive(Debug, Clone)]
pub struct DataFolder {
    photographs: Option<PhotographFolders>,
    /// ImageNet, if there is one.
    pub imagenet: Option<Set>,
    /// BioSR; none where specimens are simulated.
    pub biosr: Option<Set>,
    /// The measured cell, if there is one.
    pub field: Option<PathBuf>,
    /// The focal stacks, if there are any.
    pub stacks: Option<PathBuf>,
    /// What the report calls it.
    pub description: String,
}

impl Subject {
    fn needs_phases(self) -> bool {
        !matches!(self, Self::Biosr | Self::Sr)
    }

    fn needs_specimens(self) -> bool {
        matches!(self, Self::Biosr | Self::Uncertainty)
    }

    fn needs_small_photographs(self) -> bool {
        matches!(self, Self::Sr | Self::Uncertainty)
    }
}

impl DataFolder {
    /// Checks a folder, or, at the smoke scale and without one, draws photographs below `out`.
    ///
    /// # Errors
    /// [`Error::Input`] if no folder was given where one is needed; [`Error::File`] that names the expected layout if something
    /// is missing. The scale of the paper insists on BioSR and ImageNet.
    pub fn open(data: Option<&Path>, scale: Scale, subjects: &[Subject], out: &Path) -> Result<Self> {
        let paper = scale == Scale::Paper;
        let only_microscopy = subjects.iter().all(|s| *s == Subject::Biosr);
        let root = match (data, scale) {
            (Some(root), _) => Some(root.to_path_buf()),
            // What is simulated needs no folder.
            (None, Scale::Smoke | Scale::Small) if only_microscopy => None,
            (None, Scale::Smoke) => {
                let root = out.join("drawn-photographs");
                draw_photographs(&root)?;
                Some(root)
            }
            (None, _) => return Err(Error::input(format!("--data is missing; {LAYOUT}"))),
        };
        let place = |name: &str| root.as_ref().map(|root| root.join(name)).filter(|path| path.exists());
        let missing = |name: &str| {
            let path = root.as_ref().map_or_else(|| PathBuf::from(name), |root| root.join(name));
            Error::file(path, format!("is missing; {LAYOUT}"))
        };
        let any = |needs: fn(Subject) -> bool| subjects.iter().any(|&subject| needs(subject));
        let (specimens, small) = (any(Subject::needs_specimens), any(Subject::needs_small_photographs));
        let biosr = match place("BioSR").filter(|_| specimens) {
            Some(folder) => Some(biosr(folder, scale)?),
            None if specimens && paper => return Err(missing("BioSR")),
            None => None,
        };
        let imagenet = match place("ImageNet").filter(|_| small) {
            Some(folder) => Some(set(&folder, &list_imagenet(&folder, Split::Train)?)?),
            None if small && paper => return Err(missing("ImageNet")),
            None => None,
        };
        let photographs = match (&root, any(Subject::needs_phases) || (small && imagenet.is_none())) {
            (Some(root), true) => Some(photographs(root)?),
            _ => None,
        };
        let mut data = Self {
            photographs,
            imagenet,
            biosr,
            field: place("hl60/hl60.npy"),
            stacks: place("brightfield").filter(|_| subjects.contains(&Subject::Brightfield)),
            description: String::new(),
        };
        let whence = match (&root, data_is_drawn(&root, out)) {
            (None, _) => "no folder was given".into(),
            (_, true) => "drawn by the program (no folder was given)".into(),
            (Some(root), _) => named(root),
        };
        data.description = data.describe(specimens, &whence);
        Ok(data)
    }

    /// The photographs.
    ///
    /// # Errors
    /// [`Error::Input`] if no subject needed them when the folder was opened.
    pub fn photographs(&self) -> Result<&PhotographFolders> {
        self.photographs.as_ref().ok_or_else(|| Error::input(format!("no photographs were given; {LAYOUT}")))
    }

    /// A fingerprint of the images that a task is trained on: what a training depends on besides its configuration.
    ///
    /// # Errors
    /// [`Error::Input`] if there are none.
    pub fn training_fingerprint(&self, task: Task) -> Result<String> {
        Ok(match (task, &self.imagenet, &self.biosr) {
            (Task::Microscopy, _, Some(set)) | (Task::SuperResolution, Some(set), _) => set.fingerprint.clone(),
            (Task::Microscopy, _, None) => "simulated".into(),
            (Task::Phase, ..) | (Task::SuperResolution, None, _) => self.photographs()?.fingerprint.clone(),
        })
    }

    fn describe(&self, microscopy: bool, whence: &str) -> String {
        let mut parts = Vec::new();
        if let Some(PhotographFolders { count: [train, test], .. }) = &self.photographs {
            parts.push(format!("{train} photographs to train and validate on, {test} to test on"));
            parts.push(if self.field.is_some() { "a measured field" } else { "no measured field" }.into());
        }
        if self.stacks.is_some() {
            parts.push("focal stacks".into());
        }
        if let Some(Set { count, .. }) = &self.imagenet {
            parts.push(format!("{count} photographs of ImageNet to train on"));
        }
        match &self.biosr {
            Some(Set { count, .. }) => parts.push(format!("{count} images of BioSR to train on")),
            None if microscopy => parts.push("simulated specimens".into()),
            None => {}
        }
        format!("{}: {whence}", parts.join(", "))
    }
}

fn data_is_drawn(root: &Option<PathBuf>, out: &Path) -> bool {
    root.as_ref().is_some_and(|root| *root == out.join("drawn-photographs"))
}

fn photographs(root: &Path) -> Result<PhotographFolders> {
    if is_hcoco(root) {
        let files = photographs_of(root, Split::Train)?;
        let count = [files.len(), photographs_of(root, Split::HeldOut)?.len()];
        let Set { fingerprint, .. } = set(root, &files)?;
        let (train, test) = (root.to_path_buf(), root.to_path_buf());
        return Ok(PhotographFolders { train, test, test_split: Split::HeldOut, fingerprint, count });
    }
    let list = |name: &str| {
        let folder = root.join(name);
        let missing = |problem: &str| Error::file(&folder, format!("{problem}; {LAYOUT}"));
        if !folder.is_dir() {
            return Err(missing("is missing"));
        }
        let files = photographs_of(&folder, Split::All).map_err(|e| match e {
            Error::File { problem, .. } => missing(&problem),
            other => other,
        })?;
        Ok((folder, files))
    };
    let ((train, files), (test, tests)) = (list("train-photographs")?, list("test-photographs")?);
    let Set { fingerprint, count, .. } = set(&train, &files)?;
    Ok(PhotographFolders { train, test, test_split: Split::All, fingerprint, count: [count, tests.len()] })
}

fn biosr(folder: PathBuf, scale: Scale) -> Result<Set> {
    let mut acquisitions = Vec::new();
    for &structure in scale.numbers().structures {
        acquisitions.extend(list_biosr(&folder, structure, CellSplit::Train)?);
    }
    let count = acquisitions.len();
    let files: Vec<PathBuf> = acquisitions.into_iter().flat_map(|a| [a.frames, a.truth]).collect();
    Ok(Set { count, ..set(&folder, &files)? })
}

/// A folder by its own name and its parent's: where it lies on this machine is nobody's business.
fn named(root: &Path) -> String {
    let full = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    format!("folder \"{}\"", full.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default())
}

/// Names and sizes of the files of a folder.
fn set(folder: &Path, files: &[PathBuf]) -> Result<Set> {
    let mut state = Fingerprint::default();
    for path in files {
        let size = fs::metadata(path).map_err(|e| Error::file(path, e.to_string()))?.len();
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
        state = state.and(name.as_bytes()).and(&size.to_le_bytes());
    }
    Ok(Set { folder: folder.to_path_buf(), fingerprint: state.to_string(), count: files.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(data: Option<&Path>, scale: Scale, subject: Subject, out: &Path) -> Result<DataFolder> {
        DataFolder::open(data, scale, &[subject], out)
    }

    #[test]
    fn what_is_missing_is_named_with_the_layout() {
        let root = tempfile::tempdir().unwrap();
        let problem = |data, scale, subject| open(data, scale, subject, root.path()).unwrap_err().to_string();
        let text = problem(None, Scale::Small, Subject::Qpi);
        assert!(text.contains("--data") && text.contains("train-photographs/"), "{text}");
        let text = problem(Some(root.path()), Scale::Smoke, Subject::Qpi);
        assert!(text.contains("is missing") && text.contains("make data"), "{text}");
        for (subject, name) in [(Subject::Biosr, "BioSR"), (Subject::Uncertainty, "BioSR"), (Subject::Sr, "ImageNet")] {
            let text = problem(Some(root.path()), Scale::Paper, subject);
            assert!(text.contains(&format!("{name}: is missing")), "{text}");
            assert!(text.contains("is missing") && text.contains("image-net.org"), "{text}");
        }
        for side in ["train", "test"] {
            fs::create_dir(root.path().join(format!("{side}-photographs"))).unwrap();
        }
        let text = problem(Some(root.path()), Scale::Paper, Subject::Qpi);
        assert!(text.contains("holds no photographs") && text.contains("HCOCO"), "{text}");
        // A set that is there but not as it should be is not taken for missing.
        fs::create_dir(root.path().join("BioSR")).unwrap();
        let text = problem(Some(root.path()), Scale::Small, Subject::Biosr);
        assert!(text.contains("BioSR") && text.contains("RawSIMData_level_01.mrc"), "{text}");
    }

    #[test]
    fn simulated_specimens_need_no_folder() {
        let root = tempfile::tempdir().unwrap();
        let data = open(None, Scale::Small, Subject::Biosr, root.path()).unwrap();
        assert!(data.biosr.is_none() && data.photographs().is_err());
        assert_eq!(data.training_fingerprint(Task::Microscopy).unwrap(), "simulated");
        assert_eq!(data.description, "simulated specimens: no folder was given");
    }

    #[test]
    fn drawn_photographs_are_the_same_every_time() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [first, again, second] =
            [one.path(), one.path(), two.path()].map(|out| open(None, Scale::Smoke, Subject::Qpi, out).unwrap());
        let of = |data: &DataFolder| data.training_fingerprint(Task::Phase).unwrap();
        assert_eq!((of(&first), of(&first)), (of(&again), of(&second)));
        assert!(first.description.contains("drawn by the program") && first.field.is_none());
    }
}
