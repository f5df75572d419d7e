//! The reproduction from its first training to its page: everything ends, nothing is computed twice, a stopped run goes on to the
//! same numbers, and the page needs nothing but itself.

mod harness;

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use cvdm::Error;
use cvdm::config::Schedule;
use cvdm::data::{read_gray, write_npy};
use cvdm::diffusion::{Model, StepOptions, Trainer, TrainerState};
use cvdm::gpu::Gpu;
use cvdm::interrupt::Interrupt;
use cvdm::repro::claims::Verdict;
use cvdm::repro::scale::Scale;
use cvdm::repro::{Finished, Options, Subject, cost, run};
use serde_json::Value;
use tempfile::TempDir;

fn gpu() -> &'static Gpu {
    &harness::devices()[0].1
}

fn options(subjects: &[Subject], out: &Path) -> Options {
    Options {
        subjects: subjects.to_vec(),
        scale: Scale::Smoke,
        data: None,
        seeds: None,
        out: out.to_path_buf(),
        commit: None,
    }
}

/// Everything at the smoke scale, once for all tests.
fn whole() -> &'static (TempDir, Finished) {
    static WHOLE: OnceLock<(TempDir, Finished)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let finished = run(gpu(), &options(&Subject::ALL, folder.path()), &Interrupt::manual()).unwrap();
        (folder, finished)
    })
}

/// The report as JSON without what a clock decides.
fn numbers(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("report.json")).unwrap();
    let mut report: Value = serde_json::from_str(&text).unwrap();
    report["provenance"]["seconds"] = Value::Null;
    for part in report["parts"].as_array_mut().unwrap() {
        part["seconds"] = Value::Null;
    }
    for table in report["sections"].as_array_mut().unwrap().iter_mut().flat_map(|s| s["tables"].as_array_mut().unwrap())
    {
        let timed = table["columns"].as_array().unwrap().iter().position(|c| c["name"] == "time");
        for row in table["rows"].as_array_mut().unwrap() {
            if let Some(column) = timed {
                row["cells"][column] = Value::Null;
            }
        }
    }
    report
}

#[test]
fn everything_ends_with_a_report_and_its_pictures() {
    let (_, finished) = whole();
    assert!(finished.folder.ends_with("all") && finished.folder.join("report.html").is_file());
    let report = &finished.report;
    let sections: Vec<_> = report.sections.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(sections, ["biosr", "qpi", "brightfield", "sr", "ablation", "uncertainty"]);
    for section in &report.sections {
        assert!(!section.tables.is_empty() && !section.figures.is_empty() && !section.claims.is_empty());
        for figure in &section.figures {
            let picture = std::fs::read(finished.folder.join(&figure.file)).unwrap();
            assert!(picture.starts_with(b"\x89PNG"), "{}", figure.file);
        }
        for table in &section.tables {
            assert!(table.rows.iter().all(|row| row.cells.len() == table.columns.len()), "{}", table.title);
            let written = table.rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.value.is_some()).count();
            assert!(written > 0, "{} has no number", table.title);
        }
    }
    let titles: Vec<_> = report.sections.iter().flat_map(|s| &s.figures).map(|figure| figure.title.as_str()).collect();
    for paper in ["(figure 2)", "(figures 2 and 11)", "(figure 12)", "(as figure 13)", "(figure 16)", "(figure 17)"] {
        assert!(titles.iter().any(|title| title.ends_with(paper)), "{paper} is not among {titles:?}");
    }
    // The paper's numbers stand beside ours: the table of each subject that has some, and two of them.
    let of = |section: &str, table: &str, columns: [&str; 2]| {
        let section = report.sections.iter().find(|s| s.name == section).unwrap();
        let table = section.tables.iter().find(|t| t.title == table).unwrap();
        let cvdm = table.rows.iter().find(|row| row.name == "CVDM").unwrap();
        columns.map(|name| cvdm.cells[table.columns.iter().position(|c| c.name == name).unwrap()].paper)
    };
    assert_eq!(of("qpi", "Photographs", ["MS-SSIM", "MAE"]), [Some(0.943), Some(0.073)]);
    assert_eq!(of("biosr", "ER", ["MAE", "resolved distance"]), [Some(0.032), Some(152.0)]);
    assert_eq!(of("sr", "Photographs", ["PSNR", "SSIM"]), [Some(26.38), Some(0.76)]);
    assert!((of("brightfield", "Every stack", ["mean", "mean"])[0].unwrap() - 0.8283).abs() < 1e-3);
    // Three images cannot decide a comparison, however clear.
    let phase = report.sections.iter().filter(|s| ["qpi", "ablation", "uncertainty"].contains(&s.name.as_str()));
    let compared = phase.flat_map(|s| &s.claims).filter(|claim| claim.p.is_some());
    assert!(compared.clone().count() >= 12 && compared.clone().all(|claim| claim.verdict == Verdict::NotDecided));
}

