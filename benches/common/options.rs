//! What both benches take on their command line, and where their JSON lines go.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use cvdm::gpu::{Gpu, OpenOptions};
use cvdm::{Error, Result};
use serde_json::{Value, json};

#[derive(Default)]
pub struct Options {
    /// Few runs.
    pub quick: bool,
    /// Every shape, on a software adapter too.
    pub all: bool,
    /// Only what has this text in its name.
    pub filter: String,
    /// Only networks on so many images.
    pub batch: Option<usize>,
    /// [`OpenOptions::tuning`].
    pub tune: Option<PathBuf>,
    /// [`OpenOptions::matrices`].
    pub matrices: bool,
    /// [`OpenOptions::slow_buffers`].
    pub slow_buffers: Option<bool>,
    /// Add where the device's time goes, by shader.
    pub profile: bool,
    pub adapter: Option<String>,
    pub json: Option<String>,
    /// A roofline plot of the kernels. Needs the feature `cli`.
    pub picture: Option<String>,
}

impl Options {
    /// Reads the command line.
    pub fn read() -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments.next().ok_or_else(|| Error::input(format!("{argument} stands last; a value must follow it")))
            };
            match argument.as_str() {
                // What `cargo bench` itself adds.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--all" => options.all = true,
                "--matrices" => options.matrices = true,
                "--tune" => options.tune = Some(value()?.into()),
                "--profile" => options.profile = true,
                "--filter" => options.filter = value()?,
                "--adapter" => options.adapter = Some(value()?),
                "--json" => options.json = Some(value()?),
                "--picture" => options.picture = Some(value()?),
                "--slow-buffers" => options.slow_buffers = Some(yes_or_no(&value()?)?),
                "--batch" => options.batch = Some(positive(&value()?)?),
                other => {
                    return Err(Error::input(format!(
                        "\"{other}\" is no option; there are --quick, --all, --profile, --filter TEXT, \
                         --batch N, --adapter NAME, --tune FOLDER, --matrices, --slow-buffers yes|no, --json FILE, --picture FILE"
                    )));
                }
            }
        }
        Ok(options)
    }

    /// Refuses what this bench has no use for.
    pub fn refuse(given: bool, option: &str, other: &str) -> Result<()> {
        let problem =
            || Error::input(format!("{option} is the other bench's: cargo bench --features cli --bench {other}"));
        if given { Err(problem()) } else { Ok(()) }
    }

    /// What was measured on, and how: the beginning of a file's first line.
    pub fn adapter(&self, gpu: &Gpu) -> Value {
        let (summary, caps) = (gpu.summary(), gpu.caps());
        json!({
            "kind": "adapter", "name": summary.name, "backend": summary.backend, "type": summary.kind,
            "driver": summary.driver, "version": env!("CARGO_PKG_VERSION"), "processor": processor(),
            "software": caps.software, "slow_buffers": caps.slow_buffers, "matrices": caps.matrices.is_some(),
            "tuned": self.tune.is_some(), "quick": self.quick, "all": self.all,
        })
    }

    /// The device that they name.
    pub fn open(&self) -> Result<Gpu> {
        let (adapter, tuning) = (self.adapter.clone(), self.tune.clone());
        let (matrices, slow_buffers) = (self.matrices, self.slow_buffers);
        Gpu::open(&OpenOptions { adapter, tuning, matrices, slow_buffers, ..Default::default() })
    }
}

/// The processor's name, where Linux tells it.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

/// JSON lines, written as they come, so that a run that is stopped leaves what it had.
#[derive(Default)]
pub struct Lines {
    file: Option<(String, File)>,
    /// All of them.
    pub all: Vec<Value>,
}

impl Lines {
    /// Into the file that the options name, if they do.
    pub fn new(options: &Options) -> Result<Self> {
        let open = |path: &String| File::create(path).map(|file| (path.clone(), file)).map_err(|e| unwritten(path, &e));
        Ok(Self { file: options.json.as_ref().map(open).transpose()?, all: Vec::new() })
    }

    pub fn push(&mut self, line: Value) -> Result<()> {
        if let Some((path, file)) = &mut self.file {
            writeln!(file, "{line}").map_err(|e| unwritten(path, &e))?;
        }
        self.all.push(line);
        Ok(())
    }
}

fn unwritten(path: &str, e: &std::io::Error) -> Error {
    Error::File { path: path.into(), problem: e.to_string() }
}

fn yes_or_no(text: &str) -> Result<bool> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(Error::input(format!("--slow-buffers is \"{text}\", expected yes or no"))),
    }
}

fn positive(text: &str) -> Result<usize> {
    let number = text.parse().ok().filter(|&n: &usize| n > 0);
    number.ok_or_else(|| Error::input(format!("--batch is \"{text}\", expected a number of samples")))
}
