//! Figures that several subjects share.

use super::cases::PhaseCases;
use super::methods::{PhaseMethod, PhaseScores};
use crate::Result;
use crate::data::Plane;
use crate::evaluate::aligned;
use crate::picture::{Colormap, LineChart, Montage, Panel, Series};
use crate::repro::Session;
use crate::repro::method::Method;
use crate::repro::report::Figure;
use crate::repro::table::{Metric, Scored};

/// The range of phases in rad that pictures show.
pub const PHASES: (f32, f32) = (0.0, 3.5);
/// Pixels of a panel's side at most: twice a test image or a view of the cell.
pub const PANEL: usize = 300;
/// The error in rad at the ends of the colour map.
pub const ERRORS: f32 = 1.0;

/// `a − b`.
pub fn difference(a: &Plane, b: &Plane) -> Plane {
    Plane::from_fn(a.height(), a.width(), |y, x| a.at(y, x) - b.at(y, x))
}

/// Reconstructions of one image: measurement and truth in the first column, then a column for each method with the phase above
/// and its error below (figures 1, 10, 14 of the paper).
///
/// # Errors
/// [`Error::File`](crate::Error::File) if maps cannot be read or the picture not be written.
pub fn reconstructions(
    session: &Session,
    file: &str,
    title: &str,
    cases: &PhaseCases,
    image: usize,
    scored: &[Scored<PhaseMethod>],
) -> Result<Figure> {
    let case = &cases.all[image];
    let phases = scored
        .iter()
        .map(|s| Ok((s.method.name(), aligned(&s.seeds[0].maps::<4>(image)?[0], &case.truth))))
        .collect::<Result<Vec<_>>>()?;
    let errors: Vec<Plane> = phases.iter().map(|(_, phase)| difference(phase, &case.truth)).collect();
    let shown =
        |name: &str, phase| Panel::new(name, phase).range(PHASES.0, PHASES.1).map(Colormap::Viridis).unit("rad");
    let mut above = vec![Panel::new("image at +d", case.pair.plus())];
    above.extend(phases.iter().map(|(name, phase)| shown(name, phase)));
    let mut below = vec![shown(cases.truth, &case.truth)];
    below.extend(errors.iter().map(|error| Panel::new("error", error).symmetric(ERRORS).unit("rad")));
    Montage::new().panel_size(PANEL).row("", above).row("", below).write_png(session.out.join(file))?;
    Ok(Figure {
        title: title.into(),
        caption: format!(
            "{}, {}. Above: the measured image at +d and each method's phase; below: the {} and each method's error. \
             The mean difference is removed.",
            cases.name, case.name, cases.truth
        ),
        file: file.into(),
    })
}

/// A metric of every image, a mark for each method.
///
/// # Errors
/// [`Error::File`](crate::Error::File) if the picture cannot be written.
pub fn every_image(
    session: &Session,
    file: &str,
    cases: &PhaseCases,
    metric: Metric<PhaseScores>,
    scored: &[Scored<PhaseMethod>],
) -> Result<Figure> {
    let mut chart = LineChart::new(format!("{} of every image", metric.name))
        .x_label("image")
        .y_label(metric.name)
        .size(1000, 480)
        .x_range(0.5, cases.all.len() as f64 + 0.5);
    for s in scored {
        let points = s.by_image(metric).into_iter().enumerate().map(|(i, v)| ((i + 1) as f64, v));
        chart = chart.series(Series::new(s.method.name(), points.collect::<Vec<_>>()).marked());
    }
    chart.write_png(session.out.join(file))?;
    Ok(Figure {
        title: format!("{}, image by image", metric.name),
        caption: format!("{}; means over the seeds. What the paired tests compare.", cases.name),
        file: file.into(),
    })
}
