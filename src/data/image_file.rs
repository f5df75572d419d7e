//! Image files: PNG and JPEG (8, 16 bit), and TIFF as `tiff_file.rs` reads it.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::samples::{LARGEST, Layout, MOST_BYTES, split};
use super::tiff_file::read_tiff;
use super::{Plane, write_atomically};
use crate::{Error, Result};

/// File name extensions that [`read_planes`] understands.
pub const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "tif", "tiff"];

fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Whether the name's extension is one of [`EXTENSIONS`].
pub fn is_image(path: &Path) -> bool {
    EXTENSIONS.contains(&extension(path).as_str())
}

/// All channels of an image, and all pages of a TIFF, one after the other. Integers are scaled to [0, 1], floats are kept;
/// an alpha channel is dropped. A photograph is turned upright as its EXIF data say.
///
/// # Errors
/// [`Error::File`] if the file is missing, empty, truncated, of another kind or colour space than gray and RGB, too large, or holds NaN
/// or infinite pixels.
pub fn read_planes(path: impl AsRef<Path>) -> Result<Vec<Plane>> {
    Ok(read_pages(path)?.into_iter().flatten().collect())
}

/// The pages of a file, one of PNG and JPEG, each with its channels. All are read, whichever is wanted.
///
/// # Errors
/// As [`read_planes`].
pub fn read_pages(path: impl AsRef<Path>) -> Result<Vec<Vec<Plane>>> {
    let path = path.as_ref();
    let metadata = std::fs::metadata(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    if metadata.is_dir() {
        return Err(Error::file(path, "is a folder; give an image file"));
    }
    if metadata.len() == 0 {
        return Err(Error::file(path, "is empty"));
    }
    let pages = match extension(path).as_str() {
        "tif" | "tiff" => read_tiff(path)?,
        "png" | "jpg" | "jpeg" => vec![read_raster(path)?],
        other => {
            return Err(Error::file(
                path,
                format!("has the extension \"{other}\"; {} can be read", EXTENSIONS.join(", ")),
            ));
        }
    };
    pages.iter().flatten().try_for_each(|plane| check_finite(path, plane))?;
    Ok(pages)
}

/// The only page of a file, with its channels.
fn read_page(path: &Path) -> Result<Vec<Plane>> {
    let mut pages = read_pages(path)?;
    match pages.len() {
        1 => Ok(pages.swap_remove(0)),
        count => {
            Err(Error::file(path, format!("has {count} pages, where one image is expected; save a page by itself")))
        }
    }
}

/// The image as one gray plane: the luma (Rec. 709) of three channels, the plane itself of one.
///
/// # Errors
/// As [`read_planes`], and if there are neither one nor three channels, or several pages.
pub fn read_gray(path: impl AsRef<Path>) -> Result<Plane> {
    let path = path.as_ref();
    as_gray(path, read_page(path)?)
}

/// Every page as one gray plane, as [`read_gray`] makes it.
///
/// # Errors
/// As [`read_planes`], and if a page has neither one nor three channels.
pub(super) fn read_gray_pages(path: &Path) -> Result<Vec<Plane>> {
    read_pages(path)?.into_iter().map(|page| as_gray(path, page)).collect()
}

/// A page's channels as one plane: colours as their luma, as [`read_gray`] has it.
///
/// # Errors
/// [`Error::File`] if there are neither one nor three channels, or they differ in size.
pub fn as_gray(path: &Path, planes: Vec<Plane>) -> Result<Plane> {
    Ok(match Channels::of(path, planes)? {
        Channels::Gray(plane) => plane,
        Channels::Colour([red, green, blue]) => Plane::from_fn(red.height(), red.width(), |y, x| {
            0.2126 * red.at(y, x) + 0.7152 * green.at(y, x) + 0.0722 * blue.at(y, x)
        }),
    })
}

/// What the channels of a page can be.
enum Channels {
    Gray(Plane),
    /// Red, green and blue, of one size.
    Colour([Plane; 3]),
}

impl Channels {
    fn of(path: &Path, planes: Vec<Plane>) -> Result<Self> {
        let colour = match <[Plane; 3]>::try_from(planes) {
            Ok(colour) => colour,
            Err(mut planes) if planes.len() == 1 => return Ok(Self::Gray(planes.swap_remove(0))),
            Err(planes) => {
                let problem = format!("has {} channels; a gray image has one, a colour image three", planes.len());
                return Err(Error::file(path, problem));
            }
        };
        let size = |plane: &Plane| (plane.height(), plane.width());
        match colour.iter().find(|plane| size(plane) != size(&colour[0])) {
            None => Ok(Self::Colour(colour)),
            Some(other) => {
                let sizes = [size(&colour[0]), size(other)];
                let problem =
                    format!("has channels of {:?} and {:?} pixels; those of an image are alike", sizes[0], sizes[1]);
                Err(Error::file(path, problem))
            }
        }
    }
}

/// The image as three planes: red, green, blue. A gray image gives the same plane three times.
///
/// # Errors
/// As [`read_planes`], and if there are neither one nor three channels, or several pages.
pub fn read_rgb(path: impl AsRef<Path>) -> Result<[Plane; 3]> {
    let path = path.as_ref();
    as_rgb(path, read_page(path)?)
}

/// A page's channels as red, green and blue, as [`read_rgb`] gives them.
///
/// # Errors
/// As [`as_gray`].
pub fn as_rgb(path: &Path, planes: Vec<Plane>) -> Result<[Plane; 3]> {
    Ok(match Channels::of(path, planes)? {
        Channels::Gray(plane) => [plane.clone(), plane.clone(), plane],
        Channels::Colour(colour) => colour,
    })
}

pub(super) fn check_finite(path: &Path, plane: &Plane) -> Result<()> {
    let bad = |v: &&f32| !v.is_finite();
    let count = plane.values().iter().filter(bad).count();
    match plane.values().iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::file(
            path,
            format!(
                "holds {count} pixels that are NaN or infinite, the first at row {}, column {}; mask or fill them first",
                i / plane.width(),
                i % plane.width()
            ),
        )),
    }
}

