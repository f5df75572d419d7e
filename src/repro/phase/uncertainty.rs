//! Figures 2, 11 and 12, and 16 for the phase: what the learned schedule and the samples know about their own errors.

use super::cases::PhaseCases;
use super::maps::{maps_figure, samples_figure};
use super::methods::{CDDPM, PhaseMethod};
use super::qpi::{measured_cell, test_photographs};
use super::samples::{Honesty, SHOWN_LEVEL, coverage_by_samples, predictions};
use super::studied::{Studied, predicted, sampled};
use super::sweep;
use crate::config::Task;
use crate::data::Plane;
use crate::diffusion::SampleOptions;
use crate::metrics::{NOMINAL_LEVELS, error_by_std, normal_coverage, rank_correlation};
use crate::picture::{error_by_std_chart, reliability_chart};
use crate::repro::claims::{Claim, Unit, larger_where_finite, positive};
use crate::repro::estimate::Planned;
use crate::repro::method::Method;
use crate::repro::region_charts::RegionCharts;
use crate::repro::regions::{Regions, values};
use crate::repro::report::{Better, Cell, Column, Figure, Format, Row, Section, Table};
use crate::repro::training::trained;
use crate::repro::{Session, Subject};
use crate::weights::load_weights;
use crate::{Error, Result};

/// Groups of pixels by standard deviation.
const BINS: usize = 15;

/// What [`section`] will ask for.
///
/// # Errors
/// Those of the images.
pub fn plan(session: &Session) -> Result<Vec<Planned>> {
    let numbers = &session.numbers;
    let seed = session.seeds(Subject::Uncertainty)[0];
    let photographs = test_photographs(session)?.first(numbers.studied_images);
    let many = SampleOptions { samples: numbers.studied_samples, ..numbers.phase.sampling };
    let one = |method, cases: &PhaseCases, how| Planned::new(session, method, seed, cases, how);
    let mut plans = vec![one(PhaseMethod::Cvdm, &photographs, many)?, one(CDDPM, &photographs, many)?];
    if let Some(cell) = measured_cell(session)?.into_iter().next_back() {
        plans.push(one(PhaseMethod::Cvdm, &cell.first(1), many)?);
    }
    for how in sweep::settings(numbers) {
        plans.push(one(PhaseMethod::Cvdm, &photographs, how)?);
    }
    Ok(plans)
}

/// Trains, samples and tells.
///
/// # Errors
/// Those of training and reconstruction, and [`Error::File`].
pub fn section(session: &mut Session) -> Result<Section> {
    session.note_departures(Task::Phase, None);
    let seed = session.seeds(Subject::Uncertainty)[0];
    let numbers = session.numbers.clone();
    let photographs = test_photographs(session)?.first(numbers.studied_images);
    let mut section = Section {
        name: "uncertainty".into(),
        title: "Uncertainty and the schedule".into(),
        source: "figures 2, 11, 12, 16 and 17".into(),
        introduction: format!(
            "{} samples of each of {} test photographs by the models of table 2(a), seed {seed}. Structure is the quarter of a \
             photograph's pixels where the true phase is steepest, background the half where it is flattest; of the measured cell, \
             where the phase is above a quarter of its range, and below a tenth.",
            numbers.studied_samples,
            photographs.all.len()
        ),
        ..Section::default()
    };
    let mut studied = vec![Studied::get(session, photographs, seed, Regions::by_gradient)?];
    if let Some(cell) = measured_cell(session)?.into_iter().next_back() {
        studied.push(Studied::get(session, cell.first(1), seed, Regions::by_value)?);
    }
    for (number, one) in studied.iter().enumerate() {
        schedules(session, &mut section, one, seed, number + 1)?;
    }
    region_table(&mut section, &studied)?;
    let photographs = &studied[0];
    section.claims.extend(claims(photographs)?);
    for (number, one) in studied.iter().enumerate() {
        section.figures.push(maps_figure(session, &format!("uncertainty-maps-{}.png", number + 1), one)?);
    }
    section.figures.push(samples_figure(session, "uncertainty-samples.png", photographs)?);
    calibration(session, &mut section, photographs, seed)?;
    sweep::over_samples(session, &mut section, photographs)?;
    sweep::over_steps(session, &mut section, photographs, seed)?;
    Ok(section)
}

