//! Files of data sets, made for a test.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::path::Path;

use cvdm::data::write_atomically;

/// Writes sections of 16-bit samples as an MRC2014 file.
pub fn write_mrc(path: &Path, [sections, rows, columns]: [usize; 3], sample: impl Fn(usize, usize, usize) -> u16) {
    let mut bytes = vec![0u8; 1024];
    let words = [columns as i32, rows as i32, sections as i32, 6];
    words.iter().enumerate().for_each(|(i, word)| bytes[4 * i..4 * i + 4].copy_from_slice(&word.to_le_bytes()));
    bytes[208..214].copy_from_slice(b"MAP DD");
    for i in 0..sections * rows * columns {
        bytes.extend(sample(i / (rows * columns), i / columns % rows, i % columns).to_le_bytes());
    }
    write_atomically(path, |file| file.write_all(&bytes)).unwrap();
}

/// Writes a picture in colour, of the kind that the name says.
pub fn write_picture(path: &Path, height: usize, width: usize) {
    let picture = image::RgbImage::from_fn(width as u32, height as u32, |x, y| {
        image::Rgb([(x * 3 % 256) as u8, (y * 5 % 256) as u8, ((x + y) % 256) as u8])
    });
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}
