//! One program at a time in a folder.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::{Error, Result};

/// A folder that no other program works in while this lives: two would write into each other's files.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes the folder if it is not there, and takes it.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be made or another program works in it.
    pub fn take(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| Error::file(folder, format!("cannot be made: {e}")))?;
        let path = folder.join("lock");
        let failed = |e: std::io::Error| Error::file(&path, format!("cannot be locked: {e}"));
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::file(
                folder,
                "is in use by another run of this program; wait for it, or choose another folder with --out",
            )),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }
}
