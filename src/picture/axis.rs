//! Axes: where a number lies between two ends, which numbers get a tick, and how numbers are written.

/// How an axis runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Scale {
    #[default]
    Linear,
    /// Logarithmic to base ten; numbers of zero and below have no place.
    Log,
}

/// An axis between two finite numbers, the first below the second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

/// A number worth a line across the chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    /// `None` for lines between the labelled ones.
    pub label: Option<String>,
}

impl Axis {
    /// An axis that shows all of `low ..= high`, with `margin` times its length added at either end. Where both are the
    /// same number, the axis opens around it.
    pub fn new(scale: Scale, low: f64, high: f64, margin: f64) -> Self {
        let (mut a, mut b) = (scale.forward(low), scale.forward(high));
        if b - a <= 1e-9 * a.abs().max(b.abs()) || b <= a {
            let half = match scale {
                Scale::Linear if a != 0.0 => 0.1 * a.abs(),
                _ => 0.5,
            };
            (a, b) = (a - half, b + half);
        }
        let margin = margin * (b - a);
        Self { scale, low: scale.back(a - margin), high: scale.back(b + margin) }
    }

    /// Where `value` lies, 0 at the low end and 1 at the high one; `None` for numbers without a place.
    pub fn fraction(&self, value: f64) -> Option<f64> {
        let (a, b) = (self.scale.forward(self.low), self.scale.forward(self.high));
        Some((self.scale.forward(value) - a) / (b - a)).filter(|f| f.is_finite())
    }

    /// About `count` labelled ticks, in rising order, and fainter ones between them where the axis is logarithmic.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.linear_ticks(count),
            Scale::Log => self.log_ticks(count),
        }
    }

    fn linear_ticks(&self, count: usize) -> Vec<Tick> {
        let step = nice_step((self.high - self.low) / count.max(1) as f64);
        let first = (self.low / step - 1e-6).ceil();
        let last = (self.high / step + 1e-6).floor();
        let largest = self.low.abs().max(self.high.abs());
        let plain = largest < 1e6 && step >= 1e-4;
        let decimals = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
        // 2.5 needs one decimal more than its power of ten.
        let decimals = decimals + usize::from((step * 10f64.powi(decimals as i32)).fract() > 1e-6);
        // As many as tell neighbours apart.
        let digits = ((largest / step).log10().ceil().max(1.0) as usize + 1).clamp(3, 16);
        let ticks = (0..=(last - first).max(0.0) as usize).map(|i| {
            let value = (first + i as f64) * step;
            let label = if plain { with_minus(format!("{value:.decimals$}")) } else { number_to(value, digits) };
            Tick { value, label: Some(label) }
        });
        ticks.collect()
    }

    fn log_ticks(&self, count: usize) -> Vec<Tick> {
        let (low, high) = (self.low.log10(), self.high.log10());
        if high - low < 0.6 {
            // Less than a factor of four: powers of ten would leave the axis nearly bare.
            return self.linear_ticks(count);
        }
        let every = ((high - low) / count.max(1) as f64).ceil().max(1.0) as i32;
        let labelled: &[i32] = if high - low < 2.0 { &[1, 2, 5] } else { &[1] };
        let mut ticks = Vec::new();
        for exponent in low.floor() as i32..=high.ceil() as i32 {
            for digit in 1..10 {
                let value = f64::from(digit) * 10f64.powi(exponent);
                let inside = self.fraction(value).is_some_and(|f| (-1e-9..=1.0 + 1e-9).contains(&f));
                let labelled = labelled.contains(&digit) && exponent.rem_euclid(every) == 0;
                if inside && (labelled || every == 1) {
                    let power = high - low >= 2.0 && !(-2..=3).contains(&exponent);
                    let label = if power { format!("10{}", superscript(exponent)) } else { number(value) };
                    ticks.push(Tick { value, label: labelled.then_some(label) });
                }
            }
        }
        ticks
    }
}

impl Scale {
    fn forward(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
        }
    }

    fn back(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            // A margin may reach beyond what a number can be.
            Self::Log => 10f64.powf(value).clamp(f64::MIN_POSITIVE, f64::MAX),
        }
    }

    /// Whether `value` has a place on such an axis.
    pub fn holds(self, value: f64) -> bool {
        self.forward(value).is_finite()
    }
}

/// The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 2.5, 5.0].map(|m| m * power).into_iter().find(|&step| step >= least * 0.999_999).unwrap_or(10.0 * power)
}

/// `value` to three significant digits, as people write it: `0.25`, `12300`, `−3.14`, `1.2×10⁻⁵`.
pub(super) fn number(value: f64) -> String {
    number_to(value, 3)
}

