//! How fast each kernel is, alone: `cargo bench --bench kernels -- [--quick] [--tall-tiles] [--filter TEXT] [--batch N]
//! [--adapter NAME] [--json FILE] [--picture FILE]` (a picture with `--features cli`).
//!
//! For each kernel at a few shapes of a U-Net: the median time with its 10 % and 90 % quantiles, what that makes in
//! operations and in bytes that must cross memory, and both as a share of what two tiny shaders reach on the same adapter:
//! independent multiply-adds, and a copy. The time of first use (planning, compiling, uploading, one run) stands apart; a
//! driver that keeps compiled shaders on disk shortens it from the second time on (Mesa: `MESA_SHADER_CACHE_DISABLE=1`).
//! Caches are flushed before each run. Every shader of `cvdm::kernels::ALL` must be timed, or the program fails.

#[path = "kernels/baselines.rs"]
mod baselines;
#[path = "kernels/cases.rs"]
mod cases;
#[path = "common/measure.rs"]
#[allow(dead_code, reason = "each bench uses its own part")]
mod measure;
#[path = "common/options.rs"]
#[allow(dead_code, reason = "each bench has its own options")]
mod options;
#[path = "common/peaks.rs"]
mod peaks;
#[cfg(feature = "cli")]
#[path = "common/roofline.rs"]
mod roofline;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use cvdm::gpu::Shader;
use cvdm::kernels::ALL;
use cvdm::{Error, Result};
use serde_json::{Value, json};

use cases::{Case, Level};
use measure::{Bench, Effort, Timing};
use options::Options;
use peaks::Peaks;

/// The table on standard output, and the same as JSON lines.
struct Report {
    peaks: Peaks,
    lines: Vec<Value>,
}

impl Report {
    fn row(&mut self, case: &Case, timing: &Timing, first: Option<Duration>) {
        let (median, low, high) = (timing.quantile(0.5), timing.quantile(0.1), timing.quantile(0.9));
        let (gflops, gbytes) = (timing.call.flops as f64 / median, timing.call.bytes as f64 / median);
        let share = |value: f64, peak: f64| format!("{value:9.2} {:3.0} %", 100.0 * value / peak);
        println!(
            "{:<30} {:<34} {:>10.1} {:>21} {} {} {:>9}",
            timing.call.shader.name,
            case.on,
            median / 1e3,
            format!("{:.1}–{:.1}", low / 1e3, high / 1e3),
            share(gflops, self.peaks.gflops),
            share(gbytes, self.peaks.gbytes),
            first.map_or(String::new(), |d| format!("{:.0}", 1e3 * d.as_secs_f64())),
        );
        self.lines.push(json!({
            "kind": "kernel", "shader": timing.call.shader.name, "on": case.on, "runs": timing.nanoseconds.len(),
            "median_us": median / 1e3, "p10_us": low / 1e3, "p90_us": high / 1e3,
            "flops": timing.call.flops, "bytes": timing.call.bytes, "gflops": gflops, "gbytes": gbytes,
            "first_use_ms": first.map(|d| 1e3 * d.as_secs_f64()),
        }));
    }
}

fn stem(shader: &Shader) -> &'static str {
    shader.name.split('.').next().unwrap_or(shader.name)
}

fn all_cases(options: &Options, subgroups: bool) -> Vec<Case> {
    let batch = options.batch.unwrap_or(1);
    let level = |(channels, size)| Level { batch, channels, size };
    let levels: &[(usize, usize)] =
        if options.quick { &[(32, 64), (128, 16)] } else { &[(64, 128), (128, 64), (256, 32), (512, 16)] };
    let mut cases: Vec<Case> = levels.iter().flat_map(|&l| cases::network(level(l), subgroups)).collect();
    cases.extend(levels.iter().flat_map(|&l| baselines::network(level(l))));
    let (images, parameters): (&[_], _) =
        if options.quick { (&[(1, 64)], 1 << 20) } else { (&[(1, 128), (1, 256)], 1 << 24) };
    cases.extend(images.iter().flat_map(|&l| cases::diffusion(level(l), parameters)));
    cases
}

#[cfg(feature = "cli")]
fn draw(options: &Options, report: &Report, adapter: &str) -> Result<()> {
    let Some(path) = &options.picture else { return Ok(()) };
    roofline::write(path, &report.lines, report.peaks, &format!("Kernels on {adapter}"))
}

#[cfg(not(feature = "cli"))]
fn draw(options: &Options, _: &Report, _: &str) -> Result<()> {
    match &options.picture {
        None => Ok(()),
        Some(_) => Err(Error::input("--picture needs the feature cli: cargo bench --features cli --bench kernels")),
    }
}

fn bench() -> Result<()> {
    let options = Options::read()?;
    let gpu = options.open()?;
    let effort = if options.quick {
        Effort { runs: 11, budget: Duration::from_millis(250) }
    } else {
        Effort { runs: 31, budget: Duration::from_secs(2) }
    };
    let bench = Bench::new(&gpu, effort)?;
    let summary = gpu.summary();
    let clock = if bench.timestamps() { "timestamps of the device" } else { "the host's clock, submission included" };
    println!("{} ({}, {}; {}), timed by {clock}", summary.name, summary.backend, summary.kind, summary.driver);
    let peaks = peaks::measure(&bench)?;
    println!("peaks: {:.1} GFLOP/s of multiply-adds, {:.2} GB/s of copying", peaks.gflops, peaks.gbytes);
    let adapter = json!({
        "kind": "adapter", "name": summary.name, "backend": summary.backend, "type": summary.kind,
        "driver": summary.driver, "version": env!("CARGO_PKG_VERSION"), "timestamps": bench.timestamps(),
        "peak_gflops": peaks.gflops, "peak_gbytes": peaks.gbytes,
    });
    let mut report = Report { peaks, lines: vec![adapter] };
    println!(
        "\n{:<30} {:<34} {:>10} {:>21} {:>15} {:>15} {:>9}",
        "shader", "on", "median µs", "p10–p90", "GFLOP/s, peak", "GB/s, peak", "first ms"
    );
    let mut timed: BTreeSet<&str> = BTreeSet::new();
    for case in all_cases(&options, gpu.caps().subgroups) {
        if !case.shaders.iter().any(|s| s.contains(&options.filter)) {
            continue;
        }
        let measured = bench.measure(&case.record)?;
        for (i, timing) in measured.timings.iter().enumerate() {
            let name = stem(timing.call.shader);
            if !case.shaders.contains(&name) {
                return Err(Error::Validation(format!("{name} runs where only {:?} are announced", case.shaders)));
            }
            report.row(&case, timing, measured.first.filter(|_| i == 0));
        }
        timed.extend(case.shaders);
    }
    options.write(&report.lines)?;
    draw(&options, &report, &summary.name)?;
    let possible = ALL.iter().filter(|s| !s.subgroups || gpu.caps().subgroups).map(|s| stem(s));
    let missing: BTreeSet<&str> = possible.filter(|s| s.contains(&options.filter) && !timed.contains(s)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Validation(format!("not timed: {missing:?}; add them to benches/kernels/cases.rs")))
}

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
