//! The program from outside: a run from photographs to a reconstruction, killing and resuming, and every kind of bad input.

#[path = "harness/program.rs"]
mod program;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cvdm::data::{Plane, read_planes, write_npy, write_png16, write_tiff};
use cvdm::weights::{load_checkpoint, load_weights};
use program::{Bench, fails, in_training, succeeds, text};

#[test]
fn specimens_are_simulated() {
    let bench = Bench::new();
    let out = bench.path("cells");
    let simulate = ["simulate", "--specimen", "actin,pits", "--size", "32", "--out", text(&out)];
    assert!(succeeds(&simulate).contains("2 specimens at 10 signal levels"));
    assert_eq!(read_planes(out.join("actin.truth.tif")).unwrap()[0].width(), 32);
    let exposures = read_planes(out.join("pits.widefield.tif")).unwrap();
    assert_eq!((exposures.len(), exposures[0].height()), (10, 16));
    assert!(out.join("specimens.png").is_file());
    fails(&simulate, &["--force"]);
    fails(&["simulate", "--specimen", "pits", "--size", "31", "--out", text(&bench.path("odd"))], &["31 pixels"]);
    fails(&["simulate", "--out", text(&out)], &["--input"]);
    fails(&["simulate", "--specimen", "pits", "--input", "a.png", "--out", text(&out)], &["cannot be used with"]);
}

#[test]
fn from_photographs_to_a_reconstruction() {
    let bench = Bench::new();
    let config = bench.config("run.toml", "steps = 4\ncheckpoint_every = 2");
    let (run, pairs, out) = (bench.path("run"), bench.path("pairs"), bench.path("out"));
    succeeds(&["train", text(&config), "--out", text(&run)]);
    for name in ["checkpoint.safetensors", "weights.safetensors", "log.jsonl", "losses.png", "config.toml"] {
        assert!(run.join(name).is_file(), "{name}");
    }
    let weights = run.join("weights.safetensors");
    assert!(succeeds(&["info", text(&weights), "--parameters"]).contains("noise.enc0.conv1.weight"));
    let photograph = bench.path("photographs/3.png");
    succeeds(&[
        "simulate",
        "--input",
        text(&photograph),
        "--out",
        text(&pairs),
        "--defocus",
        "0.05",
        "--noise",
        "0.01",
    ]);
    let pair = pairs.join("3.pair.tif");
    let sampling = ["--samples", "3", "--steps", "2", "--defocus", "0.05"];
    let reconstruct = |out: &Path, more: &[&str]| {
        let first = ["reconstruct", "--weights", text(&weights), "--input", text(&pair), "--out", text(out)];
        succeeds(&[&first[..], &sampling, more].concat());
        read_planes(out.join("phase.tif")).unwrap()
    };
    let whole = reconstruct(&out, &["--keep-samples"]);
    assert_eq!(read_planes(out.join("samples.tif")).unwrap().len(), 3);
    assert!(out.join("reconstruction.png").is_file());
    // The same samples come out however they are batched; the mean may differ by rounding.
    let batched = reconstruct(&bench.path("batched"), &["--batch", "2"]);
    let largest = whole[0].values().iter().fold(1.0f32, |m, v| m.max(v.abs()));
    let mut pixels = whole[0].values().iter().zip(batched[0].values());
    assert!(pixels.all(|(a, b)| (a - b).abs() < 1e-5 * largest), "a sample depends on its batch");
    // An odd size is padded inside and comes back as it was.
    assert_eq!((whole[0].height(), whole[0].width()), {
        let measured = read_planes(&pair).unwrap();
        (measured[0].height(), measured[0].width())
    });
    let first = ["reconstruct", "--weights", text(&weights), "--input", text(&pair), "--out", text(&out)];
    fails(&[&first[..], &sampling].concat(), &["holds files already", "--force"]);
    // Samples of another measurement do not stay beside what replaces them; files that are not the program's do.
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    reconstruct(&out, &["--force"]);
    assert!(!out.join("samples.tif").exists() && out.join("phase.tif").is_file() && out.join("notes.txt").is_file());
    fails(&[&first[..], &["--defocus", "2.0", "--force"]].concat(), &["λ·d/px²", "±0.050"]);
}

