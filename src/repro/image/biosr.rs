//! Table 1: microscopy, four structures of growing complexity.

use super::cases::{ImageCases, specimens, stand_ins};
use super::figures::{Answers, maps};
use super::methods::{DIVERSITY, ImageScores, MAE, MAE_ONE_SAMPLE, MS_SSIM, PSNR, RESOLUTION, TIME};
use super::model::{ImageMethod, Model, Of};
use crate::config::Task;
use crate::data::Structure;
use crate::metrics::decorrelation;
use crate::repro::claims::{Unit, by_specimen, larger_where_finite};
use crate::repro::estimate::{Planned, planned};
use crate::repro::evaluation::Evaluated;
use crate::repro::region_charts::RegionCharts;
use crate::repro::regions::{Regions, values};
use crate::repro::report::{Better, Cell, Column, Format, Row, Section, Table};
use crate::repro::table::{Metric, Scored, all, averaged, compared, listed, of, scores};
use crate::repro::training::trained;
use crate::repro::{Session, Subject, paper};
use crate::weights::load_weights;
use crate::{Error, Result};

const SOURCE: &str = "table 1";
const MODELS: [Model; 5] = [Model::Lanczos, Model::Regression, Model::Dfcan, Model::Cddpm, Model::Cvdm];
const METRICS: [Metric<ImageScores>; 7] = [MS_SSIM, MAE, RESOLUTION, MAE_ONE_SAMPLE, PSNR, DIVERSITY, TIME];

fn method(structure: Structure, model: Model) -> ImageMethod {
    ImageMethod { of: Of::Structure(structure), model }
}

/// A structure's images and every method's scores on them.
struct Scores {
    structure: Structure,
    cases: ImageCases,
    scored: Vec<Scored<ImageMethod>>,
}

/// What [`section`] will ask for.
///
/// # Errors
/// Those of the images.
pub fn plan(session: &Session) -> Result<Vec<Planned>> {
    let seeds = session.seeds(Subject::Biosr);
    let mut plans = Vec::new();
    for &structure in session.numbers.structures {
        let cases = specimens(session, structure)?;
        for (model, &seed) in MODELS.iter().flat_map(|model| seeds.iter().map(move |seed| (model, seed))) {
            plans.push(planned(session, method(structure, *model), seed, &cases)?);
        }
    }
    Ok(plans)
}

/// Trains, evaluates and tells.
///
/// # Errors
/// Those of training and reconstruction, and [`Error::File`].
pub fn section(session: &mut Session) -> Result<Section> {
    let stand_ins = stand_ins(session, Task::Microscopy);
    session.note_departures(Task::Microscopy, stand_ins.clone());
    let seeds = session.seeds(Subject::Biosr);
    let mut structures = Vec::new();
    for &structure in session.numbers.structures {
        let cases = specimens(session, structure)?;
        let scored = all(session, &MODELS.map(|model| method(structure, model)), &seeds, &cases)?;
        structures.push(Scores { structure, cases, scored });
    }
    let images: usize = structures.iter().map(|s| s.cases.all.len()).sum();
    let mut section = Section {
        name: "biosr".into(),
        title: "Microscopy: finer than the widefield".into(),
        source: format!("{SOURCE}, figures 2 and 6"),
        introduction: format!(
            "Widefield images of {} structures in order of complexity, and what structured illumination would show of them. A model a \
             structure and method, for the same number of iterations, tested on {images} images of cells that were not trained on, at \
             levels of signal from their whole range; training seed {}.",
            structures.len(),
            listed(&seeds)
        ),
        ..Section::default()
    };
    for s in &structures {
        let caption = format!(
            "{} images. The resolved distance is found by decorrelation analysis, of those images where it finds one; of the true images it is {}.",
            s.cases.all.len(),
            true_resolution(&s.cases)?
        );
        let paper = |m: ImageMethod, metric: &str| paper::biosr(s.structure, m.model, metric);
        section.tables.push(scores(s.structure.folder(), &caption, &METRICS, &s.scored, paper));
    }
    pooled_claims(&mut section, &structures)?;
    regions(session, &mut section, &structures, seeds[0])?;
    section.figures.push(
        Answers {
            rows: structures.iter().map(|s| (&s.cases, 0, &s.scored[..])).collect(),
            file: "biosr-answers.png",
            title: "Answers",
            source: "One test image of each structure",
        }
        .figure(session)?,
    );
    let cvdm = |s: &Scores| s.scored.iter().position(|m| m.method.model == Model::Cvdm).unwrap_or_default();
    let rows: Vec<_> = structures.iter().map(|s| (&s.cases, 0, &s.scored[cvdm(s)])).collect();
    section.figures.push(maps(session, "biosr-maps.png", "The same images", &rows)?);
    section.notes.extend(averaged(session.numbers.microscopy.sampling.samples));
    section.notes.extend(stand_ins);
    Ok(section)
}

