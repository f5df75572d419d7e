//! Intervals from held-out images: their width by hand, what they promise about a new image, and the program around them.

#[path = "harness/pixel.rs"]
mod pixel;
#[path = "harness/program.rs"]
mod program;

use cvdm::Error;
use cvdm::calibration::{Calibration, Interval};
use cvdm::data::{Plane, read_planes, write_tiff};
use cvdm::diffusion::SampleOptions;
use cvdm::metrics::{ErrorRatios, Prediction, images_needed};
use cvdm::weights::load_weights;
use pixel::pixel;
use program::{Bench, fails, succeeds, text};

/// Images whose pixels err by these many standard deviations.
fn errors(images: &[Vec<f32>]) -> cvdm::Result<ErrorRatios> {
    let planes: Vec<[Plane; 3]> = images
        .iter()
        .enumerate()
        .map(|(i, ratios)| {
            let row = |values: Vec<f32>| Plane::new(1, values.len(), values).unwrap();
            // A power of two, so that the quotient is exact.
            let std = 2.0f32.powi(i as i32 % 5 - 2);
            let signed = |(j, r): (usize, &f32)| if j % 2 == 0 { r * std } else { -r * std };
            let truth = row(ratios.iter().enumerate().map(signed).collect());
            [row(vec![0.0; ratios.len()]), row(vec![std; ratios.len()]), truth]
        })
        .collect();
    ErrorRatios::new(&planes.iter().map(of).collect::<Vec<_>>())
}

fn of([mean, std, truth]: &[Plane; 3]) -> Vec<Prediction<'_>> {
    vec![Prediction::new(mean, std, truth).unwrap()]
}

#[test]
fn factors_are_those_counted_by_hand() {
    // Nine images of one pixel: (9 R + 1) / 10 ≤ 1 − level lets none, one and four of them lie outside.
    let nine = errors(&(1..=9).map(|r| vec![r as f32]).collect::<Vec<_>>()).unwrap();
    assert_eq!([0.9, 0.8, 0.5].map(|level| nine.factor(level)), [Ok(9.0), Ok(8.0), Ok(5.0)]);
    // Between: 0.75 lets 1.5 outside, which no share of whole pixels is, so one.
    assert_eq!(nine.factor(0.75), Ok(8.0));
    assert!((nine.coverage(7.0) - 7.0 / 9.0).abs() < 1e-12);
    // Equal errors lie inside or outside together.
    let equal = errors(&[vec![1.0], vec![3.0], vec![3.0], vec![3.0], vec![4.0]]).unwrap();
    assert_eq!([0.5, 2.0 / 3.0].map(|level| equal.factor(level)), [Ok(3.0), Ok(3.0)]);
    // An image counts as one however many pixels it has: 0.5 lets one image lie outside, here the first, 0.375 one and a half.
    let uneven = errors(&[vec![5.0], vec![1.0, 2.0, 3.0, 4.0], vec![0.0, 0.0]]).unwrap();
    assert_eq!(uneven.factor(0.5), Ok(4.0));
    assert_eq!(uneven.factor(0.375), Ok(2.0));
    assert_eq!(images_needed(0.9), 9);
    assert_eq!([0.5, 0.8, 0.95].map(images_needed), [1, 4, 19]);
}

/// Heavy-tailed errors whose size differs from image to image, so that pixels of one image err together.
fn drawn(image: u32, pixels: usize) -> Vec<f32> {
    let size = 0.2 + 3.0 * pixel(0, 0, 1000 + image).powi(3);
    (0..pixels).map(|x| size / (0.02 + pixel(1, x, 1000 + image))).collect()
}

