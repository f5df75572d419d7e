//! Table 2(b): phase of brightfield stacks by models that have only seen simulated photographs.

use std::collections::BTreeSet;

use super::cases::{Case, PhaseCases};
use super::figures::reconstructions;
use super::methods::{CDDPM, METRICS, MS_SSIM, PhaseMethod};
use super::stacks::{Stack, stacks};
use crate::Result;
use crate::config::Task;
use crate::evaluate::aligned;
use crate::inverse::{AXIAL_ORDER, PHASE_RANGE};
use crate::metrics::{mae_aligned, ms_ssim, ms_ssim_scales};
use crate::phase::setup;
use crate::repro::claims::larger_in_every;
use crate::repro::estimate::{Planned, planned};
use crate::repro::method::Method;
use crate::repro::report::{Better, Cell, Column, Format, Row, Section, Table};
use crate::repro::table::{Scored, all, of, scores};
use crate::repro::{Session, Subject, paper};

const METHODS: [PhaseMethod; 3] = [PhaseMethod::UsTie, CDDPM, PhaseMethod::Cvdm];
const SOURCE: &str = "table 2(b)";

/// The pairs of the stacks, with the references as truths.
fn cases(stacks: &[Stack]) -> PhaseCases {
    let case = |s: &Stack| Case {
        name: s.name.clone(),
        pair: s.pair.clone(),
        truth: s.reference.clone(),
        setup: s.setup,
        noisy: true,
    };
    PhaseCases { name: "focal stacks".into(), all: stacks.iter().map(case).collect(), truth: "reference" }
}

fn stacks_of(session: &Session) -> Result<Vec<Stack>> {
    stacks(session, &setup(&session.numbers.phase.data)?)
}

/// What [`section`] will ask for.
///
/// # Errors
/// Those of the stacks.
pub fn plan(session: &Session) -> Result<Vec<Planned>> {
    let cases = cases(&stacks_of(session)?);
    let seed = session.seeds(Subject::Brightfield)[0];
    METHODS.into_iter().map(|method| planned(session, method, seed, &cases)).collect()
}

/// Trains, evaluates and tells.
///
/// # Errors
/// Those of training and reconstruction, and [`crate::Error::File`].
pub fn section(session: &mut Session) -> Result<Section> {
    session.note_departures(Task::Phase, None);
    let seed = session.seeds(Subject::Brightfield)[0];
    let stacks = stacks_of(session)?;
    let cases = cases(&stacks);
    let scored = all(session, &METHODS, &[seed], &cases)?;
    let simulated = stacks.iter().any(|s| s.phase.is_some());
    let mut section = Section {
        name: "brightfield".into(),
        title: "Phase of brightfield stacks".into(),
        source: format!("{SOURCE} and figure 1(b)"),
        introduction: format!(
            "{} focal stacks. Methods are given the two images at ±d; the reference is the paper's: US-TIE of the axial derivative that \
             a polynomial of order {AXIAL_ORDER}, fitted to every pixel over the whole stack, has in focus. The networks are those of table \
             2(a), seed {seed}, trained on simulated photographs alone.",
            stacks.len()
        ),
        ..Section::default()
    };
    section.tables.push(by_stack(&stacks, &scored, simulated));
    section.tables.push(scores(
        "Means over the stacks",
        "Against the reference, as in table 2(a).",
        &METRICS,
        &scored,
        |_, _| None,
    ));
    if simulated {
        section.tables.push(against_the_phase(&stacks, &scored)?);
        section.notes.push(
            "No stacks were given (brightfield/): these are simulated, 41 images of each object, with more noise from stack to stack, and the \
             numbers of the paper are of other samples. The objects' phases are known, and stand in a table of their own."
                .into(),
        );
    }
    let cvdm = of(&scored, PhaseMethod::Cvdm)?;
    for other in [PhaseMethod::UsTie, CDDPM] {
        let pairs: Vec<_> = cvdm.by_image(MS_SSIM).into_iter().zip(of(&scored, other)?.by_image(MS_SSIM)).collect();
        let statement = format!("CVDM has a larger MS-SSIM than {} on every stack", other.name());
        section.claims.push(larger_in_every("stacks", statement, SOURCE, &pairs, 0.0));
    }
    for image in 0..stacks.len().min(3) {
        let (file, title) = (format!("brightfield-{}.png", image + 1), "Reconstructions of a stack");
        section.figures.push(reconstructions(session, &file, title, &cases, image, &scored)?);
    }
    Ok(section)
}

