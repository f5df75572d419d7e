//! Decorrelation analysis: on images of known cut-off, and against a second writing of its definition
//! (`fixtures/metrics.py`).

#[path = "harness/pixel.rs"]
mod pixel;

use cvdm::Error;
use cvdm::data::Plane;
use cvdm::metrics::decorrelation;
use pixel::pixel;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex64;
use serde_json::Value;

const SIDE: usize = 256;

/// Transforms a square field along its rows and turns it by a transposition; twice is the whole transform.
fn transform(field: &mut [Complex64], forward: bool) {
    let mut planner = FftPlanner::new();
    let plan = if forward { planner.plan_fft_forward(SIDE) } else { planner.plan_fft_inverse(SIDE) };
    for _ in 0..2 {
        plan.process(field);
        let turned: Vec<_> = (0..SIDE * SIDE).map(|i| field[i % SIDE * SIDE + i / SIDE]).collect();
        field.copy_from_slice(&turned);
    }
}

/// An object seen through the incoherent transfer function of a circular pupil, which ends at `cutoff` of Nyquist's
/// frequency, its largest value brought to 1, with white noise of standard deviation `noise`.
fn seen(object: impl Fn(usize, usize) -> f32, cutoff: f64, noise: f32) -> Plane {
    let mut field: Vec<_> =
        (0..SIDE * SIDE).map(|i| Complex64::new(f64::from(object(i / SIDE, i % SIDE)), 0.0)).collect();
    transform(&mut field, true);
    for (i, value) in field.iter_mut().enumerate() {
        let frequency = |i: usize| (i.min(SIDE - i) as f64) / (SIDE / 2) as f64;
        let r = (frequency(i / SIDE).hypot(frequency(i % SIDE)) / cutoff).min(1.0);
        *value *= std::f64::consts::FRAC_2_PI * (r.acos() - r * (1.0 - r * r).sqrt());
    }
    transform(&mut field, false);
    let largest = field.iter().fold(0.0, |m: f64, v| m.max(v.re));
    // Uniform numbers of variance 1/12.
    let white = |y, x| 12f32.sqrt() * (pixel(y, x, 70) - 0.5);
    Plane::from_fn(SIDE, SIDE, |y, x| (field[y * SIDE + x].re / largest) as f32 + noise * white(y, x))
}

fn points(y: usize, x: usize) -> f32 {
    if pixel(y, x, 71) > 0.98 { 1.0 } else { 0.0 }
}

fn texture(y: usize, x: usize) -> f32 {
    pixel(y, x, 72)
}

#[test]
fn the_cutoff_of_the_transfer_function_is_found() {
    for (name, object) in [("points", points as fn(usize, usize) -> f32), ("texture", texture)] {
        for cutoff in [0.25, 0.4, 0.55, 0.7, 0.85] {
            for noise in [0.001, 0.003, 0.01] {
                let found = decorrelation(&seen(object, cutoff, noise)).unwrap().unwrap();
                let fraction = found.cutoff / cutoff;
                assert!((0.85..=0.94).contains(&fraction), "{name}, cut-off {cutoff}, noise {noise}: {fraction} of it");
                assert_eq!(found.period, 2.0 / found.cutoff);
            }
        }
    }
}

#[test]
fn noise_alone_and_nothing_at_all_have_no_resolution() {
    for salt in 73..78 {
        assert_eq!(decorrelation(&Plane::from_fn(SIDE, SIDE, |y, x| pixel(y, x, salt))), Ok(None));
    }
    assert_eq!(decorrelation(&Plane::from_fn(64, 64, |_, _| 0.7)), Ok(None));
}

#[test]
fn brightness_and_contrast_change_nothing() {
    let image = seen(points, 0.6, 0.01);
    let found = decorrelation(&image).unwrap().unwrap();
    // A power of two keeps every digit; an offset rounds the values to 2⁻²² of it.
    assert_eq!(decorrelation(&image.map(|v| 8.0 * v)).unwrap().unwrap(), found);
    let brighter = decorrelation(&image.map(|v| v + 2.0)).unwrap().unwrap();
    assert_eq!(brighter.cutoff, found.cutoff);
    assert!((brighter.amplitude - found.amplitude).abs() < 1e-6);
}

/// The images of `blurred_points` in `fixtures/metrics.py`.
fn blurred_points(height: usize, width: usize, noise: f64) -> Plane {
    const WINDOW: [f64; 9] = [1.0, 8.0, 28.0, 56.0, 70.0, 56.0, 28.0, 8.0, 1.0];
    let point = |y: usize, x: usize| if pixel(y, x, 50) > 0.96 { f64::from(pixel(y, x, 51)) } else { 0.0 };
    let along = |y: usize, x: usize| -> f64 { (0..9).map(|i| WINDOW[i] / 256.0 * point(y + i, x)).sum() };
    Plane::from_fn(height, width, |y, x| {
        let blurred: f64 = (0..9).map(|i| WINDOW[i] / 256.0 * along(y, x + i)).sum();
        (blurred + noise * (f64::from(pixel(y, x, 52)) - 0.5)) as f32
    })
}

#[test]
fn values_match_those_of_the_definition_written_in_numpy() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap();
    let mut found = 0;
    for case in fixture["resolution"].as_array().unwrap() {
        let number = |name: &str| case[name].as_f64();
        let size = |name| number(name).unwrap() as usize;
        let image = blurred_points(size("height"), size("width"), number("noise").unwrap());
        match (decorrelation(&image).unwrap(), number("cutoff"), number("amplitude")) {
            (None, None, None) => {}
            (Some(result), Some(cutoff), Some(amplitude)) => {
                // The cut-off is one of the sampled radii; the amplitude a ratio of sums over up to 11520 frequencies.
                assert!((result.cutoff - cutoff).abs() < 1e-14, "{case}: {result:?}");
                assert!((result.amplitude - amplitude).abs() < 1e-12, "{case}: {result:?}");
                found += 1;
            }
            (result, ..) => panic!("{case}: {result:?}"),
        }
    }
    assert_eq!(found, 3);
}

#[test]
fn images_without_a_middle_are_refused() {
    let plane = |height, width| Plane::from_fn(height, width, |y, x| pixel(y, x, 1));
    assert!(decorrelation(&plane(41, 41)).is_ok());
    assert!(matches!(decorrelation(&plane(40, 90)), Err(Error::Shape(_))));
    assert!(matches!(decorrelation(&plane(50, 50).map(|_| f32::NAN)), Err(Error::Input(_))));
}
