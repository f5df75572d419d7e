//! `cvdm simulate`: photographs to defocused pairs with known phase, or specimens to fluorescence images.

use std::path::PathBuf;

use clap::Args;
use cvdm::data::{Split, downscale, list_photographs, read_gray, write_tiff};
use cvdm::evaluate::photograph_pair;
use cvdm::inverse::{NoiseLaw, add_noise};
use cvdm::picture::{Colormap, Montage, Panel};
use cvdm::{Error, Result};

use super::options::{Optics, fresh_folder};
use super::simulate_microscopy::{self, Label};

/// Arguments of `cvdm simulate`.
#[derive(Args)]
pub struct Simulate {
    /// A photograph, or a folder of them.
    #[arg(long, required_unless_present = "specimen", conflicts_with = "specimen")]
    input: Option<PathBuf>,
    /// Instead of photographs: specimens under a fluorescence microscope, at ten signal levels.
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',', conflicts_with = "noise")]
    specimen: Vec<Label>,
    /// Folder for the results.
    #[arg(long)]
    out: PathBuf,
    /// Side of the simulated images in pixels (default: as large as the photograph allows; 256 for specimens).
    #[arg(long)]
    size: Option<usize>,
    /// Noise level: N(ξ, ξ) is added to both images.
    #[arg(long, default_value_t = 0.0)]
    noise: f32,
    /// Seed of the noise, and of specimens.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Replace what the folder holds.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    optics: Optics,
}

/// Writes for each photograph `NAME.pair.tif` (pages +d, −d), `NAME.phase.tif` (rad) and `NAME.png`; for specimens see
/// [`simulate_microscopy::run`].
pub fn run(args: &Simulate) -> Result<()> {
    let Some(input) = &args.input else {
        let out = fresh_folder(&args.out, args.force)?;
        return simulate_microscopy::run(&args.specimen, args.size.unwrap_or(256), args.seed, &out);
    };
    let setup = args.optics.setup()?;
    let files = if input.is_dir() { list_photographs(input, Split::All)? } else { vec![input.clone()] };
    let out = fresh_folder(&args.out, args.force)?;
    for (i, file) in files.iter().enumerate() {
        let name = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let mut gray = downscale(&read_gray(file)?, 2)?;
        if let Some(size) = args.size {
            let side = size + 2 * setup.margin();
            if gray.height() < side || gray.width() < side {
                return Err(Error::file(
                    file,
                    format!(
                        "is too small: images of {size} pixels need a photograph of {} (it is halved first)",
                        2 * side
                    ),
                ));
            }
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
    }
    println!("{} pairs (λ·d/px² = {:.2}) are in {}", files.len(), setup.parameter_a(), out.display());
    Ok(())
}
