//! How much samples of one measurement differ.

use super::check_planes;
use crate::data::Plane;
use crate::{Error, Result};

/// The mean over pixels of the standard deviation over samples, in the unit of the samples; the paper takes five. The
/// divisor is one less than their number, as in the sampler's own standard deviation, so that the variance under the root
/// does not depend on how many there are.
///
/// # Errors
/// [`Error::Input`] if there are fewer than two samples or a value is not finite, [`Error::Shape`] if the sizes differ.
pub fn diversity(samples: &[Plane]) -> Result<f64> {
    let [first, _, ..] = samples else {
        return Err(Error::input(format!("diversity compares at least two samples, {} were given", samples.len())));
    };
    samples.iter().try_for_each(|s| check_planes(first, s))?;
    let n = samples.len() as f64;
    let std = |i: usize| {
        let value = |s: &Plane| f64::from(s.values()[i]);
        let mean = samples.iter().map(value).sum::<f64>() / n;
        (samples.iter().map(|s| (value(s) - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
    };
    let pixels = first.values().len();
    Ok((0..pixels).map(std).sum::<f64>() / pixels as f64)
}
