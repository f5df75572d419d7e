//! NumPy's `.npy` files: arrays in and out, for exchange with other libraries.

use std::path::Path;

use npyz::{DType, Deserialize, NpyFile, NpyHeader, Order, TypeChar, WriterBuilder};

use super::write_atomically;
use crate::{Error, Result};

/// Reads an array: its shape (empty for a scalar) and its values in row-major order, whatever order the file has.
///
/// Booleans, integers of 8 to 64 bits and floats of 16, 32 and 64 bits are taken, of either byte order, and rounded to
/// `f32`.
///
/// # Errors
/// [`Error::File`] if the file cannot be read, is no `.npy` file, holds values of another type, or holds more or fewer
/// bytes than its header says.
pub fn read_npy(path: impl AsRef<Path>) -> Result<(Vec<usize>, Vec<f32>)> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    decode(&bytes).map_err(|problem| Error::file(path, problem))
}

/// Writes row-major `values` of this shape as `<f4`, atomically.
///
/// # Errors
/// [`Error::Shape`] if there are more or fewer values than the shape says; as [`write_atomically`].
pub fn write_npy(path: impl AsRef<Path>, shape: &[usize], values: &[f32]) -> Result<()> {
    if elements(shape) != Some(values.len()) {
        return Err(Error::shape(format!("{} values for an array of shape {shape:?}", values.len())));
    }
    let shape: Vec<u64> = shape.iter().map(|&s| s as u64).collect();
    write_atomically(path, |file| {
        let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
        let mut writer = options.writer(file).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()
    })
}

fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}

fn decode(bytes: &[u8]) -> std::result::Result<(Vec<usize>, Vec<f32>), String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    let mut rest = bytes;
    let header = NpyHeader::from_reader(&mut rest).map_err(|e| format!("is not a complete .npy file: {e}"))?;
    let dtype = header.dtype();
    let unknown = || {
        format!(
            "holds values of type {}; booleans, integers and floats of up to 64 bits can be read, so convert it with \
             array.astype('float32')",
            dtype.descr()
        )
    };
    let DType::Plain(plain) = &dtype else { return Err(unknown()) };
    // Before the size: an object has none.
    if !matches!(plain.type_char(), TypeChar::Bool | TypeChar::Float | TypeChar::Int | TypeChar::Uint) {
        return Err(unknown());
    }
    let shape: Option<Vec<usize>> = header.shape().iter().map(|&s| usize::try_from(s).ok()).collect();
    // Checked here, before anything is allocated: a damaged header can promise any number of values.
    let promised = shape.as_deref().and_then(elements).and_then(|len| len.checked_mul(dtype.num_bytes()?));
    let (Some(shape), Some(promised)) = (shape, promised) else {
        return Err(format!("has a damaged header: its shape {:?} is larger than any memory", header.shape()));
    };
    if rest.len() != promised {
        return Err(format!(
            "holds {} bytes of values where its header, {shape:?} of {}, promises {promised}; it is truncated or damaged",
            rest.len(),
            dtype.descr()
        ));
    }
    let order = header.order();
    let file = NpyFile::with_header(header, rest);
    let values = match (plain.type_char(), plain.size_field()) {
        (TypeChar::Float, 2) => convert(file, |v: npyz::half::f16| v.to_f32()),
        (TypeChar::Float, 4) => convert(file, |v: f32| v),
        (TypeChar::Float, 8) => convert(file, |v: f64| v as f32),
        (TypeChar::Bool, _) => convert(file, |v: bool| f32::from(u8::from(v))),
        (TypeChar::Uint, 1) => convert(file, |v: u8| f32::from(v)),
        (TypeChar::Uint, 2) => convert(file, |v: u16| f32::from(v)),
        (TypeChar::Uint, 4) => convert(file, |v: u32| v as f32),
        (TypeChar::Uint, 8) => convert(file, |v: u64| v as f32),
        (TypeChar::Int, 1) => convert(file, |v: i8| f32::from(v)),
        (TypeChar::Int, 2) => convert(file, |v: i16| f32::from(v)),
        (TypeChar::Int, 4) => convert(file, |v: i32| v as f32),
        (TypeChar::Int, 8) => convert(file, |v: i64| v as f32),
        _ => return Err(unknown()),
    }
    .map_err(|e| format!("cannot be read: {e}"))?;
    Ok(match order {
        Order::C => (shape, values),
        Order::Fortran => {
            let values = row_major(&shape, &values);
            (shape, values)
        }
    })
}

fn convert<T: Deserialize>(file: NpyFile<&[u8]>, to_f32: impl Fn(T) -> f32) -> std::io::Result<Vec<f32>> {
    let values = file.data::<T>().map_err(|e| std::io::Error::other(e.to_string()))?;
    values.map(|v| v.map(&to_f32)).collect()
}

