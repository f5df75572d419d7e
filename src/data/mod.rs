//! Images in and out of files, photographs split by file, patches.

mod plane;
pub use plane::Plane;
