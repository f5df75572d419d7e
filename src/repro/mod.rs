//! The paper's tables and figures, computed again: one command trains, evaluates, compares and tells.
//!
//! ```text
//! scale ─ numbers ─┐
//! data ─ cases ────┼▶ phase::{qpi, brightfield, ablation, uncertainty}, image::{biosr, sr, uncertainty} ─ sections ─▶ report ─▶ report.json, PNG
//! method ─ parts ──┘        claims, table, figures                                                      └─ page ─▶ report.html
//! ```
//! Every training and every evaluation is a part ([`part`]): computed once, found again by what it was made from, resumed where it
//! was stopped, shared by the tables. A subject is a file with two functions, `plan` and `section`; to add one, add it to [`Subject`].

pub mod claims;
pub mod data;
pub mod estimate;
pub mod evaluation;
pub mod format;
pub mod image;
pub mod method;
mod page;
mod paper;
pub mod part;
pub mod phase;
mod region_charts;
mod regions;
pub mod report;
pub mod scale;
mod schedule;
mod synthetic;
pub mod table;
pub mod training;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::config::{Task, TrainConfig};
use crate::data::write_atomically;
use crate::gpu::Gpu;
use crate::interrupt::Interrupt;
use crate::{Error, Result, tell};
use data::DataFolder;
use estimate::{Estimate, Planned, estimate};
use part::{Maker, Parts};
use report::{Departures, Provenance, Report, Section};
use scale::{Numbers, Scale};

/// What can be reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Table 1.
    Biosr,
    /// Table 2(a).
    Qpi,
    /// Table 2(b).
    Brightfield,
    /// Table 4.
    Sr,
    /// Table 3 and figure 13, the latter of phases instead of BioSR.
    Ablation,
    /// Figures 2, 11, 12, 16 and 17.
    Uncertainty,
}

impl Subject {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 6] = [Self::Biosr, Self::Qpi, Self::Brightfield, Self::Sr, Self::Ablation, Self::Uncertainty];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Biosr => "biosr",
            Self::Qpi => "qpi",
            Self::Brightfield => "brightfield",
            Self::Sr => "sr",
            Self::Ablation => "ablation",
            Self::Uncertainty => "uncertainty",
        }
    }

    fn plan(self, session: &Session) -> Result<Vec<Planned>> {
        match self {
            Self::Biosr => image::biosr::plan(session),
            Self::Qpi => phase::qpi::plan(session),
            Self::Brightfield => phase::brightfield::plan(session),
            Self::Sr => image::sr::plan(session),
            Self::Ablation => phase::ablation::plan(session),
            Self::Uncertainty => Ok([phase::uncertainty::plan(session)?, image::uncertainty::plan(session)?].concat()),
        }
    }

    fn section(self, session: &mut Session) -> Result<Section> {
        match self {
            Self::Biosr => image::biosr::section(session),
            Self::Qpi => phase::qpi::section(session),
            Self::Brightfield => phase::brightfield::section(session),
            Self::Sr => image::sr::section(session),
            Self::Ablation => phase::ablation::section(session),
            Self::Uncertainty => {
                let mut section = phase::uncertainty::section(session)?;
                image::uncertainty::add(session, &mut section)?;
                Ok(section)
            }
        }
    }
}

impl FromStr for Subject {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|subject| subject.name() == text);
        found.ok_or_else(|| {
            Error::input(format!("nothing called \"{text}\" to reproduce; there are {} and all", names()))
        })
    }
}

/// What to reproduce, how, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// Subjects, in the order of the report.
    pub subjects: Vec<Subject>,
    /// The scale.
    pub scale: Scale,
    /// The folder of data; the smoke scale draws some if there is none.
    pub data: Option<PathBuf>,
    /// Training seeds, if not the scale's.
    pub seeds: Option<Vec<u64>>,
    /// The folder of results.
    pub out: PathBuf,
    /// The commit that the program was built from, if known.
    pub commit: Option<String>,
}

/// What a reproduction ended with.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The report.
    pub report: Report,
    /// The folder that holds `report.html`, `report.json` and the pictures.
    pub folder: PathBuf,
    /// How many parts were computed; the others were found.
    pub computed: usize,
}

/// A reproduction at work.
pub struct Session {
    gpu: Gpu,
    numbers: Numbers,
    data: DataFolder,
    parts: Parts,
    seeds: Option<Vec<u64>>,
    interrupt: Interrupt,
    /// Where pictures go.
    out: PathBuf,
    configurations: BTreeMap<String, String>,
    departures: Vec<Departures>,
}

impl Session {
    /// Seeds of a subject's trainings: those that were asked for, of which the studies of single models take the first; else the
    /// scale's for the tables of the phase, and one for the others.
    fn seeds(&self, subject: Subject) -> Vec<u64> {
        let asked = self.seeds.as_deref();
        match subject {
            Subject::Qpi | Subject::Ablation => asked.unwrap_or(self.numbers.seeds),
            Subject::Biosr | Subject::Sr => asked.unwrap_or(&self.numbers.seeds[..1]),
            Subject::Brightfield | Subject::Uncertainty => &asked.unwrap_or(self.numbers.seeds)[..1],
        }
        .to_vec()
    }

    /// Keeps what a task does otherwise than the paper, once for all its subjects; `stand_ins` is what stands in for the paper's data.
    fn note_departures(&mut self, task: Task, stand_ins: Option<String>) {
        let departures = self.numbers.departures(task, stand_ins);
        if !self.departures.contains(&departures) {
            self.departures.push(departures);
        }
    }

