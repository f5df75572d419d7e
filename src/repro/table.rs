//! Tables of scores: methods by metrics, over images and seeds.

use super::Session;
use super::claims::{Claim, Comparison, Unit, finite_pairs, larger, smaller};
use super::evaluation::{Evaluated, evaluated};
use super::method::Method;
use super::report::{Better, Cell, Column, Format, Row, Table};
use crate::{Error, Result};

/// A metric of a task's scores.
#[derive(Clone, Copy)]
pub struct Metric<S> {
    /// What it is called.
    pub name: &'static str,
    unit: &'static str,
    digits: usize,
    better: Better,
    /// Its value; NaN where an image has none.
    pub of: fn(&S) -> f64,
}

impl<S> Metric<S> {
    /// A metric with its unit, which may be empty, written with so many digits.
    pub const fn new(name: &'static str, unit: &'static str, digits: usize, better: Better, of: fn(&S) -> f64) -> Self {
        Self { name, unit, digits, better, of }
    }
}

/// A method's scores on images of one kind, a list for each seed.
pub struct Scored<M: Method> {
    /// The method.
    pub method: M,
    /// Of each seed; one list alone if the method draws nothing.
    pub seeds: Vec<Evaluated<M::Scores>>,
}

/// The mean of what is finite; NaN if nothing is.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.filter(|v| v.is_finite()).fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
    sum / count
}

impl<M: Method> Scored<M> {
    /// Trains and scores a method with every seed, or finds it done.
    ///
    /// # Errors
    /// Those of [`evaluated`].
    pub fn get(session: &mut Session, method: M, seeds: &[u64], cases: &M::Cases) -> Result<Self> {
        let seeds = if method.config(session, seeds[0])?.is_none() { &seeds[..1] } else { seeds };
        let sampling = method.sampling(&session.numbers);
        let seeds = seeds.iter().map(|&seed| evaluated(session, method, seed, cases, sampling, false));
        Ok(Self { method, seeds: seeds.collect::<Result<_>>()? })
    }

    /// A metric of every image, its mean over the seeds.
    pub fn by_image(&self, metric: Metric<M::Scores>) -> Vec<f64> {
        let images = self.seeds[0].scores.len();
        (0..images).map(|i| mean(self.seeds.iter().map(|s| (metric.of)(&s.scores[i])))).collect()
    }

    /// A metric's mean over the images, of each seed.
    fn by_seed(&self, metric: Metric<M::Scores>) -> Vec<f64> {
        self.seeds.iter().map(|s| mean(s.scores.iter().map(metric.of))).collect()
    }

    /// The mean over images and seeds, and the standard deviation over seeds of their means.
    pub fn cell(&self, metric: Metric<M::Scores>, paper: Option<f64>) -> Cell {
        let means = self.by_seed(metric);
        let all = mean(means.iter().copied());
        let spread = (means.len() > 1)
            .then(|| (means.iter().map(|m| (m - all).powi(2)).sum::<f64>() / (means.len() - 1) as f64).sqrt());
        Cell { paper, spread, ..Cell::of(all) }
    }
}

/// The scores of all methods on the same images.
///
/// # Errors
/// Those of [`Scored::get`].
pub fn all<M: Method>(session: &mut Session, methods: &[M], seeds: &[u64], cases: &M::Cases) -> Result<Vec<Scored<M>>> {
    methods.iter().map(|&method| Scored::get(session, method, seeds, cases)).collect()
}

/// The scores of a method among those of all.
///
/// # Errors
/// [`Error::Input`] if it is not among them.
pub fn of<M: Method>(scored: &[Scored<M>], method: M) -> Result<&Scored<M>> {
    let missing = || Error::input(format!("{} was not evaluated", method.full_name()));
    scored.iter().find(|s| s.method == method).ok_or_else(missing)
}

/// "The first method is better than the second in a metric", by their values on the same images or specimens; none if no one has both.
///
/// # Errors
/// Those of [`Comparison::of`].
pub fn compared<S>(
    [a, b]: [&str; 2],
    metric: Metric<S>,
    of: Unit,
    (of_a, of_b): (&[f64], &[f64]),
    source: &str,
) -> Result<Option<Claim>> {
    let (of_a, of_b) = finite_pairs(of_a, of_b);
    if of_a.is_empty() {
        return Ok(None);
    }
    let name = metric.name;
    Ok(Some(match metric.better {
        Better::Lower => smaller(format!("{a} has a smaller {name} than {b}"), source, of, &of_a, &of_b)?,
        _ => larger(format!("{a} has a larger {name} than {b}"), source, of, &of_a, &of_b)?,
    }))
}

