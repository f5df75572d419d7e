//! PNG files that are either whole or not there.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use image::{ImageFormat, RgbImage};

use crate::{Error, Result};

/// Writes `image` as an 8-bit RGB PNG to `path`. Missing folders are made. The file appears whole or not at all: it is
/// written beside its place and renamed, so an interrupted run leaves the earlier picture untouched.
///
/// # Errors
/// [`Error::File`] if the picture cannot be encoded, or the file or its folder cannot be written.
pub fn write_png(image: &RgbImage, path: impl AsRef<Path>) -> Result<()> {
    // Two threads that draw the same picture must not share a temporary file.
    static COUNTER: AtomicU64 = AtomicU64::new(0);

    let path = path.as_ref();
    let name = path
        .file_name()
        .ok_or_else(|| Error::file(path, "a picture needs a file name, such as `out/picture.png`"))?
        .to_string_lossy();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));

    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Error::file(path, format!("the picture could not be encoded as PNG: {e}")))?;

    fs::create_dir_all(folder).map_err(|e| Error::file(folder, format!("the folder could not be made: {e}")))?;
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{name}.{}.{count}.tmp", std::process::id()));
    fs::write(&temporary, bytes.into_inner()).and_then(|()| fs::rename(&temporary, path)).map_err(|e| {
        // Whatever was left of the attempt helps nobody; if it cannot be removed either, the first error says more.
        let _ = fs::remove_file(&temporary);
        Error::file(
            path,
            format!("the picture could not be written: {e}; is the folder writable and the disk not full?"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_as_written_and_leaves_nothing_else() {
        let folder = std::env::temp_dir().join(format!("cvdm-png-{}", std::process::id()));
        let path = folder.join("deep/er/a.png");
        let image = RgbImage::from_fn(7, 5, |x, y| image::Rgb([x as u8 * 30, y as u8 * 40, 200]));
        write_png(&RgbImage::new(3, 3), &path).unwrap();
        write_png(&image, &path).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8(), image);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays behind");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn unwritable_places_are_errors_that_name_the_path() {
        let folder = std::env::temp_dir().join(format!("cvdm-png-dir-{}", std::process::id()));
        fs::create_dir_all(folder.join("taken.png/child")).unwrap();
        let error = write_png(&RgbImage::new(2, 2), folder.join("taken.png")).unwrap_err();
        assert!(matches!(&error, Error::File { path, .. } if path.ends_with("taken.png")), "{error}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "the failed attempt is cleaned up");
        assert!(write_png(&RgbImage::new(2, 2), "/").is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