/// The mean resolution of the truths, in words.
fn true_resolution(cases: &ImageCases) -> Result<String> {
    let pixel = cases.pixel_um.ok_or_else(|| Error::input("resolution without a pixel"))?;
    let found = cases.all.iter().map(|image| decorrelation(&image.truth[0])).collect::<Result<Vec<_>>>()?;
    let periods: Vec<f64> = found.into_iter().flatten().map(|d| 1e3 * pixel * d.period).collect();
    Ok(match periods.len() {
        0 => "not found".into(),
        n => format!("{:.0} nm", periods.iter().sum::<f64>() / n as f64),
    })
}

/// The specimen of every image of all structures, which number theirs alike. All levels of signal of a cell are one: they share truth
/// and place, and a test that took them for independent would find more than there is.
fn specimens_of(structures: &[Scores]) -> Vec<(Structure, u64)> {
    structures.iter().flat_map(|s| s.cases.all.iter().map(|image| (s.structure, image.specimen))).collect()
}

/// Comparisons over the specimens of all structures.
fn pooled_claims(section: &mut Section, structures: &[Scores]) -> Result<()> {
    let pooled = |model: Model, metric: Metric<ImageScores>| -> Result<Vec<f64>> {
        let lists = structures.iter().map(|s| Ok(of(&s.scored, method(s.structure, model))?.by_image(metric)));
        Ok(lists.collect::<Result<Vec<_>>>()?.concat())
    };
    let against = [(Model::Cddpm, "CDDPM", &[MS_SSIM, MAE, RESOLUTION][..]), (Model::Dfcan, "DFCAN", &[RESOLUTION])];
    let specimens = specimens_of(structures);
    for (other, name, metrics) in against {
        for &metric in metrics {
            let (cvdm, other) = by_specimen(&specimens, &pooled(Model::Cvdm, metric)?, &pooled(other, metric)?);
            section.claims.extend(compared(["CVDM", name], metric, Unit::Specimen, (&cvdm, &other), SOURCE)?);
        }
    }
    let cells = |model| -> Result<Vec<Cell>> {
        [MS_SSIM, MAE, RESOLUTION, PSNR]
            .into_iter()
            .map(|metric| {
                let finite: Vec<f64> = pooled(model, metric)?.into_iter().filter(|v| v.is_finite()).collect();
                Ok(Cell::of(finite.iter().sum::<f64>() / finite.len() as f64))
            })
            .collect()
    };
    let row = |&model: &Model| Ok(Row { name: structures[0].name_of(model), cells: cells(model)? });
    section.tables.insert(
        0,
        Table {
            title: "All structures".into(),
            caption: "Means over all images of the tables below. The claims compare them specimen by specimen: those of one cell at \
                      several levels of signal are averaged before."
                .into(),
            head: "method".into(),
            columns: vec![
                Column::new("MS-SSIM", Format::Digits(3), Better::Higher),
                Column::new("MAE", Format::Digits(4), Better::Lower),
                Column::new("resolved distance", Format::Digits(0), Better::Lower).unit("nm"),
                Column::new("PSNR", Format::Digits(2), Better::Higher).unit("dB"),
            ],
            rows: MODELS.iter().map(row).collect::<Result<_>>()?,
        },
    );
    Ok(())
}

