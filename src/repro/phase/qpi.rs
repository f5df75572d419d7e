//! Table 2(a): phase from two defocused images, on photographs; and on a measured cell.

use super::cases::{PhaseCases, field, photographs};
use super::figures::{every_image, reconstructions};
use super::methods::{CDDPM, MAE, METRICS, MS_SSIM, PhaseMethod};
use crate::Result;
use crate::config::Task;
use crate::data::photographs_of;
use crate::evaluate::HL60_OPTICS;
use crate::phase::setup;
use crate::repro::estimate::{Planned, planned};
use crate::repro::report::Section;
use crate::repro::table::{all, averaged, better, listed, of, scores, significance};
use crate::repro::{Session, Subject, paper};

/// The methods, in the order of the table.
const METHODS: [PhaseMethod; 5] =
    [PhaseMethod::UsTie, PhaseMethod::Regression, CDDPM, PhaseMethod::CvdmSimple, PhaseMethod::Cvdm];

/// The test photographs.
///
/// # Errors
/// [`crate::Error::File`] if there are none that are large enough.
pub fn test_photographs(session: &Session) -> Result<PhaseCases> {
    let (numbers, folders) = (&session.numbers.phase, session.data.photographs()?);
    let files = photographs_of(&folders.test, folders.test_split)?;
    photographs("photographs", &files, &setup(&numbers.data)?, numbers.test_size, [0, numbers.test_images])
}

/// The measured cell at each level of noise, if there is one.
///
/// # Errors
/// [`crate::Error::File`] if its file is not what it should be.
pub fn measured_cell(session: &Session) -> Result<Vec<PhaseCases>> {
    let Some(file) = &session.data.field else { return Ok(Vec::new()) };
    let numbers = &session.numbers;
    let setup = setup(&numbers.phase.data)?;
    let at = |&noise: &f32| {
        let name = if noise > 0.0 { format!("HL60 cell, noise {noise}") } else { "HL60 cell, no noise".into() };
        field(&name, file, HL60_OPTICS, &setup, numbers.field_views, noise)
    };
    numbers.field_noise.iter().map(at).collect()
}

/// What [`section`] will ask for.
///
/// # Errors
/// Those of the images.
pub fn plan(session: &Session) -> Result<Vec<Planned>> {
    let mut cases = vec![test_photographs(session)?];
    cases.extend(measured_cell(session)?);
    let seeds = session.seeds(Subject::Qpi);
    let mut plans = Vec::new();
    for (method, seed) in METHODS.iter().flat_map(|&m| seeds.iter().map(move |&seed| (m, seed))) {
        for cases in &cases {
            plans.push(planned(session, method, seed, cases)?);
        }
    }
    Ok(plans)
}

/// Trains, evaluates and tells.
///
/// # Errors
/// Those of training and reconstruction, and [`crate::Error::File`].
pub fn section(session: &mut Session) -> Result<Section> {
    const SOURCE: &str = "table 2(a)";
    session.note_departures(Task::Phase, None);
    let seeds = session.seeds(Subject::Qpi);
    let photographs = test_photographs(session)?;
    let cells = measured_cell(session)?;
    let mut section = Section {
        name: "qpi".into(),
        title: "Phase from two defocused images".into(),
        source: "table 2(a), figures 1 and 10".into(),
        introduction: format!(
            "Photographs as phases of up to 3.5 rad, imaged at ±2 µm by the paper's simulation. Every method sees the same {} test \
             images without noise; networks are trained on other photographs, with noise, for the same number of iterations, once \
             for each training seed ({}).",
            photographs.all.len(),
            listed(&seeds)
        ),
        ..Section::default()
    };

    let scored = all(session, &METHODS, &seeds, &photographs)?;
    section.tables.push(scores(
        "Photographs",
        "MAE as a fraction of 3.5 rad. In all columns but one the mean difference to the truth is removed: two defocused images \
         cannot know a constant phase, and US-TIE leaves it open. The paper does not say how it fixed that constant; as its US-TIE \
         comes to 0.110, it must have, and its errors stand beside the aligned ones. Bold: the best of a column, significant or not.",
        &METRICS,
        &scored,
        paper::qpi,
    ));
    section.tables.push(significance(
        "Paired tests over the photographs",
        "Differences of the means over seeds, image by image; two-sided p-values of Wilcoxon's signed-rank test and of Student's \
         paired t-test. They speak of images, not of training seeds.",
        &[MS_SSIM, MAE],
        &scored,
        PhaseMethod::Cvdm,
    )?);
    let [tie, cddpm, cvdm] = [PhaseMethod::UsTie, CDDPM, PhaseMethod::Cvdm].map(|method| of(&scored, method));
    let (tie, cddpm, cvdm) = (tie?, cddpm?, cvdm?);
    for (low, high) in [(cvdm, tie), (cvdm, cddpm), (tie, cddpm)] {
        section.claims.extend(better(low, high, &[MAE, MS_SSIM], SOURCE)?);
    }
    for image in 0..photographs.all.len().min(2) {
        let (file, title) = (format!("qpi-photograph-{}.png", image + 1), "Reconstructions of a photograph");
        section.figures.push(reconstructions(session, &file, title, &photographs, image, &scored)?);
    }
    section.figures.push(every_image(session, "qpi-every-image.png", &photographs, MAE, &scored)?);

    for (i, cell) in cells.iter().enumerate() {
        let scored = all(session, &METHODS, &seeds, cell)?;
        section.tables.push(scores(
            &cell.name,
            "A measured field of one cell, propagated to the distance at which λ·d/px² is that of the training. Too few views of a \
             single cell for a test. The classical method is all but exact without noise.",
            &METRICS,
            &scored,
            |_, _| None,
        ));
        let (file, title) = (format!("qpi-cell-{}.png", i + 1), "Reconstructions of the measured cell");
        section.figures.push(reconstructions(session, &file, title, cell, 0, &scored)?);
    }
    if cells.is_empty() {
        section.notes.push("The data folder holds no measured field (hl60/hl60.npy); its table is left out.".into());
    }
    section.notes.extend(averaged(session.numbers.phase.sampling.samples));
    Ok(section)
}
