//! `cvdm simulate`: photographs to defocused pairs with known phase, or specimens to fluorescence images.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use cvdm::data::{Split, downscale, list_photographs, read_gray, write_tiff};
use cvdm::evaluate::photograph_pair;
use cvdm::inverse::{NoiseLaw, add_noise};
use cvdm::picture::{Colormap, Montage, Panel};
use cvdm::{Error, Result};

use super::options::{Optics, at_least_one, expect_distinct, fresh_folder};
use super::simulate_microscopy::{self, Label};

/// Arguments of `cvdm simulate`.
#[derive(Args)]
pub struct Simulate {
    /// A photograph, or a folder of them.
    #[arg(long, required_unless_present = "specimen", conflicts_with = "specimen")]
    input: Option<PathBuf>,
    /// Instead of photographs: specimens under a fluorescence microscope, at ten signal levels.
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',', conflicts_with_all = ["noise", "wavelength", "pixel", "defocus"])]
    specimen: Vec<Label>,
    /// Folder for the results.
    #[arg(long)]
    out: PathBuf,
    /// Side of the simulated images in pixels (default: as large as the photograph allows; 256 for specimens).
    #[arg(long, value_parser = at_least_one)]
    size: Option<usize>,
    /// Noise level: N(ξ, ξ) is added to both images.
    #[arg(long, default_value_t = 0.0)]
    noise: f32,
    /// Seed of the noise, and of specimens.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write into a folder that holds files already, and replace those of the same names.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    optics: Optics,
}

/// What the results of each photograph are called: its path below the input's folder, without extension.
///
/// # Errors
/// [`Error::Input`] that names two photographs whose results would replace each other.
fn names(input: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let folder = if input.is_dir() { input } else { input.parent().unwrap_or(Path::new("")) };
    let below =
        |file: &PathBuf| file.strip_prefix(folder).unwrap_or(file).with_extension("").to_string_lossy().into_owned();
    let names: Vec<String> = files.iter().map(below).collect();
    let mut first: HashMap<&str, &Path> = HashMap::new();
    for (name, file) in names.iter().zip(files) {
        if let Some(other) = first.insert(name, file) {
            return Err(Error::input(format!(
                "{} and {} would both become {name}.pair.tif; rename one, or simulate them into different folders",
                other.display(),
                file.display()
            )));
        }
    }
    Ok(names)
}

/// Refuses results that would replace a photograph.
fn expect_apart(photograph: &Path, out: &Path, name: &str) -> Result<()> {
    let Ok(photograph) = photograph.canonicalize() else { return Ok(()) };
    let result = |end: &str| out.join(format!("{name}.{end}"));
    match ["pair.tif", "phase.tif", "png"]
        .map(result)
        .into_iter()
        .find(|r| r.canonicalize().is_ok_and(|r| r == photograph))
    {
        None => Ok(()),
        Some(result) => {
            Err(Error::file(result, "is the photograph itself, which a result would replace; choose another --out"))
        }
    }
}

/// Writes for each photograph `NAME.pair.tif` (pages +d, −d), `NAME.phase.tif` (rad) and `NAME.png`, in folders as the photographs are;
/// for specimens see [`simulate_microscopy::run`].
pub fn run(args: &Simulate) -> Result<()> {
    let Some(input) = &args.input else {
        expect_distinct("--specimen", &args.specimen, |label| label.name().into())?;
        let out = fresh_folder(&args.out, args.force)?;
        return simulate_microscopy::run(&args.specimen, args.size.unwrap_or(256), args.seed, &out);
    };
    let setup = args.optics.setup()?;
    let mut files = if input.is_dir() { list_photographs(input, Split::All)? } else { vec![input.clone()] };
    // What an earlier run left in a folder below is no photograph.
    if let (Ok(below), Ok(all)) = (args.out.canonicalize(), input.canonicalize())
        && below != all
    {
        files.retain(|file| !file.canonicalize().is_ok_and(|file| file.starts_with(&below)));
    }
    let names = names(input, &files)?;
    for (file, name) in files.iter().zip(&names) {
        expect_apart(file, &args.out, name)?;
    }
    let out = fresh_folder(&args.out, args.force)?;
    // It is halved first, and loses a margin on every side.
    let side = args.size.unwrap_or(1).saturating_add(2 * setup.margin());
    let mut written = 0;
    for (i, (file, name)) in files.iter().zip(&names).enumerate() {
        let whole = read_gray(file)?;
        if whole.height().min(whole.width()) / 2 < side {
            continue;
        }
        let mut gray = downscale(&whole, 2)?;
        if args.size.is_some() {
            gray = gray.crop((gray.height() - side) / 2, (gray.width() - side) / 2, side, side)?;
        }
        let clean = photograph_pair(&gray, &setup).map_err(|e| Error::file(file, e.to_string()))?;
        let pair = add_noise(&clean.pair, args.noise, NoiseLaw::default(), args.seed.wrapping_add(i as u64))?;
        write_tiff(out.join(format!("{name}.pair.tif")), &[pair.plus(), pair.minus()])?;
        write_tiff(out.join(format!("{name}.phase.tif")), &[&clean.phase])?;
        Montage::new()
            .title(name.clone())
            .row(
                "",
                [
                    Panel::new("image at +d", pair.plus()),
                    Panel::new("image at −d", pair.minus()),
                    Panel::new("phase", &clean.phase).range(0.0, 3.5).map(Colormap::Viridis).unit("rad"),
                ],
            )
            .write_png(out.join(format!("{name}.png")))?;
        written += 1;
    }
    let needed = side.saturating_mul(2);
    if written == 0 {
        let problem = format!("holds no photograph of at least {needed} × {needed} pixels, which such images need");
        return Err(Error::file(input, format!("{problem}; give larger ones, or a smaller --size or --defocus")));
    }
    if written < files.len() {
        say!("left out, being smaller than {needed} × {needed} pixels: {}", files.len() - written);
    }
    say!("{written} pairs (λ·d/px² = {:.2}) are in {}", setup.parameter_a(), out.display());
    Ok(())
}
