//! The one error type of the crate.
//!
//! Every message says what was given, what was expected and what to do about it; the variant says which kind of
//! trouble it is, so that a caller can react without reading the text.

use std::fmt;
use std::path::{Path, PathBuf};

/// What can go wrong, as a value. No function of this crate panics on user input.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// No usable adapter, or the device could not be opened.
    Device(String),
    /// The adapter lacks a feature or its limit is too small.
    Limit(String),
    /// The device ran out of memory, or a plan needs more than the device has.
    OutOfMemory(String),
    /// The device was lost while working.
    DeviceLost(String),
    /// A shader or a dispatch was refused by wgpu's validation: a defect of this crate.
    Validation(String),
    /// Shapes, channel ranges or sizes that do not fit together.
    Shape(String),
    /// A value outside its domain (configuration, command line, pixel values).
    Input(String),
    /// A file that cannot be read or written, or whose content is not what was expected.
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// Work stopped on the user's request; what was finished is saved.
    Interrupted(String),
}

/// The crate's result type.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Input`].
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// An [`Error::Shape`].
    pub fn shape(message: impl Into<String>) -> Self {
        Self::Shape(message.into())
    }

    /// An [`Error::File`].
    pub fn file(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), problem: problem.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(m) => write!(f, "no usable GPU device: {m}"),
            Self::Limit(m) => write!(f, "the adapter does not offer what is needed: {m}"),
            Self::OutOfMemory(m) => write!(f, "out of GPU memory: {m}"),
            Self::DeviceLost(m) => write!(f, "the GPU device was lost: {m}"),
            Self::Validation(m) => write!(f, "wgpu refused a command (a defect of this crate): {m}"),
            Self::Shape(m) => write!(f, "shapes do not fit: {m}"),
            Self::Input(m) => f.write_str(m),
            Self::File { path, problem } => write!(f, "{}: {problem}", path.display()),
            Self::Interrupted(m) => write!(f, "stopped: {m}"),
        }
    }
}

impl std::error::Error for Error {}