fn read_raster(path: &Path) -> Result<Vec<Plane>> {
    let broken = |e: ImageError| match e {
        ImageError::Limits(e) => Error::file(path, format!("is too large: {e}; at most {LARGEST} on a side are read")),
        other => Error::file(path, format!("is not a complete image: {other}")),
    };
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format();
    let mut reader = reader.map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    if reader.format() == Some(ImageFormat::Jpeg) && !is_complete_jpeg(&bytes) {
        return Err(Error::file(path, "is not a complete image: the end of its JPEG data is missing; get it again"));
    }
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(LARGEST as u32);
    limits.max_image_height = Some(LARGEST as u32);
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let orientation = decoder.orientation().map_err(broken)?;
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(broken)?;
    decoded.apply_orientation(orientation);
    let (height, width) = (decoded.height() as usize, decoded.width() as usize);
    let channels = decoded.color().channel_count() as usize;
    let samples: Vec<f32> = if decoded.color().bytes_per_pixel() as usize == channels {
        decoded.as_bytes().iter().map(|&v| f32::from(v) / 255.0).collect()
    } else {
        let words: Vec<u16> = decoded.as_bytes().chunks_exact(2).map(|b| u16::from_ne_bytes([b[0], b[1]])).collect();
        words.into_iter().map(|v| f32::from(v) / 65_535.0).collect()
    };
    let alpha = decoded.color().has_alpha().then(|| channels - 1);
    split(path, height, width, Layout { channels, alpha }, &samples)
}

/// Whether the marker of a JPEG's end follows its first scan: a decoder fills in gray what is missing, and says nothing. A thumbnail, which ends
/// with that marker too, lies in a segment before.
fn is_complete_jpeg(bytes: &[u8]) -> bool {
    const SCAN: u8 = 0xda;
    const END: [u8; 2] = [0xff, 0xd9];
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        at += match marker {
            SCAN => return bytes[at..].windows(2).any(|pair| pair == END),
            // A byte of padding; a marker without a segment.
            0xff => 1,
            0x01 | 0xd0..=0xd7 => 2,
            _ => 2 + usize::from(u16::from_be_bytes([high, low])),
        };
    }
    false
}

/// Writes a plane as 16-bit gray PNG, `low..high` mapped to black..white.
///
/// # Errors
/// [`Error::File`] if it cannot be written; [`Error::Input`] if `high` is not above `low`.
pub fn write_png16(path: impl AsRef<Path>, plane: &Plane, low: f32, high: f32) -> Result<()> {
    if high.partial_cmp(&low) != Some(std::cmp::Ordering::Greater) {
        return Err(Error::input(format!("a picture from {low} (black) to {high} (white); white must be above black")));
    }
    let level = |v: f32| (((v - low) / (high - low)).clamp(0.0, 1.0) * 65_535.0).round() as u16;
    let pixels: Vec<u16> = plane.values().iter().map(|&v| level(v)).collect();
    let picture =
        image::ImageBuffer::<image::Luma<u16>, _>::from_raw(plane.width() as u32, plane.height() as u32, pixels)
            .ok_or_else(|| Error::shape("a picture of another size than its pixels"))?;
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|e| Error::file(path.as_ref(), format!("cannot be written: {e}")))?;
    write_atomically(path, |file| file.write_all(bytes.get_ref()))
}

#[cfg(test)]
mod tests {
    use super::super::write_tiff;
    use super::*;

    fn ramp() -> Plane {
        Plane::from_fn(5, 7, |y, x| (7 * y + x) as f32 / 34.0)
    }

