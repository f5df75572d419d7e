//! A run's log: a line of JSON now and then, and a picture of all of them.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::Folder;
use crate::config::TrainConfig;
use crate::diffusion::Losses;
use crate::picture::{LineChart, Series};
use crate::{Error, Result};

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub step: u64,
    pub total: f32,
    pub noise: f32,
    beta: f32,
    prior: f32,
    gamma: f32,
    #[serde(default)]
    dissimilarity: f32,
    learning_rate: f64,
    /// Since the session began.
    seconds: f64,
    /// The step after which the session began: 0 of a run's first.
    #[serde(default)]
    session: u64,
}

impl Line {
    pub fn new(
        step: u64,
        losses: &Losses,
        config: &TrainConfig,
        learning_rate: f64,
        (session, seconds): (u64, f64),
    ) -> Self {
        let Losses { noise, beta, prior, gamma, dissimilarity } = *losses;
        let total = losses.total(&config.loss_weights());
        Self { step, total, noise, beta, prior, gamma, dissimilarity, learning_rate, seconds, session }
    }

    pub fn append(&self, folder: &Folder) -> Result<()> {
        let path = folder.file("log.jsonl");
        let failed = |e: std::io::Error| Error::file(&path, format!("cannot be written: {e}"));
        let text = serde_json::to_string(self).map_err(|e| Error::file(&path, e.to_string()))?;
        let mut file = std::fs::OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(failed)?;
        // What a crash cut short must not take this line with it, nor be cut short itself more than it has to be.
        let begun = ends_within_a_line(&mut file).map_err(failed)?;
        let start = if begun { "\n" } else { "" };
        file.write_all(format!("{start}{text}\n").as_bytes()).map_err(failed)
    }
}

fn ends_within_a_line(file: &mut std::fs::File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Draws the log. Lines after the checkpoint that a killed run was resumed from appear twice; the later one counts.
pub(super) fn picture(folder: &Folder) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(folder.file("log.jsonl")) else { return Ok(()) };
    let mut lines: BTreeMap<u64, Line> = BTreeMap::new();
    for line in text.lines().filter_map(|l| serde_json::from_str::<Line>(l).ok()) {
        lines.insert(line.step, line);
    }
    if lines.len() < 2 {
        return Ok(());
    }
    let series = |name: &str, value: fn(&Line) -> f32| {
        // The logarithmic axis has no place for zero, which a fixed schedule's losses are.
        let points = lines.values().map(|l| (l.step as f64, f64::from(value(l)))).filter(|p| p.1 > 0.0);
        Series::new(name, points.collect::<Vec<_>>()).smoothed(0.9)
    };
    let mut chart = LineChart::new("Training losses").x_label("step").y_label("loss").log_y();
    type Value = fn(&Line) -> f32;
    let all: [(&str, Value); 6] = [
        ("total", |l| l.total),
        ("noise", |l| l.noise),
        ("β", |l| l.beta),
        ("prior", |l| l.prior),
        ("γ", |l| l.gamma),
        ("1 − SSIM", |l| l.dissimilarity),
    ];
    for (name, value) in all {
        if lines.values().any(|l| value(l) > 0.0) {
            chart = chart.series(series(name, value));
        }
    }
    chart.write_png(folder.file("losses.png"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_short_takes_no_other_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder(directory.path().to_path_buf());
        let line = |step| Line::new(step, &Losses::default(), &TrainConfig::default(), 1e-3, (0, 1.0));
        line(1).append(&folder).unwrap();
        line(2).append(&folder).unwrap();
        let whole = std::fs::read_to_string(folder.file("log.jsonl")).unwrap();
        for cut in [whole.len() - 1, whole.len() - 10] {
            std::fs::write(folder.file("log.jsonl"), &whole[..cut]).unwrap();
            line(3).append(&folder).unwrap();
            let text = std::fs::read_to_string(folder.file("log.jsonl")).unwrap();
            let steps: Vec<_> =
                text.lines().filter_map(|l| serde_json::from_str::<Line>(l).ok()).map(|l| l.step).collect();
            assert_eq!(steps, if cut + 1 == whole.len() { vec![1, 2, 3] } else { vec![1, 3] });
        }
    }
}
