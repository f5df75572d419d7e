//! What people may do by mistake: nothing of theirs is lost, nothing is ignored in silence, and they are told.

#[path = "harness/program.rs"]
mod program;

use std::process::Command;

use cvdm::data::{Plane, write_npy, write_tiff};
use cvdm::weights::load_checkpoint;
use program::{Bench, fails, in_training, succeeds, text};

/// More steps than a test waits for.
const LONG: &str = "steps = 100000\ncheckpoint_every = 1";

#[test]
fn two_trainings_in_one_folder() {
    let bench = Bench::new();
    let run = bench.path("run");
    let mut first = in_training(&bench.config("long.toml", LONG), &run);
    let other = bench.config("other.toml", "steps = 2");
    fails(&["train", text(&other), "--out", text(&run), "--resume"], &["run", "in use"]);
    first.kill().unwrap();
    first.wait().unwrap();
    let long = bench.path("long.toml");
    fails(&["train", text(&long), "--out", text(&bench.path("none")), "--resume"], &["none", "no run to go on with"]);
}

/// As a batch system ends what takes too long.
#[cfg(unix)]
#[test]
fn a_training_that_is_terminated() {
    let bench = Bench::new();
    let run = bench.path("run");
    let mut child = in_training(&bench.config("long.toml", LONG), &run);
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().code().is_some_and(|code| code != 0), "an end of its own, not the signal's");
    assert!(load_checkpoint(&run.join("checkpoint.safetensors")).unwrap().state.step > 0);
}

#[test]
fn a_training_resumed_on_other_data() {
    let bench = Bench::new();
    let run = bench.path("run");
    succeeds(&["train", text(&bench.config("run.toml", "steps = 3")), "--out", text(&run)]);
    let before = std::fs::read(run.join("weights.safetensors")).unwrap();
    let other = bench.config("other.toml", "steps = 4");
    let further = std::fs::read_to_string(&other).unwrap().replace("defocus_um = 0.05", "defocus_um = 0.06");
    std::fs::write(&other, further).unwrap();
    fails(&["train", text(&other), "--out", text(&run), "--resume"], &["data.defocus_um = 0.05", "0.06"]);
    let fewer = bench.config("fewer.toml", "steps = 2");
    fails(&["train", text(&fewer), "--out", text(&run), "--resume"], &["3 steps behind it", "training.steps = 2"]);
    assert_eq!(std::fs::read(run.join("weights.safetensors")).unwrap(), before);
}

/// A run that was killed before its first checkpoint leaves a log, which is not the next one's.
#[test]
fn a_log_without_a_run() {
    let bench = Bench::new();
    let run = bench.path("run");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("log.jsonl"), "{\"step\": 156}\n").unwrap();
    succeeds(&["train", text(&bench.config("run.toml", "steps = 2")), "--out", text(&run)]);
    assert_eq!(std::fs::read_to_string(run.join("log.jsonl")).unwrap().lines().count(), 2);
}

/// Weights without their checkpoint, as calibration leaves them, are not replaced by another run's.
#[test]
fn weights_in_the_folder_of_a_new_run() {
    let bench = Bench::new();
    let run = bench.path("run");
    let config = bench.config("run.toml", "steps = 1");
    let train = ["train", text(&config), "--out", text(&run)];
    succeeds(&train);
    std::fs::remove_file(run.join("checkpoint.safetensors")).unwrap();
    let before = std::fs::read(run.join("weights.safetensors")).unwrap();
    fails(&train, &["weights.safetensors", "another folder"]);
    assert_eq!(std::fs::read(run.join("weights.safetensors")).unwrap(), before);
}

/// What cannot be drawn leaves what was drawn before, and so does another specimen.
#[test]
fn specimens_are_drawn_before_others_are_replaced() {
    let bench = Bench::new();
    let out = bench.path("specimens");
    let simulate =
        |specimen, size| ["simulate", "--specimen", specimen, "--size", size, "--out", text(&out), "--force"];
    succeeds(&simulate("actin", "64"));
    let before = std::fs::read(out.join("actin.truth.tif")).unwrap();
    fails(&simulate("actin", "63"), &["63"]);
    succeeds(&simulate("pits", "64"));
    assert_eq!(std::fs::read(out.join("actin.truth.tif")).unwrap(), before);
    assert!(out.join("pits.truth.tif").exists());
}

#[test]
fn networks_that_no_machine_holds() {
    let bench = Bench::new();
    for (section, key) in [
        ("noise_base = 1024\nscales = 8", "model.noise_base"),
        ("rate_base = 1024\nscales = 4", "model.rate_base"),
        ("network = \"sr3\"\n[model.sr3]\nblocks = 100000000", "model.sr3.blocks"),
        ("network = \"dfcan\"\nschedule = \"none\"\n[model.dfcan]\ngroups = 100000000", "model.dfcan.groups"),
        ("network = \"dfcan\"\nschedule = \"none\"\nnoise_base = 24", "model.dfcan.reduction"),
    ] {
        let config = bench.path("large.toml");
        std::fs::write(&config, format!("[model]\n{section}\n")).unwrap();
        fails(&["train", text(&config), "--out", text(&bench.path("run"))], &[key]);
    }
    let out = bench.path("specimens");
    for size in ["10000000", "2147483552"] {
        fails(&["simulate", "--specimen", "pits", "--size", size, "--out", text(&out)], &[size, "at most"]);
    }
}

