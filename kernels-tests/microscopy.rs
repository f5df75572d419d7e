//! Simulated fluorescence images: the lens, the camera, the specimens.

use cvdm::Error;
use cvdm::data::Plane;
use cvdm::inverse::*;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex64;

#[test]
fn the_transfer_function_is_the_overlap_of_two_apertures() {
    // The definition: the area common to two discs of radius 1/2 whose middles lie ν apart, in parts of a disc's.
    let steps = 2000;
    for nu in [0.0, 0.1, 0.35, 0.5, 0.8, 0.97] {
        let strip = |i: i32| {
            let x = -0.5 + (f64::from(i) + 0.5) / f64::from(steps);
            let half = |x: f64| (0.25 - x * x).max(0.0).sqrt();
            2.0 * half(x).min(half(x - nu)) / f64::from(steps)
        };
        let overlap = (0..steps).map(strip).sum::<f64>() / (std::f64::consts::PI / 4.0);
        // The middle rule at edges that rise like a root: the step to the power 3/2.
        assert!((incoherent_otf(nu) - overlap).abs() < 2e-5, "ν = {nu}");
        assert_eq!(incoherent_otf(-nu), incoherent_otf(nu));
    }
    assert_eq!(incoherent_otf(0.0), 1.0);
    assert_eq!([1.0, 1.5, f64::INFINITY].map(incoherent_otf), [0.0; 3]);
}

/// The share of a plane's power (without its mean) beyond a frequency in cycles a pixel, under a window that keeps its borders out.
fn power_beyond(plane: &Plane, frequency: f64) -> f64 {
    let side = plane.height();
    // Blackman's: side lobes below 1e-3 in power a few lines away, and falling.
    let window = |i: usize| {
        let t = std::f64::consts::TAU * (i as f64 + 0.5) / side as f64;
        0.42 - 0.5 * t.cos() + 0.08 * (2.0 * t).cos()
    };
    let mean = f64::from(plane.mean());
    let at = |y: usize, x: usize| Complex64::from((f64::from(plane.at(y, x)) - mean) * window(y) * window(x));
    let fft = FftPlanner::new().plan_fft_forward(side);
    let mut rows: Vec<Complex64> = (0..side * side).map(|i| at(i / side, i % side)).collect();
    fft.process(&mut rows);
    let mut columns: Vec<Complex64> = (0..side * side).map(|i| rows[i % side * side + i / side]).collect();
    fft.process(&mut columns);
    let number = |i: usize| i.min(side - i) as f64 / side as f64;
    let power = |outside: bool| {
        let chosen = (0..side * side).filter(|i| !outside || number(i / side).hypot(number(i % side)) > frequency);
        chosen.map(|i| columns[i].norm_sqr()).sum::<f64>()
    };
    power(true) / power(false)
}

#[test]
fn specimens_have_structure_up_to_the_resolution_and_none_beyond() {
    let microscope = Microscope::default();
    let cutoff = microscope.cutoff() * microscope.pixel_um();
    for specimen in Specimen::ALL {
        let scene = Scene::draw(specimen, &microscope, 128, 3).unwrap();
        let truth = scene.truth();
        assert_eq!(truth.min_max(), (0.0, 1.0));
        // More than the lens passes, less than structured illumination does not.
        assert!(power_beyond(truth, cutoff) > 1e-3, "{specimen:?}: {}", power_beyond(truth, cutoff));
        assert!(power_beyond(truth, 2.2 * cutoff) < 1e-6, "{specimen:?}: {}", power_beyond(truth, 2.2 * cutoff));
        // The camera's pixels are twice as large.
        let light = scene.light();
        assert!(power_beyond(light, cutoff) > 1e-4, "{specimen:?}: {}", power_beyond(light, cutoff));
        assert!(power_beyond(light, 2.2 * cutoff) < 1e-6, "{specimen:?}: {}", power_beyond(light, 2.2 * cutoff));
    }
}

#[test]
fn a_scene_is_a_function_of_its_seed() {
    let microscope = Microscope::default();
    for specimen in Specimen::ALL {
        let scene = |seed| Scene::draw(specimen, &microscope, 64, seed).unwrap();
        assert_eq!(scene(5), scene(5), "{specimen:?}");
        assert_ne!(scene(5), scene(6), "{specimen:?}");
        assert_eq!(scene(5).expose(3, 1).unwrap(), scene(5).expose(3, 1).unwrap());
        assert_ne!(scene(5).expose(3, 1).unwrap(), scene(5).expose(3, 2).unwrap());
        let pair = scene(5).pair(3, 1).unwrap();
        assert_eq!((pair.factor(), pair.low()[0].height(), pair.high()[0].width()), (2, 32, 64));
        assert_eq!(pair.low()[0].min_max(), (0.0, 1.0));
    }
}

#[test]
fn counts_have_the_noise_of_photons_and_of_reading() {
    let scene = Scene::draw(Specimen::Microtubules, &Microscope::default(), 128, 2).unwrap();
    for level in [1, 5, SIGNAL_LEVELS] {
        let exposures: Vec<Plane> = (0..200).map(|seed| scene.expose(level, seed).unwrap()).collect();
        let n = exposures.len() as f64;
        let (mut means, mut variances) = (0.0, 0.0);
        let mut brightest: f64 = 0.0;
        for i in 0..exposures[0].values().len() {
            let values = exposures.iter().map(|e| f64::from(e.values()[i]));
            let mean = values.clone().sum::<f64>() / n;
            means += mean;
            brightest = brightest.max(mean);
            variances += values.map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        }
        // Var = mean + 1.6²; 4096 pixels of 200 exposures know it to 1/√(4096·200/2), and bright pixels weigh more.
        let expected = means + 1.6f64.powi(2) * exposures[0].values().len() as f64;
        assert!((variances / expected - 1.0).abs() < 0.01, "level {level}: {variances}, expected {expected}");
        let peak = peak_photons(level).unwrap();
        assert!((brightest / peak - 1.0).abs() < 0.05, "level {level}: {brightest} photons, expected {peak}");
    }
    assert!((peak_photons(1).unwrap(), peak_photons(10).unwrap()) == (12.0, 1200.0));
    assert!((2..=10).all(|level| peak_photons(level).unwrap() > 1.6 * peak_photons(level - 1).unwrap()));
}

#[test]
fn what_cannot_be_is_refused() {
    let microscope = Microscope::default();
    for side in [0, 63] {
        assert!(matches!(Scene::draw(Specimen::Pits, &microscope, side, 1), Err(Error::Shape(_))));
    }
    let scene = Scene::draw(Specimen::Pits, &microscope, 2, 1).unwrap();
    assert!(matches!(scene.expose(0, 1), Err(Error::Input(_))));
    assert!(matches!(scene.expose(11, 1), Err(Error::Input(_))));
    for (aperture, wavelength, pixel) in [(0.0, 0.5, 0.03), (1.3, f64::NAN, 0.03), (1.3, 0.525, 0.06), (1.3, 0.5, -1.0)]
    {
        assert!(matches!(Microscope::new(aperture, wavelength, pixel), Err(Error::Input(_))));
    }
    assert!((Microscope::new(1.4, 0.56, 0.04).unwrap().resolution_um() - 0.2).abs() < 1e-12);
}