#[test]
fn a_killed_run_goes_on_from_its_checkpoint() {
    let bench = Bench::new();
    let whole = bench.config("whole.toml", "steps = 60\ncheckpoint_every = 5");
    let (killed, straight) = (bench.path("killed"), bench.path("straight"));
    let mut child = in_training(&whole, &killed);
    child.kill().unwrap();
    child.wait().unwrap();
    let step = load_checkpoint(&killed.join("checkpoint.safetensors")).unwrap().state.step;
    assert!((1..60).contains(&step), "killed after step {step}, the run had nothing left to do");
    fails(&["train", text(&whole), "--out", text(&killed)], &["holds a run", "--resume"]);
    succeeds(&["train", text(&whole), "--out", text(&killed), "--resume"]);
    succeeds(&["train", text(&whole), "--out", text(&straight)]);
    let weights = |run: &Path| load_weights(&run.join("weights.safetensors")).unwrap();
    let (resumed, uninterrupted) = (weights(&killed), weights(&straight));
    assert_eq!((resumed.step, uninterrupted.step), (60, 60));
    assert!(resumed.parameters == uninterrupted.parameters, "a resumed run ends where an uninterrupted one does");
}

#[test]
fn a_run_goes_on_with_its_own_seed_and_batch() {
    let bench = Bench::new();
    let run = bench.path("run");
    succeeds(&["train", text(&bench.config("run.toml", "steps = 2")), "--out", text(&run)]);
    let before = std::fs::read(run.join("checkpoint.safetensors")).unwrap();
    let refused = |config: &Path, parts: &[&str]| {
        fails(&["train", text(config), "--out", text(&run), "--resume"], parts);
        assert_eq!(std::fs::read(run.join("checkpoint.safetensors")).unwrap(), before);
        let kept = std::fs::read_to_string(run.join("config.toml")).unwrap();
        assert!(kept.contains("seed = 1") && kept.contains("batch = 1"), "{kept}");
    };
    let seed = bench.config("seed.toml", "steps = 3\nseed = 2");
    refused(&seed, &["checkpoint.safetensors", "training.seed = 1", "the configuration has 2"]);
    let batch = bench.config("batch.toml", "steps = 3");
    let of_two = std::fs::read_to_string(&batch).unwrap().replace("batch = 1", "batch = 2");
    std::fs::write(&batch, of_two).unwrap();
    refused(&batch, &["checkpoint.safetensors", "data.batch = 1", "the configuration has 2"]);
    succeeds(&["train", text(&bench.config("longer.toml", "steps = 3")), "--out", text(&run), "--resume"]);
}

