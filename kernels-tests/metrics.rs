//! Image metrics against scikit-image, SciPy and pytorch-msssim (`fixtures/metrics.py`), and against values known by hand.
//! All compute in double precision from the same f32 images; what is left is the order of sums of up to 65536 terms, at
//! most 65536 × 1.1e-16 = 7e-12 of their value and much less in practice. 1e-10 and 1e-12 leave room for little else.

#[path = "harness/pixel.rs"]
mod pixel;

use std::collections::HashMap;

use cvdm::Error;
use cvdm::data::Plane;
use cvdm::metrics::{coverage, error_rank_correlation, mae, mae_aligned, ms_ssim, psnr, rank_correlation, ssim};
use pixel::pixel;

/// The images of `images` in `fixtures/metrics.py`: reconstruction and truth.
fn images(height: usize, width: usize, range: f32, noise: f32) -> (Plane, Plane) {
    let truth = |y: usize, x: usize| 0.75 * pixel(y / 13, x / 13, 1) + 0.25 * pixel(y, x, 2);
    let other = |y: usize, x: usize| truth(y, x) + noise * (pixel(y, x, 3) - 0.375);
    (
        Plane::from_fn(height, width, |y, x| other(y, x) * range),
        Plane::from_fn(height, width, |y, x| truth(y, x) * range),
    )
}

fn assert_close(name: &str, got: f64, expected: f64, tolerance: f64) {
    let error = (got - expected).abs();
    assert!(error <= tolerance, "{name}: {got} is {error:e} from {expected}, allowed {tolerance:e}");
}

#[test]
fn values_match_those_of_other_implementations() {
    let text = include_str!("fixtures/metrics.csv");
    let mut lines = text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let mut cases = 0;
    for line in lines {
        let row: HashMap<&str, f64> = header.iter().copied().zip(line.iter().map(|v| v.parse().unwrap())).collect();
        let range = row["range"];
        let (a, b) = images(row["height"] as usize, row["width"] as usize, range as f32, row["noise"] as f32);
        let sum: f64 = a.values().iter().map(|&v| f64::from(v)).sum();
        assert_close("sum of the repeated image", sum, row["sum"], 1e-9 * row["sum"]);

        assert_close("mae", mae(&a, &b, range).unwrap(), row["mae"], 1e-12);
        assert_close("mae_aligned", mae_aligned(&a, &b, range).unwrap(), row["mae_aligned"], 1e-12);
        assert_close("psnr", psnr(&a, &b, range).unwrap(), row["psnr"], 1e-10);
        assert_close("ssim", ssim(&a, &b, range).unwrap(), row["ssim"], 1e-10);
        let multi = ms_ssim(&a, &b, range).unwrap();
        assert_eq!(multi.scales, 5);
        assert_close("ms_ssim", multi.value, row["ms_ssim"], 1e-10);
        assert_close("spearman", rank_correlation(&a, &b).unwrap().unwrap(), row["spearman"], 1e-10);
        let eighths = |p: &Plane| p.map(|v| (8.0 * f64::from(v) / range).floor() as f32);
        let ties = rank_correlation(&eighths(&a), &eighths(&b)).unwrap().unwrap();
        assert_close("spearman_ties", ties, row["spearman_ties"], 1e-10);
        cases += 1;
    }
    assert_eq!(cases, 4);
}

#[test]
fn equal_planes_are_equal_to_every_metric() {
    let (_, b) = images(170, 180, 1.0, 0.0);
    assert_eq!(mae(&b, &b, 1.0), Ok(0.0));
    assert_eq!(mae_aligned(&b, &b, 1.0), Ok(0.0));
    assert_eq!(psnr(&b, &b, 1.0), Ok(f64::INFINITY));
    assert_close("ssim", ssim(&b, &b, 1.0).unwrap(), 1.0, 1e-12);
    assert_close("ms_ssim", ms_ssim(&b, &b, 1.0).unwrap().value, 1.0, 1e-12);
    assert_close("rank correlation", rank_correlation(&b, &b).unwrap().unwrap(), 1.0, 1e-12);
}

