//! What is said about uncertainty and samples: coverage, correlation of error and standard deviation, diversity,
//! consistency; against NumPy and SciPy (`fixtures/metrics.py`) and against laws that hold for calibrated predictions.

#[path = "harness/pixel.rs"]
mod pixel;

use cvdm::data::Plane;
use cvdm::metrics::{
    NOMINAL_LEVELS, Prediction, consistency, coverage, diversity, error_by_std, error_rank_correlation,
    error_rank_correlations, normal_coverage, normal_factor, psnr, sample_coverage,
};
use cvdm::{Error, Result};
use pixel::pixel;
use serde_json::Value;

fn plane<const N: usize>(values: [f32; N]) -> Plane {
    Plane::new(1, N, values.to_vec()).unwrap()
}

/// A standard normal number by Box and Muller.
fn normal(y: usize, x: usize, salt: u32) -> f32 {
    let (u, v) = (1.0 - pixel(y, x, salt), pixel(y, x, salt + 1));
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}

/// Mean, standard deviation and truth of `prediction` in `fixtures/metrics.py`.
fn prediction(height: usize, width: usize, salt: u32) -> [Plane; 3] {
    let mean = Plane::from_fn(height, width, |y, x| pixel(y / 5, x / 7, salt));
    let std = Plane::from_fn(height, width, |y, x| (16.0 * pixel(y / 2, x / 3, salt + 1)).floor() / 16.0);
    let error = |y: usize, x: usize| (pixel(y, x, salt + 2) - 0.5) * 4.0;
    let truth = Plane::from_fn(height, width, |y, x| mean.at(y, x) + std.at(y, x) * error(y, x));
    [mean, std, truth]
}

/// A Gaussian prediction that is exactly as sure as it may be, its standard deviations between 0.5 and 2.5.
fn calibrated(height: usize, width: usize) -> [Plane; 3] {
    let mean = Plane::from_fn(height, width, |y, x| pixel(y, x, 1));
    let std = Plane::from_fn(height, width, |y, x| 0.5 + 2.0 * pixel(y, x, 2));
    let truth = Plane::from_fn(height, width, |y, x| mean.at(y, x) + std.at(y, x) * normal(y, x, 3));
    [mean, std, truth]
}

fn of([mean, std, truth]: &[Plane; 3]) -> Prediction<'_> {
    Prediction::new(mean, std, truth).unwrap()
}

