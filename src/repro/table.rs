//! Tables of scores: methods by metrics, over images and seeds.

use super::Session;
use super::cases::Cases;
use super::claims::{Claim, Comparison, larger, smaller};
use super::methods::{Evaluated, ImageScores, Method, evaluated};
use super::report::{Better, Cell, Column, Format, Row, Table};
use crate::Result;

/// A metric of the tables.
#[derive(Clone, Copy)]
pub struct Metric {
    /// What it is called.
    pub name: &'static str,
    unit: &'static str,
    digits: usize,
    better: Better,
    /// Its value.
    pub of: fn(&ImageScores) -> f64,
}

/// MS-SSIM, with the mean difference removed.
pub const MS_SSIM: Metric =
    Metric { name: "MS-SSIM", unit: "", digits: 3, better: Better::Higher, of: |s| s.scores.ms_ssim };
/// Mean absolute error, with the mean difference removed.
pub const MAE: Metric =
    Metric { name: "MAE", unit: "", digits: 3, better: Better::Lower, of: |s| s.scores.mae_aligned };
/// All of them, in the order of the tables.
pub const METRICS: [Metric; 7] = [
    MS_SSIM,
    MAE,
    Metric { name: "MAE, not aligned", unit: "", digits: 3, better: Better::Lower, of: |s| s.scores.mae },
    Metric { name: "MAE, one sample", unit: "", digits: 3, better: Better::Lower, of: |s| s.mae_one_sample },
    Metric { name: "PSNR", unit: "dB", digits: 2, better: Better::Higher, of: |s| s.scores.psnr },
    Metric { name: "SSIM", unit: "", digits: 3, better: Better::Higher, of: |s| s.ssim },
    Metric { name: "time", unit: "s an image", digits: 2, better: Better::Neither, of: |s| s.scores.seconds },
];

/// A method's scores on images of one kind, a list for each seed.
pub struct Scored {
    /// The method.
    pub method: Method,
    /// Of each seed; one list alone if the method draws nothing.
    pub seeds: Vec<Evaluated>,
}

impl Scored {
    /// Trains and scores a method with every seed, or finds it done.
    ///
    /// # Errors
    /// Those of [`evaluated`].
    pub fn get(session: &mut Session, method: Method, seeds: &[u64], cases: &Cases) -> Result<Self> {
        let seeds = if method == Method::UsTie { &seeds[..1] } else { seeds };
        let sampling = session.numbers.sampling;
        let seeds = seeds.iter().map(|&seed| evaluated(session, method, seed, cases, sampling, false));
        Ok(Self { method, seeds: seeds.collect::<Result<_>>()? })
    }

    /// A metric of every image, its mean over the seeds.
    pub fn by_image(&self, metric: Metric) -> Vec<f64> {
        let images = self.seeds[0].scores.len();
        let mean =
            |i: usize| self.seeds.iter().map(|s| (metric.of)(&s.scores[i])).sum::<f64>() / self.seeds.len() as f64;
        (0..images).map(mean).collect()
    }

    /// A metric's mean over the images, of each seed.
    fn by_seed(&self, metric: Metric) -> Vec<f64> {
        let mean = |s: &Evaluated| s.scores.iter().map(metric.of).sum::<f64>() / s.scores.len() as f64;
        self.seeds.iter().map(mean).collect()
    }

    /// The mean over images and seeds, and the standard deviation over seeds of their means.
    fn cell(&self, metric: Metric, paper: Option<f64>) -> Cell {
        let means = self.by_seed(metric);
        let all = means.iter().sum::<f64>() / means.len() as f64;
        let spread = (means.len() > 1)
            .then(|| (means.iter().map(|m| (m - all).powi(2)).sum::<f64>() / (means.len() - 1) as f64).sqrt());
        Cell { paper, spread, ..Cell::of(all) }
    }
}

/// The two claims that a table makes of two methods: the first has the smaller MAE and the larger MS-SSIM.
///
/// # Errors
/// Those of [`Comparison::of`].
pub fn better(first: &Scored, second: &Scored, source: &str) -> Result<[Claim; 2]> {
    let [a, b] = [first, second].map(|s| s.method.name());
    let images = |metric| (first.by_image(metric), second.by_image(metric));
    let ((mae, mae_of_b), (similarity, similarity_of_b)) = (images(MAE), images(MS_SSIM));
    let mut claims = [
        smaller(format!("{a} has a smaller MAE than {b}"), source, &mae, &mae_of_b)?,
        larger(format!("{a} has a larger MS-SSIM than {b}"), source, &similarity, &similarity_of_b)?,
    ];
    for (claim, (metric, sign)) in claims.iter_mut().zip([(MAE, -1.0), (MS_SSIM, 1.0)]) {
        // A method that draws nothing has one result for all seeds.
        let [of_a, of_b] = [first, second].map(|s| s.by_seed(metric));
        let seeds = of_a.len().max(of_b.len());
        let at = |values: &[f64], seed: usize| values[seed.min(values.len() - 1)];
        let agreeing = (0..seeds).filter(|&seed| sign * (at(&of_a, seed) - at(&of_b, seed)) > 0.0).count();
        if seeds > 1 {
            claim.evidence += &format!("; so in {agreeing} of {seeds} seeds");
        }
    }
    Ok(claims)
}

/// A table of every method's metrics. `paper` gives the paper's number of a method and metric.
pub fn scores(title: &str, caption: &str, scored: &[Scored], paper: impl Fn(Method, &str) -> Option<f64>) -> Table {
    let columns = METRICS.iter().map(|m| Column::new(m.name, Format::Digits(m.digits), m.better).unit(m.unit));
    let row = |s: &Scored| Row {
        name: s.method.name(),
        cells: METRICS.iter().map(|&metric| s.cell(metric, paper(s.method, metric.name))).collect(),
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
pub fn significance(title: &str, caption: &str, scored: &[Scored], one: Method) -> Result<Table> {
    let mut rows = Vec::new();
    if let Some(first) = scored.iter().find(|s| s.method == one) {
        for other in scored.iter().filter(|s| s.method != one) {
            let mut cells = Vec::new();
            for metric in [MS_SSIM, MAE] {
                let c = Comparison::of(&first.by_image(metric), &other.by_image(metric))?;
                cells.extend([Cell::of(c.first - c.second), Cell::of(c.wilcoxon), Cell::maybe(c.t_test)]);
            }
            rows.push(Row { name: format!("{} against {}", one.name(), other.method.name()), cells });
        }
    }
    let columns = [MS_SSIM, MAE].iter().flat_map(|metric| {
        [
            Column::new(&format!("Δ {}", metric.name), Format::Signed(4), Better::Neither),
            Column::new("Wilcoxon", Format::P, Better::Neither).unit("p"),
            Column::new("t-test", Format::P, Better::Neither).unit("p"),
        ]
    });
    let head = "the first less the second".into();
    Ok(Table { title: title.into(), caption: caption.into(), head, columns: columns.collect(), rows })
}
