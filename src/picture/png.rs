//! PNG files that are either whole or not there.

use std::io::{Cursor, Write};
use std::path::Path;

use image::{ImageFormat, RgbImage};

use crate::data::write_atomically;
use crate::{Error, Result};

/// Writes `image` as an 8-bit RGB PNG to `path`, atomically: an interrupted run leaves the earlier picture untouched.
/// Missing folders are made.
///
/// # Errors
/// [`Error::File`] if the picture cannot be encoded, or the file or its folder cannot be written.
pub fn write_png(image: &RgbImage, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Error::file(path, format!("the picture could not be encoded as PNG: {e}")))?;
    write_atomically(path, |file: &mut dyn Write| file.write_all(bytes.get_ref()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn reads_back_as_written_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/a.png");
        let image = RgbImage::from_fn(7, 5, |x, y| image::Rgb([x as u8 * 30, y as u8 * 40, 200]));
        write_png(&RgbImage::new(3, 3), &path).unwrap();
        write_png(&image, &path).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8(), image);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn unwritable_places_are_errors_that_name_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken.png");
        fs::create_dir_all(taken.join("child")).unwrap();
        let error = write_png(&RgbImage::new(2, 2), &taken).unwrap_err();
        assert!(matches!(&error, Error::File { path, .. } if path.ends_with("taken.png")), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the failed attempt is cleaned up");
        assert!(write_png(&RgbImage::new(2, 2), "/").is_err());
    }
}
