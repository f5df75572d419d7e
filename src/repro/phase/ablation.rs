//! Table 3 and figure 13: what the parts of the method are worth. The paper's figure 13 is of BioSR (appendix K), here it is of photographs as
//! phases, like the table.

use super::cases::{PhaseCases, photographs};
use super::figures::reconstructions;
use super::methods::{CDDPM, MAE, METRICS, MS_SSIM, PhaseMethod, PhaseScores};
use super::qpi::test_photographs;
use crate::config::Task;
use crate::data::{Split, photographs_of};
use crate::phase::setup;
use crate::picture::{LineChart, Series};
use crate::repro::claims::larger_in_every;
use crate::repro::estimate::{Planned, planned};
use crate::repro::evaluation::{Evaluated, evaluated};
use crate::repro::method::Method;
use crate::repro::report::{Better, Cell, Column, Figure, Format, Row, Section, Table};
use crate::repro::schedule::{Curve, curve};
use crate::repro::table::{Scored, all, better, listed, of, scores, significance};
use crate::repro::training::trained;
use crate::repro::{Session, Subject, paper};
use crate::weights::load_weights;
use crate::{Error, Result};

const SOURCE: &str = "table 3";
/// The difference of two schedules' abruptness that counts.
const MARGIN: f64 = 0.02;
const VALIDATION: &str = "validation photographs";

/// The methods of the table, with the CDDPM that is in it.
fn methods(cddpm: PhaseMethod) -> [PhaseMethod; 5] {
    use PhaseMethod::{Cvdm, CvdmSimple, CvdmTied, CvdmWithoutGamma};
    [cddpm, CvdmSimple, CvdmTied, CvdmWithoutGamma, Cvdm]
}

/// What [`section`] will ask for; which range CDDPM will be tuned to is not known before, and the paper's stands for it.
///
/// # Errors
/// Those of the images.
pub fn plan(session: &Session) -> Result<Vec<Planned>> {
    let (seeds, cases) = (session.seeds(Subject::Ablation), test_photographs(session)?);
    let mut plans = Vec::new();
    for (method, seed) in methods(CDDPM).into_iter().flat_map(|m| seeds.iter().map(move |&seed| (m, seed))) {
        plans.push(planned(session, method, seed, &cases)?);
    }
    let held_out = validation_photographs(session)?;
    for &last in session.numbers.cddpm_last {
        plans.push(planned(session, PhaseMethod::Cddpm(last), seeds[0], &held_out)?);
    }
    Ok(plans)
}

/// Photographs that are neither trained nor tested on: held out of the training ones, or, where a set has its own list of held-out
/// ones, those of them that come after the test images.
fn validation_photographs(session: &Session) -> Result<PhaseCases> {
    let (numbers, folders) = (&session.numbers, session.data.photographs()?);
    let setup = setup(&numbers.phase.data)?;
    let skip = if folders.test_split == Split::HeldOut { numbers.phase.test_images } else { 0 };
    let files = photographs_of(&folders.train, Split::HeldOut)?;
    photographs(VALIDATION, &files, &setup, numbers.phase.test_size, [skip, numbers.validation_images])
}

/// CDDPM with the `β` that does best on validation photographs, which are neither trained nor tested on; and the trials as a table.
fn tuned_cddpm(session: &mut Session, seed: u64) -> Result<(PhaseMethod, Table)> {
    let sampling = session.numbers.phase.sampling;
    let held_out = validation_photographs(session)?;
    let mut rows = Vec::new();
    let mut best: Option<(f64, PhaseMethod)> = None;
    for &last in session.numbers.cddpm_last {
        let method = PhaseMethod::Cddpm(last);
        let scored = evaluated(session, method, seed, &held_out, sampling, false)?.scores;
        let mean = |of: fn(&PhaseScores) -> f64| scores_mean(&scored, of);
        let mae = mean(MAE.of);
        if best.is_none_or(|(lowest, _)| mae < lowest) {
            best = Some((mae, method));
        }
        rows.push(Row { name: format!("{last}"), cells: vec![Cell::of(mae), Cell::of(mean(MS_SSIM.of))] });
    }
    let (_, method) = best.ok_or_else(|| Error::input("no value of CDDPM's last β to try"))?;
    let table = Table {
        title: "Tuning of CDDPM".into(),
        caption: format!(
            "{} photographs held out of the training ones; seed {seed}. Each value was trained as long as every other model. The one \
             with the lowest MAE is the CDDPM of the table above.",
            held_out.all.len()
        ),
        head: "β of the last of 400 steps".into(),
        columns: vec![
            Column::new(MAE.name, Format::Digits(4), Better::Lower),
            Column::new(MS_SSIM.name, Format::Digits(4), Better::Higher),
        ],
        rows,
    };
    Ok((method, table))
}

fn scores_mean(scores: &[PhaseScores], of: fn(&PhaseScores) -> f64) -> f64 {
    scores.iter().map(of).sum::<f64>() / scores.len().max(1) as f64
}

/// The schedule of a method over all pixels of all test images, for each seed.
fn curves(
    session: &mut Session,
    scored: &Scored<PhaseMethod>,
    seeds: &[u64],
    cases: &PhaseCases,
) -> Result<Vec<Curve>> {
    let of_seed = |(&seed, evaluated): (&u64, &Evaluated<PhaseScores>)| {
        let missing = || Error::input(format!("{} has no schedule", scored.method.name()));
        let model = trained(session, scored.method, seed)?.ok_or_else(missing)?;
        let mut rates = Vec::new();
        for image in 0..cases.all.len() {
            rates.extend_from_slice(evaluated.maps::<4>(image)?[2].values());
        }
        Ok(curve(&load_weights(&model.weights)?, &rates))
    };
    seeds.iter().zip(&scored.seeds).map(of_seed).collect()
}

