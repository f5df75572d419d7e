//! β and γ over time in structure and in background (figures 2 and 11).

use super::Session;
use super::report::{Figure, Section};
use super::schedule::curve;
use crate::Result;
use crate::picture::{LineChart, Series};
use crate::weights::Weights;

/// Two charts for the rates of the pixels of either region, structure first. Files are `STEM-beta…` and `STEM-gamma…`.
///
/// # Errors
/// [`crate::Error::File`] if a picture cannot be written.
pub fn charts(
    session: &Session,
    section: &mut Section,
    [stem, suffix]: [&str; 2],
    [of, caption]: [&str; 2],
    weights: &Weights,
    rates: &[Vec<f32>; 2],
) -> Result<()> {
    let curves =
        [("structure", &rates[0]), ("background", &rates[1])].map(|(name, rates)| (name, curve(weights, rates)));
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
        section.figures.push(Figure {
            title: format!("{symbol} over time by region (figures 2 and 11)"),
            caption: caption.into(),
            file,
        });
    }
    Ok(())
}
