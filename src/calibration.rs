//! Intervals that hold: how many spreads of its samples a model's error may be, as found on images that it has not seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::Plane;
use crate::diffusion::{Discretisation, SampleOptions, Variant};
use crate::metrics::{ErrorRatios, images_needed};
use crate::{Error, Result};

/// The levels that are asked for, if there are images enough.
pub const LEVELS: [f64; 3] = [0.5, 0.8, 0.9];

/// What half-widths are multiples of: the root of the mean of a pixel's own variance and of the whole image's. A few samples tell a
/// pixel's variance badly, and one that is small by chance would be no sign of certainty.
pub fn spread(std: &Plane) -> Plane {
    let square = |s: f32| f64::from(s) * f64::from(s);
    let whole = std.values().iter().map(|&s| square(s)).sum::<f64>() / std.values().len().max(1) as f64;
    std.map(|s| (0.5 * (square(s) + whole)).sqrt() as f32)
}

/// What of sampling decides how large standard deviations are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled {
    /// Samples of an image.
    pub samples: usize,
    /// Sampling steps.
    pub steps: usize,
    /// The reverse step: `ancestral`, `posterior` or `ddim`.
    pub variant: String,
    /// Whether it goes by algorithm 2's product.
    pub product: bool,
}

impl From<&SampleOptions> for Sampled {
    fn from(options: &SampleOptions) -> Self {
        let variant = match options.variant {
            Variant::Ancestral => "ancestral",
            Variant::Posterior => "posterior",
            Variant::Deterministic => "ddim",
        };
        let product = options.discretisation == Discretisation::Product;
        Self { samples: options.samples, steps: options.steps, variant: variant.into(), product }
    }
}

impl fmt::Display for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, steps, variant, product } = self;
        write!(f, "{samples} samples of {steps} steps, {variant}{}", if *product { ", product" } else { "" })
    }
}

/// An interval around the mean of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The share of a new image's pixels that it can be expected to hold, at least.
    pub level: f64,
    /// How many [spreads](spread) it reaches to either side.
    pub factor: f64,
}

impl Interval {
    /// How far it reaches to either side of the mean, of samples with these standard deviations.
    pub fn half_width(&self, std: &Plane) -> Plane {
        spread(std).map(|s| (self.factor * f64::from(s)) as f32)
    }
}

/// What a weights file knows of its model's errors. It holds for images like those that it was found on, sampled alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Images that it was found on.
    pub images: usize,
    /// What they are, for people.
    pub kind: String,
    /// How these were sampled.
    pub sampled: Sampled,
    /// The intervals, of rising level.
    pub intervals: Vec<Interval>,
}

impl Calibration {
    /// The intervals of those [`LEVELS`] that so many images allow ([`ErrorRatios::factor`]); the errors are in units of [`spread`], of
    /// images of this kind.
    ///
    /// # Errors
    /// [`Error::Input`] if too many spreads are zero where errors are not.
    pub fn fit(errors: &ErrorRatios, kind: String, options: &SampleOptions) -> Result<Self> {
        let levels = LEVELS.into_iter().filter(|level| images_needed(*level) <= errors.images());
        let intervals = levels.map(|level| Ok(Interval { level, factor: errors.factor(level)? }));
        let intervals = intervals.collect::<Result<_>>()?;
        Ok(Self { images: errors.images(), kind, sampled: options.into(), intervals })
    }

    /// The interval of a level, or of the highest there is, for answers that are sampled so.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none of this level, or answers were sampled otherwise when it was found.
    pub fn interval(&self, level: Option<f64>, options: &SampleOptions) -> Result<Interval> {
        let given = Sampled::from(options);
        if given != self.sampled {
            return Err(Error::input(format!(
                "the weights were calibrated with {}, not with {given}; sample so, or calibrate them anew",
                self.sampled
            )));
        }
        let asked = |i: &&Interval| level.is_none_or(|level| (i.level - level).abs() < 1e-9);
        self.intervals.iter().rfind(asked).copied().ok_or_else(|| {
            let levels: Vec<_> = self.intervals.iter().map(|i| i.level.to_string()).collect();
            let wanted = level.map_or(String::new(), |level| format!(" of {level}"));
            Error::input(format!("the weights have no interval{wanted}; they have those of {}", levels.join(", ")))
        })
    }

    /// Refuses what no calibration can be, as a damaged or foreign file may hold.
    ///
    /// # Errors
    /// [`Error::Input`] that says what.
    pub fn check(&self) -> Result<()> {
        let sound = |i: &Interval| i.level > 0.0 && i.level < 1.0 && i.factor.is_finite() && i.factor >= 0.0;
        let rising = self.intervals.is_sorted_by(|a, b| a.level < b.level && a.factor <= b.factor);
        if rising && !self.intervals.is_empty() && self.intervals.iter().all(sound) {
            return Ok(());
        }
        Err(Error::input(format!(
            "its calibration has the intervals {:?}; levels must rise between 0 and 1, and factors with them",
            self.intervals
        )))
    }
}
