//! Simulators and classical baselines of phase imaging: conservation laws, closed forms, and known answers.

use cvdm::data::Plane;
use cvdm::inverse::{
    Boundary, DefocusPair, Field, FresnelSetup, NoiseLaw, PhaseMix, Side, UsTieOptions, add_noise, mirror_pad,
    normalise_pair, phase_to_target, propagate, simulate_cropped, simulate_pair, target_to_phase, tie_single, us_tie,
};
use cvdm::metrics::{mae_aligned, rank_correlation};

/// A smooth phase of the given height in rad, periodic on its grid.
fn smooth(height: usize, width: usize, peak: f32) -> Plane {
    let wave = |i: usize, n: usize| (std::f32::consts::TAU * i as f32 / n as f32).sin();
    Plane::from_fn(height, width, |y, x| peak * 0.25 * (2.0 + wave(y, height) + wave(2 * x, width)))
}

#[test]
fn propagation_conserves_energy_and_goes_back() {
    let setup = FresnelSetup::default();
    let field = Field::new(&smooth(40, 54, 3.0), None).unwrap();
    let there = propagate(&field, &setup, Side::Plus);
    let back = propagate(&there, &setup, Side::Minus);
    let (intensity, returned) = (there.intensity(), back.wrapped_phase());
    assert!((intensity.mean() - 1.0).abs() < 1e-6, "a pure phase keeps its mean intensity of 1");
    let start = field.wrapped_phase();
    for (a, b) in returned.values().iter().zip(start.values()) {
        assert!((a - b).abs() < 1e-5);
    }
}

#[test]
fn a_phase_grating_follows_its_closed_form() {
    // A weak sinusoidal phase of frequency f has I_d = 1 + 2 m sin(π λ d f²) cos(2πfx) to first order in m.
    let setup = FresnelSetup::default();
    let (n, periods, m) = (96, 6, 1e-3f64);
    let wave = |x: usize| (std::f64::consts::TAU * (periods * x) as f64 / n as f64).cos();
    let phase = Plane::from_fn(8, n, |_, x| (m * wave(x)) as f32);
    let pair = simulate_pair(&phase, None, &setup).unwrap();
    let f = periods as f64 / (n as f64 * setup.pixel_um());
    let transfer = 2.0 * m * (std::f64::consts::PI * setup.wavelength_um() * setup.defocus_um() * f * f).sin();
    for x in 0..n {
        let want = transfer * wave(x);
        assert!((f64::from(pair.plus().at(3, x)) - 1.0 - want).abs() < 2e-6, "at +d, column {x}");
        assert!((f64::from(pair.minus().at(3, x)) - 1.0 + want).abs() < 2e-6, "at −d, column {x}");
    }
}

#[test]
fn cropping_hides_the_wrap_around() {
    // The same window simulated with two different surroundings, both beyond the margin.
    let setup = FresnelSetup::default();
    let margin = setup.margin();
    let side = 48 + 2 * margin;
    let phase = Plane::from_fn(side, side, |y, x| 1.5 + (y as f32 * 0.21).sin() + 0.4 * (x as f32 * 0.33).cos());
    let narrow = simulate_cropped(&phase, None, &setup).unwrap();
    let wide = simulate_cropped(&mirror_pad(&phase, 60), None, &setup).unwrap();
    let inner = wide.pair.plus().crop(60, 60, 48, 48).unwrap();
    let difference = inner.values().iter().zip(narrow.pair.plus().values()).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let rms = (difference / (48.0 * 48.0)).sqrt();
    assert!(rms < 0.02, "what lies beyond the margin still changes the image by {rms}");
    assert_eq!(narrow.phase.values(), phase.crop(margin, margin, 48, 48).unwrap().values());
    let small = Plane::from_fn(2 * margin, 2 * margin, |_, _| 0.0);
    assert!(simulate_cropped(&small, None, &setup).unwrap_err().to_string().contains("larger"));
}

