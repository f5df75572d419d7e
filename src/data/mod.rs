//! Images in and out of files, photographs split by file, patches.

mod atomic;
mod image_file;
mod npy;
mod photographs;
mod plane;

pub use atomic::write_atomically;
pub use image_file::{EXTENSIONS, is_image, read_gray, read_planes, write_png16, write_tiff};
pub use npy::{read_npy, write_npy};
pub use photographs::{Photographs, Split, downscale, list_photographs};
pub use plane::Plane;
