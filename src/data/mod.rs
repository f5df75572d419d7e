//! Images in and out of files, photographs split by file, patches; the paper's data sets in their own formats.

mod atomic;
mod biosr;
mod collections;
mod fingerprint;
mod focal_stack;
mod image_file;
mod image_pairs;
mod mrc;
mod npy;
mod pair;
mod photographs;
mod plane;
mod resize;
mod samples;
mod tiff_file;

pub use atomic::write_atomically;
pub use biosr::{Acquisition, CellSplit, Structure, list_biosr};
pub use collections::{is_hcoco, list_hcoco, list_imagenet, photographs_of, read_gray_centre, read_super_resolution};
pub use fingerprint::Fingerprint;
pub use focal_stack::FocalStack;
pub use image_file::{
    EXTENSIONS, as_gray, as_rgb, is_image, read_gray, read_pages, read_planes, read_rgb, write_png16,
};
pub use image_pairs::{ImagePair, list_image_pairs};
pub use mrc::{MrcFile, MrcMode};
pub use npy::{read_npy, write_npy};
pub use pair::{Example, ResolutionPair, expect_unit_range, network_to_unit, unit_range, unit_to_network};
use photographs::oriented;
pub use photographs::{Photographs, Split, downscale, list_photographs, photograph_centre, photograph_windows};
pub use plane::Plane;
pub use resize::resize_lanczos;
pub use tiff_file::write_tiff;