#[test]
fn us_tie_finds_a_smooth_phase_and_beats_its_first_iteration() {
    let setup = FresnelSetup::default();
    let truth = smooth(96, 96, 2.5);
    let pair = simulate_pair(&truth, None, &setup).unwrap();
    let result = us_tie(&pair, &setup, &UsTieOptions::simulated()).unwrap();
    let error = mae_aligned(&result.phase, &truth, 3.5).unwrap();
    assert!(error < 0.01, "aligned error {error} after {} iterations", result.iterations);
    assert!(result.phase.mean().abs() < 1e-4, "two images cannot know the mean");
    let single = tie_single(&pair, &setup, f64::EPSILON, Boundary::Periodic).unwrap();
    assert!(error <= mae_aligned(&single, &truth, 3.5).unwrap());
    // A weak phase: the sign and the order of all pixels are right.
    let weak = truth.map(|v| 0.02 * v);
    let pair = simulate_pair(&weak, None, &setup).unwrap();
    let phase = us_tie(&pair, &setup, &UsTieOptions::simulated()).unwrap().phase;
    assert!(rank_correlation(&phase, &weak).unwrap().unwrap() > 0.99);
}

#[test]
fn the_pair_is_scaled_jointly_and_a_flat_one_is_zero() {
    let plus = Plane::from_fn(2, 2, |y, x| (2 * y + x) as f32);
    let minus = plus.map(|v| v + 3.0);
    let [a, b] = normalise_pair(&DefocusPair::new(plus.clone(), minus).unwrap());
    assert_eq!(a.values(), [-1.0, -2.0 / 3.0, -1.0 / 3.0, 0.0]);
    assert_eq!(b.values()[3], 1.0);
    let flat = plus.map(|_| 7.0);
    let [a, b] = normalise_pair(&DefocusPair::new(flat.clone(), flat).unwrap());
    assert!(a.values().iter().chain(b.values()).all(|&v| v == 0.0));
    let phase = smooth(4, 4, 3.5);
    let back = target_to_phase(&phase_to_target(&phase));
    assert!(back.values().iter().zip(phase.values()).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn noise_has_its_moments_and_repeats() {
    let one = Plane::from_fn(200, 200, |_, _| 1.0);
    let pair = DefocusPair::new(one.clone(), one).unwrap();
    let (level, n) = (0.1f32, 40_000f64);
    let noisy = add_noise(&pair, level, NoiseLaw::StandardDeviation, 5).unwrap();
    assert_eq!(noisy, add_noise(&pair, level, NoiseLaw::StandardDeviation, 5).unwrap());
    assert_ne!(noisy, add_noise(&pair, level, NoiseLaw::StandardDeviation, 6).unwrap());
    for image in [noisy.plus(), noisy.minus()] {
        let mean = f64::from(image.mean());
        let variance = image.values().iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        // Five standard errors of mean and variance.
        assert!((mean - 1.0 - f64::from(level)).abs() < 5.0 * f64::from(level) / n.sqrt());
        assert!((variance / f64::from(level).powi(2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
    }
    assert!(add_noise(&pair, -1.0, NoiseLaw::StandardDeviation, 5).is_err());
}

#[test]
fn training_phases_stay_in_range_and_repeat() {
    let gray = Plane::from_fn(80, 80, |y, x| ((y * 13 + x * 7) % 31) as f32);
    for seed in 0..40 {
        let object = PhaseMix::robust().draw(&gray, seed).unwrap();
        assert_eq!(object.phase, PhaseMix::robust().draw(&gray, seed).unwrap().phase);
        let (low, high) = object.phase.min_max();
        assert!(low >= -1e-5 && high <= 3.5 + 1e-4, "seed {seed}: {low} to {high} rad");
        assert!(object.phase.values().iter().all(|v| v.is_finite()));
    }
    assert!(FresnelSetup::new(0.5, -1.0, 2.0).is_err());
    assert!(PhaseMix { photograph: -1.0, ..PhaseMix::paper() }.draw(&gray, 1).is_err());
}