/// Figures 2 and 11: β and γ over time in structure and background.
fn schedules(session: &mut Session, section: &mut Section, one: &Studied, seed: u64, number: usize) -> Result<()> {
    let missing = || Error::input("CVDM has no schedule");
    let model = trained(session, PhaseMethod::Cvdm, seed)?.ok_or_else(missing)?;
    let weights = load_weights(&model.weights)?;
    let mut rates = [Vec::new(), Vec::new()];
    for (i, regions) in one.regions.iter().enumerate() {
        let [_, _, rate, _] = one.evaluated.maps(i)?;
        rates[0].extend(values(&rate, &regions.structure));
        rates[1].extend(values(&rate, &regions.background));
    }
    let name = &one.cases.name;
    RegionCharts {
        stem: "uncertainty",
        suffix: &format!("-{number}"),
        of: name,
        source: "figures 2 and 11",
        caption: &format!("Mean over the pixels of either region; {name}, CVDM, seed {seed}."),
    }
    .draw(session, section, &weights, &rates)
}

/// What structure and background differ in.
fn region_table(section: &mut Section, studied: &[Studied]) -> Result<()> {
    let mut rows = Vec::new();
    for one in studied {
        let predicted = predicted(&one.evaluated, &one.cases, usize::MAX)?;
        // A photograph with a blank middle has no structure, and a region's mean is of the images that have it.
        let (mut sums, mut images) = ([[0.0; 3]; 2], [[0.0; 3]; 2]);
        for (i, regions) in one.regions.iter().enumerate() {
            let [_, std, _, integral] = one.evaluated.maps(i)?;
            for (column, map) in [integral, std, predicted[i].error()].iter().enumerate() {
                for (region, mean) in regions.means(map).into_iter().enumerate().filter(|(_, mean)| mean.is_finite()) {
                    sums[region][column] += mean;
                    images[region][column] += 1.0;
                }
            }
        }
        for (region, (sums, images)) in ["structure", "background"].iter().zip(sums.iter().zip(&images)) {
            let cells = sums.iter().zip(images).map(|(sum, images)| Cell::of(sum / images)).collect();
            rows.push(Row { name: format!("{}, {region}", one.cases.name), cells });
        }
    }
    section.tables.push(Table {
        title: "Regions".into(),
        caption: "Means over the pixels of a region, then over the images that have some.".into(),
        head: "pixels".into(),
        columns: vec![
            Column::new("∫β dt", Format::Digits(3), Better::Neither),
            Column::new("standard deviation", Format::Digits(3), Better::Neither).unit("rad"),
            Column::new("error", Format::Digits(3), Better::Neither).unit("rad"),
        ],
        rows,
    });
    Ok(())
}

/// The paper's three claims about phase imaging.
fn claims(one: &Studied) -> Result<Vec<Claim>> {
    let (mut structure, mut background, mut schedule) = (Vec::new(), Vec::new(), Vec::new());
    for (i, regions) in one.regions.iter().enumerate() {
        let [_, std, _, integral] = one.evaluated.maps(i)?;
        let [of_structure, of_background] = regions.means(&integral);
        structure.push(of_structure);
        background.push(of_background);
        schedule.extend(rank_correlation(&integral, &std)?);
    }
    let steeper = "∫β dt is larger in background than in structure (phase imaging)";
    let errors = Honesty::of(&predicted(&one.evaluated, &one.cases, usize::MAX)?)?.within;
    Ok(vec![
        larger_where_finite(steeper, "figure 11", Unit::Image, &background, &structure)?,
        positive("∫β dt is larger where samples differ more", "appendix M", Unit::Image, &schedule)?,
        positive("The error is larger where samples differ more", "appendix M", Unit::Image, &errors)?,
    ])
}

