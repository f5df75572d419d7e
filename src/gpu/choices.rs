//! What was measured to be fastest on a device, kept from run to run in a text file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::AdapterSummary;
use crate::{Error, Result};

/// Measured choices: for each question (a kernel and a shape, in words) the number of the answer.
#[derive(Debug)]
pub struct Choices {
    path: PathBuf,
    made: Mutex<BTreeMap<String, usize>>,
}

/// Letters and digits, everything else a dash: a file name on every system.
fn slug(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// What a file holds, nothing if there is none.
fn answers(path: &Path) -> Result<BTreeMap<String, usize>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(Error::file(path, format!("cannot be read: {e}; remove it or do without tuning"))),
    };
    let line = |line: &str| {
        let (question, answer) = line.rsplit_once(": ")?;
        Some((question.to_string(), answer.parse().ok()?))
    };
    Ok(text.lines().filter_map(line).collect())
}

impl Choices {
    /// Reads what is known about an adapter from `folder`: a file for each adapter, backend, driver and version of this crate, because
    /// another driver compiles other code. Lines that say nothing are left out, so that a damaged file costs a measurement at most.
    ///
    /// # Errors
    /// [`Error::File`] if the file is there and cannot be read.
    pub fn read(folder: &Path, adapter: &AdapterSummary) -> Result<Self> {
        let device =
            slug(&format!("{} {} {} {}", adapter.name, adapter.backend, adapter.driver, env!("CARGO_PKG_VERSION")));
        let path = folder.join(format!("{device}.txt"));
        let made = Mutex::new(answers(&path)?);
        Ok(Self { path, made })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The answer below `answers`, if there is one.
    pub fn known(&self, question: &str, answers: usize) -> Option<usize> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).get(question).copied().filter(|&a| a < answers)
    }

    /// Keeps an answer, in the file too, with what others have answered there since: written beside it and renamed, so that a reader never
    /// sees half of it. Of two that write at once one may be lost, and is measured again.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn keep(&self, question: &str, answer: usize) -> Result<()> {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(question.into(), answer);
        for (question, answer) in answers(&self.path)? {
            made.entry(question).or_insert(answer);
        }
        let text: String = made.iter().map(|(question, answer)| format!("{question}: {answer}\n")).collect();
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let beside = self.path.with_extension(format!("{}-{number}.part", std::process::id()));
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&beside, text))
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(|e| Error::file(&self.path, format!("cannot be written: {e}; tune into another folder")))
    }
}