/// Trains, evaluates and tells.
///
/// # Errors
/// Those of training and reconstruction, and [`Error::File`].
pub fn section(session: &mut Session) -> Result<Section> {
    session.note_departures(Task::Phase, None);
    let seeds = session.seeds(Subject::Ablation);
    let cases = test_photographs(session)?;
    let (cddpm, tuning) = tuned_cddpm(session, seeds[0])?;
    let scored = all(session, &methods(cddpm), &seeds, &cases)?;
    let mut section = Section {
        name: "ablation".into(),
        title: "What the parts of the method are worth".into(),
        source: "table 3, figures 13 and 14".into(),
        introduction: format!(
            "The models of table 2(a) beside CVDM without the regularisation L_γ, and CVDM whose τ is ρ' by construction instead of by \
             the loss L_β. CDDPM's range is tuned on photographs of its own at equal cost. Seeds {}.",
            listed(&seeds)
        ),
        ..Section::default()
    };
    section.tables.push(scores(
        "Photographs",
        "As in table 2(a). The paper's CDDPM is one whose range was tuned too, to 0.02.",
        &METRICS,
        &scored,
        |method, metric| paper::qpi(if method == cddpm { CDDPM } else { method }, metric),
    ));
    section.tables.push(tuning);
    section.tables.push(significance(
        "Paired tests over the photographs",
        "As for table 2(a).",
        &[MS_SSIM, MAE],
        &scored,
        PhaseMethod::Cvdm,
    )?);
    let (simple, cvdm) = (of(&scored, PhaseMethod::CvdmSimple)?, of(&scored, PhaseMethod::Cvdm)?);
    for (low, high) in [(simple, of(&scored, cddpm)?), (cvdm, simple)] {
        section.claims.extend(better(low, high, &[MAE, MS_SSIM], SOURCE)?);
    }
    schedules(session, &mut section, &scored, &seeds, &cases)?;
    let title = "Reconstructions by diffusion methods";
    section.figures.push(reconstructions(session, "ablation-photograph.png", title, &cases, 0, &scored)?);
    Ok(section)
}

/// Figure 13 with photographs as phases instead of the paper's BioSR, its numbers, and the claim about them.
fn schedules(
    session: &mut Session,
    section: &mut Section,
    scored: &[Scored<PhaseMethod>],
    seeds: &[u64],
    cases: &PhaseCases,
) -> Result<()> {
    let mut rows = Vec::new();
    let charts = [("γ", "ablation-gamma.png"), ("β", "ablation-beta.png")];
    let [mut of_gamma, mut of_beta] = charts.map(|(name, _)| {
        LineChart::new(format!("{name}(t), mean over all pixels")).x_label("t").y_label(name).size(1000, 520)
    });
    let mut abrupt: Vec<(PhaseMethod, Vec<f64>)> = Vec::new();
    for s in scored {
        let curves = curves(session, s, seeds, cases)?;
        let name = s.method.name();
        of_gamma = of_gamma.series(Series::new(name.clone(), curves[0].gamma.clone()));
        of_beta = of_beta.series(Series::new(name.clone(), curves[0].beta.clone()));
        let mean = |of: fn(&Curve) -> f64| curves.iter().map(of).sum::<f64>() / curves.len() as f64;
        let end = |c: &Curve| c.gamma[c.gamma.len() - 1].1;
        let cells = [mean(Curve::abruptness), mean(Curve::curvature), mean(end)].map(Cell::of).to_vec();
        rows.push(Row { name, cells });
        abrupt.push((s.method, curves.iter().map(Curve::abruptness).collect()));
    }
    for ((name, file), chart) in charts.into_iter().zip([of_gamma, of_beta]) {
        chart.write_png(session.out.join(file))?;
        section.figures.push(Figure {
            title: format!("{name} over time (as figure 13)"),
            caption: format!(
                "{name}(t, x) averaged over all pixels of all test photographs as phases, seed {}. The paper's figure is of BioSR.",
                seeds[0]
            ),
            file: file.into(),
        });
    }
    section.tables.push(Table {
        title: "Schedules".into(),
        caption: "Abruptness: the largest share of the change of γ that falls within a tenth of the time (0.1 if it falls evenly). \
                  Means over the seeds."
            .into(),
        head: "method".into(),
        columns: vec![
            Column::new("abruptness of γ", Format::Digits(3), Better::Neither),
            Column::new("max |∂²γ/∂t²|", Format::Digits(1), Better::Neither),
            Column::new("γ at t = 1", Format::Digits(4), Better::Neither),
        ],
        rows,
    });
    let of = |method| abrupt.iter().find(|(m, _)| *m == method).map(|(_, values)| values.clone()).unwrap_or_default();
    let pairs: Vec<_> = of(PhaseMethod::CvdmWithoutGamma).into_iter().zip(of(PhaseMethod::Cvdm)).collect();
    section.claims.push(larger_in_every(
        "seeds",
        "Without L_γ the schedule drops more abruptly (here of photographs as phases, in the paper of BioSR)",
        "appendix K, figure 13",
        &pairs,
        MARGIN,
    ));
    Ok(())
}