impl Scores {
    fn name_of(&self, model: Model) -> String {
        use crate::repro::method::Method;
        method(self.structure, model).name()
    }
}

/// Figure 2: β and γ in structure and background of the most complex structure for one seed, and the claim about all of them, with
/// means over the seeds.
fn regions(session: &mut Session, section: &mut Section, structures: &[Scores], seed: u64) -> Result<()> {
    let (mut structure, mut background) = (Vec::new(), Vec::new());
    for s in structures {
        let seeds = &of(&s.scored, method(s.structure, Model::Cvdm))?.seeds;
        for (i, image) in s.cases.all.iter().enumerate() {
            let regions = Regions::by_value(&image.truth[0]);
            let mut means = [0.0; 2];
            for evaluated in seeds {
                let [_, _, _, integral] = evaluated.maps(i)?;
                means
                    .iter_mut()
                    .zip(regions.means(&integral))
                    .for_each(|(sum, mean)| *sum += mean / seeds.len() as f64);
            }
            structure.push(means[0]);
            background.push(means[1]);
        }
    }
    let statement = "∫β dt is larger in structure than in background (microscopy)";
    let (structure, background) = by_specimen(&specimens_of(structures), &structure, &background);
    section.claims.push(larger_where_finite(statement, "figure 2", Unit::Specimen, &structure, &background)?);
    let Some(s) = structures.last() else { return Ok(()) };
    let cvdm = method(s.structure, Model::Cvdm);
    let evaluated = &of(&s.scored, cvdm)?.seeds[0];
    let rates = region_rates(&s.cases, evaluated)?;
    let missing = || Error::input("CVDM has no schedule");
    let model = trained(session, cvdm, seed)?.ok_or_else(missing)?;
    let name = s.structure.folder();
    let caption = format!(
        "{name}, CVDM, seed {seed}. Structure is where the truth lies above a quarter of its range, background where it lies below a \
         tenth; means over the pixels of all test images."
    );
    RegionCharts { stem: "biosr", suffix: "", of: name, source: "figure 2", caption: &caption }.draw(
        session,
        section,
        &load_weights(&model.weights)?,
        &rates,
    )
}

/// CVDM's rates of the pixels of structure and of background, of all images.
///
/// # Errors
/// [`Error::File`] if maps cannot be read.
pub fn region_rates(cases: &ImageCases, evaluated: &Evaluated<ImageScores>) -> Result<[Vec<f32>; 2]> {
    let mut rates = [Vec::new(), Vec::new()];
    for (i, image) in cases.all.iter().enumerate() {
        let [_, _, rate, _] = evaluated.maps(i)?;
        let regions = Regions::by_value(&image.truth[0]);
        rates[0].extend(values(&rate, &regions.structure));
        rates[1].extend(values(&rate, &regions.background));
    }
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::TestImage;

    #[test]
    fn a_cell_is_one_specimen_at_every_level_and_another_in_every_structure() {
        let scores = |structure: Structure| {
            let image = |cell: u64, level: u64| TestImage {
                name: format!("cell {cell}, level {level}"),
                specimen: cell,
                coarse: Vec::new(),
                truth: Vec::new(),
            };
            let all = [(1, 1), (2, 4), (1, 8)].map(|(cell, level)| image(cell, level)).to_vec();
            let cases = ImageCases { name: structure.folder().into(), all, factor: 2, pixel_um: None };
            Scores { structure, cases, scored: Vec::new() }
        };
        let specimens = specimens_of(&[Structure::Ccps, Structure::Er].map(scores));
        assert_eq!(specimens.len(), 6);
        let (values, none) = ([1.0, 2.0, 5.0, 10.0, 20.0, 50.0], [0.0; 6]);
        assert_eq!(by_specimen(&specimens, &values, &none), (vec![3.0, 2.0, 30.0, 20.0], vec![0.0; 4]));
    }
}
