//! `cvdm repro`: the paper's tables and figures, computed again.

use std::path::PathBuf;

use clap::Args;
use cvdm::Result;
use cvdm::gpu::Gpu;
use cvdm::repro::claims::Verdict;
use cvdm::repro::scale::Scale;
use cvdm::repro::{Options, Subject};

/// Arguments of `cvdm repro`.
#[derive(Args)]
pub struct Repro {
    /// What: biosr (table 1), qpi (table 2a), brightfield (2b), sr (table 4), ablation (table 3, figure 13), uncertainty (figures 2, 11,
    /// 12, 16, 17), or all.
    name: String,
    /// Folder with train-photographs, test-photographs and hl60 (`make data`), or HCOCO; BioSR, ImageNet and brightfield if you have
    /// them. The scale smoke draws what is missing, and specimens are simulated without BioSR.
    #[arg(long)]
    data: Option<PathBuf>,
    /// How large: smoke (seconds), small (half an hour to an hour a table and seed on two cores), paper.
    #[arg(long, default_value = "small")]
    scale: String,
    /// Training seeds, separated by commas (default: the scale's).
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    seeds: Option<Vec<u64>>,
    /// Folder for results. What is finished there is not computed again.
    #[arg(long, default_value = "out/repro")]
    out: PathBuf,
    /// Tell memory and time of it all on this device, and do nothing else.
    #[arg(long)]
    estimate: bool,
}

/// Computes what is not there yet and writes the report.
pub fn run(args: &Repro, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    let subjects = if args.name == "all" { Subject::ALL.to_vec() } else { vec![args.name.parse()?] };
    let options = Options {
        subjects,
        scale: args.scale.parse::<Scale>()?,
        data: args.data.clone(),
        seeds: args.seeds.clone(),
        out: args.out.clone(),
        commit: option_env!("CVDM_COMMIT").map(Into::into),
    };
    if args.estimate {
        say!("{}", cvdm::repro::cost(&open()?, &options)?);
        return Ok(());
    }
    let interrupt = cvdm::interrupt::install("saving what is finished")?;
    let finished = cvdm::repro::run(&open()?, &options, &interrupt)?;
    for claim in finished.report.sections.iter().flat_map(|s| &s.claims) {
        say!("{:<14} {}: {}", claim.verdict.text(), claim.statement, claim.evidence);
    }
    let all = finished.report.sections.iter().flat_map(|s| &s.claims);
    let holding = all.clone().filter(|c| c.verdict == Verdict::Holds).count();
    say!("{holding} of {} claims hold; the report is {}", all.count(), finished.folder.join("report.html").display());
    Ok(())
}
