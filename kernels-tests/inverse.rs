//! Fresnel simulation and phase retrieval, against direct sums, closed forms and each other.

use cvdm::Error;
use cvdm::data::Plane;
use cvdm::inverse::*;
use cvdm::metrics::mae_aligned;
use std::f64::consts::{PI, TAU};

/// A gray picture with structure on several lengths.
fn picture(height: usize, width: usize) -> Plane {
    Plane::from_fn(height, width, |y, x| {
        let (y, x) = (y as f32, x as f32);
        (0.11 * x + 0.05 * y).sin()
            + (0.07 * y).cos() * (0.31 * x).sin()
            + if (x - 30.0).hypot(y - 25.0) < 9.0 { 1.5 } else { 0.0 }
    })
}

/// A smooth object of the given height in rad; its surroundings are flat to 1e-5 of that.
fn bump(side: usize, height: f32) -> Plane {
    let (c, s) = (side as f32 / 2.0, side as f32 / 14.0);
    Plane::from_fn(side, side, |y, x| {
        let (y, x) = ((y as f32 - c) / s, (x as f32 - 0.9 * c) / (1.3 * s));
        height * (-0.5 * (y * y + x * x)).exp()
    })
}

fn max_difference(a: &Plane, b: &Plane) -> f32 {
    a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Pearson's correlation.
fn correlation(a: &Plane, b: &Plane) -> f64 {
    let (ma, mb) = (f64::from(a.mean()), f64::from(b.mean()));
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.values().iter().zip(b.values()).map(|(&a, &b)| f(f64::from(a) - ma, f64::from(b) - mb)).sum()
    };
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

/// Mean and standard deviation of `a − b`.
fn moments_of_difference(a: &Plane, b: &Plane) -> (f64, f64) {
    let d: Vec<f64> = a.values().iter().zip(b.values()).map(|(&a, &b)| f64::from(a) - f64::from(b)).collect();
    let n = d.len() as f64;
    let mean = d.iter().sum::<f64>() / n;
    (mean, (d.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[test]
fn the_setup_is_checked_and_known_by_one_number() {
    let paper = FresnelSetup::default();
    assert_eq!(FresnelSetup::new(0.521, 0.21, 2.0), Ok(paper));
    assert!((paper.parameter_a() - 0.521 * 2.0 / 0.0441).abs() < 1e-12);
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for setup in
            [FresnelSetup::new(bad, 0.21, 2.0), FresnelSetup::new(0.5, bad, 2.0), FresnelSetup::new(0.5, 0.21, bad)]
        {
            assert!(matches!(setup, Err(Error::Input(_))));
        }
    }
    // Twice the pixel at four times the distance is the same image.
    let phase = photograph_phase(&picture(48, 40));
    let scaled = FresnelSetup::new(0.521, 0.42, 8.0).unwrap();
    let [a, b] = [paper, scaled].map(|s| simulate_pair(&phase, None, &s).unwrap());
    assert!(max_difference(a.plus(), b.plus()) < 1e-5);
}

#[test]
fn propagation_is_the_direct_sum_at_any_size() {
    let setup = FresnelSetup::default();
    for (height, width) in [(1, 1), (1, 7), (8, 6), (7, 12), (11, 13)] {
        let amplitude = picture(height, width).map(|v| 1.0 + 0.2 * v);
        let field = Field::new(&photograph_phase(&picture(height, width)), Some(&amplitude)).unwrap();
        for (side, distance) in [(Side::Plus, 2.0), (Side::Minus, -2.0)] {
            let got = propagate(&field, &setup, side);
            // Frequencies by their definition, the sums term by term.
            let signed = |i: usize, n: usize| if 2 * i < n { i as f64 } else { i as f64 - n as f64 };
            for (y, x) in [(0, 0), (height - 1, width / 2), (height / 2, width - 1)] {
                let mut expected = (0.0, 0.0);
                for v in 0..height {
                    for u in 0..width {
                        let (fy, fx) = (signed(v, height) / height as f64, signed(u, width) / width as f64);
                        let chirp = -PI * 0.521 * distance * (fx * fx + fy * fy) / (0.21 * 0.21);
                        for y0 in 0..height {
                            for x0 in 0..width {
                                let shift = fy * (y as f64 - y0 as f64) + fx * (x as f64 - x0 as f64);
                                let value = field.values()[y0 * width + x0];
                                let (sin, cos) = (TAU * shift + chirp).sin_cos();
                                expected.0 += value.re * cos - value.im * sin;
                                expected.1 += value.re * sin + value.im * cos;
                            }
                        }
                    }
                }
                let n = (height * width) as f64;
                let got = got.values()[y * width + x];
                let error = (got.re - expected.0 / n).hypot(got.im - expected.1 / n);
                assert!(error < 1e-11, "{height} × {width}, {side:?}, ({y}, {x}): off by {error:e}");
            }
        }
    }
}

#[test]
fn propagation_keeps_energy_and_can_be_undone() {
    let setup = FresnelSetup::default();
    let field = Field::new(&photograph_phase(&picture(60, 75)), None).unwrap();
    let there = propagate(&field, &setup, Side::Plus);
    assert!((there.energy() / field.energy() - 1.0).abs() < 1e-12);
    let back = propagate(&there, &setup, Side::Minus);
    let error = back.values().iter().zip(field.values()).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
    assert!(error < 1e-12, "off by {error:e}");
    // Something did happen in between.
    assert!(max_difference(&there.intensity(), &field.intensity()) > 0.5);
}

#[test]
fn a_gaussian_beam_spreads_as_its_closed_form_says() {
    let (wavelength, pixel, distance, waist) = (0.5, 0.2, 6.0, 1.5);
    let setup = FresnelSetup::new(wavelength, pixel, distance).unwrap();
    let side = 96;
    let radius2 = |y: usize, x: usize| {
        let c = (side / 2) as f64;
        ((y as f64 - c).powi(2) + (x as f64 - c).powi(2)) * pixel * pixel
    };
    let amplitude = Plane::from_fn(side, side, |y, x| (-radius2(y, x) / (waist * waist)).exp() as f32);
    let pair = simulate_pair(&Plane::from_fn(side, side, |_, _| 0.0), Some(&amplitude), &setup).unwrap();
    let spread = 1.0 + (distance * wavelength / (PI * waist * waist)).powi(2);
    let expected =
        Plane::from_fn(side, side, |y, x| ((-2.0 * radius2(y, x) / (waist * waist * spread)).exp() / spread) as f32);
    assert!(spread > 1.1);
    for image in [pair.plus(), pair.minus()] {
        let error = max_difference(image, &expected);
        assert!(error < 1e-6, "off by {error:e}");
    }
}

#[test]
fn a_converging_phase_brightens_downstream() {
    // Least phase outside, most in the middle: a positive lens.
    let pair = simulate_pair(&bump(64, 0.5), None, &FresnelSetup::default()).unwrap();
    let (y, x) = (32, 29);
    assert!(pair.plus().at(y, x) > 1.005 && pair.minus().at(y, x) < 0.995);
}

#[test]
fn a_cropped_simulation_does_not_feel_its_borders() {
    let setup = FresnelSetup::default();
    let margin = setup.margin();
    assert_eq!(margin, 32);
    let large = photograph_phase(&picture(300, 320));
    let whole = simulate_pair(&large, None, &setup).unwrap();
    let (top, left, height, width) = (90, 100, 60, 70);
    let surroundings = large.crop(top - margin, left - margin, height + 2 * margin, width + 2 * margin).unwrap();
    let cropped = simulate_cropped(&surroundings, None, &setup).unwrap();
    let window = |p: &Plane| p.crop(top, left, height, width).unwrap();
    assert_eq!(cropped.phase, window(&large));
    let rms = |a: &Plane, b: &Plane| {
        let (mean, std) = moments_of_difference(a, b);
        mean.hypot(std)
    };
    let with_margin = rms(cropped.pair.plus(), &window(whole.plus()));
    let without = simulate_pair(&window(&large), None, &setup).unwrap();
    let without_margin = rms(without.plus(), &window(whole.plus()));
    assert!(with_margin < 0.01, "{with_margin}");
    assert!(without_margin > 10.0 * with_margin, "{without_margin} without, {with_margin} with a margin");
    assert!(matches!(simulate_cropped(&picture(64, 200), None, &setup), Err(Error::Shape(_))));
    assert_eq!(simulate_cropped(&picture(65, 66), None, &setup).unwrap().pair.width(), 2);
}

#[test]
fn mirrors_repeat_the_border_pixel_and_reach_any_distance() {
    let line = Plane::new(1, 3, vec![1.0, 2.0, 3.0]).unwrap();
    let padded = mirror_pad(&line, 5);
    assert_eq!((padded.height(), padded.width()), (11, 13));
    assert_eq!(padded.values()[5 * 13..6 * 13], [2., 3., 3., 2., 1., 1., 2., 3., 3., 2., 1., 1., 2.]);
}

#[test]
fn bad_objects_are_refused() {
    let setup = FresnelSetup::default();
    let (phase, other) = (picture(8, 9), picture(9, 8));
    assert!(matches!(simulate_pair(&phase, Some(&other), &setup), Err(Error::Shape(_))));
    assert!(matches!(simulate_pair(&phase.map(|_| f32::NAN), None, &setup), Err(Error::Input(_))));
    assert!(matches!(simulate_pair(&phase, Some(&phase.map(|_| f32::INFINITY)), &setup), Err(Error::Input(_))));
    assert!(matches!(DefocusPair::new(phase.clone(), other), Err(Error::Shape(_))));
    assert!(matches!(DefocusPair::new(phase.clone(), phase.map(|_| f32::NAN)), Err(Error::Input(_))));
}

#[test]
fn a_pair_is_normalised_jointly() {
    let plane = |v: [f32; 2]| Plane::new(1, 2, v.to_vec()).unwrap();
    let pair = DefocusPair::new(plane([1.0, 2.0]), plane([0.0, 4.0])).unwrap();
    assert_eq!(normalise_pair(&pair), [plane([-0.5, 0.0]), plane([-1.0, 1.0])]);
    let flat = DefocusPair::new(plane([1.3; 2]), plane([1.3; 2])).unwrap();
    assert_eq!(normalise_pair(&flat), [plane([0.0; 2]), plane([0.0; 2])]);
}

#[test]
fn targets_are_phases_on_another_scale() {
    let phase = Plane::new(1, 3, vec![0.0, 1.75, 3.5]).unwrap();
    assert_eq!(phase_to_target(&phase).values(), [-1.0, 0.0, 1.0]);
    assert_eq!(target_to_phase(&phase_to_target(&phase)), phase);
}

#[test]
fn noise_has_the_moments_its_law_says() {
    let flat = Plane::from_fn(250, 240, |_, _| 1.0);
    let pair = DefocusPair::new(flat.clone(), flat.clone()).unwrap();
    let n = flat.values().len() as f64;
    for level in [0.05f32, 0.2] {
        for (law, std) in [(NoiseLaw::StandardDeviation, level), (NoiseLaw::Variance, level.sqrt())] {
            let (level, std) = (f64::from(level), f64::from(std));
            let noisy = add_noise(&pair, level as f32, law, 11).unwrap();
            for image in [noisy.plus(), noisy.minus()] {
                let (mean, spread) = moments_of_difference(image, &flat);
                // Five standard errors.
                assert!((mean - level).abs() < 5.0 * std / n.sqrt(), "{law:?}: mean {mean} at level {level}");
                assert!((spread - std).abs() < 5.0 * std / (2.0 * n).sqrt(), "{law:?}: std {spread} at level {level}");
            }
            let between = correlation(noisy.plus(), noisy.minus());
            assert!(between.abs() < 5.0 / n.sqrt(), "the two images share noise: {between}");
        }
    }
    assert_eq!(add_noise(&pair, 0.0, NoiseLaw::Variance, 1).unwrap(), pair);
    for bad in [-0.1, f32::NAN, f32::INFINITY] {
        assert!(matches!(add_noise(&pair, bad, NoiseLaw::Variance, 1), Err(Error::Input(_))));
    }
}

#[test]
fn noise_levels_fill_their_range_evenly() {
    let levels: Vec<f32> = (0..4000).map(training_noise_level).collect();
    assert!(levels.iter().all(|l| (0.0..MAX_TRAINING_NOISE).contains(l)));
    let mean = levels.iter().sum::<f32>() / 4000.0;
    // The standard error of the mean of 4000 values of U(0, 0.2) is 0.0009.
    assert!((mean - 0.1).abs() < 0.0045, "{mean}");
    let low = levels.iter().filter(|l| **l < 0.05).count();
    assert!((860..1140).contains(&low), "{low} of 4000 in the first quarter");
}

#[test]
fn a_seed_decides_everything_and_another_seed_something_else() {
    let gray = picture(48, 52);
    let pair = simulate_pair(&gray, None, &FresnelSetup::default()).unwrap();
    let noisy = |seed| add_noise(&pair, 0.1, NoiseLaw::default(), seed).unwrap();
    assert_eq!(noisy(3), noisy(3));
    assert_ne!(noisy(3), noisy(4));
    let mix = PhaseMix::robust();
    for seed in 0..20 {
        assert_eq!(mix.draw(&gray, seed), mix.draw(&gray, seed));
    }
    for variant in [PhaseVariant::Blurred, PhaseVariant::RandomRange, PhaseVariant::Cells(CellShape::default())] {
        let phase = |seed| training_phase(&gray, variant, seed).unwrap();
        assert_ne!(phase(5), phase(6), "{variant:?}");
    }
}

#[test]
fn weak_phases_are_retrieved_with_their_sign_and_size() {
    // A short distance, where the transport of intensity equation holds.
    let setup = FresnelSetup::new(0.521, 0.21, 0.1).unwrap();
    for side in [64, 75] {
        let phase = bump(side, 0.3);
        let pair = simulate_pair(&phase, None, &setup).unwrap();
        for boundary in [Boundary::Periodic, Boundary::Mirror] {
            let options = UsTieOptions { boundary, ..UsTieOptions::simulated() };
            let result = us_tie(&pair, &setup, &options).unwrap();
            let r = correlation(&result.phase, &phase);
            assert!(r > 0.999, "side {side}, {boundary:?}: correlation {r}");
            let error = mae_aligned(&result.phase, &phase, 0.3).unwrap();
            assert!(error < 0.01, "side {side}, {boundary:?}: aligned error {error} of the range");
            assert!(result.phase.mean().abs() < 1e-6);
            let single = tie_single(&pair, &setup, f64::EPSILON, boundary).unwrap();
            assert!(correlation(&single, &phase) > 0.99);
        }
    }
}

#[test]
fn iterations_correct_for_uneven_intensity() {
    let setup = FresnelSetup::new(0.521, 0.21, 0.1).unwrap();
    let phase = bump(64, 1.0);
    let amplitude = Plane::from_fn(64, 64, |y, x| {
        let (y, x) = (y as f32 / 64.0 * std::f32::consts::TAU, x as f32 / 64.0 * std::f32::consts::TAU);
        1.0 + 0.3 * x.sin() * y.cos()
    });
    let pair = simulate_pair(&phase, Some(&amplitude), &setup).unwrap();
    let result = us_tie(&pair, &setup, &UsTieOptions::simulated()).unwrap();
    let single = tie_single(&pair, &setup, f64::EPSILON, Boundary::Periodic).unwrap();
    let [iterated, once] = [&result.phase, &single].map(|p| mae_aligned(p, &phase, 1.0).unwrap());
    assert_eq!(result.stop, StopReason::Converged);
    assert!(result.residual <= 1e-3 && result.iterations > 3, "{result:?}");
    assert!(iterated < 0.005 && once > 5.0 * iterated, "{iterated} iterated, {once} once");
    // One iteration and the single inversion differ by the intensity they divide by: its largest value, and its mean.
    let first = us_tie(&pair, &setup, &UsTieOptions { max_iterations: 1, ..UsTieOptions::simulated() }).unwrap();
    assert_eq!((first.stop, first.iterations), (StopReason::IterationLimit, 1));
    let focus: Vec<f32> = pair.plus().values().iter().zip(pair.minus().values()).map(|(p, m)| (p + m) / 2.0).collect();
    let largest = focus.iter().fold(0.0f32, |m, v| m.max(*v));
    let mean = focus.iter().sum::<f32>() / focus.len() as f32;
    let furthest = first.phase.values().iter().zip(single.values()).map(|(f, s)| (f * largest / mean - s).abs());
    assert!(furthest.fold(0.0, f32::max) < 1e-4);
}

#[test]
fn retrieval_stops_when_the_residual_grows() {
    // Where the mean of the two images is negative, the correction has the wrong sign: this pair cannot converge.
    let wave = |y: usize, x: usize| (0.4 * y as f32).sin() * (0.9 * x as f32).cos();
    let plus = Plane::from_fn(40, 40, |y, x| 3.0 * wave(y, x) + 0.1 + 0.3 * (x % 5) as f32);
    let minus = Plane::from_fn(40, 40, |y, x| 3.0 * wave(y, x));
    let pair = DefocusPair::new(plus, minus).unwrap();
    let options = UsTieOptions { max_iterations: 500, ..UsTieOptions::simulated() };
    let result = us_tie(&pair, &FresnelSetup::default(), &options).unwrap();
    assert_eq!(result.stop, StopReason::Diverged);
    assert!(result.iterations < 500);
}

#[test]
fn retrieval_of_nothing_is_nothing_and_nonsense_is_refused() {
    let setup = FresnelSetup::default();
    let flat = Plane::from_fn(16, 12, |_, _| 1.0);
    let pair = DefocusPair::new(flat.clone(), flat.clone()).unwrap();
    let result = us_tie(&pair, &setup, &UsTieOptions::simulated()).unwrap();
    assert_eq!((result.iterations, result.stop, result.phase.min_max()), (0, StopReason::Converged, (0.0, 0.0)));
    let dark = DefocusPair::new(flat.map(|_| 0.0), flat.map(|_| -1.0)).unwrap();
    assert!(matches!(us_tie(&dark, &setup, &UsTieOptions::simulated()), Err(Error::Input(_))));
    let good = UsTieOptions::simulated();
    let bad = [
        UsTieOptions { regularisation: 0.0, ..good },
        UsTieOptions { regularisation: f64::NAN, ..good },
        UsTieOptions { tolerance: -1.0, ..good },
        UsTieOptions { max_growth: f64::NAN, ..good },
    ];
    for options in bad {
        assert!(matches!(us_tie(&pair, &setup, &options), Err(Error::Input(_))), "{options:?}");
    }
}