/// What is promised is a mean over calibrations and new images. Without the one image more in its formula intervals would hold less,
/// and no more is wasted than the theorem says, 2/(n + 1).
#[test]
fn a_new_image_lies_in_its_intervals_as_often_as_they_say() {
    let (n, rounds) = (9, 4000);
    for level in [0.5, 0.8, 0.9] {
        let uncorrected = 1.0 - ((1.0 - level) * f64::from(n) + 1.0) / f64::from(n + 1);
        let (mut sum, mut squares, mut less) = (0.0, 0.0, 0.0);
        for round in 0..rounds {
            let image = |i: u32| drawn(round * (n + 1) + i, 12);
            let (known, new) = (errors(&(0..n).map(image).collect::<Vec<_>>()).unwrap(), errors(&[image(n)]).unwrap());
            let held = new.coverage(known.factor(level).unwrap());
            sum += held;
            squares += held * held;
            less += new.coverage(known.factor(uncorrected).unwrap());
        }
        let [mean, squares, less] = [sum, squares, less].map(|v| v / f64::from(rounds));
        let error = ((squares - mean * mean) / f64::from(rounds)).sqrt();
        assert!(mean > level - 3.0 * error, "{mean} ± {error} at {level}");
        assert!(mean < level + 2.0 / f64::from(n + 1) + 3.0 * error, "{mean} ± {error} at {level}");
        // At a half the two differ by less than can be told.
        assert!(level == 0.5 || less < level - 3.0 * error, "{less} ± {error} at {level} without the correction");
    }
}

#[test]
fn an_image_left_out_meets_the_factor_of_the_others() {
    let images: Vec<Vec<f32>> = (0..12).map(|i| drawn(i, 30 + i as usize)).collect();
    let all = errors(&images).unwrap();
    let held = (0..images.len()).map(|out| {
        let others: Vec<_> = images.iter().enumerate().filter(|(i, _)| *i != out).map(|(_, v)| v.clone()).collect();
        errors(&images[out..=out]).unwrap().coverage(errors(&others).unwrap().factor(0.8).unwrap())
    });
    let mean = held.sum::<f64>() / images.len() as f64;
    assert!((all.coverage_left_out(0.8).unwrap() - mean).abs() < 1e-12);
}

#[test]
fn what_cannot_be_promised_is_refused() {
    let eight = errors(&vec![vec![1.0]; 8]).unwrap();
    let told = |result: cvdm::Result<f64>| match result {
        Err(Error::Input(told)) => told,
        other => panic!("{other:?}"),
    };
    assert!(told(eight.factor(0.9)).contains("at least 9 images, 8 were given"));
    assert!(eight.coverage_left_out(8.0 / 9.0).is_err() && eight.factor(8.0 / 9.0).is_ok());
    for level in [0.0, 1.0, f64::NAN] {
        assert!(told(eight.factor(level)).contains("between 0 and 1"));
    }
    assert!(errors(&[]).is_err());
    assert!(ErrorRatios::new(&[vec![]]).is_err());
    // Wrong and sure of it: no interval of any width.
    let (zero, one) = (Plane::from_fn(2, 2, |_, _| 0.0), Plane::from_fn(2, 2, |_, _| 1.0));
    let sure = ErrorRatios::new(&[vec![Prediction::new(&zero, &zero, &one).unwrap()]]).unwrap();
    assert!(told(sure.factor(0.5)).contains("no error was expected"));
    // Right and sure of it is inside of any.
    let right = ErrorRatios::new(&[vec![Prediction::new(&one, &zero, &one).unwrap()]]).unwrap();
    assert_eq!((right.factor(0.5), right.coverage(0.0)), (Ok(0.0), 1.0));
}

#[test]
fn intervals_are_given_for_what_they_were_found_for() {
    let options = SampleOptions { samples: 4, steps: 3, ..SampleOptions::default() };
    let found = Calibration::fit(
        &errors(&(1..=5).map(|r| vec![r as f32]).collect::<Vec<_>>()).unwrap(),
        "pixels".into(),
        &options,
    )
    .unwrap();
    // Five images are enough for 0.8 and not for 0.9.
    assert_eq!(found.intervals, [Interval { level: 0.5, factor: 3.0 }, Interval { level: 0.8, factor: 5.0 }]);
    assert_eq!(found.interval(None, &options), Ok(found.intervals[1]));
    assert_eq!(found.interval(Some(0.5), &options), Ok(found.intervals[0]));
    // Neither the seed nor how many go side by side changes a deviation's law.
    assert!(found.interval(None, &SampleOptions { seed: 9, batch: 2, ..options }).is_ok());
    let refused = |level, options: SampleOptions| found.interval(level, &options).unwrap_err().to_string();
    assert!(refused(Some(0.9), options).contains("0.5, 0.8"));
    let told = refused(None, SampleOptions { steps: 4, ..options });
    assert!(told.contains("4 samples of 3 steps, ancestral, product, not with 4 samples of 4 steps"), "{told}");
    assert!(found.check().is_ok());
    let half = Interval { level: 0.5, factor: 1.0 };
    for intervals in [
        vec![],
        vec![Interval { factor: f64::NAN, ..half }],
        vec![Interval { level: 1.0, ..half }],
        vec![Interval { level: 0.8, ..half }, half],
        vec![half, Interval { level: 0.8, factor: 0.9 }],
    ] {
        let broken = Calibration { intervals, ..found.clone() };
        assert!(matches!(broken.check(), Err(Error::Input(_))), "{broken:?}");
    }
}