    /// Keeps a training configuration for the report; seed and folder are told elsewhere.
    fn note_configuration(&mut self, name: &str, config: &TrainConfig) -> Result<()> {
        let mut config = training::placeless(config);
        config.training.seed = 1;
        let toml = toml::to_string(&config).map_err(|e| Error::input(format!("the configuration as TOML: {e}")))?;
        self.configurations.insert(name.into(), toml);
        Ok(())
    }
}

/// Refuses seeds that say nothing: none, or one twice, which is one training and would count as two that agree.
fn check_seeds(seeds: &[u64]) -> Result<()> {
    if seeds.is_empty() {
        return Err(Error::input("an empty list of training seeds; name at least one, or leave them to the scale"));
    }
    let again = seeds.iter().enumerate().find(|(i, seed)| seeds[..*i].contains(seed));
    again.map_or(Ok(()), |(_, seed)| {
        Err(Error::input(format!(
            "the training seeds {} name {seed} more than once, which is the same training; name every seed once",
            table::listed(seeds)
        )))
    })
}

/// Opens data and parts.
fn open(gpu: &Gpu, options: &Options, interrupt: &Interrupt) -> Result<Session> {
    let Options { subjects, scale, seeds, out, .. } = options;
    if subjects.is_empty() {
        return Err(Error::input("nothing to reproduce: name at least one subject"));
    }
    seeds.as_deref().map_or(Ok(()), check_seeds)?;
    let name = if let [one] = subjects[..] { one.name() } else { "all" };
    let data = DataFolder::open(options.data.as_deref(), *scale, subjects, out)?;
    let summary = gpu.summary();
    let made_by = Maker {
        version: env!("CARGO_PKG_VERSION").into(),
        commit: options.commit.clone().filter(|c| !c.is_empty()).unwrap_or_else(|| "unknown".into()),
        adapter: summary.name.clone(),
        driver: summary.driver.clone(),
    };
    Ok(Session {
        gpu: gpu.clone(),
        numbers: scale.numbers(),
        data,
        parts: Parts::open(&out.join("parts"), made_by)?,
        seeds: seeds.clone(),
        interrupt: interrupt.clone(),
        out: out.join(name),
        configurations: BTreeMap::new(),
        departures: Vec::new(),
    })
}

/// What [`run`] would cost on this device, if nothing of it is finished yet. Runs a few steps to know.
///
/// # Errors
/// Those of [`run`] about data; device errors.
pub fn cost(gpu: &Gpu, options: &Options) -> Result<Estimate> {
    estimate(&open(gpu, options, &Interrupt::manual())?, &options.subjects)
}

/// Reproduces: computes what is not there yet, then writes `OUT/NAME/report.html`, `report.json` and the pictures. At the paper's
/// scale it says first what that will cost, unless something of it has been begun.
///
/// # Errors
/// [`Error::Input`] and [`Error::File`] for data that are missing, with the layout that is expected; those of training and
/// reconstruction; [`Error::Interrupted`] after an interrupt, with everything saved.
pub fn run(gpu: &Gpu, options: &Options, interrupt: &Interrupt) -> Result<Finished> {
    let mut session = open(gpu, options, interrupt)?;
    if options.scale == Scale::Paper && session.parts.is_fresh()? {
        tell(estimate(&session, &options.subjects)?);
    }
    let section = |&subject: &Subject| {
        let section = subject.section(&mut session)?;
        Ok(Section { seeds: session.seeds(subject), ..section })
    };
    let sections = options.subjects.iter().map(section).collect::<Result<Vec<_>>>();
    let sections = sections.map_err(|e| match e {
        Error::Interrupted(_) => {
            Error::Interrupted("everything that was finished is saved; the same command goes on from there".into())
        }
        other => other,
    })?;
    let summary = gpu.summary();
    let Maker { version, commit, adapter, driver } = session.parts.made_by().clone();
    let report = Report {
        title: title(&options.subjects).into(),
        scale: options.scale.name().into(),
        sections,
        departures: session.departures.clone(),
        provenance: Provenance {
            version,
            commit,
            adapter,
            interface: format!("{}, {}", summary.kind, summary.backend),
            driver,
            data: session.data.description.clone(),
            seconds: session.parts.records().iter().map(|r| r.seconds).sum(),
        },
        configurations: session.configurations.into_iter().collect(),
        parts: session.parts.records().to_vec(),
    };
    write(&report, &session.out)?;
    Ok(Finished { report, folder: session.out, computed: session.parts.computed() })
}

fn title(subjects: &[Subject]) -> &'static str {
    match subjects {
        [Subject::Biosr] => "Microscopy",
        [Subject::Qpi] => "Quantitative phase imaging",
        [Subject::Brightfield] => "Brightfield stacks",
        [Subject::Sr] => "Super-resolution of photographs",
        [Subject::Ablation] => "Ablation",
        [Subject::Uncertainty] => "Uncertainty",
        _ => "Conditional variational diffusion models",
    }
}

fn write(report: &Report, folder: &Path) -> Result<()> {
    let json = serde_json::to_string_pretty(report).map_err(|e| Error::file(folder, e.to_string()))?;
    write_atomically(folder.join("report.json"), |f| f.write_all(json.as_bytes()))?;
    let html = page::html(report, folder)?;
    write_atomically(folder.join("report.html"), |f| f.write_all(html.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_named_once_each() {
        assert!(check_seeds(&[3, 1, 2]).is_ok());
        let message = |seeds: &[u64]| check_seeds(seeds).unwrap_err().to_string();
        assert!(message(&[2, 1, 1]).contains("2, 1, 1 name 1 more than once"), "{}", message(&[2, 1, 1]));
        assert!(message(&[]).contains("at least one"), "{}", message(&[]));
    }
}
