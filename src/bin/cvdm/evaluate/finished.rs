//! What an evaluation leaves, whatever ends it.

use std::collections::BTreeSet;
use std::path::Path;

use cvdm::data::write_atomically;
use cvdm::{Error, Result, tell};
use serde::Serialize;

/// What Ctrl-C does to an evaluation.
pub const WRITING_FINISHED: &str = "writing what is finished";

/// Whether a file of this name is one that an evaluation writes.
pub fn is_output(name: &str) -> bool {
    ["scores.json", "table.md", "images.png", "photographs.png"].contains(&name)
        || (name.starts_with("field--noise-") && name.ends_with(".png"))
}

/// The rows of the images that every method has answered.
pub struct Finished<R> {
    pub rows: Vec<R>,
    pub images: usize,
    /// Images in all.
    pub of: usize,
}

impl<R: Serialize> Finished<R> {
    /// An image more.
    pub fn add(&mut self, rows: Vec<R>) {
        self.rows.extend(rows);
        self.images += 1;
    }

    /// Writes `scores.json` and `table.md`; after Ctrl-C or another error those of the images that were finished by then.
    ///
    /// # Errors
    /// That of `outcome`, and files that cannot be written.
    pub fn write(&self, out: &Path, table: fn(&[R]) -> String, outcome: Result<()>) -> Result<()> {
        if self.images == 0 && outcome.is_err() {
            return outcome;
        }
        let table = table(&self.rows);
        let json = serde_json::to_string_pretty(&self.rows).map_err(|e| Error::file(out, e.to_string()))?;
        write_atomically(out.join("scores.json"), |f| f.write_all(json.as_bytes()))?;
        write_atomically(out.join("table.md"), |f| f.write_all(table.as_bytes()))?;
        let (images, of, folder) = (self.images, self.of, out.display());
        match outcome {
            Ok(()) => say!("{table}\nscores and pictures are in {folder}"),
            Err(Error::Interrupted(_)) => {
                let told = format!("{images} of {of} images were evaluated; their scores are in {folder}");
                return Err(Error::Interrupted(told));
            }
            Err(other) => {
                tell(format_args!("{images} of {of} images were evaluated; their scores are in {folder}"));
                return Err(other);
            }
        }
        Ok(())
    }
}

/// The numbers of scales that occur, of images of one size one.
pub fn listed(scales: impl Iterator<Item = usize>) -> String {
    let distinct: BTreeSet<usize> = scales.collect();
    distinct.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever ends an evaluation, what was finished is written, and the error is told.
    #[test]
    fn finished_images_are_written_before_an_error_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let table = |rows: &[u32]| format!("{rows:?}");
        let told = |rows: Vec<u32>, outcome| {
            let images = rows.len();
            Finished { rows, images, of: 3 }.write(folder.path(), table, outcome).unwrap_err()
        };
        let lost = || Err(Error::DeviceLost("gone".into()));
        assert_eq!(told(vec![], lost()), lost().unwrap_err());
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was finished");
        assert_eq!(told(vec![7, 8], lost()), lost().unwrap_err());
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((read("table.md").as_str(), read("scores.json").contains('8')), ("[7, 8]", true));
        let stopped = told(vec![7], Err(Error::Interrupted(String::new())));
        assert!(matches!(&stopped, Error::Interrupted(told) if told.contains("1 of 3 images")), "{stopped}");
    }
}
