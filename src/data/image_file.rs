//! Image files: PNG and JPEG (8, 16 bit), TIFF (8, 16 bit, 32-bit float, several pages).

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::Path;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

use super::{Plane, write_atomically};
use crate::{Error, Result};

/// File name extensions that [`read_planes`] understands.
pub const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "tif", "tiff"];

/// Largest width or height that is read, in pixels.
pub(super) const LARGEST: usize = 32_768;

fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Whether the name's extension is one of [`EXTENSIONS`].
pub fn is_image(path: &Path) -> bool {
    EXTENSIONS.contains(&extension(path).as_str())
}

/// All channels of an image, and all pages of a TIFF, one after the other. Integers are scaled to [0, 1], floats are kept;
/// an alpha channel is dropped.
///
/// # Errors
/// [`Error::File`] if the file is missing, empty, truncated, of another kind or colour space than gray and RGB, too large, or holds NaN
/// or infinite pixels.
pub fn read_planes(path: impl AsRef<Path>) -> Result<Vec<Plane>> {
    let path = path.as_ref();
    let metadata = std::fs::metadata(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    if metadata.is_dir() {
        return Err(Error::file(path, "is a folder; give an image file"));
    }
    if metadata.len() == 0 {
        return Err(Error::file(path, "is empty"));
    }
    let planes = match extension(path).as_str() {
        "tif" | "tiff" => read_tiff(path)?,
        "png" | "jpg" | "jpeg" => read_raster(path)?,
        other => {
            return Err(Error::file(
                path,
                format!("has the extension \"{other}\"; {} can be read", EXTENSIONS.join(", ")),
            ));
        }
    };
    for plane in &planes {
        check_finite(path, plane)?;
    }
    Ok(planes)
}

/// The image as one gray plane: the luma (Rec. 709) of three channels, the plane itself of one.
///
/// # Errors
/// As [`read_planes`], and if there are neither one nor three channels.
pub fn read_gray(path: impl AsRef<Path>) -> Result<Plane> {
    let path = path.as_ref();
    let mut planes = read_planes(path)?;
    match planes.len() {
        1 => Ok(planes.swap_remove(0)),
        3 => Ok(Plane::from_fn(planes[0].height(), planes[0].width(), |y, x| {
            0.2126 * planes[0].at(y, x) + 0.7152 * planes[1].at(y, x) + 0.0722 * planes[2].at(y, x)
        })),
        n => Err(Error::file(path, format!("has {n} channels or pages; a gray image has one, a colour image three"))),
    }
}

/// The image as three planes: red, green, blue. A gray image gives the same plane three times.
///
/// # Errors
/// As [`read_planes`], and if there are neither one nor three channels.
pub fn read_rgb(path: impl AsRef<Path>) -> Result<[Plane; 3]> {
    let path = path.as_ref();
    let mut planes = read_planes(path)?;
    if planes.len() == 1 {
        planes = vec![planes[0].clone(), planes[0].clone(), planes.swap_remove(0)];
    }
    planes.try_into().map_err(|planes: Vec<Plane>| {
        Error::file(path, format!("has {} channels or pages; a gray image has one, a colour image three", planes.len()))
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

/// How a pixel's samples lie in a file.
#[derive(Debug, Clone, Copy)]
struct Layout {
    channels: usize,
    /// The channel that says how opaque a pixel is, if there is one.
    alpha: Option<usize>,
}

/// Splits interleaved samples into planes, without alpha.
fn split(path: &Path, height: usize, width: usize, layout: Layout, samples: &[f32]) -> Result<Vec<Plane>> {
    let Layout { channels, alpha } = layout;
    if samples.len() != height * width * channels {
        return Err(Error::file(path, format!("holds {} samples for {height} × {width} × {channels}", samples.len())));
    }
    let plane = |c: usize| Plane::new(height, width, samples.iter().skip(c).step_by(channels).copied().collect());
    (0..channels).filter(|c| Some(*c) != alpha).map(plane).collect()
}

fn read_raster(path: &Path) -> Result<Vec<Plane>> {
    let broken = |e: image::ImageError| Error::file(path, format!("is not a complete image: {e}"));
    let reader = image::ImageReader::open(path).and_then(|r| r.with_guessed_format());
    let mut reader = reader.map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(LARGEST as u32);
    limits.max_image_height = Some(LARGEST as u32);
    reader.limits(limits);
    let decoded = reader.decode().map_err(broken)?;
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

/// The layout of a TIFF's page.
fn tiff_layout(path: &Path, decoder: &mut Decoder<BufReader<File>>) -> Result<Layout> {
    let broken = |e: tiff::TiffError| Error::file(path, format!("is not a complete TIFF: {e}"));
    let kind = decoder.colortype().map_err(broken)?;
    let channels = kind.num_samples() as usize;
    let alpha = match kind {
        ColorType::Gray(_) | ColorType::RGB(_) => None,
        ColorType::GrayA(_) | ColorType::RGBA(_) => Some(channels - 1),
        // Gray with more channels behind it, of which a tag says what they are: 1 and 2 are alpha, 0 is anything.
        ColorType::Multiband { .. } => {
            let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).map_err(broken)?.unwrap_or_default();
            let alpha = extra.iter().position(|what| [1, 2].contains(what));
            alpha.and_then(|i| (channels + i).checked_sub(extra.len()))
        }
        other => {
            let name = match other {
                ColorType::CMYK(_) | ColorType::CMYKA(_) => "CMYK",
                ColorType::Lab(_) => "L*a*b*",
                ColorType::YCbCr(_) => "YCbCr",
                ColorType::Palette(_) => "a palette",
                _ => "a colour space",
            };
            return Err(Error::file(path, format!("holds {name} that is not read; save it as gray or RGB")));
        }
    };
    Ok(Layout { channels, alpha })
}

fn read_tiff(path: &Path) -> Result<Vec<Plane>> {
    let broken = |e: tiff::TiffError| Error::file(path, format!("is not a complete TIFF: {e}"));
    let file = File::open(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(broken)?.with_limits(Limits::default());
    let mut planes = Vec::new();
    loop {
        let (width, height) = decoder.dimensions().map_err(broken)?;
        let (width, height) = (width as usize, height as usize);
        if width > LARGEST || height > LARGEST {
            return Err(Error::file(path, format!("is {height} × {width}; at most {LARGEST} on a side are read")));
        }
        let layout = tiff_layout(path, &mut decoder)?;
        let samples: Vec<f32> = match decoder.read_image().map_err(broken)? {
            DecodingResult::U8(v) => v.into_iter().map(|v| f32::from(v) / 255.0).collect(),
            DecodingResult::U16(v) => v.into_iter().map(|v| f32::from(v) / 65_535.0).collect(),
            DecodingResult::U32(v) => v.into_iter().map(|v| (f64::from(v) / f64::from(u32::MAX)) as f32).collect(),
            DecodingResult::F32(v) => v,
            DecodingResult::F64(v) => v.into_iter().map(|v| v as f32).collect(),
            _ => return Err(Error::file(path, "has samples of a kind that is not read; use 8, 16 or 32 bits")),
        };
        planes.extend(split(path, height, width, layout, &samples)?);
        if !decoder.more_images() {
            return Ok(planes);
        }
        decoder.next_image().map_err(broken)?;
    }
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

/// Writes planes as the pages of a 32-bit float TIFF.
///
/// # Errors
/// [`Error::File`] if it cannot be written.
pub fn write_tiff(path: impl AsRef<Path>, planes: &[&Plane]) -> Result<()> {
    let path = path.as_ref();
    let mut bytes = Cursor::new(Vec::new());
    let failed = |e: tiff::TiffError| Error::file(path, format!("cannot be written: {e}"));
    let mut encoder = TiffEncoder::new(&mut bytes).map_err(failed)?;
    for plane in planes {
        encoder
            .write_image::<colortype::Gray32Float>(plane.width() as u32, plane.height() as u32, plane.values())
            .map_err(failed)?;
    }
    write_atomically(path, |file| file.write_all(bytes.get_ref()))
}

#[cfg(test)]
mod tests {
    use tiff::tags::ExtraSamples;

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
        assert!(read_gray(&tif).unwrap_err().to_string().contains("2 channels or pages"));
        assert!(write_png16(&png, &ramp(), 1.0, 1.0).is_err());
    }

    #[test]
    fn integer_tiffs_and_jpegs_are_scaled() {
        let folder = tempfile::tempdir().unwrap();
        let eight = folder.path().join("8.tiff");
        let mut encoder = TiffEncoder::new(File::create(&eight).unwrap()).unwrap();
        encoder.write_image::<colortype::Gray8>(2, 1, &[0, 255]).unwrap();
        assert_eq!(read_gray(&eight).unwrap().values(), [0.0, 1.0]);
        let sixteen = folder.path().join("16.tiff");
        let mut encoder = TiffEncoder::new(File::create(&sixteen).unwrap()).unwrap();
        encoder.write_image::<colortype::Gray16>(2, 1, &[0, 65_535]).unwrap();
        assert_eq!(read_gray(&sixteen).unwrap().values(), [0.0, 1.0]);
        let jpeg = folder.path().join("c.jpg");
        image::RgbImage::from_pixel(8, 8, image::Rgb([255, 255, 255])).save(&jpeg).unwrap();
        assert!((read_gray(&jpeg).unwrap().mean() - 1.0).abs() < 0.01);
    }

    /// Writes a TIFF of one row, with what its channels beyond the colour's are.
    fn write_row<C: colortype::ColorType<Inner = u8>>(path: &Path, width: u32, extra: &[ExtraSamples], samples: &[u8]) {
        let mut encoder = TiffEncoder::new(File::create(path).unwrap()).unwrap();
        let mut image = encoder.new_image::<C>(width, 1).unwrap();
        if !extra.is_empty() {
            image.extra_samples(extra).unwrap();
        }
        image.write_data(samples).unwrap();
    }

    #[test]
    fn alpha_alone_is_dropped() {
        use ExtraSamples::{AssociatedAlpha, UnassociatedAlpha, Unspecified};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tif");
        let rows = || read_planes(&path).unwrap().iter().map(|p| p.map(|v| 255.0 * v)).collect::<Vec<_>>();
        let row = |values: [f32; 2]| Plane::new(1, 2, values.to_vec()).unwrap();
        write_row::<colortype::Gray8>(&path, 2, &[Unspecified], &[0, 255, 51, 204]);
        assert_eq!(rows(), [row([0.0, 51.0]), row([255.0, 204.0])], "both bands");
        for alpha in [AssociatedAlpha, UnassociatedAlpha] {
            write_row::<colortype::Gray8>(&path, 2, &[alpha], &[0, 255, 51, 204]);
            assert_eq!(rows(), [row([0.0, 51.0])]);
        }
        write_row::<colortype::Gray8>(&path, 2, &[Unspecified; 3], &[0, 51, 102, 153, 1, 2, 3, 4]);
        assert_eq!(rows().len(), 4, "four bands");
        write_row::<colortype::RGBA8>(&path, 2, &[], &[0, 51, 102, 153, 1, 2, 3, 4]);
        assert_eq!(rows(), [row([0.0, 1.0]), row([51.0, 2.0]), row([102.0, 3.0])]);
        let png = folder.path().join("a.png");
        image::RgbaImage::from_pixel(2, 1, image::Rgba([255, 0, 0, 7])).save(&png).unwrap();
        assert_eq!(read_planes(&png).unwrap().len(), 3);
        image::GrayAlphaImage::from_pixel(2, 1, image::LumaA([255, 7])).save(&png).unwrap();
        assert_eq!(read_planes(&png).unwrap().len(), 1);
    }

    #[test]
    fn other_colour_spaces_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tif");
        let refused = |name: &str| {
            let message = read_planes(&path).unwrap_err().to_string();
            assert!(message.contains("a.tif") && message.contains(name) && message.contains("RGB"), "{message}");
        };
        write_row::<colortype::CMYK8>(&path, 1, &[], &[0, 51, 102, 153]);
        refused("CMYK");
        write_row::<colortype::YCbCr8>(&path, 1, &[], &[0, 51, 102]);
        refused("YCbCr");
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