#[test]
fn alignment_removes_exactly_a_constant() {
    let (_, b) = images(20, 31, 1.0, 0.0);
    let shifted = b.map(|v| v + 0.5);
    assert_close("mae", mae(&shifted, &b, 2.0).unwrap(), 0.25, 1e-7);
    assert_close("mae_aligned", mae_aligned(&shifted, &b, 2.0).unwrap(), 0.0, 1e-7);
}

#[test]
fn small_images_lose_the_coarsest_scales() {
    for (side, scales) in [(161, 5), (160, 4), (81, 4), (80, 3), (41, 3), (40, 2), (21, 2), (20, 1), (11, 1)] {
        let (a, b) = images(side, side + 7, 1.0, 0.5);
        assert_eq!(ms_ssim(&a, &b, 1.0).unwrap().scales, scales, "side {side}");
    }
    // On one scale nothing but the similarity itself is left, its exponent renormalised to 1.
    let (a, b) = images(20, 20, 1.0, 0.5);
    assert_close("one scale", ms_ssim(&a, &b, 1.0).unwrap().value, ssim(&a, &b, 1.0).unwrap(), 1e-12);
    let (a, b) = images(10, 40, 1.0, 0.5);
    assert!(matches!(ms_ssim(&a, &b, 1.0), Err(Error::Shape(_))));
    assert!(matches!(ssim(&a, &b, 1.0), Err(Error::Shape(_))));
}

#[test]
fn coverage_counts_the_truth_inside_the_interval() {
    let plane = |v: [f32; 4]| Plane::new(2, 2, v.to_vec()).unwrap();
    let (mean, std) = (plane([0.0; 4]), plane([1.0, 1.0, 0.5, 0.0]));
    let truth = plane([0.5, -1.5, 1.0, 0.0]);
    assert_eq!(coverage(&mean, &std, &truth, 1.0), Ok(0.5));
    assert_eq!(coverage(&mean, &std, &truth, 2.0), Ok(1.0));
    assert!(matches!(coverage(&mean, &plane([-1.0; 4]), &truth, 1.0), Err(Error::Input(_))));
    assert!(matches!(coverage(&mean, &std, &truth, 0.0), Err(Error::Input(_))));
}

#[test]
fn rank_correlation_follows_order_alone() {
    let zero = Plane::from_fn(8, 9, |_, _| 0.0);
    let errors = Plane::from_fn(8, 9, |y, x| if (y + x) % 2 == 0 { 1.0 } else { -1.0 } * (y * 9 + x) as f32);
    let rising = Plane::from_fn(8, 9, |y, x| ((y * 9 + x) as f32).powi(3));
    let falling = rising.map(|v| 1e6 - v);
    assert_close("rising", error_rank_correlation(&zero, &rising, &errors).unwrap().unwrap(), 1.0, 1e-12);
    assert_close("falling", error_rank_correlation(&zero, &falling, &errors).unwrap().unwrap(), -1.0, 1e-12);
    assert_eq!(error_rank_correlation(&zero, &zero, &errors), Ok(None));
}

#[test]
fn bad_arguments_are_refused() {
    let (a, b) = (Plane::from_fn(12, 12, |_, _| 0.0), Plane::from_fn(12, 13, |_, _| 0.0));
    let nan = a.map(|_| f32::NAN);
    type Metric = fn(&Plane, &Plane, f64) -> cvdm::Result<f64>;
    let metrics: [Metric; 5] = [mae, mae_aligned, psnr, ssim, |a, b, r| ms_ssim(a, b, r).map(|m| m.value)];
    for metric in metrics {
        assert!(matches!(metric(&a, &b, 1.0), Err(Error::Shape(_))));
        assert!(matches!(metric(&a, &nan, 1.0), Err(Error::Input(_))));
        for range in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(metric(&a, &a, range), Err(Error::Input(_))));
        }
    }
}
