//! Phases made from photographs: ranges, variants, mixes and the blur behind them.

use cvdm::Error;
use cvdm::data::Plane;
use cvdm::inverse::*;

/// A gray picture with structure on several lengths.
fn picture(height: usize, width: usize) -> Plane {
    Plane::from_fn(height, width, |y, x| {
        let (y, x) = (y as f32, x as f32);
        (0.11 * x + 0.05 * y).sin()
            + (0.07 * y).cos() * (0.31 * x).sin()
            + if (x - 30.0).hypot(y - 25.0) < 9.0 { 1.5 } else { 0.0 }
    })
}

fn max_difference(a: &Plane, b: &Plane) -> f32 {
    a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn photographs_become_phases_of_the_full_range() {
    let phase = photograph_phase(&picture(20, 30));
    assert_eq!(phase.min_max(), (0.0, PHASE_RANGE));
    let flat = Plane::from_fn(5, 5, |_, _| 0.7);
    assert_eq!(photograph_phase(&flat).min_max(), (0.0, 0.0));
    // A change of scale and offset of the gray values changes nothing.
    let other = photograph_phase(&picture(20, 30).map(|v| 40.0 * v + 90.0));
    assert!(max_difference(&phase, &other) < 1e-5);
}

#[test]
fn variants_keep_their_promises() {
    let gray = picture(96, 80);
    let roughness = |p: &Plane| -> f32 {
        p.values().chunks(p.width()).flat_map(|r| r.windows(2)).map(|w| (w[1] - w[0]).abs()).sum::<f32>()
    };
    let sharp = roughness(&photograph_phase(&gray));
    let (mut ranges, mut empty) = (vec![], 0);
    for seed in 0..60 {
        let phase = |v| training_phase(&gray, v, seed).unwrap();
        let blurred = phase(PhaseVariant::Blurred);
        assert_eq!(blurred.min_max(), (0.0, PHASE_RANGE));
        let softer = gaussian_blur(&gray, 8.0).unwrap();
        assert!(
            roughness(&blurred) <= 1.01 * sharp && roughness(&blurred) >= 0.9 * roughness(&photograph_phase(&softer))
        );
        let (low, range) = phase(PhaseVariant::RandomRange).min_max();
        assert!(low == 0.0 && (0.5..=PHASE_RANGE).contains(&range));
        ranges.push(range);

        let cells = phase(PhaseVariant::Cells(CellShape::default()));
        let (low, high) = cells.min_max();
        assert!(low == 0.0 && (0.5..=PHASE_RANGE).contains(&high), "seed {seed}: {low} to {high}");
        let share = cells.values().iter().filter(|v| **v == 0.0).count() as f32 / cells.values().len() as f32;
        empty += usize::from(share > 0.2);
        // Soft rims: no jump of more than two thirds of the range between neighbours, even for the smallest granules.
        let jump =
            cells.values().chunks(80).flat_map(|r| r.windows(2)).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        assert!(jump < high * 0.67, "seed {seed}: a jump of {jump} in {high}");
    }
    assert!(ranges.iter().any(|r| *r < 1.2) && ranges.iter().any(|r| *r > 2.8));
    assert!(empty > 40, "only {empty} of 60 frames of cells show some medium");
}

#[test]
fn mixes_draw_by_weight_and_refuse_nonsense() {
    let gray = picture(40, 40);
    let paper = PhaseMix::paper();
    for seed in 0..10 {
        let object = paper.draw(&gray, seed).unwrap();
        assert_eq!((object.phase, object.amplitude), (photograph_phase(&gray), None));
    }
    let robust = PhaseMix::robust();
    let objects: Vec<PhaseObject> = (0..400).map(|seed| robust.draw(&gray, seed).unwrap()).collect();
    let plain = objects.iter().filter(|o| o.phase == photograph_phase(&gray)).count();
    // Binomial, 400 × 0.35 ± 4.2 standard deviations of 9.5.
    assert!((100..180).contains(&plain), "{plain} of 400 are plain photographs");
    let amplitudes: Vec<&Plane> = objects.iter().filter_map(|o| o.amplitude.as_ref()).collect();
    assert!((80..160).contains(&amplitudes.len()), "{} of 400 absorb", amplitudes.len());
    assert!(amplitudes.iter().all(|a| a.values().iter().all(|v| (0.9..=1.1).contains(v))));
    for object in &objects {
        let Some(amplitude) = &object.amplitude else { continue };
        let outside = object.phase.values().iter().zip(amplitude.values()).filter(|(p, _)| **p == 0.0);
        assert!(outside.into_iter().all(|(_, a)| *a == 1.0), "the medium absorbs");
    }
    let bad = [
        PhaseMix { photograph: 0.0, ..paper },
        PhaseMix { cells: -1.0, ..paper },
        PhaseMix { cells: f32::NAN, ..paper },
        PhaseMix { amplitude_probability: 1.5, ..paper },
        PhaseMix { amplitude_depth: 1.0, ..paper },
        PhaseMix {
            photograph: 0.0,
            cells: 1.0,
            cell_shape: CellShape { max_count: 0, ..CellShape::default() },
            ..paper
        },
    ];
    for mix in bad {
        assert!(matches!(mix.draw(&gray, 0), Err(Error::Input(_))), "{mix:?}");
    }
}

#[test]
fn blur_is_a_gaussian_that_keeps_the_mean() {
    let mut point = Plane::from_fn(61, 63, |_, _| 0.0);
    point.values_mut()[30 * 63 + 31] = 1.0;
    let sigma = 3.0f32;
    let blurred = gaussian_blur(&point, sigma).unwrap();
    for (y, x) in [(30, 31), (33, 31), (30, 25), (36, 37)] {
        let r2 = ((y as f32 - 30.0).powi(2) + (x as f32 - 31.0).powi(2)) / (sigma * sigma);
        let expected = (-0.5 * r2).exp() / (std::f32::consts::TAU * sigma * sigma);
        assert!((blurred.at(y, x) / expected - 1.0).abs() < 1e-3, "({y}, {x})");
    }
    let image = picture(20, 9);
    let soft = gaussian_blur(&image, 8.0).unwrap();
    assert!((soft.mean() - image.mean()).abs() < 1e-5);
    assert_eq!(gaussian_blur(&image, 0.0).unwrap(), image);
    assert!(matches!(gaussian_blur(&image, -1.0), Err(Error::Input(_))));
}

#[test]
fn cells_that_lie_inside_touch_no_border_of_the_window() {
    let gray = picture(96, 144);
    for seed in 0..200 {
        let shape = CellShape { inside: 1.0, window: 2.0 / 3.0, ..CellShape::default() };
        let cells = training_phase(&gray, PhaseVariant::Cells(shape), seed).unwrap();
        // A window of two thirds leaves a sixth of each side out at either end.
        let touches = |y: usize, x: usize| !(16..80).contains(&y) || !(24..120).contains(&x);
        let outside = (0..96 * 144).filter(|i| touches(i / 144, i % 144)).any(|i| cells.values()[i] != 0.0);
        assert!(!outside, "seed {seed}");
        assert!(cells.min_max().1 >= 0.5, "seed {seed}: empty");
    }
}
