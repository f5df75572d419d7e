//! The paper's claims, each decided by numbers.
//!
//! Tests take images, or specimens, for independent. Answers to them are not quite: all images of one size are sampled with the same noise, that of
//! [`SampleOptions::seed`](crate::diffusion::SampleOptions::seed), so that a p-value is about other images, given this noise, and not
//! about other samples.

use serde::Serialize;

use super::format::Format;
use crate::Result;
use crate::metrics::{paired_t_test, wilcoxon_signed_rank};

/// The level at which a difference counts. Not corrected for the number of claims; the p-values are in the report.
pub const LEVEL: f64 = 0.05;

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The numbers say so.
    Holds,
    /// The numbers say the contrary.
    DoesNotHold,
    /// The numbers do not tell.
    NotDecided,
}

impl Verdict {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::DoesNotHold => "does not hold",
            Self::NotDecided => "not decided",
        }
    }
}

/// A claim of the paper and what our numbers say about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// The claim.
    pub statement: String,
    /// Where the paper makes it.
    pub source: String,
    /// What became of it.
    pub verdict: Verdict,
    /// How likely a difference as large would be if there were none; none where no test was made.
    pub p: Option<f64>,
    /// The numbers.
    pub evidence: String,
}

/// Two methods on the same images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// Mean of the first.
    pub first: f64,
    /// Mean of the second.
    pub second: f64,
    /// Wilcoxon's signed-rank test, two-sided.
    pub wilcoxon: f64,
    /// Whether the ranks of the images on which the first is larger outweigh the others. Where one image is far off, the means may say
    /// the contrary.
    pub first_is_larger: bool,
    /// Student's paired t-test, two-sided; none if it cannot be made.
    pub t_test: Option<f64>,
    /// Images, or specimens where several images are of one.
    pub images: usize,
}

impl Comparison {
    /// Compares paired values.
    ///
    /// # Errors
    /// Those of [`wilcoxon_signed_rank`].
    pub fn of(first: &[f64], second: &[f64]) -> Result<Self> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let ranks = wilcoxon_signed_rank(first, second)?;
        Ok(Self {
            wilcoxon: ranks.p_value,
            first_is_larger: ranks.positive > ranks.negative,
            // One image, or differences without scatter: then there is no such test.
            t_test: paired_t_test(first, second).ok().map(|t| t.p_value),
            first: mean(first),
            second: mean(second),
            images: first.len(),
        })
    }

    /// The verdict on "the first is larger than the second", test and direction both of the ranks.
    fn verdict(&self) -> Verdict {
        match (self.wilcoxon < LEVEL, self.first_is_larger) {
            (false, _) => Verdict::NotDecided,
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::DoesNotHold,
        }
    }
}

/// A test's p-value in a sentence: "p = 0.013", "p < 0.001".
fn chance(p: f64) -> String {
    let text = Format::P.text(p);
    if text.starts_with('<') { format!("p {text}") } else { format!("p = {text}") }
}

/// What the values of a test are of. The test takes them for independent, which several images of one specimen are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Of an image each.
    Image,
    /// Of a specimen each, the means over its images ([`by_specimen`]).
    Specimen,
}

impl Unit {
    fn count(self, count: usize) -> String {
        let name = match self {
            Self::Image => "image",
            Self::Specimen => "specimen",
        };
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    }
}

/// "The first values are larger than the second", pair by pair.
///
/// # Errors
/// Those of [`Comparison::of`].
pub fn larger(statement: impl Into<String>, source: &str, of: Unit, first: &[f64], second: &[f64]) -> Result<Claim> {
    let c = Comparison::of(first, second)?;
    let format = Format::Digits(4);
    let evidence = format!(
        "{} against {}, a difference of {} over {}; {}",
        format.text(c.first),
        format.text(c.second),
        Format::Signed(4).text(c.first - c.second),
        of.count(c.images),
        chance(c.wilcoxon),
    );
    Ok(Claim {
        statement: statement.into(),
        source: source.into(),
        verdict: c.verdict(),
        p: Some(c.wilcoxon),
        evidence,
    })
}

