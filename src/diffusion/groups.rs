//! How many samples go side by side.

use crate::{Error, Result};

/// Samples of a group, so that `count` of them fall into the fewest groups that fit, as even as can be. `fits` refuses a group
/// that is too large for the adapter; whatever fits, fewer samples fit too.
///
/// # Errors
/// What `fits` says about a single sample, and what to do.
pub(super) fn largest_group(count: usize, fits: impl Fn(usize) -> Result<()>) -> Result<usize> {
    if fits(count).is_ok() {
        return Ok(count);
    }
    fits(1).map_err(|e| match e {
        Error::Limit(m) => Error::Limit(format!(
            "{m}; a single sample is too large already: use smaller images, fewer base filters, or another adapter"
        )),
        other => other,
    })?;
    let (mut good, mut bad) = (1, count);
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if fits(middle).is_ok() {
            good = middle;
        } else {
            bad = middle;
        }
    }
    // As many groups, of sizes that differ by less.
    Ok(count.div_ceil(count.div_ceil(good).max(1)))
}

/// What `make` makes of a group of samples; where the device's memory does not hold that, of half as many, down to one.
///
/// # Errors
/// What `make` says, of memory about a single sample.
pub(super) fn while_memory_lasts<T>(mut group: usize, make: impl Fn(usize) -> Result<T>) -> Result<T> {
    loop {
        match make(group) {
            Err(Error::OutOfMemory(_)) if group > 1 => group = group.div_ceil(2),
            made => return made,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(count: usize, most: usize) -> usize {
        let fits = |n: usize| if (1..=most).contains(&n) { Ok(()) } else { Err(Error::Limit(format!("{n} samples"))) };
        largest_group(count, fits).unwrap()
    }

    #[test]
    fn groups_are_few_and_even() {
        assert_eq!(group(8, 100), 8);
        assert_eq!(group(8, 8), 8);
        assert_eq!(group(8, 7), 4, "two groups of four, not seven and one");
        assert_eq!(group(8, 3), 3);
        assert_eq!(group(9, 2), 2);
        assert_eq!(group(1000, 1), 1);
        for (count, most) in (1..60).flat_map(|count| (1..60).map(move |most| (count, most))) {
            let group = group(count, most);
            assert!(
                group <= most && count.div_ceil(group) == count.div_ceil(most.min(count)),
                "{count}, {most}: {group}"
            );
        }
    }

    #[test]
    fn groups_are_halved_while_memory_is_short() {
        let make = |most: usize| {
            move |group: usize| match group <= most {
                true => Ok(group),
                false => Err(Error::OutOfMemory(format!("{group} samples"))),
            }
        };
        assert_eq!([8, 7, 3, 1].map(|most| while_memory_lasts(8, make(most)).unwrap()), [8, 4, 2, 1]);
        assert_eq!(while_memory_lasts(7, make(3)).unwrap(), 2);
        assert!(matches!(while_memory_lasts(8, make(0)), Err(Error::OutOfMemory(m)) if m == "1 samples"));
        let other = |group: usize| -> Result<usize> { Err(Error::Limit(format!("{group} samples"))) };
        assert!(matches!(while_memory_lasts(8, other), Err(Error::Limit(m)) if m == "8 samples"));
    }

    #[test]
    fn a_sample_that_does_not_fit_is_refused_with_what_to_do() {
        let error = largest_group(4, |n| Err(Error::Limit(format!("{n} samples")))).unwrap_err().to_string();
        assert!(error.contains("1 samples") && error.contains("smaller images"), "{error}");
    }
}
