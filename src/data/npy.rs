//! NumPy's .npy files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use npyz::{NpyFile, WriterBuilder};

use super::write_atomically;
use crate::{Error, Result};

/// Reads an array of `float32`: its shape and values in C order.
///
/// # Errors
/// [`Error::File`] if the file is missing, truncated, of another type or in Fortran order.
pub fn read_npy(path: impl AsRef<Path>) -> Result<(Vec<usize>, Vec<f32>)> {
    let path = path.as_ref();
    let failed = |e: std::io::Error| Error::file(path, format!("is not a readable .npy file: {e}"));
    let npy = NpyFile::new(BufReader::new(File::open(path).map_err(failed)?)).map_err(failed)?;
    let shape = npy.shape().iter().map(|&n| n as usize).collect();
    if npy.order() != npyz::Order::C {
        return Err(Error::file(path, "is in Fortran order; save it with numpy.ascontiguousarray"));
    }
    Ok((shape, npy.into_vec::<f32>().map_err(failed)?))
}

/// Writes an array of `float32`.
///
/// # Errors
/// [`Error::File`] if it cannot be written.
pub fn write_npy(path: impl AsRef<Path>, shape: &[usize], values: &[f32]) -> Result<()> {
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    write_atomically(path, |file| {
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()
    })
}