/// [`larger`] over the pairs where both values are finite; the mean over a region without pixels is not. Not decided where there is
/// no such pair.
///
/// # Errors
/// Those of [`Comparison::of`].
pub fn larger_where_finite(
    statement: impl Into<String>,
    source: &str,
    of: Unit,
    first: &[f64],
    second: &[f64],
) -> Result<Claim> {
    let (first, second) = finite_pairs(first, second);
    if !first.is_empty() {
        return larger(statement, source, of, &first, &second);
    }
    let evidence = "no image has both".into();
    Ok(Claim { statement: statement.into(), source: source.into(), verdict: Verdict::NotDecided, p: None, evidence })
}

/// The pairs of which both values are finite.
pub fn finite_pairs(first: &[f64], second: &[f64]) -> (Vec<f64>, Vec<f64>) {
    first.iter().zip(second).filter(|(a, b)| a.is_finite() && b.is_finite()).unzip()
}

/// The means over the images of each specimen, of the pairs of which both values are finite; those of no such pair are left out.
/// `specimens` has every image's, and results come in the order in which it names them.
pub fn by_specimen<K: PartialEq>(specimens: &[K], first: &[f64], second: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut sums: Vec<(&K, [f64; 3])> = Vec::new();
    let finite = specimens.iter().zip(first.iter().zip(second)).filter(|(_, (a, b))| a.is_finite() && b.is_finite());
    for (specimen, (a, b)) in finite {
        let known = sums.iter().position(|(k, _)| *k == specimen).unwrap_or_else(|| {
            sums.push((specimen, [0.0; 3]));
            sums.len() - 1
        });
        sums[known].1.iter_mut().zip([*a, *b, 1.0]).for_each(|(sum, value)| *sum += value);
    }
    sums.into_iter().map(|(_, [a, b, images])| (a / images, b / images)).unzip()
}

/// "The first values are smaller than the second", pair by pair.
///
/// # Errors
/// Those of [`Comparison::of`].
pub fn smaller(statement: impl Into<String>, source: &str, of: Unit, first: &[f64], second: &[f64]) -> Result<Claim> {
    let mut claim = larger(statement, source, of, first, second)?;
    claim.verdict = match claim.verdict {
        Verdict::Holds => Verdict::DoesNotHold,
        Verdict::DoesNotHold => Verdict::Holds,
        Verdict::NotDecided => Verdict::NotDecided,
    };
    Ok(claim)
}

/// "These rank correlations within images, one an image or specimen, are positive." There are none where one of the two maps is the
/// same everywhere.
///
/// # Errors
/// Those of [`Comparison::of`].
pub fn positive(statement: impl Into<String>, source: &str, of: Unit, correlations: &[f64]) -> Result<Claim> {
    let (statement, source) = (statement.into(), source.into());
    if correlations.is_empty() {
        let evidence = "one of the two maps is the same everywhere".into();
        return Ok(Claim { statement, source, verdict: Verdict::NotDecided, p: None, evidence });
    }
    let c = Comparison::of(correlations, &vec![0.0; correlations.len()])?;
    let signs = if correlations.iter().all(|&v| v > 0.0) { ", positive in all" } else { "" };
    let mean = Format::Digits(3).text(c.first);
    let images = if of == Unit::Image { "" } else { "images of " };
    let evidence =
        format!("mean rank correlation {mean} within {images}{}{signs}; {}", of.count(c.images), chance(c.wilcoxon));
    Ok(Claim { statement, source, verdict: c.verdict(), p: Some(c.wilcoxon), evidence })
}

/// "The first number is larger than the second by more than `margin`" for every one of `what` (training seeds, stacks): too few for a
/// test. The contrary has to be as clear, and without numbers nothing is decided.
pub fn larger_in_every(
    what: &str,
    statement: impl Into<String>,
    source: &str,
    pairs: &[(f64, f64)],
    margin: f64,
) -> Claim {
    let larger = pairs.iter().filter(|(a, b)| a - b > margin).count();
    let verdict = if pairs.is_empty() {
        Verdict::NotDecided
    } else if larger == pairs.len() {
        Verdict::Holds
    } else if pairs.iter().all(|(a, b)| b - a > margin) {
        Verdict::DoesNotHold
    } else {
        Verdict::NotDecided
    };
    let numbers: Vec<String> = pairs.iter().map(|(a, b)| format!("{a:.3} against {b:.3}")).collect();
    let by = if margin > 0.0 { format!("by more than {margin} ") } else { String::new() };
    let evidence = match pairs.len() {
        0 => format!("there are no {what} to compare"),
        all => format!("{by}in {larger} of {all} {what}: {}", numbers.join("; ")),
    };
    Claim { statement: statement.into(), source: source.into(), verdict, p: None, evidence }
}

