//! What `cvdm evaluate` is given.

use std::path::PathBuf;

use clap::Args;
use cvdm::evaluate::HL60_OPTICS;

use crate::options::{Sampling, at_least_one};

/// Arguments of `cvdm evaluate`.
#[derive(Args)]
pub struct Evaluate {
    /// Weights to evaluate; several are compared in one table.
    #[arg(long, num_args = 1.., required = true)]
    pub weights: Vec<PathBuf>,
    /// For phases: folder of photographs, none of which was trained on.
    #[arg(long)]
    pub photographs: Option<PathBuf>,
    /// Take only the held-out eighth of the folder.
    #[arg(long, requires = "photographs")]
    pub held_out: bool,
    /// A measured field, `.npy` float32 `[V, 2, H, W]`: phase in rad and amplitude.
    #[arg(long)]
    pub field: Option<PathBuf>,
    /// Views of the field to use, evenly spaced.
    #[arg(long, default_value = "4", value_parser = at_least_one, requires = "field")]
    pub views: usize,
    /// Noise levels of the field's measurements.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [0.0, 0.05, 0.1, 0.2], requires = "field")]
    pub noise: Vec<f32>,
    /// Wavelength of the field in µm.
    #[arg(long, default_value_t = HL60_OPTICS.0)]
    pub field_wavelength: f64,
    /// Pixel of the field in µm.
    #[arg(long, default_value_t = HL60_OPTICS.1)]
    pub field_pixel: f64,
    /// Side of photographs and images in pixels; a field keeps its own.
    #[arg(long, default_value = "128", value_parser = at_least_one)]
    pub size: usize,
    /// At most this many photographs or images.
    #[arg(long, default_value = "12", value_parser = at_least_one)]
    pub count: usize,
    /// Folder for the report.
    #[arg(long)]
    pub out: PathBuf,
    /// Replace what the folder holds.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub sampling: Sampling,
}