#[test]
fn values_match_those_of_other_implementations() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap();
    let expected = &fixture["uncertainty"];
    let numbers =
        |name: &str| -> Vec<f64> { expected[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    assert_eq!(numbers("levels"), NOMINAL_LEVELS);

    // Fractions of pixels: equal, or a pixel apart.
    let samples: Vec<Plane> = (0..45).map(|i| Plane::from_fn(31, 37, |y, x| pixel(y, x, 100 + i))).collect();
    let truth = Plane::from_fn(31, 37, |y, x| 1.25 * pixel(y, x, 99));
    assert_eq!(sample_coverage(&samples, &truth, &NOMINAL_LEVELS).unwrap(), numbers("sample_coverage"));
    let planes = [(40, 50, 10), (33, 29, 20), (64, 21, 30)].map(|(h, w, salt)| prediction(h, w, salt));
    let predictions: Vec<_> = planes.iter().map(of).collect();
    assert_eq!(normal_coverage(&predictions, &NOMINAL_LEVELS).unwrap(), numbers("normal_coverage"));

    // Sums of at most 4301 terms in another order.
    let close = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
    close(diversity(&samples[..5]).unwrap(), expected["diversity"].as_f64().unwrap());
    let correlation = error_rank_correlations(&predictions).unwrap();
    close(correlation.pooled.unwrap(), expected["pooled"].as_f64().unwrap());
    assert_eq!(correlation.within.len(), 3);
    for ((got, expected), [mean, std, truth]) in correlation.within.iter().zip(numbers("within")).zip(&planes) {
        close(got.unwrap(), expected);
        assert_eq!(*got, error_rank_correlation(mean, std, truth).unwrap());
    }
}

#[test]
fn calibrated_gaussians_cover_what_they_say() {
    let planes = calibrated(150, 160);
    let n = 150.0 * 160.0;
    for (level, observed) in NOMINAL_LEVELS.iter().zip(normal_coverage(&[of(&planes)], &NOMINAL_LEVELS).unwrap()) {
        // Four standard errors of a count.
        let allowed = 4.0 * (level * (1.0 - level) / n).sqrt();
        assert!((observed - level).abs() < allowed, "{observed} at {level}");
    }
    assert!((normal_factor(0.9) - 1.644_853_6).abs() < 1e-6);
    // 68.3 % is one standard deviation.
    let one = normal_coverage(&[of(&planes)], &[0.682_689_492_137_085_9]).unwrap();
    let [mean, std, truth] = &planes;
    assert_eq!(one[0], coverage(mean, std, truth, 1.0).unwrap());
    let unsure = std.map(|s| 2.0 * s);
    assert!(normal_coverage(&[Prediction::new(mean, &unsure, truth).unwrap()], &[0.5]).unwrap()[0] > 0.8);
}

#[test]
fn samples_of_the_truths_own_law_cover_what_they_say_however_few() {
    let (height, width) = (120, 130);
    // Skewed, and different in every pixel: coverage by samples asks for no law.
    let draw =
        |salt| Plane::from_fn(height, width, |y, x| (1.0 + pixel(y, x, 7)) * normal(y, x, salt).exp() + pixel(y, x, 8));
    let truth = draw(10);
    // At these numbers the ranks of the ends are whole.
    for (n, level) in [(3, 0.5), (9, 0.8), (19, 0.9), (39, 0.95), (39, 0.5)] {
        let samples: Vec<Plane> = (0..n).map(|i| draw(20 + 2 * i)).collect();
        let observed = sample_coverage(&samples, &truth, &[level]).unwrap()[0];
        let allowed = 4.0 * (level * (1.0 - level) / (height * width) as f64).sqrt();
        assert!((observed - level).abs() < allowed, "{observed} with {n} samples at {level}");
        let fewer = sample_coverage(&samples[..samples.len() - 1], &truth, &[level]);
        if level > 0.5 {
            assert!(
                matches!(&fewer, Err(Error::Input(m)) if m.contains(&format!("at least {n} samples"))),
                "{fewer:?}"
            );
        }
    }
}

#[test]
fn the_ends_of_an_interval_belong_to_it() {
    let samples = [3.0, 1.0, 2.0].map(|v| plane([v; 5]));
    let truth = plane([0.9, 1.0, 2.5, 3.0, 3.1]);
    assert_eq!(sample_coverage(&samples, &truth, &[0.5]), Ok(vec![0.6]));
}

#[test]
fn errors_of_calibrated_predictions_are_as_large_as_said() {
    let planes = [calibrated(100, 110), prediction(90, 100, 40)];
    let bins = error_by_std(&[of(&planes[0])], 10).unwrap();
    assert_eq!(bins.iter().map(|b| b.pixels).collect::<Vec<_>>(), [1100; 10]);
    assert!(bins.is_sorted_by(|a, b| a.std < b.std));
    for bin in &bins {
        // The rms of n normal numbers has a relative standard error of √(1/2n); four of them.
        assert!((bin.error / bin.std - 1.0).abs() < 4.0 * (0.5 / bin.pixels as f64).sqrt(), "{bin:?}");
    }
    // Here errors are uniform in ± 2 std: too large by 2/√3, at every standard deviation. n uniform numbers' rms has a
    // relative standard error of √(1/5n).
    for bin in error_by_std(&[of(&planes[1])], 7).unwrap().iter().skip(1) {
        let factor = bin.error / bin.std * 0.75f64.sqrt();
        assert!((factor - 1.0).abs() < 4.0 * (0.2 / bin.pixels as f64).sqrt(), "{bin:?}");
    }
    let all: Vec<_> = planes.iter().map(of).collect();
    assert_eq!(error_by_std(&all, 13).unwrap().iter().map(|b| b.pixels).sum::<usize>(), 20_000);
    for bins in [0, 20_001] {
        assert!(matches!(error_by_std(&all, bins), Err(Error::Input(_))));
    }
}

#[test]
fn pooled_correlation_sees_the_difference_between_images() {
    // In each image the standard deviation is the same everywhere; the second is less sure and more wrong.
    let zero = plane([0.0; 4]);
    let (sure, unsure) = (plane([1.0; 4]), plane([2.0; 4]));
    let (near, far) = (plane([0.1, -0.2, 0.3, 0.4]), plane([1.0, -2.0, 3.0, 4.0]));
    let predictions = [(&sure, &near), (&unsure, &far)].map(|(s, t)| Prediction::new(&zero, s, t).unwrap());
    let correlation = error_rank_correlations(&predictions).unwrap();
    assert_eq!(correlation.within, [None, None]);
    // Ranks 2.5 and 6.5 against 1 to 8: 32 / √(32 · 42).
    assert!((correlation.pooled.unwrap() - 32.0 / (32.0f64 * 42.0).sqrt()).abs() < 1e-15);
}

#[test]
fn diversity_is_a_mean_of_standard_deviations() {
    // √2/2 · |a − b| for two.
    let found = diversity(&[plane([0.0, 1.0, 5.0]), plane([2.0, 1.0, 1.0])]).unwrap();
    assert!((found - 2.0 * 0.5f64.sqrt()).abs() < 1e-15, "{found}");
    assert_eq!(diversity(&[plane([1.0, 2.0]), plane([1.0, 2.0]), plane([1.0, 2.0])]), Ok(0.0));
    assert!(matches!(diversity(&[plane([1.0])]), Err(Error::Input(_))));
    assert!(matches!(diversity(&[]), Err(Error::Input(_))));
    assert!(matches!(diversity(&[plane([1.0]), plane([1.0, 2.0])]), Err(Error::Shape(_))));
}

#[test]
fn consistency_is_the_psnr_of_the_repeated_measurement() {
    let truth = Plane::from_fn(6, 8, |y, x| pixel(y, x, 5));
    let halves = |p: &Plane| -> Result<Vec<Plane>> { Ok(vec![p.crop(0, 0, 6, 4)?, p.crop(0, 4, 6, 4)?]) };
    let measured = halves(&truth).unwrap();
    assert_eq!(consistency(&truth, &measured, 1.0, halves), Ok(f64::INFINITY));
    // Two channels that hold all pixels between them: the same squared errors, averaged alike.
    let off = truth.map(|v| v + 0.125 * (v - 0.5));
    let (got, whole) = (consistency(&off, &measured, 2.0, halves).unwrap(), psnr(&off, &truth, 2.0).unwrap());
    assert!((got - whole).abs() < 1e-12, "{got}, not {whole}");
    // What the operator does not see costs nothing.
    let left = |p: &Plane| Ok(vec![p.crop(0, 0, 6, 4)?]);
    let right = Plane::from_fn(6, 8, |y, x| if x < 4 { truth.at(y, x) } else { 9.0 });
    assert_eq!(consistency(&right, &measured[..1], 1.0, left), Ok(f64::INFINITY));

    assert!(matches!(consistency(&truth, &measured[..1], 1.0, halves), Err(Error::Shape(_))));
    assert!(matches!(consistency(&truth, &[], 1.0, |_| Ok(vec![])), Err(Error::Shape(_))));
    assert!(matches!(consistency(&truth, &measured, 1.0, |p| Ok(vec![p.clone(), p.clone()])), Err(Error::Shape(_))));
    assert!(matches!(consistency(&truth, &measured, 0.0, halves), Err(Error::Input(_))));
    let broken = || Error::input("no operator");
    assert_eq!(consistency(&truth, &measured, 1.0, |_| Err(broken())), Err(broken()));
}

#[test]
fn bad_arguments_are_refused() {
    let (a, nan) = (plane([1.0, 2.0]), plane([f32::NAN, 1.0]));
    assert!(matches!(Prediction::new(&a, &plane([1.0]), &a), Err(Error::Shape(_))));
    assert!(matches!(Prediction::new(&a, &a, &nan), Err(Error::Input(_))));
    assert!(matches!(Prediction::new(&a, &a.map(|v| -v), &a), Err(Error::Input(_))));
    let good = Prediction::new(&a, &a, &a).unwrap();
    for level in [0.0, 1.0, -0.5, f64::NAN] {
        assert!(matches!(normal_coverage(&[good], &[0.5, level]), Err(Error::Input(_))));
        assert!(matches!(sample_coverage(&vec![a.clone(); 50], &a, &[level]), Err(Error::Input(_))));
    }
    assert!(matches!(normal_coverage(&[], &[0.5]), Err(Error::Input(_))));
    assert!(matches!(error_rank_correlations(&[]), Err(Error::Input(_))));
    assert!(matches!(error_by_std(&[], 1), Err(Error::Input(_))));
    assert!(matches!(sample_coverage(&[], &a, &[0.5]), Err(Error::Input(_))));
    assert!(matches!(sample_coverage(&vec![plane([1.0]); 3], &a, &[0.5]), Err(Error::Shape(_))));
}