/// Coverage and correlations, of CVDM and CDDPM.
fn calibration(session: &mut Session, section: &mut Section, one: &Studied, seed: u64) -> Result<()> {
    let truths: Vec<&Plane> = one.cases.all.iter().map(|case| &case.truth).collect();
    let cddpm = sampled(session, CDDPM, seed, &one.cases)?;
    let (mut rows, mut curves, mut bins) = (Vec::new(), Vec::new(), Vec::new());
    for (method, evaluated) in [(CDDPM, &cddpm), (PhaseMethod::Cvdm, &one.evaluated)] {
        let predicted = predicted(evaluated, &one.cases, usize::MAX)?;
        let levels: Vec<f64> = (1..20).map(|i| f64::from(i) / 20.0).collect();
        let observed = normal_coverage(&predictions(&predicted)?, &levels)?;
        curves.push((method.name(), levels.into_iter().zip(observed).collect::<Vec<_>>()));
        let groups = error_by_std(&predictions(&predicted)?, BINS)?;
        bins.push((method.name(), groups.iter().map(|b| (b.std, b.error)).collect::<Vec<_>>()));
        let samples = (0..truths.len()).map(|i| evaluated.samples(i)).collect::<Result<Vec<_>>>()?;
        let by_samples = coverage_by_samples(&samples, &truths, &NOMINAL_LEVELS)?;
        let by_normal = normal_coverage(&predictions(&predicted)?, &NOMINAL_LEVELS)?;
        let honesty = Honesty::of(&predicted)?;
        let mut cells: Vec<Cell> = by_normal.into_iter().map(Cell::of).collect();
        // Of the samples' own intervals the shown level, which twenty samples just allow.
        let of_level = by_samples.iter().find(|(level, _)| *level == SHOWN_LEVEL).map(|(_, observed)| *observed);
        cells.extend([Cell::maybe(of_level), Cell::of(honesty.mean_within()), Cell::maybe(honesty.pooled)]);
        rows.push(Row { name: method.name(), cells });
    }
    let mut columns: Vec<Column> = NOMINAL_LEVELS
        .iter()
        .map(|l| Column::new(&format!("{l}"), Format::Digits(3), Better::Neither).unit("coverage"))
        .collect();
    columns.push(Column::new(&format!("{SHOWN_LEVEL}"), Format::Digits(3), Better::Neither).unit("by samples"));
    columns.push(Column::new("within images", Format::Digits(3), Better::Higher).unit("correlation"));
    columns.push(Column::new("over all pixels", Format::Digits(3), Better::Higher).unit("correlation"));
    section.tables.push(Table {
        title: "Calibration".into(),
        caption: "How often the truth lies in the interval of a nominal level, mean ± z·std, and in the central interval of the \
                  samples themselves; Spearman's rank correlation of standard deviation and error, within images and over all pixels. \
                  Nothing is aligned: the unknown constant is part of what a prediction should be unsure of."
            .into(),
        head: "method".into(),
        columns,
        rows,
    });
    let charts = [
        (
            reliability_chart("Reliability", curves),
            "uncertainty-reliability.png",
            "Reliability",
            "Below the diagonal a prediction is too sure of itself.",
        ),
        (
            error_by_std_chart("Error by predicted deviation", "rad", bins),
            "uncertainty-error-by-std.png",
            "Error by predicted deviation",
            "Pixels in fifteen groups of rising standard deviation; above the diagonal errors are larger than predicted.",
        ),
    ];
    for (chart, file, title, caption) in charts {
        chart.write_png(session.out.join(file))?;
        section.figures.push(Figure { title: title.into(), caption: caption.into(), file: file.into() });
    }
    Ok(())
}
