//! Microscopy stacks in the MRC format, one section at a time.
//!
//! Two dialects share the extension and most of the header: MRC2014 (electron microscopy; the letters `MAP ` and a machine
//! stamp) and Priism, also known as DeltaVision (light microscopy; the number −16224 at byte 96), which the
//! programs published for BioSR expect. Files with neither mark are taken if the header explains the file's length to the byte.

mod header;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use npyz::half::f16;

pub use self::header::MrcMode;
use self::header::{HEADER, Header, Order};
use super::Plane;
use super::image_file::check_finite;
use crate::{Error, Result};

/// An open MRC file. Only its header is in memory; sections are read one by one.
#[derive(Debug)]
pub struct MrcFile {
    path: PathBuf,
    file: File,
    header: Header,
}

impl MrcFile {
    /// Opens a file and checks its header against its length. Bytes after the last section are ignored.
    ///
    /// # Errors
    /// [`Error::File`] if the file is missing, no MRC file, truncated, or holds samples of a kind that is not read (complex
    /// numbers, packed 4-bit samples, colours).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |e: std::io::Error| Error::file(path, format!("cannot be read: {e}"));
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(Error::file(path, "is a folder; give an MRC file"));
        }
        if metadata.len() < HEADER as u64 {
            return Err(Error::file(
                path,
                format!("is truncated or no MRC file: {} bytes, a header alone has {HEADER}", metadata.len()),
            ));
        }
        let mut bytes = [0; HEADER];
        file.read_exact(&mut bytes).map_err(failed)?;
        let header = Header::parse(&bytes, metadata.len()).map_err(|problem| Error::file(path, problem))?;
        Ok(Self { path: path.to_path_buf(), file, header })
    }

    /// Rows of a section.
    pub fn height(&self) -> usize {
        self.header.height
    }

    /// Columns of a section.
    pub fn width(&self) -> usize {
        self.header.width
    }

    /// How many sections.
    pub fn sections(&self) -> usize {
        self.header.sections
    }

    /// What the samples are.
    pub fn mode(&self) -> MrcMode {
        self.header.mode
    }

    /// Spacing of the samples along x, y and z in µm, none where the header does not say: along z, single images often have none.
    pub fn voxel_um(&self) -> [Option<f64>; 3] {
        self.header.voxel_um
    }

    /// Section `index`, its rows in the file's order, its samples as they are (not scaled).
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such section; [`Error::File`] if it cannot be read or holds NaN or infinite samples.
    pub fn section(&mut self, index: usize) -> Result<Plane> {
        let Header { order, mode, width, height, sections, start, .. } = self.header;
        if index >= sections {
            return Err(Error::input(format!(
                "section {index} of {}, which has {sections} (counted from 0)",
                self.path.display()
            )));
        }
        let mut bytes = vec![0; self.header.section_bytes()];
        let place = SeekFrom::Start(start + bytes.len() as u64 * index as u64);
        let read = self.file.seek(place).and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|e| Error::file(&self.path, format!("section {index} cannot be read: {e}")))?;
        let sample: fn(Order, &[u8]) -> f32 = match mode {
            MrcMode::I8 => |_, b| f32::from(b[0] as i8),
            MrcMode::U8 => |_, b| f32::from(b[0]),
            MrcMode::I16 => |o, b| f32::from(i16::from_le_bytes(o.array(b))),
            MrcMode::U16 => |o, b| f32::from(u16::from_le_bytes(o.array(b))),
            MrcMode::F16 => |o, b| f16::from_le_bytes(o.array(b)).to_f32(),
            MrcMode::F32 => |o, b| f32::from_le_bytes(o.array(b)),
        };
        let values = bytes.chunks_exact(mode.bytes()).map(|b| sample(order, b)).collect();
        let plane = Plane::new(height, width, values)?;
        check_finite(&self.path, &plane)?;
        Ok(plane)
    }

    /// The mean of all sections, summed in `f64` with one section in memory at a time.
    ///
    /// # Errors
    /// As [`MrcFile::section`].
    pub fn mean(&mut self) -> Result<Plane> {
        let mut sums = vec![0.0f64; self.height() * self.width()];
        for index in 0..self.sections() {
            let section = self.section(index)?;
            sums.iter_mut().zip(section.values()).for_each(|(sum, v)| *sum += f64::from(*v));
        }
        let count = self.sections() as f64;
        Plane::new(self.height(), self.width(), sums.into_iter().map(|sum| (sum / count) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::header::PRIISM;
    use super::*;

    /// A file of the given mode, byte order and sizes `[columns, rows, sections]` whose samples are `samples`, little-endian.
    fn file(mode: i32, order: Order, sizes: [i32; 3], extended: &[u8], width: usize, samples: &[u8]) -> Vec<u8> {
        let mut header = [0u8; HEADER];
        let mut put = |at: usize, mut word: [u8; 4]| {
            if order == Order::Big {
                word.reverse();
            }
            header[at..at + 4].copy_from_slice(&word);
        };
        for (axis, size) in sizes.into_iter().enumerate() {
            put(4 * axis, size.to_le_bytes());
            put(28 + 4 * axis, size.to_le_bytes());
            put(40 + 4 * axis, (size as f32 * 626.0).to_le_bytes());
        }
        put(12, mode.to_le_bytes());
        put(92, (extended.len() as i32).to_le_bytes());
        header[208..212].copy_from_slice(b"MAP ");
        header[212..214].copy_from_slice(if order == Order::Little { &[0x44, 0x44] } else { &[0x11, 0x11] });
        let mut samples = samples.to_vec();
        if order == Order::Big {
            samples.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        [&header[..], extended, &samples].concat()
    }

    fn open(bytes: &[u8]) -> Result<MrcFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mrc");
        std::fs::write(&path, bytes).unwrap();
        MrcFile::open(&path)
    }

    fn problem(bytes: &[u8]) -> String {
        let message = open(bytes).unwrap_err().to_string();
        assert!(message.contains("a.mrc"), "{message}");
        message
    }

    /// A small file of 16-bit samples 0, 1, 2 …
    fn counting() -> Vec<u8> {
        let samples: Vec<u8> = (0..24i16).flat_map(i16::to_le_bytes).collect();
        file(1, Order::Little, [4, 3, 2], &[7; 10], 2, &samples)
    }

    #[test]
    fn every_mode_comes_back_in_both_byte_orders() {
        // Whatever the bytes are, each sample is what they mean in the mode; sizes, extended header and contents vary.
        let mut state = 1u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        for (mode, width) in [(0, 1), (1, 2), (2, 4), (6, 2), (12, 2)] {
            for order in [Order::Little, Order::Big] {
                for _ in 0..20 {
                    let sizes = [1 + random() % 7, 1 + random() % 5, 1 + random() % 4].map(|s| s as i32);
                    let count = sizes.iter().product::<i32>() as usize;
                    let values: Vec<f32> = (0..count)
                        .map(|_| match mode {
                            0 => (random() % 256) as f32 - 128.0,
                            1 => (random() % 65_536) as f32 - 32_768.0,
                            2 => (random() % 1_000_000) as f32 * 1e-3 - 500.0,
                            6 => (random() % 65_536) as f32,
                            _ => f16::from_f32((random() % 4_000) as f32 * 0.3 - 600.0).to_f32(),
                        })
                        .collect();
                    let encode = |v: &f32| match mode {
                        0 => vec![*v as i8 as u8],
                        1 => (*v as i16).to_le_bytes().to_vec(),
                        2 => v.to_le_bytes().to_vec(),
                        6 => (*v as u16).to_le_bytes().to_vec(),
                        _ => f16::from_f32(*v).to_le_bytes().to_vec(),
                    };
                    let samples: Vec<u8> = values.iter().flat_map(encode).collect();
                    let extended = vec![9; (random() % 40) as usize];
                    let mut read = open(&file(mode, order, sizes, &extended, width, &samples)).unwrap();
                    assert_eq!([read.width(), read.height(), read.sections()], sizes.map(|s| s as usize));
                    let voxel = read.voxel_um();
                    assert!(voxel.iter().all(|v| (v.unwrap() - 0.0626).abs() < 1e-8), "{voxel:?}");
                    let back: Vec<f32> =
                        (0..read.sections()).flat_map(|z| read.section(z).unwrap().values().to_vec()).collect();
                    assert_eq!(back, values, "mode {mode}, {order:?}, {sizes:?}");
                }
            }
        }
    }

    #[test]
    fn sections_are_read_by_number_and_averaged() {
        let mut read = open(&counting()).unwrap();
        assert_eq!(read.section(1).unwrap().values()[..3], [12.0, 13.0, 14.0]);
        assert_eq!(read.section(0).unwrap().at(1, 2), 6.0);
        assert_eq!(read.mean().unwrap().values()[..2], [6.0, 7.0]);
        assert!(matches!(read.section(2), Err(Error::Input(_))));
    }

    #[test]
    fn marks_other_than_the_standard_are_understood() {
        let mut priism = counting();
        priism[208..216].fill(0);
        priism[96..98].copy_from_slice(&PRIISM.to_le_bytes());
        // Priism counts one sample a spacing, and that in µm; its bytes have no sign.
        for axis in 0..3 {
            priism[28 + 4 * axis..][..4].copy_from_slice(&1i32.to_le_bytes());
            priism[40 + 4 * axis..][..4].copy_from_slice(&0.0626f32.to_le_bytes());
        }
        let mut read = open(&priism).unwrap();
        assert!((read.voxel_um()[0].unwrap() - 0.0626).abs() < 1e-8);
        assert_eq!(read.section(0).unwrap().at(2, 3), 11.0);
        priism[12] = 0;
        priism[1034] = 200;
        assert_eq!(open(&priism).unwrap().section(0).unwrap().at(0, 0), 200.0);

        for order in [Order::Little, Order::Big] {
            let samples: Vec<u8> = (0..24i16).flat_map(i16::to_le_bytes).collect();
            let mut bare = file(1, order, [4, 3, 2], &[], 2, &samples);
            bare[208..216].fill(0);
            assert_eq!(open(&bare).unwrap().section(1).unwrap().at(0, 1), 13.0);
            bare.push(0);
            assert!(problem(&bare).contains("no MRC file"), "no mark and one byte too many");
        }
        let mut flat = counting();
        flat[48..52].fill(0);
        assert!(matches!(open(&flat).unwrap().voxel_um(), [Some(_), Some(_), None]), "no spacing of sections");
        let mut stamp = counting();
        stamp[212..214].copy_from_slice(&[9, 9]);
        assert!(open(&stamp).is_ok(), "the length tells the byte order");
        stamp.pop();
        assert!(problem(&stamp).contains("machine stamp"));
    }

    #[test]
    fn malformed_files_say_what_is_wrong() {
        let whole = counting();
        assert!((0..whole.len()).all(|length| open(&whole[..length]).is_err()), "any part of a file is refused");
        assert!(open(&[&whole[..], &[0; 100]].concat()).is_ok(), "what follows the sections is no matter");
        assert!(problem(&whole[..500]).contains("500 bytes"));
        assert!(problem(&whole[..whole.len() - 1]).contains("truncated"));
        assert!(problem(&[b'x'; 5000]).contains("no MRC file"));
        assert!(MrcFile::open(tempfile::tempdir().unwrap().path()).is_err(), "a folder");
        let with = |at: usize, value: i32| {
            let mut bytes = whole.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            problem(&bytes)
        };
        for mode in [3, 4, 7, 16, 101, -1] {
            assert!(with(12, mode).contains(&format!("mode {mode}")));
        }
        assert!(with(0, 0).contains("0 columns"));
        assert!(with(4, -5).contains("-5 rows"));
        assert!(with(8, i32::MAX).contains("sections"));
        assert!(with(92, -4).contains("extended header"));
        assert!(with(92, i32::MAX).contains("truncated"));
        let nan = file(2, Order::Little, [1, 1, 1], &[], 4, &f32::NAN.to_le_bytes());
        assert!(open(&nan).unwrap().section(0).unwrap_err().to_string().contains("NaN"));
    }
}