/// As [`number`], to so many digits.
fn number_to(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return with_minus(value.abs().to_string());
    }
    // Rounded first, so that 0.9996 counts as 1.00 and not as 0.9996 with one digit too many.
    let decimals = digits.max(1) - 1;
    let scientific = format!("{value:.decimals$e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-3..5).contains(&exponent) {
        let decimals = (decimals as i32 - exponent).max(0) as usize;
        return with_minus(trimmed(&format!("{value:.decimals$}")).to_owned());
    }
    with_minus(format!("{}×10{}", trimmed(mantissa), superscript(exponent)))
}

/// Without the zeros that end its decimals.
fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// With a minus sign as wide as a plus, and none before zero.
fn with_minus(number: String) -> String {
    match number.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => number,
    }
}

fn superscript(exponent: i32) -> String {
    let raise = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' => '⁰',
        // U+2074 ⁴ to U+2079 ⁹ stand in order.
        c => char::from_u32(0x2070 + c.to_digit(10).unwrap_or(0)).unwrap_or(c),
    };
    exponent.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, count: usize) -> Vec<String> {
        axis.ticks(count).into_iter().filter_map(|t| t.label).collect()
    }

    #[test]
    fn numbers_as_people_write_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (0.25, "0.25"),
            (3.5, "3.5"),
            (-2.71501, "−2.72"),
            (0.9996, "1"),
            (100.0, "100"),
            (12345.0, "12345"),
            (123456.0, "1.23×10⁵"),
            (0.001234, "0.00123"),
            (1e-5, "1×10⁻⁵"),
            (-1.25e-10, "−1.25×10⁻¹⁰"),
            (6.02e23, "6.02×10²³"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn neighbouring_ticks_read_differently() {
        for (low, high) in [(0.1234, 0.123409), (1.2e6, 1_200_900.0), (-3.00001e-5, -3e-5), (1e12, 1e12 + 1.0)] {
            let all = labels(Axis::new(Scale::Linear, low, high, 0.0), 5);
            let different: std::collections::BTreeSet<&String> = all.iter().collect();
            assert!(all.len() > 2 && different.len() == all.len(), "{low} to {high}: {all:?}");
        }
    }

    #[test]
    fn a_logarithmic_axis_ends_where_numbers_do() {
        assert!(!labels(Axis::new(Scale::Log, 1e-320, 1.0, 0.04), 5).is_empty());
    }

    #[test]
    fn linear_ticks_are_round_and_equally_precise() {
        assert_eq!(labels(Axis::new(Scale::Linear, 0.0, 1.0, 0.0), 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Axis::new(Scale::Linear, -1.0, 1.0, 0.0), 4), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(Axis::new(Scale::Linear, 0.0, 1.0, 0.0), 4), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(labels(Axis::new(Scale::Linear, 0.0, 40000.0, 0.0), 4), ["0", "10000", "20000", "30000", "40000"]);
        assert_eq!(labels(Axis::new(Scale::Linear, 0.0, 2e-5, 0.0), 2), ["0", "1×10⁻⁵", "2×10⁻⁵"]);
    }

    #[test]
    fn log_ticks_name_powers_and_mark_what_lies_between() {
        let axis = Axis::new(Scale::Log, 1e-4, 1.0, 0.0);
        assert_eq!(labels(axis, 6), ["10⁻⁴", "10⁻³", "0.01", "0.1", "1"]);
        assert_eq!(axis.ticks(6).len(), 4 * 9 + 1);
        assert_eq!(labels(Axis::new(Scale::Log, 0.1, 1.0, 0.0), 6), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(labels(Axis::new(Scale::Log, 1e-12, 1.0, 0.0), 4), ["10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "1"]);
        assert_eq!(labels(Axis::new(Scale::Log, 0.5, 0.6, 0.0), 5).len(), 6, "a short one falls back to even steps");
    }

    #[test]
    fn fractions_run_from_end_to_end() {
        let axis = Axis::new(Scale::Linear, -2.0, 2.0, 0.0);
        assert_eq!([-2.0, 0.0, 2.0].map(|v| axis.fraction(v)), [Some(0.0), Some(0.5), Some(1.0)]);
        let axis = Axis::new(Scale::Log, 1e-2, 1e2, 0.0);
        assert!((axis.fraction(1.0).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!((axis.fraction(0.0), axis.fraction(-1.0), axis.fraction(f64::NAN)), (None, None, None));
    }

    #[test]
    fn margins_and_single_numbers() {
        let axis = Axis::new(Scale::Linear, 0.0, 10.0, 0.1);
        assert!((axis.fraction(0.0).unwrap() - 1.0 / 12.0).abs() < 1e-12);
        for (scale, value) in [(Scale::Linear, 0.0), (Scale::Linear, 7.0), (Scale::Linear, -1e9), (Scale::Log, 3.0)] {
            let axis = Axis::new(scale, value, value, 0.04);
            assert!((axis.fraction(value).unwrap() - 0.5).abs() < 1e-6, "{value} in the middle");
            assert!(labels(axis, 5).len() >= 2, "{value}: {:?}", labels(axis, 5));
        }
    }
}