/// "The means differ by less than `margin`": two one-sided paired t-tests, of which the larger p counts. It does not hold if the means
/// differ by significantly more.
pub fn equivalent(statement: impl Into<String>, source: &str, first: &[f64], second: &[f64], margin: f64) -> Claim {
    // How likely a difference as far above `bound` would be if it were `bound` or less.
    let above = |a: &[f64], b: &[f64], bound: f64| {
        let shifted: Vec<f64> = a.iter().map(|v| v - bound).collect();
        let test = paired_t_test(&shifted, b).ok()?;
        Some(if test.mean_difference > 0.0 { 0.5 * test.p_value } else { 1.0 - 0.5 * test.p_value })
    };
    let inside = above(first, second, -margin).zip(above(second, first, -margin)).map(|(a, b)| a.max(b));
    let outside = above(first, second, margin).zip(above(second, first, margin)).map(|(a, b)| a.min(b));
    let verdict = match (inside, outside) {
        (Some(p), _) if p < LEVEL => Verdict::Holds,
        (_, Some(p)) if p < LEVEL => Verdict::DoesNotHold,
        _ => Verdict::NotDecided,
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let p = inside.map_or(String::new(), |p| format!("; {} for less than {margin}", chance(p)));
    let evidence = format!(
        "{:.3} against {:.3}, a difference of {} over {} images{p}",
        mean(first),
        mean(second),
        Format::Signed(3).text(mean(first) - mean(second)),
        first.len()
    );
    Claim { statement: statement.into(), source: source.into(), verdict, p: inside, evidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_decided_by_the_test_and_the_direction() {
        let low: Vec<f64> = (0..10).map(f64::from).collect();
        let high: Vec<f64> = low.iter().map(|v| v + 1.0 + 0.01 * v).collect();
        let verdict = |a: &[f64], b: &[f64]| larger("", "", Unit::Image, a, b).unwrap().verdict;
        assert_eq!((verdict(&high, &low), verdict(&low, &high)), (Verdict::Holds, Verdict::DoesNotHold));
        assert_eq!(smaller("", "", Unit::Image, &low, &high).unwrap().verdict, Verdict::Holds);
        // Five images cannot reach the level, whatever they say; equal ones neither.
        assert_eq!((verdict(&high[..5], &low[..5]), verdict(&low, &low)), (Verdict::NotDecided, Verdict::NotDecided));
        assert!(larger("", "", Unit::Image, &[1.0], &[]).is_err());
        // One image far off turns the means about, not the ranks that are tested.
        let mut one_off = high.clone();
        one_off[0] = -100.0;
        let (first, second) = ([one_off.as_slice(), &high].concat(), [low.as_slice(), &low].concat());
        let claim = larger("", "", Unit::Image, &first, &second).unwrap();
        assert_eq!(claim.verdict, Verdict::Holds, "{}", claim.evidence);
        assert!(claim.evidence.contains("a difference of -") || claim.evidence.contains("a difference of −"));
    }

    #[test]
    fn an_image_without_one_of_two_regions_decides_nothing() {
        let low: Vec<f64> = (0..10).map(f64::from).collect();
        let high: Vec<f64> = low.iter().map(|v| v + 1.0 + 0.01 * v).collect();
        let with_nan = |values: &[f64]| [values, &[f64::NAN]].concat();
        let claim = larger_where_finite("", "", Unit::Image, &with_nan(&high), &with_nan(&low)).unwrap();
        assert_eq!(claim, larger("", "", Unit::Image, &high, &low).unwrap());
        for none in [&[][..], &[f64::NAN]] {
            let claim = larger_where_finite("", "", Unit::Image, none, none).unwrap();
            assert_eq!((claim.verdict, claim.p), (Verdict::NotDecided, None));
        }
    }

    #[test]
    fn images_of_one_specimen_count_once() {
        // Four cells at nine levels of signal: however many images there are, four differences decide nothing.
        let (cells, levels) = (4, 9);
        let specimens: Vec<usize> = (0..cells * levels).map(|i| i / levels).collect();
        let low: Vec<f64> = (0..cells * levels).map(|i| i as f64).collect();
        let high: Vec<f64> = low.iter().map(|v| v + 1.0 + 0.01 * v).collect();
        assert_eq!(larger("", "", Unit::Image, &high, &low).unwrap().verdict, Verdict::Holds);
        let (first, second) = by_specimen(&specimens, &high, &low);
        assert_eq!(second, [4.0, 13.0, 22.0, 31.0]);
        let claim = larger("", "", Unit::Specimen, &first, &second).unwrap();
        assert_eq!(claim.verdict, Verdict::NotDecided);
        assert!(claim.evidence.contains("over 4 specimens"), "{}", claim.evidence);
        let correlations = positive("", "", Unit::Specimen, &first).unwrap();
        assert!(correlations.evidence.contains("within images of 4 specimens"), "{}", correlations.evidence);
        // Both means are of the images that have both values, and specimens may be named in any order.
        let nan = f64::NAN;
        let found = by_specimen(&["b", "a", "b", "c"], &[1.0, 5.0, 3.0, nan], &[2.0, 6.0, nan, 1.0]);
        assert_eq!(found, (vec![1.0, 5.0], vec![2.0, 6.0]));
    }

    #[test]
    fn correlations_are_positive_or_negative_or_too_few() {
        let of = |values: &[f64]| positive("", "", Unit::Image, values).unwrap();
        let values: Vec<f64> = (1..=12).map(|i| 0.05 * f64::from(i)).collect();
        let opposite: Vec<f64> = values.iter().map(|v| -v).collect();
        assert_eq!((of(&values).verdict, of(&opposite).verdict), (Verdict::Holds, Verdict::DoesNotHold));
        assert!(of(&values).evidence.ends_with("positive in all; p < 0.001"), "{}", of(&values).evidence);
        assert!(of(&values[..3]).evidence.contains("p = 0."), "{}", of(&values[..3]).evidence);
        assert_eq!((of(&values[..3]).verdict, of(&[]).verdict), (Verdict::NotDecided, Verdict::NotDecided));
    }

    #[test]
    fn seeds_must_agree() {
        let verdict = |pairs: &[(f64, f64)]| larger_in_every("seeds", "", "", pairs, 0.1).verdict;
        assert_eq!(verdict(&[(2.0, 1.0), (3.0, 1.0)]), Verdict::Holds);
        assert_eq!(verdict(&[(2.0, 1.0), (0.0, 1.0)]), Verdict::NotDecided);
        assert_eq!(verdict(&[(1.05, 1.0)]), Verdict::NotDecided);
        assert_eq!(verdict(&[(1.0, 2.0), (1.0, 3.0)]), Verdict::DoesNotHold);
        let nothing = larger_in_every("stacks", "", "", &[], 0.1);
        assert_eq!(
            (nothing.verdict, nothing.evidence.as_str()),
            (Verdict::NotDecided, "there are no stacks to compare")
        );
    }

    #[test]
    fn means_are_equal_only_within_the_margin_and_if_the_test_can_tell() {
        let base: Vec<f64> = (0..12).map(f64::from).collect();
        let moved = |by: f64, scatter: f64| -> Vec<f64> {
            base.iter().enumerate().map(|(i, v)| v + by + scatter * [1.0, -1.0, 0.5, -0.5][i % 4]).collect()
        };
        let verdict = |values: &[f64]| equivalent("", "", values, &base, 0.5).verdict;
        assert_eq!(verdict(&moved(0.1, 0.1)), Verdict::Holds);
        assert_eq!(verdict(&moved(-0.1, 0.1)), Verdict::Holds);
        assert_eq!(verdict(&moved(2.0, 0.1)), Verdict::DoesNotHold);
        assert_eq!(verdict(&moved(-2.0, 0.1)), Verdict::DoesNotHold);
        assert_eq!(verdict(&moved(0.1, 4.0)), Verdict::NotDecided);
        assert_eq!(equivalent("", "", &[1.0], &[1.0], 0.5).verdict, Verdict::NotDecided);
    }
}
