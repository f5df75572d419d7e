//! How error and calibration change with the number of samples and of sampling steps.

use super::methods::PhaseMethod;
use super::samples::{Honesty, SHOWN_LEVEL};
use super::studied::{Studied, predicted};
use crate::Result;
use crate::diffusion::SampleOptions;
use crate::picture::{LineChart, Series};
use crate::repro::Session;
use crate::repro::evaluation::evaluated;
use crate::repro::report::{Better, Cell, Column, Figure, Format, Row, Section, Table};
use crate::repro::scale::Numbers;

/// Error and calibration at each value of something.
struct Sweep {
    /// What was varied.
    axis: &'static str,
    stem: &'static str,
    of: &'static str,
    caption: String,
    points: Vec<(usize, Honesty)>,
}

/// With the number of samples: the first ones of those that were drawn.
///
/// # Errors
/// [`Error::File`](crate::Error::File).
pub fn over_samples(session: &Session, section: &mut Section, one: &Studied) -> Result<()> {
    let numbers = &session.numbers;
    let counts = numbers.sample_counts.iter().chain([&numbers.studied_samples]);
    let point = |&count: &usize| Ok((count, Honesty::of(&predicted(&one.evaluated, &one.cases, count)?)?));
    Sweep {
        axis: "samples",
        stem: "samples",
        of: "the number of samples",
        caption: format!("T = {}; {}, CVDM.", numbers.phase.sampling.steps, one.cases.name),
        points: counts.map(point).collect::<Result<_>>()?,
    }
    .tell(session, section)
}

/// Samples with which numbers of steps are compared: the second largest number studied.
fn samples_a_step_count(numbers: &Numbers) -> usize {
    numbers.sample_counts.iter().copied().max().unwrap_or(numbers.studied_samples)
}

/// How images are sampled with the other numbers of steps.
pub fn settings(numbers: &Numbers) -> Vec<SampleOptions> {
    let samples = samples_a_step_count(numbers);
    numbers.step_counts.iter().map(|&steps| SampleOptions { steps, samples, ..numbers.phase.sampling }).collect()
}

/// With the number of sampling steps.
///
/// # Errors
/// Those of reconstruction.
pub fn over_steps(session: &mut Session, section: &mut Section, one: &Studied, seed: u64) -> Result<()> {
    let numbers = session.numbers.clone();
    let samples = samples_a_step_count(&numbers);
    let mut points =
        vec![(numbers.phase.sampling.steps, Honesty::of(&predicted(&one.evaluated, &one.cases, samples)?)?)];
    for sampling in settings(&numbers) {
        let steps = sampling.steps;
        let of_steps = evaluated(session, PhaseMethod::Cvdm, seed, &one.cases, sampling, true)?;
        points.push((steps, Honesty::of(&predicted(&of_steps, &one.cases, samples)?)?));
    }
    points.sort_by_key(|(steps, _)| *steps);
    Sweep {
        axis: "sampling steps T",
        stem: "steps",
        of: "the number of sampling steps",
        caption: format!("{samples} samples; {}, CVDM.", one.cases.name),
        points,
    }
    .tell(session, section)
}

impl Sweep {
    /// A table and two charts.
    fn tell(self, session: &Session, section: &mut Section) -> Result<()> {
        let Self { axis, stem, of: number, caption, points } = self;
        let row = |(at, h): &(usize, Honesty)| Row {
            name: at.to_string(),
            cells: [h.mae, h.std, h.coverage, h.mean_within()].map(Cell::of).to_vec(),
        };
        section.tables.push(Table {
            title: format!("With {number}"),
            caption: format!(
                "{caption} Error and deviation as fractions of 3.5 rad, not aligned; coverage of mean ± z·std at the level {SHOWN_LEVEL}; \
                 correlation of deviation and error within images."
            ),
            head: axis.into(),
            columns: vec![
                Column::new("MAE", Format::Digits(4), Better::Lower),
                Column::new("standard deviation", Format::Digits(4), Better::Neither),
                Column::new("coverage", Format::Digits(3), Better::Neither),
                Column::new("correlation", Format::Digits(3), Better::Higher),
            ],
            rows: points.iter().map(row).collect(),
        });
        let of = |f: fn(&Honesty) -> f64| points.iter().map(|(at, h)| (*at as f64, f(h))).collect::<Vec<_>>();
        let ends = [points[0].0, points[points.len() - 1].0].map(|at| (at as f64, SHOWN_LEVEL));
        let chart = |name: &str, y: &str| LineChart::new(name).x_label(axis).y_label(y).log_x().size(1000, 420);
        let charts = [
            (
                chart(&format!("Error and predicted deviation with {number}"), "fraction of 3.5 rad")
                    .series(Series::new("mean absolute error", of(|h| h.mae)))
                    .series(Series::new("mean standard deviation", of(|h| h.std))),
                format!("uncertainty-error-by-{stem}.png"),
                "Error",
            ),
            (
                chart(&format!("Calibration with {number}"), "coverage, correlation")
                    .y_range(0.0, 1.0)
                    .series(Series::new(format!("coverage at {SHOWN_LEVEL}"), of(|h| h.coverage)))
                    .series(Series::new("rank correlation of deviation and error", of(Honesty::mean_within)))
                    .series(Series::new("nominal", ends).dashed()),
                format!("uncertainty-coverage-by-{stem}.png"),
                "Calibration",
            ),
        ];
        for (chart, file, what) in charts {
            chart.write_png(session.out.join(&file))?;
            let title = format!("{what} with {number}");
            section.figures.push(Figure { title, caption: caption.clone(), file });
        }
        Ok(())
    }
}
