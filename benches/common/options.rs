//! What both benches take on their command line, and where their JSON lines go.

use std::io::Write;
use std::path::PathBuf;

use cvdm::gpu::{Gpu, OpenOptions};
use cvdm::{Error, Result};
use serde_json::Value;

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
                "--batch" => options.batch = Some(positive(&value()?)?),
                other => {
                    return Err(Error::input(format!(
                        "\"{other}\" is no option; there are --quick, --all, --profile, --filter TEXT, \
                         --batch N, --adapter NAME, --tune FOLDER, --matrices, --json FILE, --picture FILE"
                    )));
                }
            }
        }
        Ok(options)
    }

    /// The device that they name.
    pub fn open(&self) -> Result<Gpu> {
        let adapter = self.adapter.clone();
        Gpu::open(&OpenOptions { adapter, tuning: self.tune.clone(), matrices: self.matrices, ..Default::default() })
    }

    /// Writes the lines to the file that they name, if they do.
    pub fn write(&self, lines: &[Value]) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        let write = || {
            let mut file = std::fs::File::create(path)?;
            lines.iter().try_for_each(|line| writeln!(file, "{line}"))
        };
        write().map_err(|e: std::io::Error| Error::File { path: path.into(), problem: e.to_string() })
    }
}

fn positive(text: &str) -> Result<usize> {
    let number = text.parse().ok().filter(|&n: &usize| n > 0);
    number.ok_or_else(|| Error::input(format!("--batch is \"{text}\", expected a number of samples")))
}