/// What a table claims of two methods: the first is better, in each of these metrics.
///
/// # Errors
/// Those of [`Comparison::of`].
pub fn better<M: Method>(
    first: &Scored<M>,
    second: &Scored<M>,
    metrics: &[Metric<M::Scores>],
    source: &str,
) -> Result<Vec<Claim>> {
    let names = [first, second].map(|s| s.method.name());
    let mut claims = Vec::new();
    for &metric in metrics {
        let names = [names[0].as_str(), names[1].as_str()];
        let values = (&*first.by_image(metric), &*second.by_image(metric));
        let Some(mut claim) = compared(names, metric, Unit::Image, values, source)? else { continue };
        let sign = if metric.better == Better::Lower { -1.0 } else { 1.0 };
        // A method that draws nothing has one result for all seeds.
        let [of_a, of_b] = [first, second].map(|s| s.by_seed(metric));
        let seeds = of_a.len().max(of_b.len());
        let at = |values: &[f64], seed: usize| values[seed.min(values.len() - 1)];
        let agreeing = (0..seeds).filter(|&seed| sign * (at(&of_a, seed) - at(&of_b, seed)) > 0.0).count();
        if seeds > 1 {
            claim.evidence += &format!("; so in {agreeing} of {seeds} seeds");
        }
        claims.push(claim);
    }
    Ok(claims)
}

/// A table of every method's metrics. `paper` gives the paper's number of a method and metric.
pub fn scores<M: Method>(
    title: &str,
    caption: &str,
    metrics: &[Metric<M::Scores>],
    scored: &[Scored<M>],
    paper: impl Fn(M, &str) -> Option<f64>,
) -> Table {
    let columns = metrics.iter().map(|m| Column::new(m.name, Format::Digits(m.digits), m.better).unit(m.unit));
    let row = |s: &Scored<M>| Row {
        name: s.method.name(),
        cells: metrics.iter().map(|&metric| s.cell(metric, paper(s.method, metric.name))).collect(),
    };
    Table {
        title: title.into(),
        caption: caption.into(),
        head: "method".into(),
        columns: columns.collect(),
        rows: scored.iter().map(row).collect(),
    }
}

/// A table of paired tests of one method against all others.
///
/// # Errors
/// Those of [`Comparison::of`].
pub fn significance<M: Method>(
    title: &str,
    caption: &str,
    metrics: &[Metric<M::Scores>],
    scored: &[Scored<M>],
    one: M,
) -> Result<Table> {
    let mut rows = Vec::new();
    if let Some(first) = scored.iter().find(|s| s.method == one) {
        for other in scored.iter().filter(|s| s.method != one) {
            let mut cells = Vec::new();
            for &metric in metrics {
                let (a, b) = finite_pairs(&first.by_image(metric), &other.by_image(metric));
                if a.is_empty() {
                    cells.extend([Cell::default(); 3]);
                    continue;
                }
                let c = Comparison::of(&a, &b)?;
                cells.extend([Cell::of(c.first - c.second), Cell::of(c.wilcoxon), Cell::maybe(c.t_test)]);
            }
            rows.push(Row { name: format!("{} against {}", one.name(), other.method.name()), cells });
        }
    }
    let columns = metrics.iter().flat_map(|metric| {
        [
            Column::new(&format!("Δ {}", metric.name), Format::Signed(4), Better::Neither).unit(metric.unit),
            Column::new("Wilcoxon", Format::P, Better::Neither).unit("p"),
            Column::new("t-test", Format::P, Better::Neither).unit("p"),
        ]
    });
    let head = "the first less the second".into();
    Ok(Table { title: title.into(), caption: caption.into(), head, columns: columns.collect(), rows })
}

/// Seeds as words.
pub fn listed(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// What a note says of reconstructions that are means of several samples.
pub fn averaged(samples: usize) -> Option<String> {
    (samples > 1).then(|| {
        format!(
            "A reconstruction is the mean of {samples} samples, which lowers errors and raises similarity against a single one; the \
             column \"one sample\" has the first sample alone. The paper does not say how many it averages for its tables."
        )
    })
}
