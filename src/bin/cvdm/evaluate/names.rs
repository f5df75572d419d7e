//! What methods are called in a table.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use cvdm::config::{NetworkKind, Schedule};
use cvdm::weights::Weights;

/// What the methods are called: by their kind, and by their file too where that says more than one.
pub fn names(files: &[PathBuf], weights: &[Weights]) -> Vec<String> {
    unique(files, &weights.iter().map(kind).collect::<Vec<_>>())
}

fn kind(weights: &Weights) -> &'static str {
    match weights.config.model.schedule {
        Schedule::Learned => "CVDM",
        Schedule::Tied => "CVDM, tied",
        Schedule::Simple => "CVDM-simple",
        Schedule::Fixed => "CDDPM",
        Schedule::None if weights.config.model.network == NetworkKind::Dfcan => "DFCAN",
        Schedule::None => "regression",
    }
}

/// A name for each file, no two the same: its kind; where that is not enough with the file's stem, then with its folder too, since every
/// run has its `weights.safetensors`; then with a number.
fn unique(files: &[PathBuf], kinds: &[&str]) -> Vec<String> {
    let part = |name: Option<&OsStr>| name.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = |file: &PathBuf| part(file.file_stem());
    let placed = |file: &PathBuf| match part(file.parent().and_then(Path::file_name)) {
        folder if folder.is_empty() => stem(file),
        folder => format!("{folder}/{}", stem(file)),
    };
    let mut names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    for of in [&stem as &dyn Fn(&PathBuf) -> String, &placed] {
        let alone = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
        let longer =
            |i: usize| if alone(&names[i]) { names[i].clone() } else { format!("{} ({})", kinds[i], of(&files[i])) };
        names = (0..files.len()).map(longer).collect();
    }
    let numbered = |i: usize| match names[..i].iter().filter(|other| **other == names[i]).count() {
        0 => names[i].clone(),
        before => format!("{} {}", names[i], before + 1),
    };
    (0..files.len()).map(numbered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_methods_have_one_name() {
        let names =
            |files: &[&str], kinds: &[&str]| unique(&files.iter().map(PathBuf::from).collect::<Vec<_>>(), kinds);
        assert_eq!(names(&["a/weights.safetensors", "b/weights.safetensors"], &["CVDM", "CDDPM"]), ["CVDM", "CDDPM"]);
        assert_eq!(names(&["one.safetensors", "x/two.safetensors"], &["CVDM"; 2]), ["CVDM (one)", "CVDM (two)"]);
        assert_eq!(
            names(&["a/weights.safetensors", "b/weights.safetensors", "c.safetensors"], &["CVDM"; 3]),
            ["CVDM (a/weights)", "CVDM (b/weights)", "CVDM (c)"]
        );
        // The same folder's name in two places, and no folder at all.
        assert_eq!(
            names(&["1/a/w.safetensors", "2/a/w.safetensors", "3/a/w.safetensors", "w.safetensors"], &["CVDM"; 4]),
            ["CVDM (a/w)", "CVDM (a/w) 2", "CVDM (a/w) 3", "CVDM (w)"]
        );
    }
}