#[test]
fn models_are_shared_and_nothing_is_computed_twice() {
    let (folder, finished) = whole();
    let trainings = finished.report.parts.iter().filter(|part| part.name.starts_with("training")).count();
    // Phases: U-Net, CDDPM at two ranges, CVDM, simple, tied, without L_γ. Two structures: U-Net, DFCAN, CDDPM, CVDM. Photographs:
    // U-Net, SR3, CVDM.
    assert_eq!(trainings, 7 + 2 * 4 + 3);
    assert_eq!(finished.computed, finished.report.parts.len());
    let modified = |part: &cvdm::repro::part::Record| {
        let file = folder.path().join("parts").join(&part.folder).join("result.json");
        std::fs::metadata(file).unwrap().modified().unwrap()
    };
    let before: Vec<_> = finished.report.parts.iter().map(modified).collect();
    let again = run(gpu(), &options(&Subject::ALL, folder.path()), &Interrupt::manual()).unwrap();
    assert_eq!(again.computed, 0);
    assert_eq!(again.report, finished.report);
    assert_eq!(again.report.parts.iter().map(modified).collect::<Vec<_>>(), before);
}

#[test]
fn the_cost_is_told_before_it_is_paid() {
    let (_, finished) = whole();
    let folder = tempfile::tempdir().unwrap();
    let estimate = cost(gpu(), &options(&Subject::ALL, folder.path())).unwrap();
    let named = |what: &str| finished.report.parts.iter().filter(|part| part.name.starts_with(what)).count();
    // The range that CDDPM was tuned to is one of those that are trained anyway, so that nothing is counted twice.
    assert_eq!(estimate.trainings(), named("training"));
    let networks = &estimate.networks;
    assert!(networks.iter().all(|n| n.training_step > 0.0 && (n.sampling_steps > 0) == (n.sampling_step > 0.0)));
    // One pass alone draws nothing: the U-Nets of three tasks, and DFCAN.
    assert_eq!(networks.iter().filter(|n| n.sampling_steps == 0).count(), 4);
    let cvdm = networks.iter().find(|n| n.name.starts_with("CVDM; CVDM without L_γ")).unwrap();
    assert_eq!((cvdm.batch, cvdm.trainings), ((2, 16), (2, 12)));
    let config = Scale::Smoke.numbers().phase.config(Schedule::Learned, 1);
    let model = Model::new(config.model_config()).unwrap();
    let state = TrainerState::new(&model, 1);
    let trainer = Trainer::new(gpu(), model, StepOptions::new(2, 16, 16), &state).unwrap();
    assert_eq!(cvdm.memory, trainer.memory().total(), "what recording says is what is allocated");
    assert!(std::fs::read_dir(folder.path().join("parts")).unwrap().all(|e| e.unwrap().file_name() == "lock"));
    let told = estimate.to_string();
    assert!(told.contains("MiB") && told.contains("2 × 12 iterations on 2 × 16²"), "{told}");
}

#[test]
fn a_stopped_run_goes_on_to_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let only = options(&[Subject::Qpi], folder.path());
    let mut stops = 0;
    let finished = loop {
        let interrupt = Interrupt::manual();
        let asked = interrupt.clone();
        // A little later each time, so that it is stopped in trainings and in samplings.
        let patience = Duration::from_millis(60 + 40 * stops);
        std::thread::spawn(move || {
            std::thread::sleep(patience);
            asked.request();
        });
        match run(gpu(), &only, &interrupt) {
            Err(Error::Interrupted(message)) => assert!(message.contains("the same command goes on"), "{message}"),
            other => break other.unwrap(),
        }
        stops += 1;
    };
    assert!(stops > 0, "it was never stopped");
    let straight = tempfile::tempdir().unwrap();
    let at_once = run(gpu(), &options(&[Subject::Qpi], straight.path()), &Interrupt::manual()).unwrap();
    assert_eq!(numbers(&finished.folder), numbers(&at_once.folder));
}

