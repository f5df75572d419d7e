//! β and γ over time in structure and in background (figures 2, 11 and 17).

use super::Session;
use super::report::{Figure, Section};
use super::schedule::curve;
use crate::Result;
use crate::picture::{LineChart, Series};
use crate::weights::Weights;

/// Two charts, of β and of γ.
pub struct RegionCharts<'a> {
    /// Files are `STEM-beta…` and `STEM-gamma…`.
    pub stem: &'a str,
    /// What follows that in a file's name.
    pub suffix: &'a str,
    /// What the pixels are of.
    pub of: &'a str,
    /// The paper's figures.
    pub source: &'a str,
    /// Caption.
    pub caption: &'a str,
}

impl RegionCharts<'_> {
    /// Draws them for the rates of the pixels of either region, structure first.
    ///
    /// # Errors
    /// [`crate::Error::File`] if a picture cannot be written.
    pub fn draw(
        self,
        session: &Session,
        section: &mut Section,
        weights: &Weights,
        rates: &[Vec<f32>; 2],
    ) -> Result<()> {
        let Self { stem, suffix, of, source, caption } = self;
        // A region without pixels has no mean.
        let regions = [("structure", &rates[0]), ("background", &rates[1])].into_iter().filter(|r| !r.1.is_empty());
        let curves: Vec<_> = regions.map(|(name, rates)| (name, curve(weights, rates))).collect();
        for (symbol, name) in [("β", "beta"), ("γ", "gamma")] {
            let mut chart = LineChart::new(format!("{symbol}(t) in structure and background: {of}"))
                .x_label("t")
                .y_label(symbol)
                .size(1000, 480);
            for (region, curve) in &curves {
                let points = if symbol == "β" { &curve.beta } else { &curve.gamma };
                chart = chart.series(Series::new(*region, points.clone()));
            }
            let file = format!("{stem}-{name}{suffix}.png");
            chart.write_png(session.out.join(&file))?;
            let title = format!("{symbol} over time by region ({source})");
            section.figures.push(Figure { title, caption: caption.into(), file });
        }
        Ok(())
    }
}
