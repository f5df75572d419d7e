//! Figure 12, and 16 for the phase: maps of what samples say about one measurement.

use super::figures::{PANEL, PHASES};
use super::samples::Predicted;
use super::studied::{Studied, predicted};
use crate::Result;
use crate::data::Plane;
use crate::picture::{Colormap, Montage, Panel, nearly_highest};
use crate::repro::Session;
use crate::repro::report::Figure;

/// Images of one kind that are shown at most.
const SHOWN: usize = 3;
/// Samples that are shown one by one, as in the paper.
const SAMPLES: usize = 5;

fn phase<'a>(title: &str, plane: &'a Plane) -> Panel<'a> {
    Panel::new(title, plane).range(PHASES.0, PHASES.1).map(Colormap::Viridis).unit("rad")
}

fn heat<'a>(title: &str, plane: &'a Plane, unit: &str) -> Panel<'a> {
    Panel::new(title, plane).map(Colormap::Magma).unit(unit)
}

/// Figure 12: truth, mean, deviation, error and schedule, a row for each image.
///
/// # Errors
/// [`Error::File`](crate::Error::File).
pub fn maps_figure(session: &Session, file: &str, one: &Studied) -> Result<Figure> {
    let shown = one.cases.first(SHOWN);
    let predicted: Vec<Predicted> = predicted(&one.evaluated, &shown, usize::MAX)?;
    let errors: Vec<Plane> = predicted.iter().map(Predicted::error).collect();
    let integrals =
        (0..shown.all.len()).map(|i| Ok(one.evaluated.maps::<4>(i)?[3].clone())).collect::<Result<Vec<_>>>()?;
    let mut montage = Montage::new().panel_size(PANEL);
    for (i, case) in shown.all.iter().enumerate() {
        let p = &predicted[i];
        // One scale for deviation and error: they are the same quantity.
        let high = nearly_highest([&p.std, &errors[i]]);
        montage = montage.row(
            case.name.clone(),
            vec![
                Panel::new("image at +d", case.pair.plus()),
                phase("true phase", &case.truth),
                phase("mean of the samples", &p.mean),
                heat("standard deviation", &p.std, "rad").range(0.0, high),
                heat("|mean − truth|", &errors[i], "rad").range(0.0, high),
                heat("∫β dt", &integrals[i], ""),
            ],
        );
    }
    montage.write_png(session.out.join(file))?;
    Ok(Figure {
        title: "Mean, deviation, error and schedule (figure 12)".into(),
        caption: format!(
            "{}; {} samples by CVDM. Deviation and error share a scale, which ends where 99 % of their values lie.",
            one.cases.name, session.numbers.studied_samples
        ),
        file: file.into(),
    })
}

/// As figure 16: single samples of the first image, their errors, their variance and the schedule.
///
/// # Errors
/// [`Error::File`](crate::Error::File).
pub fn samples_figure(session: &Session, file: &str, one: &Studied) -> Result<Figure> {
    let case = &one.cases.all[0];
    let samples: Vec<Plane> = one.evaluated.samples(0)?.into_iter().take(SAMPLES).collect();
    let error = |s: &Plane| Plane::from_fn(s.height(), s.width(), |y, x| (s.at(y, x) - case.truth.at(y, x)).abs());
    let errors: Vec<Plane> = samples.iter().map(error).collect();
    let variance = Predicted::of(&samples, &case.truth).std.map(|v| v * v);
    let integral = &one.evaluated.maps::<4>(0)?[3];
    let high = nearly_highest(&errors);
    let numbered = |(i, s)| phase(&format!("sample {}", i + 1), s);
    Montage::new()
        .panel_size(PANEL)
        .row(
            "",
            vec![
                Panel::new("image at +d", case.pair.plus()),
                Panel::new("image at −d", case.pair.minus()),
                phase("true phase", &case.truth),
                heat("variance", &variance, "rad²").range(0.0, nearly_highest([&variance])),
                heat("∫β dt", integral, ""),
            ],
        )
        .row("", samples.iter().enumerate().map(numbered).collect::<Vec<_>>())
        .row("", errors.iter().map(|e| heat("|sample − truth|", e, "rad").range(0.0, high)).collect::<Vec<_>>())
        .write_png(session.out.join(file))?;
    Ok(Figure {
        title: "Samples of a phase and their errors (as figure 16)".into(),
        caption: format!("{}, {}, by CVDM. Variance over these {} samples.", one.cases.name, case.name, samples.len()),
        file: file.into(),
    })
}
