//! Replacing files whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// Writes a file atomically: into a temporary file beside it, flushed to the disk, then renamed. Missing parent folders are
/// made. Whatever fails, a file that existed stays as it was. Of a link it is the file behind it that is replaced, if there is one.
///
/// # Errors
/// [`Error::File`] that says what failed: a folder that cannot be made, a full disk, missing rights.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let failed = |e: std::io::Error| Error::file(path, format!("cannot be written: {e}"));
    if path.is_dir() {
        return Err(Error::file(path, "is a folder; give the name of a file"));
    }
    let behind = std::fs::canonicalize(path);
    let path = behind.as_deref().unwrap_or(path);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cvdm-");
    // Temporary files are private to their owner; what this becomes is an ordinary file, with the rights that the process gives one.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    {
        let mut buffered = std::io::BufWriter::new(file.as_file_mut());
        write(&mut buffered).map_err(failed)?;
        buffered.flush().map_err(failed)?;
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/file.bin");
        write_atomically(&path, |w| w.write_all(b"old")).unwrap();
        let full = || std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left on device");
        let error = write_atomically(&path, |w| {
            w.write_all(b"half of the new")?;
            Err(full())
        });
        assert!(error.unwrap_err().to_string().contains("no space left"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        write_atomically(&path, |w| w.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        #[cfg(unix)]
        {
            let link = folder.path().join("link.bin");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            write_atomically(&link, |w| w.write_all(b"through the link")).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"through the link");
            assert!(link.is_symlink());
        }
        assert!(write_atomically(folder.path(), |_| Ok(())).unwrap_err().to_string().contains("is a folder"));
        assert!(write_atomically(path.join("below"), |_| Ok(())).is_err(), "a file is not a folder");
    }
}