#[test]
fn results_in_the_folder_of_the_photographs() {
    let bench = Bench::new();
    let photographs = bench.path("photographs");
    let before = std::fs::read(photographs.join("3.png")).unwrap();
    let simulate = ["simulate", "--defocus", "0.05", "--force", "--input", text(&photographs), "--out"];
    fails(&[&simulate[..], &[text(&photographs)]].concat(), &["photograph itself"]);
    assert_eq!(std::fs::read(photographs.join("3.png")).unwrap(), before);
    // Below them its own results are not taken for photographs the second time.
    let below = photographs.join("pairs");
    for _ in 0..2 {
        assert!(succeeds(&[&simulate[..], &[text(&below)]].concat()).contains("9 pairs"));
    }
}

#[test]
fn options_that_mean_nothing_together() {
    let bench = Bench::new();
    let out = bench.path("out");
    let specimens = ["simulate", "--out", text(&out), "--specimen"];
    fails(&[&specimens[..], &["pits", "--wavelength", "5"]].concat(), &["--wavelength"]);
    fails(&[&specimens[..], &["pits,actin,pits"]].concat(), &["pits twice"]);
    fails(&[&specimens[..], &["pits", "--size", "0"]].concat(), &["--size", "at least 1"]);
    let evaluate = ["evaluate", "--weights", "none", "--out", text(&out)];
    fails(&[&evaluate[..], &["--photographs", "none", "--count", "0"]].concat(), &["--count", "at least 1"]);
    fails(&[&evaluate[..], &["--photographs", "none", "--views", "2"]].concat(), &["--field"]);
    fails(&[&evaluate[..], &["--field", "none", "--held-out"]].concat(), &["--photographs"]);
    assert!(!out.exists());
}

/// A network without a schedule has no samples to tell of, nor is it sure of what it says.
#[test]
fn the_uncertainty_of_a_model_without_one() {
    let bench = Bench::new();
    let config = bench.config("one-pass.toml", "steps = 1");
    let one_pass = std::fs::read_to_string(&config).unwrap().replace("[model]", "[model]\nschedule = \"none\"");
    std::fs::write(&config, one_pass).unwrap();
    let (run, out) = (bench.path("run"), bench.path("out"));
    succeeds(&["train", text(&config), "--out", text(&run)]);
    let pair = bench.path("pair.tif");
    let image = Plane::from_fn(20, 24, |y, x| 1.0 + 0.1 * ((y * x) % 7) as f32);
    write_tiff(&pair, &[&image, &image]).unwrap();
    let weights = run.join("weights.safetensors");
    let arguments =
        ["reconstruct", "--weights", text(&weights), "--input", text(&pair), "--out", text(&out), "--defocus", "0.05"];
    let printed = succeeds(&arguments);
    assert!(printed.contains("no uncertainty") && !printed.contains("samples"), "{printed}");
    let names = ["phase.tif", "reconstruction.png", "std.tif", "beta_integral.tif"];
    assert_eq!(names.map(|name| out.join(name).exists()), [true, true, false, false]);
    fails(&[&arguments[..], &["--force", "--half"]].concat(), &["half precision", "without a schedule"]);
    let dark = image.map(|_| 0.0);
    write_tiff(&pair, &[&image, &dark]).unwrap();
    fails(&[&arguments[..], &["--force"]].concat(), &["−d", "mean intensity 0", "positive"]);
}

#[test]
fn an_optimiser_s_impossible_settings() {
    let bench = Bench::new();
    let (x, negative, out) = (bench.path("x.npy"), bench.path("v.npy"), bench.path("out"));
    write_npy(&x, &[2], &[1.0, -2.0]).unwrap();
    write_npy(&negative, &[2], &[0.0, -1.0]).unwrap();
    let adam = ["op", "adam", "--input", text(&x), "--grad", text(&x), "--out", text(&out), "--force"];
    fails(&[&adam[..], &["--moment2", text(&negative)]].concat(), &["moment2", "-1"]);
    fails(&[&adam[..], &["--learning-rate", "1e300"]].concat(), &["learning-rate"]);
    fails(&[&adam[..], &["--step", "0"]].concat(), &["step"]);
    succeeds(&[&adam[..], &["--step", "200000"]].concat());
}

/// Whoever reads the program's words may stop before the end.
#[cfg(target_os = "linux")]
#[test]
fn words_that_no_one_reads() {
    let program = env!("CARGO_BIN_EXE_cvdm");
    for line in ["exec \"$0\" doctor > /dev/full", "exec \"$0\" op --list > /dev/full"] {
        let output = Command::new("sh").args(["-c", line, program]).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !message.contains("panicked"), "{line}: {message}");
    }
}