/// MS-SSIM of every stack, as the paper's table has it.
fn by_stack(stacks: &[Stack], scored: &[Scored<PhaseMethod>], simulated: bool) -> Table {
    let row = |s: &Scored<PhaseMethod>| {
        let values = s.by_image(MS_SSIM);
        let of_paper = paper::brightfield(s.method);
        let same = !simulated && of_paper.is_some_and(|p| p.len() == values.len());
        let one = |i: usize| Cell { paper: of_paper.filter(|_| same).map(|p| p[i]), ..Cell::of(values[i]) };
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let mut cells: Vec<Cell> = (0..values.len()).map(one).collect();
        cells.push(Cell { paper: of_paper.map(|p| mean(&p)), ..Cell::of(mean(&values)) });
        Row { name: s.method.name(), cells }
    };
    let mut columns: Vec<Column> =
        stacks.iter().map(|s| Column::new(&s.name, Format::Digits(3), Better::Higher).unit("MS-SSIM")).collect();
    let scales: BTreeSet<usize> =
        stacks.iter().map(|s| ms_ssim_scales(s.reference.height().min(s.reference.width()))).collect();
    let scales: Vec<String> = scales.iter().map(usize::to_string).collect();
    columns.push(Column::new("mean", Format::Digits(3), Better::Higher).unit("MS-SSIM"));
    Table {
        title: "Every stack".into(),
        caption: format!(
            "MS-SSIM against the reference, the mean difference removed, of {} scales.",
            scales.join(" or ")
        ),
        head: "method".into(),
        columns,
        rows: scored.iter().map(row).collect(),
    }
}

/// Methods and reference against the phase that was simulated.
fn against_the_phase(stacks: &[Stack], scored: &[Scored<PhaseMethod>]) -> Result<Table> {
    let range = f64::from(PHASE_RANGE);
    let mut rows = Vec::new();
    let mut row = |name: String, phases: Vec<crate::data::Plane>| -> Result<()> {
        let known = || stacks.iter().zip(&phases).filter_map(|(s, phase)| Some((s.phase.as_ref()?, phase)));
        let mean = |values: Result<Vec<f64>>| values.map(|v| v.iter().sum::<f64>() / v.len() as f64);
        let similarity = mean(known().map(|(t, p)| Ok(ms_ssim(&aligned(p, t), t, range)?.value)).collect())?;
        let error = mean(known().map(|(t, p)| mae_aligned(p, t, range)).collect())?;
        rows.push(Row { name, cells: vec![Cell::of(similarity), Cell::of(error)] });
        Ok(())
    };
    row("the reference".into(), stacks.iter().map(|s| s.reference.clone()).collect())?;
    for s in scored {
        let phases = (0..stacks.len()).map(|i| Ok(s.seeds[0].maps::<4>(i)?[0].clone())).collect::<Result<_>>()?;
        row(s.method.name(), phases)?;
    }
    Ok(Table {
        title: "Against the phase that was simulated".into(),
        caption: "How far the paper's reference itself is from the truth, which only a simulation knows.".into(),
        head: "method".into(),
        columns: vec![
            Column::new("MS-SSIM", Format::Digits(3), Better::Higher),
            Column::new("MAE", Format::Digits(3), Better::Lower),
        ],
        rows,
    })
}
