//! TIFF: 8 and 16 bits or 32-bit float, several pages.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::Path;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::samples::{LARGEST, Layout, MOST_BYTES, split};
use super::{Plane, write_atomically};
use crate::{Error, Result};

/// Of the tag that says whether the channels lie pixel by pixel or in planes of their own.
const SEPARATE: u16 = 2;

/// The layout of a page.
fn tiff_layout(path: &Path, decoder: &mut Decoder<BufReader<File>>) -> Result<Layout> {
    let broken = |e: TiffError| Error::file(path, format!("is not a complete TIFF: {e}"));
    let kind = decoder.colortype().map_err(broken)?;
    let channels = kind.num_samples() as usize;
    if kind.bit_depth() < 8 {
        return Err(Error::file(path, format!("has {} bits a sample; save it with 8, 16 or 32", kind.bit_depth())));
    }
    let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(broken)? == Some(SEPARATE);
    if channels > 1 && planar {
        return Err(Error::file(path, "keeps its channels in separate planes; save them pixel by pixel (interleaved)"));
    }
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

/// The pages of a TIFF, each with its channels, as [`read_planes`](super::read_planes) gives them.
pub(super) fn read_tiff(path: &Path) -> Result<Vec<Vec<Plane>>> {
    let broken = |e: TiffError| match e {
        TiffError::LimitsExceeded => Error::file(path, format!("is too large; at most {LARGEST} on a side are read")),
        other => Error::file(path, format!("is not a complete TIFF: {other}")),
    };
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    let file = File::open(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(broken)?.with_limits(limits);
    let mut pages = Vec::new();
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
        pages.push(split(path, height, width, layout, &samples)?);
        if !decoder.more_images() {
            return Ok(pages);
        }
        decoder.next_image().map_err(broken)?;
    }
}

/// Writes planes as the pages of a 32-bit float TIFF.
///
/// # Errors
/// [`Error::File`] if it cannot be written, [`Error::Shape`] if there are no planes.
pub fn write_tiff(path: impl AsRef<Path>, planes: &[&Plane]) -> Result<()> {
    let path = path.as_ref();
    if planes.is_empty() {
        return Err(Error::shape(format!("a TIFF of no planes ({})", path.display())));
    }
    let mut bytes = Cursor::new(Vec::new());
    let failed = |e: TiffError| Error::file(path, format!("cannot be written: {e}"));
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

    use super::super::{read_gray, read_planes};
    use super::*;

    #[test]
    fn integers_are_scaled() {
        let folder = tempfile::tempdir().unwrap();
        let eight = folder.path().join("8.tiff");
        let mut encoder = TiffEncoder::new(File::create(&eight).unwrap()).unwrap();
        encoder.write_image::<colortype::Gray8>(2, 1, &[0, 255]).unwrap();
        assert_eq!(read_gray(&eight).unwrap().values(), [0.0, 1.0]);
        let sixteen = folder.path().join("16.tiff");
        let mut encoder = TiffEncoder::new(File::create(&sixteen).unwrap()).unwrap();
        encoder.write_image::<colortype::Gray16>(2, 1, &[0, 65_535]).unwrap();
        assert_eq!(read_gray(&sixteen).unwrap().values(), [0.0, 1.0]);
        assert!(matches!(write_tiff(&eight, &[]), Err(Error::Shape(_))));
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

    /// A TIFF put together by hand: `values`, behind the header, and a directory of (tag, type, count, value or where it lies).
    fn assembled(values: &[u8], directory: &[(u16, u16, u32, u32)]) -> Vec<u8> {
        let mut bytes = b"II\x2a\0".to_vec();
        bytes.extend((8 + values.len() as u32).to_le_bytes());
        bytes.extend(values);
        bytes.extend((directory.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in directory {
            bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
        }
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn planes_and_bits_are_refused_by_name() {
        const SHORT: u16 = 3;
        const LONG: u16 = 4;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tif");
        let refused = |bytes: Vec<u8>, word: &str| {
            std::fs::write(&path, bytes).unwrap();
            let message = read_planes(&path).unwrap_err().to_string();
            assert!(message.contains("a.tif") && message.contains(word), "{message}");
        };
        let sizes = [(256, SHORT, 1, 8), (257, SHORT, 1, 1)];
        let gray = [(258, SHORT, 1, 1), (262, SHORT, 1, 1), (273, LONG, 1, 8), (277, SHORT, 1, 1), (279, LONG, 1, 1)];
        refused(assembled(&[0xa5, 0], &[&sizes[..], &gray].concat()), "1 bits a sample");
        // Three planes of eight bytes, how long each is, where it lies, and the bits of a sample.
        let mut values = vec![0; 24];
        values.extend([8u32, 8, 8, 8, 16, 24].map(u32::to_le_bytes).concat());
        values.extend([8u16; 3].map(u16::to_le_bytes).concat());
        let planes = [
            (258, SHORT, 3, 56),
            (262, SHORT, 1, 2),
            (273, LONG, 3, 44),
            (277, SHORT, 1, 3),
            (278, SHORT, 1, 1),
            (279, LONG, 3, 32),
            (284, SHORT, 1, 2),
        ];
        refused(assembled(&values, &[&sizes[..], &planes].concat()), "separate planes");
    }
}
