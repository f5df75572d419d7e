//! What a chart shows: named lines, bands around them.

use super::axis::Scale;
use crate::{Error, Result};

/// How wide the band over many values is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spread {
    /// From the smallest to the largest value.
    MinMax,
    /// Between two percentiles, each in `0 ..= 100`.
    Percentiles(f64, f64),
}

/// A named line of a chart. A `y` that has no place on the axis (NaN, infinities, zero and below on a logarithmic one)
/// leaves a gap.
#[derive(Debug, Clone)]
pub struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) band: Vec<(f64, f64, f64)>,
    pub(super) smoothing: f64,
    pub(super) dashed: bool,
    pub(super) marked: bool,
}

impl Series {
    /// A line through `points` (`x`, `y`) in the given order, named in the legend.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points: points.into_iter().collect(),
            band: Vec::new(),
            smoothing: 0.0,
            dashed: false,
            marked: false,
        }
    }

    /// The median over pixels as a line, their spread as a band: for schedules `γ(t)`, `β(t)` that differ by pixel.
    /// `samples` yields each `x` with all its values; NaNs among them are left out.
    ///
    /// # Errors
    /// [`Error::Input`] if percentiles do not rise within `0 ..= 100`.
    pub fn over_pixels<'a>(
        name: impl Into<String>,
        samples: impl IntoIterator<Item = (f64, &'a [f32])>,
        spread: Spread,
    ) -> Result<Self> {
        let (low, high) = match spread {
            Spread::MinMax => (0.0, 100.0),
            Spread::Percentiles(low, high) => (low, high),
        };
        if !(0.0 <= low && low <= high && high <= 100.0) {
            return Err(Error::input(format!("percentiles rise within 0 to 100; {low} and {high} were given")));
        }
        let mut series = Self::new(name, []);
        for (x, values) in samples {
            let mut sorted: Vec<f32> = values.iter().copied().filter(|v| !v.is_nan()).collect();
            sorted.sort_by(f32::total_cmp);
            series.points.push((x, percentile(&sorted, 50.0)));
            series.band.push((x, percentile(&sorted, low), percentile(&sorted, high)));
        }
        Ok(series)
    }

    /// Draws a pale band behind the line, from `low` to `high` at each `x`: (`x`, `low`, `high`).
    pub fn band(mut self, band: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        self.band = band.into_iter().collect();
        self
    }

    /// Draws the points faintly and over them their exponential moving average
    /// `mᵢ = w·mᵢ₋₁ + (1−w)·yᵢ`, `ŷᵢ = mᵢ / (1−wⁱ)`, which starts without bias. `weight` (`w`) lies in `0 .. 1`; 0.98
    /// averages over about 50 points, 0 leaves the line as it is.
    pub fn smoothed(mut self, weight: f64) -> Self {
        self.smoothing = weight;
        self
    }

    /// Draws the line dashed, as for a reference.
    pub fn dashed(mut self) -> Self {
        self.dashed = true;
        self
    }

    /// Draws a mark at each point instead of a line through them.
    pub fn marked(mut self) -> Self {
        self.marked = true;
        self
    }

    /// The smoothed line. Gaps stay gaps and do not enter the average.
    pub(super) fn average(&self, scale: Scale) -> Vec<(f64, f64)> {
        let (mut sum, mut weight) = (0.0, 0.0);
        let average = self.points.iter().map(|&(x, y)| {
            if !scale.holds(y) {
                return (x, f64::NAN);
            }
            sum = self.smoothing * sum + (1.0 - self.smoothing) * y;
            weight = self.smoothing * weight + (1.0 - self.smoothing);
            (x, sum / weight)
        });
        average.collect()
    }

    /// Refuses what cannot be drawn on axes of these scales, `x` and `y`.
    pub(super) fn check(&self, [across, up]: [Scale; 2]) -> Result<()> {
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(Error::input(format!(
                "the weight of smoothing lies in 0 .. 1; {} was given for the series “{}”",
                self.smoothing, self.name
            )));
        }
        if let Some((x, low, high)) = self.band.iter().find(|(_, low, high)| low > high) {
            return Err(Error::input(format!(
                "the band of the series “{}” runs from {low} down to {high} at {x}: the lower end comes first",
                self.name
            )));
        }
        if !self.points.iter().any(|&(x, y)| across.holds(x) && up.holds(y)) {
            let logarithmic = [across, up].contains(&Scale::Log);
            let wanted = if logarithmic { "finite and, for a logarithmic axis, above zero" } else { "finite" };
            return Err(Error::input(format!(
                "the series “{}” has nothing to draw: none of its {} points is {wanted}",
                self.name,
                self.points.len()
            )));
        }
        Ok(())
    }
}

