//! A run's log: a line of JSON now and then, and a picture of all of them.

use std::collections::BTreeMap;
use std::io::Write;

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
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        writeln!(file, "{text}").map_err(failed)
    }
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
