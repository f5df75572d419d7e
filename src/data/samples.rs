//! From a decoder's interleaved samples to planes, and how many of them are read.

use std::path::Path;

use super::Plane;
use crate::{Error, Result};

/// Largest width or height that is read, in pixels, and the most bytes that an image is decoded to.
pub(super) const LARGEST: usize = 32_768;
pub(super) const MOST_BYTES: u64 = 8 << 30;

/// How a pixel's samples lie in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub channels: usize,
    /// The channel that says how opaque a pixel is, if there is one.
    pub alpha: Option<usize>,
}

/// Splits interleaved samples into planes, without alpha.
pub(super) fn split(path: &Path, height: usize, width: usize, layout: Layout, samples: &[f32]) -> Result<Vec<Plane>> {
    let Layout { channels, alpha } = layout;
    if samples.len() != height * width * channels {
        return Err(Error::file(path, format!("holds {} samples for {height} × {width} × {channels}", samples.len())));
    }
    let plane = |c: usize| Plane::new(height, width, samples.iter().skip(c).step_by(channels).copied().collect());
    (0..channels).filter(|c| Some(*c) != alpha).map(plane).collect()
}