/// The `percent`-th percentile of rising values, linear between neighbours; NaN if there are none.
fn percentile(sorted: &[f32], percent: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = percent / 100.0 * last as f64;
    let (below, above) = (f64::from(sorted[place.floor() as usize]), f64::from(sorted[place.ceil() as usize]));
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_neighbours() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        assert_eq!([0.0, 25.0, 50.0, 62.5, 100.0].map(|p| percentile(&values, p)), [1.0, 2.0, 4.0, 6.0, 16.0]);
        assert_eq!(percentile(&[3.0], 95.0), 3.0);
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn over_pixels_is_a_median_in_its_band() {
        let (a, b) = ([3.0, f32::NAN, 1.0, 2.0], [10.0; 4]);
        let samples = || [(0.0, &a[..]), (1.0, &b[..])];
        let series = Series::over_pixels("γ", samples(), Spread::MinMax).unwrap();
        assert_eq!(series.points, [(0.0, 2.0), (1.0, 10.0)]);
        assert_eq!(series.band, [(0.0, 1.0, 3.0), (1.0, 10.0, 10.0)]);
        let series = Series::over_pixels("γ", samples(), Spread::Percentiles(25.0, 75.0)).unwrap();
        assert_eq!(series.band[0], (0.0, 1.5, 2.5));
        for (low, high) in [(75.0, 25.0), (-1.0, 50.0), (5.0, 101.0), (f64::NAN, 50.0)] {
            assert!(Series::over_pixels("γ", samples(), Spread::Percentiles(low, high)).is_err(), "{low} {high}");
        }
    }

    #[test]
    fn smoothing_is_unbiased_and_steps_over_gaps() {
        let constant = Series::new("c", (0..50).map(|i| (f64::from(i), 7.0))).smoothed(0.9);
        assert!(constant.average(Scale::Linear).iter().all(|&(_, y)| (y - 7.0).abs() < 1e-12));
        // By hand: m₁ = ½·4, m₂ = ½·2 + ½·1 = 1.5 over 1 − ¼.
        let gap = Series::new("g", [(0.0, 4.0), (1.0, f64::NAN), (2.0, 1.0)]).smoothed(0.5);
        let average = gap.average(Scale::Linear);
        assert_eq!((average[0].1, average[2].1), (4.0, 2.0));
        assert!(average[1].1.is_nan());
    }

    #[test]
    fn says_what_cannot_be_drawn() {
        let series = |y: f64| Series::new("loss", [(0.0, y)]);
        assert!(series(1.0).check([Scale::Linear, Scale::Log]).is_ok());
        assert!(series(0.0).check([Scale::Linear; 2]).is_ok());
        for bad in [series(0.0).check([Scale::Linear, Scale::Log]), series(f64::NAN).check([Scale::Linear; 2])] {
            let message = bad.unwrap_err().to_string();
            assert!(message.contains("loss") && message.contains("nothing to draw"), "{message}");
        }
        assert!(Series::new("none", []).check([Scale::Linear; 2]).is_err());
        for weight in [1.0, -0.1, f64::NAN] {
            assert!(series(1.0).smoothed(weight).check([Scale::Linear; 2]).is_err(), "{weight}");
        }
        assert!(series(1.0).band([(0.0, 2.0, 1.0)]).check([Scale::Linear; 2]).is_err());
    }
}
