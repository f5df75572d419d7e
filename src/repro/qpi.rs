//! Table 2(a): phase from two defocused images, on photographs; and on a measured cell.

use super::cases::{Cases, field, photographs};
use super::estimate::Planned;
use super::figures::{every_image, reconstructions};
use super::methods::{CDDPM, Method};
use super::report::Section;
use super::table::{MAE, Scored, better, scores, significance};
use super::{Session, paper};
use crate::data::Split;
use crate::phase::setup;
use crate::{Error, Result};

/// The methods, in the order of the table.
const METHODS: [Method; 5] = [Method::UsTie, Method::Regression, CDDPM, Method::CvdmSimple, Method::Cvdm];

/// Wavelength and pixel of the measured HL60 cell, in µm.
const CELL_OPTICS: (f64, f64) = (0.647, 0.139);

/// The test photographs.
///
/// # Errors
/// [`Error::File`] if there are none that are large enough.
pub fn test_photographs(session: &Session) -> Result<Cases> {
    let numbers = &session.numbers;
    let setup = setup(&numbers.data)?;
    photographs("photographs", &session.data.test, Split::All, &setup, numbers.test_size, numbers.test_images)
}

/// The measured cell at each level of noise, if there is one.
///
/// # Errors
/// [`Error::File`] if its file is not what it should be.
pub fn measured_cell(session: &Session) -> Result<Vec<Cases>> {
    let Some(file) = &session.data.field else { return Ok(Vec::new()) };
    let numbers = &session.numbers;
    let setup = setup(&numbers.data)?;
    let at = |&noise: &f32| {
        let name = if noise > 0.0 { format!("HL60 cell, noise {noise}") } else { "HL60 cell, no noise".into() };
        field(&name, file, CELL_OPTICS, &setup, numbers.field_views, noise)
    };
    numbers.field_noise.iter().map(at).collect()
}

/// Seeds as words.
pub fn listed(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// The scores of a method among those of all.
///
/// # Errors
/// [`Error::Input`] if it is not among them.
pub fn of(scored: &[Scored], method: Method) -> Result<&Scored> {
    let missing = || Error::input(format!("{} was not evaluated", method.name()));
    scored.iter().find(|s| s.method == method).ok_or_else(missing)
}

/// What [`section`] will ask for.
///
/// # Errors
/// Those of the images.
pub fn plan(session: &Session) -> Result<Vec<Planned>> {
    let mut cases = vec![test_photographs(session)?];
    cases.extend(measured_cell(session)?);
    let (seeds, sampling) = (session.seeds_of_tables(), session.numbers.sampling);
    let mut planned = Vec::new();
    for (method, seed) in METHODS.iter().flat_map(|&m| seeds.iter().map(move |&seed| (m, seed))) {
        let one = |c: &Cases| Planned { method, seed, cases: c.name.clone(), images: c.all.len(), sampling };
        planned.extend(cases.iter().map(one));
    }
    Ok(planned)
}

/// Trains, evaluates and tells.
///
/// # Errors
/// Those of training and reconstruction, and [`Error::File`].
pub fn section(session: &mut Session) -> Result<Section> {
    const SOURCE: &str = "table 2(a)";
    session.note_departures(session.numbers.departures());
    let seeds = session.seeds_of_tables();
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

    let all = |session: &mut Session, cases: &Cases| -> Result<Vec<Scored>> {
        METHODS.iter().map(|&method| Scored::get(session, method, &seeds, cases)).collect()
    };
    let scored = all(session, &photographs)?;
    section.tables.push(scores(
        "Photographs",
        "MAE as a fraction of 3.5 rad. In all columns but one the mean difference to the truth is removed: two defocused images \
         cannot know a constant phase, and US-TIE leaves it open. The paper does not say how it fixed that constant; as its US-TIE \
         comes to 0.110, it must have, and its errors stand beside the aligned ones. Bold: the best of a column, significant or not.",
        &scored,
        paper::qpi,
    ));
    section.tables.push(significance(
        "Paired tests over the photographs",
        "Differences of the means over seeds, image by image; two-sided p-values of Wilcoxon's signed-rank test and of Student's \
         paired t-test. They speak of images, not of training seeds.",
        &scored,
        Method::Cvdm,
    )?);
    let [tie, cddpm, cvdm] = [Method::UsTie, CDDPM, Method::Cvdm].map(|method| of(&scored, method));
    let (tie, cddpm, cvdm) = (tie?, cddpm?, cvdm?);
    for (low, high) in [(cvdm, tie), (cvdm, cddpm), (tie, cddpm)] {
        section.claims.extend(better(low, high, SOURCE)?);
    }
    for image in 0..photographs.all.len().min(2) {
        let (file, title) = (format!("qpi-photograph-{}.png", image + 1), "Reconstructions of a photograph");
        section.figures.push(reconstructions(session, &file, title, &photographs, image, &scored)?);
    }
    section.figures.push(every_image(session, "qpi-every-image.png", &photographs, MAE, &scored)?);

    for (i, cell) in cells.iter().enumerate() {
        let scored = all(session, cell)?;
        section.tables.push(scores(
            &cell.name,
            "A measured field of one cell, propagated to the distance at which λ·d/px² is that of the training. Too few views of a \
             single cell for a test. The classical method is all but exact without noise.",
            &scored,
            |_, _| None,
        ));
        let (file, title) = (format!("qpi-cell-{}.png", i + 1), "Reconstructions of the measured cell");
        section.figures.push(reconstructions(session, &file, title, cell, 0, &scored)?);
    }
    if cells.is_empty() {
        section.notes.push("The data folder holds no measured field (hl60/hl60.npy); its table is left out.".into());
    }
    if session.numbers.sampling.samples > 1 {
        section.notes.push(format!(
            "A reconstruction is the mean of {} samples, which lowers MAE and raises MS-SSIM against a single one; the column \"one \
             sample\" has the first sample alone. The paper does not say how many it averages for its tables.",
            session.numbers.sampling.samples
        ));
    }
    Ok(section)
}
