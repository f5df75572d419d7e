//! Parts of a reproduction: each computed once, kept in a folder with what it was made from, found again by that.
//!
//! ```text
//! OUT/parts/train-0123456789abcdef/     inputs.json   what it is made from; its hash is in the folder's name
//!                                       …             what the part keeps for itself (checkpoints, pictures' planes)
//!                                       result.json   written last and at once: a part that has it is finished
//! ```
//! The inputs hold everything that the result depends on, so that several tables share a part, and another configuration is
//! another folder. A part that was stopped finds its own folder as it left it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::{Fingerprint, write_atomically};
use crate::lock::FolderLock;
use crate::{Error, Result, tell};

/// Who computed a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// Version of this crate.
    pub version: String,
    /// Commit that the program was built from, "unknown" if it was not told.
    pub commit: String,
    /// The adapter.
    pub adapter: String,
    /// Its driver.
    pub driver: String,
}

/// What `result.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    result: Value,
    seconds: f64,
    made_by: Maker,
}

/// What is known of a part that was used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// In words.
    pub name: String,
    /// Its folder below `parts`.
    pub folder: String,
    /// Time that it took, in seconds, over all sessions that worked on it as far as it knows.
    pub seconds: f64,
    /// Who computed it.
    pub made_by: Maker,
}

/// A finished part.
#[derive(Debug, Clone)]
pub struct Part<T> {
    /// Its result.
    pub result: T,
    /// Its folder.
    pub folder: PathBuf,
    /// The name of the folder: a fingerprint of everything that the part was made from.
    pub key: String,
}

/// What computes a part returns: the result, and the time that all sessions together spent if the part knows better than a clock.
pub struct Computed<T> {
    /// The result.
    pub result: T,
    /// Seconds, if known.
    pub seconds: Option<f64>,
}

/// The folder of all parts.
pub struct Parts {
    folder: PathBuf,
    made_by: Maker,
    records: Vec<Record>,
    computed: usize,
    _lock: FolderLock,
}

impl Parts {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be made or another program works in it.
    pub fn open(folder: &Path, made_by: Maker) -> Result<Self> {
        let lock = FolderLock::take(folder)?;
        Ok(Self { folder: folder.to_path_buf(), made_by, records: Vec::new(), computed: 0, _lock: lock })
    }

    /// Whether nothing has been begun in this folder.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be listed.
    pub fn is_fresh(&self) -> Result<bool> {
        let entries =
            fs::read_dir(&self.folder).map_err(|e| Error::file(&self.folder, format!("cannot be listed: {e}")))?;
        Ok(!entries.flatten().any(|entry| entry.path().is_dir()))
    }

    /// Who computes what is not there yet.
    pub fn made_by(&self) -> &Maker {
        &self.made_by
    }

    /// The parts that were used, in order, each once.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many of them were computed, not found.
    pub fn computed(&self) -> usize {
        self.computed
    }

    /// The part of this kind that is made from `inputs`: found if it is finished, else computed. `compute` is given the part's
    /// folder, in which it may find what an earlier, stopped attempt left.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be written or holds a part of other inputs; whatever `compute` returns.
    pub fn get<T: Serialize + DeserializeOwned>(
        &mut self,
        kind: &str,
        name: &str,
        inputs: &impl Serialize,
        compute: impl FnOnce(&Path) -> Result<Computed<T>>,
    ) -> Result<Part<T>> {
        let broken = |what: &str, e: serde_json::Error| Error::input(format!("the {what} of the part \"{name}\": {e}"));
        // By way of a value, whose keys are sorted: the order of fields is no part of the fingerprint.
        let inputs = serde_json::to_value(inputs).map_err(|e| broken("inputs", e))?;
        let text = serde_json::to_string_pretty(&inputs).map_err(|e| broken("inputs", e))?;
        let key = format!("{kind}-{}", Fingerprint::of(text.as_bytes()));
        let folder = self.folder.join(&key);
        let (inputs_file, result_file) = (folder.join("inputs.json"), folder.join("result.json"));
        match read_json::<Value>(&inputs_file)? {
            Some(there) if there != inputs => {
                return Err(Error::file(
                    &inputs_file,
                    "was made from other inputs than its name says; remove this folder, or choose another one with --out",
                ));
            }
            Some(_) => {}
            None => write_atomically(&inputs_file, |f| f.write_all(text.as_bytes()))?,
        }
        let (stored, result) = match read_json::<Stored>(&result_file)? {
            Some(stored) => {
                let result = serde_json::from_value(stored.result.clone()).map_err(|e| {
                    Error::file(
                        &result_file,
                        format!("is not this program's ({e}); remove this folder to compute it anew"),
                    )
                })?;
                (stored, result)
            }
            None => {
                tell(name);
                let started = Instant::now();
                let Computed { result, seconds } = compute(&folder)?;
                let stored = Stored {
                    result: serde_json::to_value(&result).map_err(|e| broken("result", e))?,
                    seconds: seconds.unwrap_or_else(|| started.elapsed().as_secs_f64()),
                    made_by: self.made_by.clone(),
                };
                let text = serde_json::to_string_pretty(&stored).map_err(|e| broken("result", e))?;
                write_atomically(&result_file, |f| f.write_all(text.as_bytes()))?;
                self.computed += 1;
                // Read back: a number that does not survive its text to the last digit must not differ from run to run.
                let stored: Stored = serde_json::from_str(&text).map_err(|e| broken("result", e))?;
                (stored.clone(), serde_json::from_value(stored.result).map_err(|e| broken("result", e))?)
            }
        };
        if self.records.iter().all(|record| record.folder != key) {
            let Stored { seconds, made_by, .. } = stored;
            self.records.push(Record { name: name.into(), folder: key.clone(), seconds, made_by });
        }
        Ok(Part { result, folder, key })
    }
}

