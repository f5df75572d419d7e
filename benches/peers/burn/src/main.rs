//! Times and checks burn on the U-Net of this project's own benchmark; one JSON line a result.
//!
//! `peer-burn [--backend wgpu|flex] [--adapter NAME] [--cases 32,4,64 ...] [--what unet_train_step|unet_forward]
//! [--runs N] [--warm-up N] [--budget SECONDS]` times; `peer-burn [--backend wgpu|flex] [--adapter NAME]
//! --check FILE.safetensors` checks. Without `--adapter` the environment variable `CVDM_ADAPTER` names it.

mod adapter;
mod check;
mod net;
mod timing;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use burn::tensor::Device;
use serde_json::json;

use timing::{Case, Effort, What};

type Result<T> = std::result::Result<T, String>;

/// The version that Cargo.toml pins.
const VERSION: &str = "0.22.1";

#[derive(Clone, Copy)]
enum Backend {
    Wgpu,
    Flex,
}

impl Backend {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "wgpu" => Ok(Self::Wgpu),
            "flex" => Ok(Self::Flex),
            other => Err(format!("\"{other}\" is no backend; there are wgpu and flex")),
        }
    }

    fn name(self) -> &'static str {
        match (self, cfg!(feature = "tuned")) {
            (Self::Wgpu, true) => "wgpu",
            (Self::Wgpu, false) => "wgpu-untuned",
            (Self::Flex, _) => "flex",
        }
    }

    fn device(self, adapter: Option<&str>) -> Result<Device> {
        match self {
            Self::Wgpu => adapter::open(adapter),
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(not(feature = "flex"))]
            Self::Flex => Err("built without the feature flex".into()),
        }
    }

    fn adapter(self, device: &Device) -> String {
        match self {
            Self::Wgpu => adapter::name(device),
            Self::Flex => format!("processor, {} threads", std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }
}

struct Options {
    backend: Backend,
    adapter: Option<String>,
    cases: Vec<Case>,
    whats: Vec<What>,
    effort: Effort,
    check: Option<PathBuf>,
}

fn options() -> Result<Options> {
    let mut options = Options {
        backend: Backend::Wgpu,
        adapter: None,
        cases: Vec::new(),
        whats: What::ALL.to_vec(),
        effort: Effort { runs: 31, warm_up: 10, budget: Duration::from_secs(60) },
        check: None,
    };
    let mut arguments = std::env::args().skip(1).peekable();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} stands last; a value must follow it"));
        match argument.as_str() {
            "--backend" => options.backend = Backend::parse(&value()?)?,
            "--adapter" => options.adapter = Some(value()?),
            "--what" => options.whats = what(&value()?)?,
            "--runs" => options.effort.runs = number(&argument, &value()?)?,
            "--warm-up" => options.effort.warm_up = number(&argument, &value()?)?,
            "--budget" => options.effort.budget = Duration::from_secs(number(&argument, &value()?)?),
            "--check" => options.check = Some(value()?.into()),
            "--cases" => {
                options.cases.push(Case::parse(&value()?)?);
                while let Some(case) = arguments.next_if(|a| !a.starts_with("--")) {
                    options.cases.push(Case::parse(&case)?);
                }
            }
            other => {
                return Err(format!(
                    "\"{other}\" is no option; there are --backend, --adapter NAME, --cases, --what, --runs, --warm-up, \
                     --budget, --check FILE"
                ));
            }
        }
    }
    if options.cases.is_empty() {
        options.cases = ["32,4,64", "32,1,128", "16,1,64"].into_iter().map(Case::parse).collect::<Result<_>>()?;
    }
    Ok(options)
}

fn number<N: std::str::FromStr>(option: &str, text: &str) -> Result<N> {
    text.parse().map_err(|_| format!("{option}: \"{text}\" is not a whole number"))
}

fn what(text: &str) -> Result<Vec<What>> {
    What::ALL
        .into_iter()
        .find(|what| what.name() == text)
        .map(|what| vec![what])
        .ok_or_else(|| format!("--what: \"{text}\" is neither unet_train_step nor unet_forward"))
}

/// Training is timed before the forward pass, so that its first step compiles everything it needs.
fn time(options: &Options, device: &Device) -> Result<()> {
    let adapter = options.backend.adapter(device);
    for case in &options.cases {
        for &what in &options.whats {
            let times = timing::time(what, case, &options.effort, device)?;
            let line = json!({
                "peer": "burn", "backend": options.backend.name(), "version": VERSION, "what": what.name(),
                "base": case.base, "batch": case.batch, "size": case.size, "runs": times.rest.len(),
                "median_ms": times.quantile(0.5), "p10_ms": times.quantile(0.1), "p90_ms": times.quantile(0.9),
                "first_ms": times.first, "adapter": adapter,
            });
            println!("{line}");
        }
    }
    Ok(())
}

fn check(file: &std::path::Path, backend: Backend, device: &Device) -> Result<()> {
    let outcome = check::check(file, device)?;
    let line = json!({
        "peer": "burn", "backend": backend.name(), "version": VERSION, "what": "check", "right": outcome.right(),
        // JSON knows no infinity: a result that is not a number is reported as null.
        "worst": outcome.worst, "worst_of": outcome.worst_of,
        "loss": outcome.loss, "loss_expected": outcome.loss_expected, "adapter": backend.adapter(device),
    });
    println!("{line}");
    Ok(())
}

fn run() -> Result<()> {
    let options = options()?;
    let device = options.backend.device(options.adapter.as_deref())?;
    match &options.check {
        Some(file) => check(file, options.backend, &device),
        None => time(&options, &device),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