    #[test]
    fn sixteen_bit_png_and_float_tiff_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let png = folder.path().join("a.png");
        write_png16(&png, &ramp(), 0.0, 1.0).unwrap();
        let back = read_gray(&png).unwrap();
        assert!(back.values().iter().zip(ramp().values()).all(|(a, b)| (a - b).abs() < 1.0 / 65_535.0));
        let tif = folder.path().join("a.tif");
        let other = ramp().map(|v| -3.0 * v);
        write_tiff(&tif, &[&ramp(), &other]).unwrap();
        assert_eq!(read_planes(&tif).unwrap(), vec![ramp(), other]);
        assert!(read_gray(&tif).unwrap_err().to_string().contains("2 pages"));
        assert!(write_png16(&png, &ramp(), 1.0, 1.0).is_err());
    }

    /// Three pages are not red, green and blue: a stack's are of one size, a pyramid's are not.
    #[test]
    fn pages_are_no_colours() {
        let folder = tempfile::tempdir().unwrap();
        let tif = folder.path().join("pages.tif");
        let small = Plane::from_fn(2, 3, |_, _| 0.5);
        for pages in [[&ramp(), &ramp(), &ramp()], [&ramp(), &small, &small]] {
            write_tiff(&tif, &pages).unwrap();
            assert!(read_gray(&tif).unwrap_err().to_string().contains("3 pages"));
            assert!(read_rgb(&tif).unwrap_err().to_string().contains("3 pages"));
            assert_eq!(read_pages(&tif).unwrap().len(), 3);
        }
        let unlike = || vec![ramp(), small.clone(), ramp()];
        assert!(as_gray(&tif, unlike()).is_err() && as_rgb(&tif, unlike()).is_err());
        assert_eq!(as_rgb(&tif, vec![small.clone()]).unwrap(), [small.clone(), small.clone(), small]);
    }

    #[test]
    fn jpegs_are_scaled_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let jpeg = folder.path().join("c.jpg");
        image::RgbImage::from_pixel(64, 64, image::Rgb([255, 255, 255])).save(&jpeg).unwrap();
        assert!((read_gray(&jpeg).unwrap().mean() - 1.0).abs() < 0.01);
        let bytes = std::fs::read(&jpeg).unwrap();
        for cut in [bytes.len() / 2, bytes.len() - 2, 4, 2] {
            std::fs::write(&jpeg, &bytes[..cut]).unwrap();
            let message = read_planes(&jpeg).unwrap_err().to_string();
            assert!(message.contains("not a complete image"), "{cut} of {} bytes: {message}", bytes.len());
        }
        // A thumbnail's end is not the image's.
        let mut with_thumbnail = bytes[..2].to_vec();
        with_thumbnail.extend([0xff, 0xe1, 0, 8, 0xff, 0xd8, 0, 0, 0xff, 0xd9]);
        with_thumbnail.extend(&bytes[2..]);
        std::fs::write(&jpeg, &with_thumbnail).unwrap();
        assert!(read_planes(&jpeg).is_ok());
        std::fs::write(&jpeg, &with_thumbnail[..with_thumbnail.len() - 2]).unwrap();
        assert!(read_planes(&jpeg).is_err());
    }

    /// EXIF's sixth orientation: the row that is stored first is the right column.
    #[test]
    fn photographs_stand_upright() {
        let folder = tempfile::tempdir().unwrap();
        let jpeg = folder.path().join("turned.jpg");
        image::RgbImage::from_fn(32, 16, |_, y| image::Rgb([if y < 8 { 255 } else { 0 }; 3])).save(&jpeg).unwrap();
        let bytes = std::fs::read(&jpeg).unwrap();
        let mut turned = bytes[..2].to_vec();
        turned.extend([0xff, 0xe1, 0, 34]);
        turned.extend(b"Exif\0\0MM\0\x2a\0\0\0\x08");
        turned.extend([0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]);
        turned.extend(&bytes[2..]);
        std::fs::write(&jpeg, turned).unwrap();
        let plane = read_gray(&jpeg).unwrap();
        assert_eq!((plane.height(), plane.width()), (32, 16));
        assert!(plane.at(16, 2) < 0.1 && plane.at(16, 13) > 0.9);
    }

    #[test]
    fn what_cannot_be_an_image_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let message = read_planes(&path).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
            message
        };
        assert!(refused("empty.png", b"").contains("is empty"));
        assert!(refused("text.png", b"hello").contains("not a complete image"));
        assert!(refused("text.tif", b"hello").contains("not a complete TIFF"));
        assert!(refused("a.bmp", b"BM").contains("bmp"));
        assert!(read_planes(folder.path()).unwrap_err().to_string().contains("is a folder"));
        assert!(read_planes(folder.path().join("none.png")).unwrap_err().to_string().contains("none.png"));
        let whole = folder.path().join("whole.png");
        write_png16(&whole, &Plane::from_fn(64, 64, |y, x| ((y * x) % 7) as f32), 0.0, 7.0).unwrap();
        let bytes = std::fs::read(&whole).unwrap();
        refused("half.png", &bytes[..bytes.len() / 2]);
        let mut nan = ramp();
        nan.values_mut()[9] = f32::NAN;
        let path = folder.path().join("nan.tif");
        write_tiff(&path, &[&nan]).unwrap();
        assert!(read_planes(&path).unwrap_err().to_string().contains("row 1, column 2"));
    }
}