#[test]
fn photographs_never_replace_each_other_s_results() {
    let bench = Bench::new();
    let (days, out) = (bench.path("days"), bench.path("pairs"));
    let copy = |name: &str| {
        std::fs::create_dir_all(days.join(name).parent().unwrap()).unwrap();
        std::fs::copy(bench.path("photographs/3.png"), days.join(name)).unwrap();
    };
    ["1/x.png", "2/x.png"].into_iter().for_each(copy);
    write_png16(days.join("2/small.png"), &Plane::from_fn(20, 96, |_, x| x as f32), 0.0, 96.0).unwrap();
    let (never, none) = (bench.path("never"), bench.path("none"));
    let simulate = ["simulate", "--input", text(&days), "--defocus", "0.05"];
    let printed = succeeds(&[&simulate[..], &["--size", "24", "--out", text(&out)]].concat());
    assert!(printed.contains("2 pairs") && printed.contains("pixels: 1\n"), "{printed}");
    for name in ["1/x.pair.tif", "2/x.pair.tif", "1/x.phase.tif", "2/x.png"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    fails(&[&simulate[..], &["--size", "64", "--out", text(&none)]].concat(), &["days", "no photograph", "--size"]);
    std::fs::copy(days.join("1/x.png"), days.join("1/x.jpg")).unwrap();
    fails(&[&simulate[..], &["--out", text(&never)]].concat(), &["x.png", "x.jpg", "x.pair.tif"]);
    assert!(!never.exists());
}

#[test]
fn bad_configurations_are_refused_by_name() {
    let bench = Bench::new();
    let out = bench.path("out");
    let refused = |more: &str, parts: &[&str]| {
        let config = bench.config("bad.toml", more);
        fails(&["train", text(&config), "--out", text(&out)], parts);
        assert!(!out.exists(), "nothing is made for a run that cannot start");
    };
    refused("steps = 0", &["training.steps = 0"]);
    refused("stepz = 3", &["stepz"]);
    refused("learning_rate = nan", &["training.learning_rate"]);
    refused("seed = \"x\"", &["seed"]);
    let missing = bench.path("none.toml");
    fails(&["train", text(&missing), "--out", text(&out)], &["none.toml", "cannot be read"]);
    let config = bench.config("good.toml", "steps = 1");
    std::fs::remove_dir_all(bench.path("photographs")).unwrap();
    fails(&["train", text(&config), "--out", text(&out)], &["photographs"]);
    fails(&["train", text(&config), "--out", text(&out), "--resume"], &["checkpoint.safetensors"]);
}

#[test]
fn bad_measurements_and_weights_are_refused_by_name() {
    let bench = Bench::new();
    let config = bench.config("run.toml", "steps = 1");
    let run = bench.path("run");
    succeeds(&["train", text(&config), "--out", text(&run)]);
    let weights = run.join("weights.safetensors");
    let good = Plane::from_fn(16, 16, |y, x| 1.0 + 0.01 * ((y * x) % 5) as f32);
    let write = |name: &str, planes: &[&Plane]| {
        write_tiff(bench.path(name), planes).unwrap();
        bench.path(name)
    };
    let try_with = |weights: &Path, input: &Path, parts: &[&str]| {
        let out = bench.path("never");
        let arguments = ["reconstruct", "--weights", text(weights), "--input", text(input), "--out", text(&out)];
        fails(&[&arguments[..], &["--defocus", "0.05", "--steps", "1", "--samples", "1"]].concat(), parts);
    };
    let pair = write("pair.tif", &[&good, &good]);
    try_with(&weights, &write("three.tif", &[&good, &good, &good]), &["3 images", "two"]);
    try_with(&weights, &write("sizes.tif", &[&good, &good.crop(0, 0, 8, 8).unwrap()]), &["16 × 16", "8 × 8"]);
    let mut nan = good.clone();
    nan.values_mut()[17] = f32::NAN;
    try_with(&weights, &write("nan.tif", &[&good, &nan]), &["NaN", "row 1, column 1"]);
    fails(
        &["reconstruct", "--weights", text(&weights), "--input", text(&pair), "--out", text(&run), "--page", "1"],
        &["--page", "two"],
    );
    try_with(&weights, &bench.path("missing.tif"), &["missing.tif", "cannot be read"]);
    std::fs::write(bench.path("empty.tif"), b"").unwrap();
    try_with(&weights, &bench.path("empty.tif"), &["is empty"]);
    std::fs::write(bench.path("text.png"), b"no image").unwrap();
    try_with(&weights, &bench.path("text.png"), &["text.png", "not a complete image"]);

    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(bench.path("half.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    try_with(&bench.path("half.safetensors"), &pair, &["half.safetensors", "truncated"]);
    std::fs::write(bench.path("other.safetensors"), b"{}").unwrap();
    try_with(&bench.path("other.safetensors"), &pair, &["other.safetensors"]);
    // The same tensors under a configuration of another size: another architecture.
    let other = String::from_utf8_lossy(&bytes).contains("noise_base\\\":2");
    assert!(other, "the configuration stands in the header as JSON");
    let at = bytes.windows(15).position(|w| w == b"noise_base\\\":2,").unwrap();
    let mut changed = bytes.clone();
    changed[at + 13] = b'3';
    std::fs::write(bench.path("changed.safetensors"), changed).unwrap();
    try_with(&bench.path("changed.safetensors"), &pair, &["another architecture"]);
    fails(&["info", text(&pair)], &["pair.tif"]);
    fails(&["--adapter", "no such card", "doctor"], &["no such card", "there are"]);
}

#[test]
fn a_microscope_s_image_becomes_a_finer_one() {
    let bench = Bench::new();
    let config = bench.path("microscopy.toml");
    // A velocity: the noise of a model that has learned nothing makes images of any size, and infinite ones.
    let text_of = "task = \"microscopy\"\n[microscopy]\nsource = \"simulated\"\n\
                   [model]\npredicts = \"velocity\"\nnoise_base = 2\nrate_base = 2\nscales = 2\nhidden = 8\n\
                   [data]\npatch = 16\nbatch = 1\n[training]\nsteps = 1\n";
    std::fs::write(&config, text_of).unwrap();
    let (run, out) = (bench.path("run"), bench.path("out"));
    succeeds(&["train", text(&config), "--out", text(&run)]);
    let weights = run.join("weights.safetensors");
    let measured = Plane::from_fn(9, 12, |y, x| 100.0 + ((y * 7 + x * 3) % 13) as f32);
    write_tiff(bench.path("widefield.tif"), &[&measured]).unwrap();
    let input = bench.path("widefield.tif");
    let sampling = ["--samples", "2", "--steps", "2", "--keep-samples"];
    let arguments = ["reconstruct", "--weights", text(&weights), "--input", text(&input), "--out", text(&out)];
    succeeds(&[&arguments[..], &sampling].concat());
    let image = read_planes(out.join("image.tif")).unwrap();
    assert_eq!((image.len(), image[0].height(), image[0].width()), (1, 18, 24));
    assert_eq!(read_planes(out.join("samples.tif")).unwrap().len(), 2);
    assert!(out.join("std.tif").is_file() && out.join("reconstruction.png").is_file());
    // The same image as the second page of a stack.
    let stack = bench.path("stack.tif");
    write_tiff(&stack, &[&Plane::from_fn(9, 12, |y, x| (y * x) as f32), &measured]).unwrap();
    let second = bench.path("second");
    let of_stack = |page: &'static str| {
        let first = ["reconstruct", "--weights", text(&weights), "--input", text(&stack), "--out", text(&second)];
        [&first[..], &sampling, &["--page", page]].concat()
    };
    succeeds(&of_stack("2"));
    assert_eq!(read_planes(second.join("image.tif")).unwrap(), image);
    for missing in ["0", "3"] {
        fails(&of_stack(missing), &["stack.tif", "has 2 pages", &format!("no page {missing}")]);
    }
    fails(&of_stack("2")[..of_stack("2").len() - 2], &["stack.tif", "2 pages", "--page"]);
    // Two files are a pair, which these weights do not take; nor do phases' programs take these weights.
    let two = ["reconstruct", "--weights", text(&weights), "--input", text(&input), text(&input), "--out", text(&run)];
    fails(&two, &["2 files", "one image"]);
    let table = bench.path("table");
    let evaluate = ["evaluate", "--weights", text(&weights), "--size", "32", "--count", "2", "--out", text(&table)];
    let printed = succeeds(&[&evaluate[..], &sampling[..4]].concat());
    assert!(printed.contains("| interpolation | 2 |") && printed.contains("| CVDM | 2 |"), "{printed}");
    assert!(table.join("images.png").is_file() && table.join("scores.json").is_file());
    fails(&[&evaluate[..], &["--photographs", "none", "--force"]].concat(), &["--photographs", "held-out side"]);
    fails(&["demo", "--weights", text(&weights), "--out", text(&run)], &["\"microscopy\""]);

    // Ctrl-C during the second image: the first one's rows are written, of two weights of one file name each its own.
    #[cfg(unix)]
    {
        let copy = bench.path("copy/weights.safetensors");
        std::fs::create_dir(bench.path("copy")).unwrap();
        std::fs::copy(&weights, &copy).unwrap();
        let stopped = bench.path("stopped");
        let mut child = Command::new(env!("CARGO_BIN_EXE_cvdm"))
            .args(["evaluate", "--weights", text(&weights), text(&copy), "--out", text(&stopped)])
            .args(["--size", "32", "--count", "12", "--samples", "2", "--steps", "400"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !stopped.join("images.png").exists() {
            assert!(started.elapsed() < Duration::from_secs(300), "no image after five minutes");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let mut message = String::new();
        child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(message.contains("writing what is finished") && message.contains("of 12 images"), "{message}");
        let table = std::fs::read_to_string(stopped.join("table.md")).unwrap();
        assert!(table.contains("| CVDM (run/weights) |") && table.contains("| CVDM (copy/weights) |"), "{table}");
        assert!(stopped.join("scores.json").is_file());
    }
}

#[test]
fn an_image_in_other_units_is_refused() {
    let bench = Bench::new();
    let config = bench.path("photographs.toml");
    let text_of = format!(
        "task = \"super-resolution\"\n[super_resolution]\nset = \"folder\"\nfolder = {:?}\nimage = 32\ncolour = false\n\
         [model]\nnoise_base = 2\nrate_base = 2\nscales = 2\nhidden = 8\n\
         [data]\npatch = 16\nbatch = 1\n[training]\nsteps = 1\n",
        bench.path("photographs")
    );
    std::fs::write(&config, text_of).unwrap();
    let (run, out, input) = (bench.path("run"), bench.path("out"), bench.path("counts.tif"));
    succeeds(&["train", text(&config), "--out", text(&run)]);
    let weights = run.join("weights.safetensors");
    let arguments = ["reconstruct", "--weights", text(&weights), "--input", text(&input), "--out", text(&out)];
    let arguments = [&arguments[..], &["--samples", "1", "--steps", "1"]].concat();
    let counts = Plane::from_fn(8, 8, |y, x| (y * 30 + x) as f32);
    write_tiff(&input, &[&counts]).unwrap();
    fails(&arguments, &["counts.tif", "[0, 1]", "255"]);
    assert!(!out.exists());
    write_tiff(&input, &[&counts.map(|v| v / 255.0)]).unwrap();
    succeeds(&arguments);
}

#[test]
fn an_operation_s_results_replace_no_file_unasked() {
    let bench = Bench::new();
    let folder = bench.path("arrays");
    let y = folder.join("y.npy");
    write_npy(&y, &[1, 1, 2, 2], &[1.0, -2.0, 3.0, -4.0]).unwrap();
    let before = std::fs::read(&y).unwrap();
    let arguments = ["op", "scale", "--input", text(&y), "--factor", "2", "--out", text(&folder)];
    fails(&arguments, &["y.npy", "exists already", "--force"]);
    assert_eq!(std::fs::read(&y).unwrap(), before);
    succeeds(&[&arguments[..], &["--force"]].concat());
    assert_ne!(std::fs::read(&y).unwrap(), before);
}

#[test]
fn the_doctor_knows_what_is_right() {
    assert!(succeeds(&["doctor"]).contains("right and repeatable"));
}

/// A limit on the size of files stands in for a full disk: the write of a checkpoint fails half way.
#[cfg(target_os = "linux")]
#[test]
fn a_write_that_fails_half_way_loses_nothing() {
    let bench = Bench::new();
    let run = bench.path("run");
    succeeds(&["train", text(&bench.config("run.toml", "steps = 4")), "--out", text(&run)]);
    let checkpoint = run.join("checkpoint.safetensors");
    let before = std::fs::read(&checkpoint).unwrap();
    assert!(before.len() > 16_384, "larger than the limit");
    let longer = bench.config("longer.toml", "steps = 8");
    let arguments = ["train", text(&longer), "--out", text(&run), "--resume"];
    let limited = |arguments: &[&str]| {
        Command::new("sh")
            .args(["-c", "ulimit -f 16; trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_cvdm")])
            .args(arguments)
            .output()
            .unwrap()
    };
    if !limited(&["doctor"]).status.success() {
        eprintln!("not run: the driver does not stand the limit");
        return;
    }
    let output = limited(&arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && !message.contains("panicked"), "{message}");
    assert!(message.contains("checkpoint.safetensors"), "{message}");
    assert_eq!(std::fs::read(&checkpoint).unwrap(), before, "the checkpoint is what it was");
    // With room on the disk it goes on.
    succeeds(&arguments);
    assert_eq!(load_weights(&run.join("weights.safetensors")).unwrap().step, 8);
    fails(&["train", text(&longer), "--out", "/dev/full"], &["/dev/full"]);
}

#[test]
fn the_demo_runs_on_other_weights() {
    let bench = Bench::new();
    let config = bench.config("run.toml", "steps = 1");
    let velocity = std::fs::read_to_string(&config).unwrap().replace("[model]", "[model]\npredicts = \"velocity\"");
    std::fs::write(&config, velocity).unwrap();
    let run = bench.path("run");
    succeeds(&["train", text(&config), "--out", text(&run)]);
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
    let out = bench.path("demo");
    let weights = run.join("weights.safetensors");
    let arguments = ["demo", "--out", text(&out), "--weights", text(&weights), "--assets", assets];
    let printed = succeeds(&[&arguments[..], &["--samples", "2", "--steps", "2"]].concat());
    assert!(printed.contains("US-TIE") && printed.contains("summary.json"));
    let summary = std::fs::read_to_string(out.join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    for image in ["photo", "hl60"] {
        for method in ["cvdm", "us_tie"] {
            for key in ["mae", "mae_aligned", "ms_ssim", "psnr", "seconds"] {
                assert!(summary[image][method][key].is_f64(), "{image} {method} {key}");
            }
        }
        assert!(out.join(format!("{image}.png")).is_file());
    }
    let broken = bench.path("broken");
    write_npy(broken.join("hl60.npy"), &[3], &[1.0, 2.0, 3.0]).unwrap();
    std::fs::copy(format!("{assets}/photograph.png"), broken.join("photograph.png")).unwrap();
    let arguments = ["demo", "--out", text(&out), "--weights", text(&weights), "--assets", text(&broken)];
    fails(&arguments, &["hl60.npy", "[views, 2, height, width]"]);
    write_npy(broken.join("hl60.npy"), &[0, 2, 8, 8], &[]).unwrap();
    fails(&arguments, &["hl60.npy", "no views"]);
}
