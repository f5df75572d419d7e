//! Figures 16 and 17: single samples of microscopy and of photographs with their errors, the schedule in structure and in
//! background, and what both say about the error (appendix M).

use super::biosr::region_rates;
use super::cases::{ImageCases, photographs, specimens, stand_ins};
use super::figures::{Maps, samples_figure};
use super::methods::ImageScores;
use super::model::{ImageMethod, Model, Of};
use crate::config::Task;
use crate::data::Structure;
use crate::diffusion::SampleOptions;
use crate::metrics::rank_correlation;
use crate::repro::claims::{Unit, by_specimen, positive};
use crate::repro::estimate::Planned;
use crate::repro::evaluation::{Evaluated, evaluated};
use crate::repro::method::Method;
use crate::repro::region_charts::RegionCharts;
use crate::repro::report::Section;
use crate::repro::scale::Numbers;
use crate::repro::training::trained;
use crate::repro::{Session, Subject};
use crate::weights::load_weights;
use crate::{Error, Result};

/// Samples that are shown one by one, as in the paper.
const SAMPLES: usize = 5;
/// What figure 17 shows, and the top half of figure 16 the first of.
const STRUCTURES: [Structure; 2] = [Structure::Er, Structure::Microtubules];

/// Images of one kind, and CVDM's answers.
struct Studied {
    method: ImageMethod,
    cases: ImageCases,
    answers: Evaluated<ImageScores>,
}

fn kinds() -> [Of; 3] {
    [Of::Structure(STRUCTURES[0]), Of::Structure(STRUCTURES[1]), Of::Photographs]
}

fn cases(session: &Session, of: Of) -> Result<ImageCases> {
    match of {
        Of::Structure(structure) => specimens(session, structure),
        Of::Photographs => photographs(session),
    }
}

/// Whether single samples of it are shown.
fn shown(of: Of) -> bool {
    of != Of::Structure(STRUCTURES[1])
}

fn single_samples(numbers: &Numbers, method: ImageMethod) -> SampleOptions {
    SampleOptions { samples: SAMPLES, ..method.sampling(numbers) }
}

/// How the images of the claims are sampled: as in their table if that has a deviation, which takes two samples.
fn claimed_samples(numbers: &Numbers, method: ImageMethod) -> SampleOptions {
    let table = method.sampling(numbers);
    if table.samples < 2 { single_samples(numbers, method) } else { table }
}

/// What [`add`] will ask for.
///
/// # Errors
/// Those of the images.
pub fn plan(session: &Session) -> Result<Vec<Planned>> {
    let seed = session.seeds(Subject::Uncertainty)[0];
    let mut plans = Vec::new();
    for of in kinds() {
        let (method, cases) = (ImageMethod { of, model: Model::Cvdm }, cases(session, of)?);
        plans.push(Planned::new(session, method, seed, &cases, claimed_samples(&session.numbers, method))?);
        if shown(of) {
            plans.push(Planned::new(session, method, seed, &cases.first(1), single_samples(&session.numbers, method))?);
        }
    }
    Ok(plans)
}

/// Adds both figures and their claims to the study of the phase.
///
/// # Errors
/// Those of training and reconstruction, and [`Error::File`].
pub fn add(session: &mut Session, section: &mut Section) -> Result<()> {
    let seed = session.seeds(Subject::Uncertainty)[0];
    for task in [Task::Microscopy, Task::SuperResolution] {
        session.note_departures(task, stand_ins(session, task));
    }
    let mut studied = Vec::new();
    let mut again = false;
    for of in kinds() {
        let (method, cases) = (ImageMethod { of, model: Model::Cvdm }, cases(session, of)?);
        let sampling = claimed_samples(&session.numbers, method);
        again |= sampling != method.sampling(&session.numbers);
        let answers = evaluated(session, method, seed, &cases, sampling, false)?;
        studied.push(Studied { method, cases, answers });
    }
    if again {
        section.notes.push(format!(
            "Microscopy and photographs: the tables take one sample an image, which has no deviation; here every image is sampled {SAMPLES} \
             times."
        ));
    }
    for one in &studied {
        if shown(one.method.of) {
            let (first, sampling) = (one.cases.first(1), single_samples(&session.numbers, one.method));
            let samples = evaluated(session, one.method, seed, &first, sampling, true)?;
            let file = format!("uncertainty-samples-{}.png", one.cases.slug());
            section.figures.push(samples_figure(session, &file, &first, &samples)?);
        }
    }
    for one in &studied {
        if let Of::Structure(_) = one.method.of {
            schedule(session, section, one, seed)?;
        }
    }
    let (microscopy, photographs) = studied.split_at(STRUCTURES.len());
    claims(section, "microscopy", Unit::Specimen, microscopy)?;
    claims(section, "photographs", Unit::Image, photographs)
}

/// Figure 17: β and γ over time in structure and background of the first image.
fn schedule(session: &mut Session, section: &mut Section, one: &Studied, seed: u64) -> Result<()> {
    let model = trained(session, one.method, seed)?.ok_or_else(|| Error::input("CVDM has no schedule"))?;
    let name = &one.cases.name;
    RegionCharts {
        stem: "uncertainty",
        suffix: &format!("-{}", one.cases.slug()),
        of: name,
        source: "figure 17",
        caption: &format!(
            "The first test image of {name}, CVDM, seed {seed}. Structure is where the truth lies above a quarter of its range, background \
             where it lies below a tenth; means over the pixels of either region."
        ),
    }
    .draw(session, section, &load_weights(&model.weights)?, &region_rates(&one.cases.first(1), &one.answers)?)
}

/// What appendix M claims, over the specimens of some kinds: correlations within images, the means of each specimen's. A photograph is
/// its own.
fn claims(section: &mut Section, what: &str, of: Unit, studied: &[Studied]) -> Result<()> {
    let (mut own, mut schedule, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, one) in studied.iter().enumerate() {
        for (i, image) in one.cases.all.iter().enumerate() {
            let maps = Maps::of(&one.answers, i, &image.truth)?;
            own.push((kind, image.specimen));
            schedule.push(rank_correlation(&maps.integral, &maps.std)?.unwrap_or(f64::NAN));
            errors.push(rank_correlation(&maps.std, &maps.error)?.unwrap_or(f64::NAN));
        }
    }
    let [schedule, errors] = [schedule, errors].map(|values| by_specimen(&own, &values, &values).0);
    let source = "appendix M, figure 16";
    section.claims.extend([
        positive(format!("∫β dt is larger where samples differ more ({what})"), source, of, &schedule)?,
        positive(format!("The error is larger where samples differ more ({what})"), source, of, &errors)?,
    ]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repro::scale::Scale;

    #[test]
    fn images_of_the_claims_have_a_deviation_at_every_scale() {
        for scale in [Scale::Smoke, Scale::Small, Scale::Paper] {
            let numbers = scale.numbers();
            for of in kinds() {
                let method = ImageMethod { of, model: Model::Cvdm };
                let (table, claimed) = (method.sampling(&numbers), claimed_samples(&numbers, method));
                // As in the table where that will do, so that its part is found again.
                assert_eq!(claimed == table, table.samples > 1);
                assert!(claimed.samples > 1 && claimed.steps == table.steps);
            }
        }
    }
}