/// A file's JSON; none if there is no file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::file(path, format!("cannot be read: {e}"))),
    };
    let broken = |e| Error::file(path, format!("is damaged ({e}); remove its folder to compute that part anew"));
    serde_json::from_str(&text).map(Some).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker() -> Maker {
        let unknown = || String::from("unknown");
        Maker { version: unknown(), commit: unknown(), adapter: unknown(), driver: unknown() }
    }

    fn parts(folder: &Path) -> Parts {
        Parts::open(folder, maker()).unwrap()
    }

    fn done<T>(result: T) -> Result<Computed<T>> {
        Ok(Computed { result, seconds: None })
    }

    #[test]
    fn a_part_is_computed_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = parts(folder.path());
        assert!(first.is_fresh().unwrap());
        let a = first.get("sum", "a sum", &[1, 2], |_| done(3.25)).unwrap();
        let b = first.get("sum", "a sum", &[1, 2], |_| -> Result<Computed<f64>> { panic!("it is finished") }).unwrap();
        assert_eq!((a.result, b.result, &a.key), (3.25, 3.25, &b.key));
        let c = first.get("sum", "another", &[2, 1], |_| done(4.0)).unwrap();
        assert!(c.key != a.key && first.computed() == 2 && first.records().len() == 2);
        drop(first);
        let mut second = parts(folder.path());
        second.get("sum", "a sum", &[1, 2], |_| -> Result<Computed<f64>> { panic!("it is finished") }).unwrap();
        assert_eq!(second.computed(), 0);
    }

    #[test]
    fn a_stopped_part_finds_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = parts(folder.path());
        let stopped = parts.get("train", "half", &1, |own| -> Result<Computed<u8>> {
            fs::write(own.join("checkpoint"), "7").unwrap();
            Err(Error::Interrupted("by the test".into()))
        });
        assert!(matches!(stopped, Err(Error::Interrupted(_))) && parts.computed() == 0);
        assert!(!parts.is_fresh().unwrap());
        let read = |own: &Path| fs::read_to_string(own.join("checkpoint")).unwrap().parse::<u8>().unwrap();
        assert_eq!(parts.get("train", "half", &1, |own| done(read(own))).unwrap().result, 7);
    }

    #[test]
    fn what_does_not_belong_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = parts(folder.path());
        let in_use = Parts::open(folder.path(), maker()).err().unwrap().to_string();
        assert!(in_use.contains("another run"), "{in_use}");
        let part = parts.get("sum", "a sum", &1, |_| done(1.0)).unwrap();
        fs::write(part.folder.join("result.json"), "{").unwrap();
        let damaged = parts.get("sum", "a sum", &1, |_| done(1.0)).unwrap_err().to_string();
        assert!(damaged.contains("result.json") && damaged.contains("remove"), "{damaged}");
        fs::write(part.folder.join("inputs.json"), "2").unwrap();
        let other = parts.get("sum", "a sum", &1, |_| done(1.0)).unwrap_err().to_string();
        assert!(other.contains("other inputs") && other.contains("--out"), "{other}");
    }
}