/// Column-major values, the first index fastest, put into row-major order.
fn row_major(shape: &[usize], values: &[f32]) -> Vec<f32> {
    let mut at = vec![0usize; shape.len()];
    (0..values.len())
        .map(|_| {
            let from = at.iter().zip(shape).rev().fold(0, |position, (&i, &size)| position * size + i);
            // The next index in row-major order: the last one counts fastest and carries to the left.
            for (i, &size) in at.iter_mut().zip(shape).rev() {
                *i += 1;
                if *i < size {
                    break;
                }
                *i = 0;
            }
            values[from]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version 1.0 file as NumPy writes it.
    fn file(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let fortran = if fortran { "True" } else { "False" };
        let mut text = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}");
        while (10 + text.len() + 1) % 64 != 0 {
            text.push(' ');
        }
        text.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.npy");
        let values: Vec<f32> = (0..24).map(|i| i as f32 * 0.37 - 3.0).collect();
        for shape in [vec![24], vec![2, 3, 4], vec![1, 24, 1]] {
            write_npy(&path, &shape, &values).unwrap();
            assert_eq!(read_npy(&path).unwrap(), (shape, values.clone()));
        }
        write_npy(&path, &[], &[2.5]).unwrap();
        assert_eq!(read_npy(&path).unwrap(), (vec![], vec![2.5]));
        assert!(write_npy(&path, &[2, 3], &values).is_err());
        assert_eq!(read_npy(&path).unwrap().1, [2.5], "a refused array leaves the file alone");
    }

    #[test]
    fn types_and_byte_orders_become_f32() {
        let read = |descr: &str, data: &[u8]| decode(&file(descr, false, "(2,)", data)).unwrap().1;
        assert_eq!(read("'<f8'", &[1.5f64.to_le_bytes(), (-2.25f64).to_le_bytes()].concat()), [1.5, -2.25]);
        assert_eq!(read("'>f4'", &[1.5f32.to_be_bytes(), (-2.25f32).to_be_bytes()].concat()), [1.5, -2.25]);
        assert_eq!(read("'<f2'", &[0x00, 0x3e, 0x00, 0xc0]), [1.5, -2.0]);
        assert_eq!(read("'|u1'", &[3, 255]), [3.0, 255.0]);
        assert_eq!(read("'<u2'", &[1, 2, 255, 255]), [513.0, 65535.0]);
        assert_eq!(read("'<i8'", &[7i64.to_le_bytes(), (-8i64).to_le_bytes()].concat()), [7.0, -8.0]);
        assert_eq!(read("'|b1'", &[0, 1]), [0.0, 1.0]);
    }

    #[test]
    fn fortran_order_is_put_into_row_major_order() {
        // a[i, j, k] = 100 i + 10 j + k of shape (2, 3, 2), the first index fastest.
        let value = |i: u8, j: u8, k: u8| 100 * i + 10 * j + k;
        let mut data = Vec::new();
        for (k, j, i) in (0..2).flat_map(|k| (0..3).flat_map(move |j| (0..2).map(move |i| (k, j, i)))) {
            data.push(value(i, j, k));
        }
        let want: Vec<f32> =
            (0..2).flat_map(|i| (0..3).flat_map(move |j| (0..2).map(move |k| f32::from(value(i, j, k))))).collect();
        assert_eq!(decode(&file("'|u1'", true, "(2, 3, 2)", &data)).unwrap(), (vec![2, 3, 2], want));
    }

    #[test]
    fn damaged_files_say_what_is_wrong() {
        let problem = |bytes: &[u8]| decode(bytes).unwrap_err();
        let whole = file("'<f4'", false, "(2, 3)", &[0; 24]);
        assert!(problem(&[]).contains("empty"));
        assert!(problem(b"not an array at all").contains("not a complete .npy file"));
        assert!(problem(&whole[..whole.len() - 5]).contains("19 bytes"), "{}", problem(&whole[..whole.len() - 5]));
        assert!(problem(&[&whole[..], &[0; 4]].concat()).contains("28 bytes"));
        // Every length: never a panic, never a success.
        assert!((0..whole.len()).all(|len| decode(&whole[..len]).is_err()));
        let huge = file("'<f4'", false, "(4294967296, 4294967296, 16)", &[0; 24]);
        assert!(problem(&huge).contains("damaged header"), "{}", problem(&huge));
        for (descr, size) in [("'<c8'", 8), ("'<U3'", 12), ("'|O'", 8), ("[('a', '<f4')]", 4)] {
            let message = problem(&file(descr, false, "(1,)", &[0; 12][..size]));
            assert!(message.contains("type"), "{descr}: {message}");
        }
    }
}
