//! The photographs and the measured cell that a reproduction works on.

use std::fs;
use std::path::{Path, PathBuf};

use super::part::{HASH_START, hash};
use super::scale::Scale;
use super::synthetic::draw_photographs;
use crate::data::{Split, list_photographs};
use crate::{Error, Result};

/// What is expected, and where it comes from.
const LAYOUT: &str = "expected is a folder with
  train-photographs/   PNG, JPEG or TIFF; every eighth is kept for validation
  test-photographs/    photographs that are not trained on
  hl60/hl60.npy        optional: a measured field, float32 [views, 2, height, width], phase in rad and amplitude
`make data` (scripts/fetch-data.sh) makes one; the paper's photographs are those of HCOCO";

/// A folder of data, checked.
#[derive(Debug, Clone)]
pub struct DataFolder {
    /// Photographs to train on.
    pub train: PathBuf,
    /// Photographs to test on.
    pub test: PathBuf,
    /// The measured cell, if there is one.
    pub field: Option<PathBuf>,
    /// What the report calls it.
    pub description: String,
    /// A fingerprint of the names and sizes of the training photographs: what a training depends on besides its configuration.
    pub train_fingerprint: String,
}

impl DataFolder {
    /// Checks a folder, or, at the smoke scale and without one, draws photographs below `out`.
    ///
    /// # Errors
    /// [`Error::Input`] if no folder was given where one is needed; [`Error::File`] that names the expected layout if something
    /// is missing.
    pub fn open(data: Option<&Path>, scale: Scale, out: &Path) -> Result<Self> {
        let (root, drawn) = match (data, scale) {
            (Some(root), _) => (root.to_path_buf(), false),
            (None, Scale::Smoke) => (out.join("drawn-photographs"), true),
            (None, _) => return Err(Error::input(format!("--data is missing; {LAYOUT}"))),
        };
        if drawn {
            draw_photographs(&root)?;
        }
        let (train, test) = (root.join("train-photographs"), root.join("test-photographs"));
        let mut counts = Vec::new();
        for folder in [&train, &test] {
            let missing = |problem: &str| Error::file(folder, format!("{problem}; {LAYOUT}"));
            if !folder.is_dir() {
                return Err(missing("is missing"));
            }
            counts.push(list_photographs(folder, Split::All).map_err(|_| missing("holds no photographs"))?.len());
        }
        let field = Some(root.join("hl60/hl60.npy")).filter(|path| path.is_file());
        let whence = if drawn { "drawn by the program (no photographs were given)".into() } else { named(&root) };
        Ok(Self {
            description: format!(
                "{} photographs to train and validate on, {} to test on, {}: {whence}",
                counts[0],
                counts[1],
                if field.is_some() { "a measured field" } else { "no measured field" },
            ),
            train_fingerprint: fingerprint(&train)?,
            train,
            test,
            field,
        })
    }
}

/// A folder by its own name and its parent's: where it lies on this machine is nobody's business.
fn named(root: &Path) -> String {
    let full = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    format!("folder \"{}\"", full.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default())
}

/// Names and sizes of the photographs of a folder.
fn fingerprint(folder: &Path) -> Result<String> {
    let mut state = HASH_START;
    for path in list_photographs(folder, Split::All)? {
        let size = fs::metadata(&path).map_err(|e| Error::file(&path, e.to_string()))?.len();
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        state = hash(hash(state, name.as_bytes()), &size.to_le_bytes());
    }
    Ok(format!("{state:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_layout() {
        let root = tempfile::tempdir().unwrap();
        let open = |data, scale| DataFolder::open(data, scale, root.path()).map(|d| d.description);
        let problem = open(None, Scale::Small).unwrap_err().to_string();
        assert!(problem.contains("--data") && problem.contains("train-photographs/"), "{problem}");
        let problem = open(Some(root.path()), Scale::Smoke).unwrap_err().to_string();
        assert!(problem.contains("is missing") && problem.contains("make data"), "{problem}");
        for side in ["train", "test"] {
            fs::create_dir(root.path().join(format!("{side}-photographs"))).unwrap();
        }
        let problem = open(Some(root.path()), Scale::Paper).unwrap_err().to_string();
        assert!(problem.contains("holds no photographs") && problem.contains("HCOCO"), "{problem}");
    }

    #[test]
    fn drawn_photographs_are_the_same_every_time() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [first, again, second] =
            [one.path(), one.path(), two.path()].map(|out| DataFolder::open(None, Scale::Smoke, out).unwrap());
        assert_eq!(first.train_fingerprint, again.train_fingerprint);
        assert_eq!(first.train_fingerprint, second.train_fingerprint);
        assert!(first.description.contains("drawn by the program") && first.field.is_none());
    }
}
