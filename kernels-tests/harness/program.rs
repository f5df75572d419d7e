//! Running the program from outside.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cvdm::data::{Plane, write_png16};
use tempfile::TempDir;

pub fn cvdm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cvdm")).args(arguments).output().unwrap()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn succeeds(arguments: &[&str]) -> String {
    let output = cvdm(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out.into_owned()
}

/// The program must end with a message that holds all of `parts`, a non-zero exit and no panic.
pub fn fails(arguments: &[&str], parts: &[&str]) {
    let output = cvdm(arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(!message.contains("panicked"), "{arguments:?}: {message}");
    for part in parts {
        assert!(message.contains(part), "{arguments:?}: \"{part}\" is not in: {message}");
    }
}

/// Starts a training, and waits for its first checkpoint.
pub fn in_training(config: &Path, run: &Path) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_cvdm"))
        .args(["train", text(config), "--out", text(run)])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !run.join("checkpoint.safetensors").exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint after a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// A folder with photographs and a configuration of a tiny run on them.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..9 {
            let plane = Plane::from_fn(96, 96, |y, x| ((y * 7 + x * 13 + i * 29) % 61) as f32 / 61.0);
            write_png16(folder.path().join(format!("photographs/{i}.png")), &plane, 0.0, 1.0).unwrap();
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a configuration; `more` goes into its [training] section.
    pub fn config(&self, name: &str, more: &str) -> PathBuf {
        let text = format!(
            "[model]\nnoise_base = 2\nrate_base = 2\nscales = 2\nhidden = 8\n\
             [data]\nphotographs = {:?}\npatch = 16\nbatch = 1\ndefocus_um = 0.05\n\
             [training]\nlog_every = 1\n{more}\n",
            self.path("photographs")
        );
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }
}
