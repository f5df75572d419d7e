//! Charts of how far a predicted uncertainty can be believed.

use super::{LineChart, Series};

/// Square between the axes, about.
const SIZE: (usize, usize) = (640, 680);
/// The name of the diagonal.
const IDEAL: &str = "calibrated";

/// Observed coverage against the nominal one, both as fractions, a line for each named list of (nominal, observed). Below
/// the dashed diagonal a prediction is too sure of itself, above it not sure enough.
pub fn reliability_chart<N: Into<String>>(
    title: impl Into<String>,
    curves: impl IntoIterator<Item = (N, Vec<(f64, f64)>)>,
) -> LineChart {
    let chart = LineChart::new(title)
        .x_label("nominal coverage")
        .y_label("observed coverage")
        .y_range(0.0, 1.0)
        .size(SIZE.0, SIZE.1);
    let chart = curves.into_iter().fold(chart, |chart, (name, points)| chart.series(Series::new(name, points)));
    chart.series(Series::new(IDEAL, [(0.0, 0.0), (1.0, 1.0)]).dashed())
}

/// Error against the standard deviation predicted, in `unit`, a mark for each bin of
/// [`error_by_std`](crate::metrics::error_by_std) as (std, error), a colour for each named list. On the dashed diagonal
/// errors are as large as predicted, above it larger.
pub fn error_by_std_chart<N: Into<String>>(
    title: impl Into<String>,
    unit: &str,
    bins: impl IntoIterator<Item = (N, Vec<(f64, f64)>)>,
) -> LineChart {
    let bins: Vec<(N, Vec<(f64, f64)>)> = bins.into_iter().collect();
    let values = bins.iter().flat_map(|(_, points)| points).flat_map(|&(std, error)| [std, error]);
    let largest = values.filter(|v| v.is_finite()).fold(0.0, f64::max);
    // The diagonal's end opens both axes equally; where every error is zero it still has a length.
    let end = if largest > 0.0 { 1.05 * largest } else { 1.0 };
    let chart = LineChart::new(title)
        .x_label(format!("predicted standard deviation ({unit})"))
        .y_label(format!("rms error ({unit})"))
        .y_range(0.0, end)
        .size(SIZE.0, SIZE.1);
    let chart = bins.into_iter().fold(chart, |chart, (name, points)| chart.series(Series::new(name, points).marked()));
    chart.series(Series::new(IDEAL, [(0.0, 0.0), (end, end)]).dashed())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a colour occurs well below the diagonal of the area between the axes, or else well above it.
    fn holds(chart: &LineChart, color: [u8; 3], below: bool) -> bool {
        let image = chart.render().unwrap();
        let (width, height) = image.dimensions();
        let ends =
            (f64::from(width) * 0.15, f64::from(width) * 0.93, f64::from(height) * 0.18, f64::from(height) * 0.9);
        image.enumerate_pixels().any(|(x, y, p)| {
            let u = (f64::from(x) - ends.0) / (ends.1 - ends.0);
            let v = (ends.3 - f64::from(y)) / (ends.3 - ends.2);
            let inside = (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v);
            inside && if below { v < u - 0.1 } else { v > u + 0.1 } && p.0 == color
        })
    }

    const BLUE: [u8; 3] = [78, 121, 167];

    #[test]
    fn a_prediction_too_sure_of_itself_lies_below_the_diagonal() {
        let curve = |factor: f64| (1..10).map(|i| f64::from(i) / 10.0).map(|l| (l, l.powf(factor))).collect::<Vec<_>>();
        let (sure, unsure) = (curve(2.5), curve(0.4));
        let [sure, unsure] = [sure, unsure].map(|c| reliability_chart("Reliability", [("CVDM", c)]));
        assert!(holds(&sure, BLUE, true) && !holds(&sure, BLUE, false));
        assert!(holds(&unsure, BLUE, false) && !holds(&unsure, BLUE, true));
    }

    #[test]
    fn errors_larger_than_predicted_lie_above_the_diagonal() {
        let bins = |factor: f64| (1..8).map(|i| (f64::from(i), factor * f64::from(i))).collect::<Vec<_>>();
        let [large, small] = [2.0, 0.5].map(|f| error_by_std_chart("Error", "rad", [("CVDM", bins(f))]));
        assert!(holds(&large, BLUE, false) && !holds(&large, BLUE, true));
        assert!(holds(&small, BLUE, true) && !holds(&small, BLUE, false));
    }

    #[test]
    fn nothing_but_zeros_can_still_be_drawn() {
        assert!(error_by_std_chart("Error", "rad", [("exact", vec![(0.0, 0.0)])]).render().is_ok());
        assert!(reliability_chart::<String>("Reliability", []).render().is_ok());
        let nothing = error_by_std_chart("Error", "rad", [("none", vec![])]).render();
        assert!(nothing.unwrap_err().to_string().contains("none"));
    }
}