/// Photographs, weights, calibrated ones, a reconstruction with intervals.
#[test]
fn calibrated_weights_give_intervals() {
    let bench = Bench::new();
    let (run, out, pairs) = (bench.path("run"), bench.path("calibrated"), bench.path("pairs"));
    succeeds(&["train", text(&bench.config("run.toml", "steps = 2")), "--out", text(&run)]);
    let (weights, photographs) = (run.join("weights.safetensors"), bench.path("others"));
    std::fs::create_dir(&photographs).unwrap();
    for file in std::fs::read_dir(bench.path("photographs")).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), photographs.join(file.file_name())).unwrap();
    }
    let sampling = ["--samples", "3", "--steps", "2"];
    let calibrate = |weights: &std::path::Path, more: &[&'static str]| {
        let first = ["calibrate", "--weights", text(weights), "--out", text(&out), "--size", "16"];
        [&first[..], &sampling, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let arguments = calibrate(&weights, &["--windows", "2", "--noise", "0,0.1", "--photographs"]);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.push(text(&photographs));
    let told = succeeds(&arguments);
    assert!(told.contains("3 samples of 2 steps, posterior"), "{told}");
    for name in ["table.md", "reliability.png"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let calibrated = out.join("weights.safetensors");
    let [before, after] = [&weights, &calibrated].map(|file| load_weights(file).unwrap());
    assert_eq!((before.parameters, before.config, before.step), (after.parameters, after.config, after.step));
    let found = after.calibration.unwrap();
    // Nine photographs are just enough for 0.9; the two windows and levels of noise of one are no more.
    assert!(before.calibration.is_none() && found.images == 9);
    assert_eq!(found.intervals.iter().map(|i| i.level).collect::<Vec<_>>(), [0.5, 0.8, 0.9]);
    assert!(std::fs::read_to_string(out.join("table.md")).unwrap().contains("noise 0, 0.1"));
    assert!(succeeds(&["info", text(&calibrated)]).contains(&format!("calibrated on {} images", found.images)));

    succeeds(&["simulate", "--input", text(&photographs.join("3.png")), "--out", text(&pairs), "--defocus", "0.05"]);
    let pair = pairs.join("3.pair.tif");
    let result = bench.path("result");
    let reconstruct = |weights: &std::path::Path, more: &[&'static str]| {
        let first =
            ["reconstruct", "--weights", text(weights), "--input", text(&pair), "--out", text(&result), "--force"];
        [&first[..], &["--defocus", "0.05"], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |arguments: Vec<String>| succeeds(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let told = run(reconstruct(&calibrated, &["--samples", "3", "--steps", "2", "--level", "0.5"]));
    assert!(told.contains("noise 0, 0.1) 0.5 of the pixels"), "{told}");
    let [std, half_width] = ["std.tif", "half_width.tif"].map(|name| read_planes(result.join(name)).unwrap().remove(0));
    let whole = std.values().iter().map(|s| s * s).sum::<f32>() / std.values().len() as f32;
    for (s, h) in std.values().iter().zip(half_width.values()) {
        let expected = found.intervals[0].factor as f32 * (0.5 * (s * s + whole)).sqrt();
        assert!((h - expected).abs() < 1e-4 * expected, "{h}, not {expected}");
    }
    // Sampled otherwise there are none, and none of an earlier run remain.
    let told = run(reconstruct(&calibrated, &["--samples", "4", "--steps", "2"]));
    assert!(told.contains("intervals are left out") && !result.join("half_width.tif").exists(), "{told}");
    let refuse = |arguments: Vec<String>, parts: &[&str]| {
        fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), parts)
    };
    refuse(
        reconstruct(&calibrated, &["--samples", "4", "--steps", "2", "--level", "0.5"]),
        &["calibrated with 3 samples"],
    );
    refuse(reconstruct(&weights, &["--level", "0.5"]), &["cvdm calibrate"]);
    refuse(calibrate(&weights, &["--force"]), &["--photographs"]);
    refuse(calibrate(&weights, &["--samples", "1"]), &["--samples"]);
    // The folder of the weights themselves, and photographs most of which were trained on.
    refuse(calibrate(&calibrated, &["--force"]), &["holds the weights"]);
    let mut all = calibrate(&weights, &["--force", "--noise", "0,0", "--photographs"]);
    all.push(text(&bench.path("photographs")).into());
    refuse(all.clone(), &["trained on", "--held-out"]);
    all.push("--held-out".into());
    refuse(all, &["--noise names 0 twice"]);

    // A table says how often they held; of weights without calibration what a Gaussian's would.
    let compared = bench.path("compared");
    let first = ["evaluate", "--weights", text(&weights), text(&calibrated), "--photographs", text(&photographs)];
    let told = succeeds(&[&first[..], &sampling, &["--size", "24", "--count", "2", "--out", text(&compared)]].concat());
    let shares = |name: &str| {
        let line = told.lines().find(|l| l.contains(name) && l.contains("| 0.5 |")).unwrap_or_else(|| panic!("{told}"));
        line.split('|').skip(4).map(|cell| cell.trim().parse::<f64>().ok()).collect::<Vec<_>>()
    };
    assert!(matches!(shares("(run/weights)")[..3], [Some(share), None, None] if (0.0..=1.0).contains(&share)));
    assert!(
        matches!(shares("(calibrated/weights)")[..3], [Some(_), Some(share), Some(_)] if (0.0..=1.0).contains(&share))
    );
}

/// Weights of the other tasks have held-out data of their own.
#[test]
fn weights_of_images_are_calibrated_on_their_own_data() {
    let bench = Bench::new();
    let config = bench.path("microscopy.toml");
    // A velocity: the noise of a model that has learned nothing makes images of any size.
    let text_of = "task = \"microscopy\"\n[microscopy]\nsource = \"simulated\"\n\
                   [model]\npredicts = \"velocity\"\nnoise_base = 2\nrate_base = 2\nscales = 2\nhidden = 8\n\
                   [data]\npatch = 16\nbatch = 1\n[training]\nsteps = 1\n";
    std::fs::write(&config, text_of).unwrap();
    let (run, out, result) = (bench.path("run"), bench.path("calibrated"), bench.path("result"));
    succeeds(&["train", text(&config), "--out", text(&run)]);
    let weights = run.join("weights.safetensors");
    let sampling = ["--samples", "2", "--steps", "2"];
    let first = ["calibrate", "--weights", text(&weights), "--size", "32", "--count", "5", "--out", text(&out)];
    let told = succeeds(&[&first[..], &sampling].concat());
    assert!(told.contains("5 images") && told.contains("An interval of 0.9 takes 9 images"), "{told}");
    // One image is enough for the half, and cannot be left out.
    let one = ["calibrate", "--weights", text(&weights), "--size", "32", "--count", "1"];
    let told = succeeds(&[&one[..], &["--out", text(&bench.path("one"))], &sampling].concat());
    assert!(told.contains("1 images") && told.contains("| 0.5 |"), "{told}");
    let input = bench.path("widefield.tif");
    write_tiff(&input, &[&Plane::from_fn(9, 12, |y, x| ((y * 7 + x * 3) % 13) as f32)]).unwrap();
    let calibrated = out.join("weights.safetensors");
    let reconstruct = ["reconstruct", "--weights", text(&calibrated), "--input", text(&input), "--out", text(&result)];
    let told = succeeds(&[&reconstruct[..], &sampling].concat());
    assert!(told.contains("held-out images for microscopy") && told.contains("0.8 of the pixels"), "{told}");
    let half_width = read_planes(result.join("half_width.tif")).unwrap();
    assert_eq!((half_width.len(), half_width[0].height(), half_width[0].width()), (1, 18, 24));
    fails(&[&first[..], &["--photographs", "none", "--force"]].concat(), &["--photographs", "held-out side"]);
}