#[test]
fn the_page_is_whole_and_needs_nothing_from_elsewhere() {
    let (_, finished) = whole();
    let page = std::fs::read_to_string(finished.folder.join("report.html")).unwrap();
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "an element is not closed in order");
        } else if !matches!(name, "!DOCTYPE" | "meta" | "img") {
            open.push(name);
        }
        for attribute in ["src=\"", "href=\""] {
            if let Some(value) = tag.split(attribute).nth(1) {
                assert!(value.starts_with("data:image/png;base64,") || value.starts_with('#'), "refers to {value:.60}");
            }
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
    assert!(
        !page.contains("<script") && !page.contains("<link") && !page.contains("url(") && !page.contains("@import")
    );
    let figures: usize = finished.report.sections.iter().map(|s| s.figures.len()).sum();
    assert_eq!(page.matches("<img ").count(), figures);
    for word in ["What holds", "What differs from the paper", "prefers-color-scheme: dark", "not decided"] {
        assert!(page.contains(word), "{word} is missing");
    }
    assert!(page.contains(&finished.report.provenance.adapter));
}

/// Only where there is a browser.
#[test]
fn a_browser_shows_the_page() {
    let names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];
    let there = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let Some(browser) = names.iter().find(there) else {
        println!("skipped: none of {names:?} is installed");
        return;
    };
    let (folder, finished) = whole();
    let picture = folder.path().join("page.png");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1100,1600"])
        .arg(format!("--user-data-dir={}", folder.path().join("browser").display()))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", finished.folder.join("report.html").display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(picture.is_file(), "{said}");
    let image = read_gray(&picture).unwrap();
    let (pixels, paper) = (image.values(), image.values()[0]);
    assert!(pixels.iter().filter(|&&p| p != paper).count() > pixels.len() / 100, "the page is blank");
}

#[test]
fn a_measured_cell_has_its_own_table() {
    let (folder, finished) = whole();
    // The drawn photographs with a field beside them, and everything else found: only the field is computed.
    let data = tempfile::tempdir().unwrap();
    for side in ["train-photographs", "test-photographs"] {
        std::fs::create_dir(data.path().join(side)).unwrap();
        for file in std::fs::read_dir(folder.path().join("drawn-photographs").join(side)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), data.path().join(side).join(file.file_name())).unwrap();
        }
    }
    let side = 24;
    let bump = |i: usize| {
        let (y, x) = ((i / side) as f32 - 12.0, (i % side) as f32 - 12.0);
        2.0 * (-0.02 * (y * y + x * x)).exp()
    };
    let values: Vec<f32> = (0..side * side).map(bump).chain((0..side * side).map(|_| 1.0)).collect();
    write_npy(data.path().join("hl60/hl60.npy"), &[1, 2, side, side], &values).unwrap();
    let own = tempfile::tempdir().unwrap();
    let options = Options { data: Some(data.path().to_path_buf()), ..options(&[Subject::Qpi], own.path()) };
    let with_cell = run(gpu(), &options, &Interrupt::manual()).unwrap();
    let [section] = &with_cell.report.sections[..] else { panic!("one subject was asked for") };
    let cell = section.tables.iter().find(|t| t.title.contains("HL60")).unwrap();
    assert_eq!(cell.rows.len(), 5);
    assert!(section.notes.iter().all(|note| !note.contains("left out")));
    // Photographs are known by name and content, not by place: their table is the same.
    let qpi = finished.report.sections.iter().find(|s| s.name == "qpi").unwrap();
    assert_eq!(section.tables[1], qpi.tables[1]);

    write_npy(data.path().join("hl60/hl60.npy"), &[3], &[1.0, 2.0, 3.0]).unwrap();
    let message = run(gpu(), &options, &Interrupt::manual()).unwrap_err().to_string();
    assert!(message.contains("[views, 2, height, width]"), "{message}");
}

#[test]
fn missing_data_are_named_with_the_layout() {
    let fails = |arguments: &[&str], parts: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_cvdm")).arg("repro").args(arguments).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && !message.contains("panicked"), "{arguments:?}: {message}");
        parts.iter().for_each(|part| assert!(message.contains(part), "{part} is not in: {message}"));
    };
    let folder = tempfile::tempdir().unwrap();
    let (out, data) = (folder.path().join("out"), folder.path().join("data"));
    let (out, data) = (out.to_str().unwrap(), data.to_str().unwrap());
    fails(&["qpi", "--out", out], &["--data", "train-photographs/", "make data"]);
    fails(&["qpi", "--out", out, "--data", data], &["train-photographs", "is missing", "hl60.npy"]);
    fails(
        &["biosr", "--scale", "paper", "--out", out, "--data", data],
        &["BioSR", "is missing", "RawSIMData_level_01.mrc"],
    );
    fails(&["sr", "--scale", "paper", "--out", out, "--data", data], &["ImageNet", "is missing", "image-net.org"]);
    fails(&["sorcery", "--out", out], &["sorcery", "biosr, qpi, brightfield, sr, ablation, uncertainty"]);
    fails(&["qpi", "--scale", "huge", "--out", out], &["huge", "smoke, small and paper"]);
}
