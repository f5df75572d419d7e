//! How fast each kernel is, alone: `cargo bench --bench kernels -- [--quick] [--all] [--filter TEXT] [--batch N]
//! [--adapter NAME] [--tune FOLDER] [--slow-buffers yes|no] [--json FILE] [--picture FILE]` (a picture with `--features cli`).
//!
//! For each kernel and gradient at the levels of the U-Nets in `benches/shapes`: the median time with its 10 % and 90 %
//! quantiles; operations or bytes a second and their share of the limit that binds, multiply-adds or copying, as two tiny
//! shaders reach them on the same adapter between the same runs; and how often a full feature map crosses memory. A summary has the
//! medians of these shares and, beside them, of the share of a dispatch's time and the binding limit's together, which is about what
//! adding a tensor to another takes. The time of first use (planning, compiling, uploading, one run) stands apart; a driver that keeps compiled shaders on disk shortens it
//! from the second time on (Mesa: `MESA_SHADER_CACHE_DISABLE=1`), and with `--tune` what is measured has been compiled before. Between runs more is
//! written than most caches hold. Without a filter every
//! shader of `cvdm::kernels::ALL` must be timed, or the program fails.

#[path = "kernels/baselines.rs"]
mod baselines;
#[path = "kernels/cases.rs"]
mod cases;
#[path = "kernels/convolutions.rs"]
mod convolutions;
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
#[path = "common/shapes.rs"]
mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use cvdm::gpu::{Caps, Needs, Shader};
use cvdm::kernels::ALL;
use cvdm::{Error, Result};
use serde_json::json;

use cases::{Case, Level};
use measure::{Bench, Effort, Measured, Timing};
use options::{Lines, Options};
use peaks::Peaks;
use shapes::Network;

/// The table on standard output, and the same as JSON lines.
#[derive(Default)]
struct Report {
    lines: Lines,
    /// By what was timed: shares of the limit that binds, and of the time with the dispatches before it.
    shares: BTreeMap<&'static str, [Vec<f64>; 2]>,
}

impl Report {
    fn row(&mut self, case: &Case, timing: &Timing, measured: &Measured, first: bool) -> Result<()> {
        let (median, low, high) = (timing.quantile(0.5), timing.quantile(0.1), timing.quantile(0.9));
        let (flops, bytes) = (timing.call.flops, timing.call.bytes);
        let (least, limit) = measured.peaks.least(flops, bytes, timing.dispatches);
        let (rate, unit) = match limit {
            "fma" => (flops as f64 / median, "GFLOP/s"),
            "copy" => (bytes as f64 / median, "GB/s"),
            _ => (1e3 * timing.dispatches as f64 / median, "a ms"),
        };
        let (share, passes) = (least / median, bytes as f64 / case.map as f64);
        let in_turn = measured.peaks.one_after_the_other(flops, bytes, timing.dispatches) / median;
        let (first, made) = measured.first.filter(|_| first).map(|(d, made)| (1e3 * d.as_secs_f64(), made)).unzip();
        let doubt =
            if possible(timing, &measured.peaks) { "" } else { "  more than the limit, which was measured too low" };
        println!(
            "{:<28} {:<42} {:>10.1} {:>19} {:>7.2} {unit:<7} {:>3.0} % of {limit:<8} {passes:>6.1} {:>7}{doubt}",
            timing.call.shader.name,
            case.on,
            median / 1e3,
            format!("{:.1}–{:.1}", low / 1e3, high / 1e3),
            rate,
            100.0 * share,
            first.map_or(String::new(), |ms| format!("{ms:.0}")),
        );
        let group = case.groups.iter().find(|(shader, _)| *shader == stem(timing.call.shader));
        let group = group.map_or(form(timing.call.shader), |(_, group)| group);
        let [shares, in_turns] = self.shares.entry(group).or_default();
        shares.push(share);
        in_turns.push(in_turn);
        self.lines.push(json!({
            "kind": "kernel", "shader": timing.call.shader.name, "on": case.on, "runs": timing.nanoseconds.len(),
            "median_us": median / 1e3, "p10_us": low / 1e3, "p90_us": high / 1e3, "flops": flops, "bytes": bytes,
            "gflops": flops as f64 / median, "gbytes": bytes as f64 / median, "limit": limit, "share": share,
            "share_with_dispatch": in_turn, "passes": passes, "dispatches": timing.dispatches,
            "peak_gflops": measured.peaks.gflops, "peak_gbytes": measured.peaks.gbytes,
            "empty_dispatch_us": measured.peaks.dispatch / 1e3,
            "possible": doubt.is_empty(), "first_use_ms": first, "first_use_pipelines": made,
        }))
    }

    /// A case that does not fit: a tensor that no binding of the adapter holds (training would split its batch), or no memory.
    fn left_out(&mut self, case: &Case, reason: &str) -> Result<()> {
        println!("{:<28} {:<42} not timed: {reason}", case.shaders.join(" "), case.on);
        self.lines.push(json!({ "kind": "left out", "shaders": case.shaders, "on": case.on, "reason": reason }))
    }

    /// The median share of the limit over the shapes, by shader.
    fn summary(&mut self) -> Result<()> {
        println!("\nmedian share of the limit that binds, and of that after the dispatch, over the shapes");
        for (name, shares) in &mut self.shares {
            let count = shares[0].len();
            let [share, in_turn] = shares.each_mut().map(|shares| {
                shares.sort_by(f64::total_cmp);
                // Of an even number the mean of the two in the middle.
                (shares[(count - 1) / 2] + shares[count / 2]) / 2.0
            });
            println!("{name:<42} {:>4.0} % {:>4.0} % of {count} shapes", 100.0 * share, 100.0 * in_turn);
            self.lines.push(json!({
                "kind": "summary", "what": name, "shapes": count, "median_share": share,
                "median_share_with_dispatch": in_turn,
            }))?;
        }
        Ok(())
    }
}

/// Whether a kernel does no more multiply-adds than the adapter can: if it seems to, the host was slow while the limits were measured. Of
/// Winograd's algorithm, which has fewer of them, and of matrix units, which have a limit of their own, nothing can be said.
fn possible(timing: &Timing, peaks: &Peaks) -> bool {
    let (least, limit) = peaks.least(timing.call.flops, timing.call.bytes, timing.dispatches);
    let name = timing.call.shader.name;
    limit != "fma" || name.contains("winograd") || name.contains("cooperative") || least <= timing.quantile(0.5)
}

/// Measures a case, up to three times as long as it has what is not possible; if it still has, its row says so.
fn plausible(bench: &Bench<'_>, case: &Case) -> Result<Measured> {
    let all_possible = |measured: &Measured| measured.timings.iter().all(|timing| possible(timing, &measured.peaks));
    let mut measured = bench.measure(&case.record)?;
    for _ in 0..2 {
        if all_possible(&measured) {
            break;
        }
        // What the first use took is known of the first time alone.
        measured = Measured { first: measured.first, ..bench.measure(&case.record)? };
    }
    Ok(measured)
}

fn stem(shader: &Shader) -> &'static str {
    shader.name.split('.').next().unwrap_or(shader.name)
}

/// What the summary counts a shader as: a norm that merges the moments of tiles apart from one that reads its map twice.
fn form(shader: &Shader) -> &'static str {
    let name = shader.name.trim_end_matches(".singles").trim_end_matches(".images");
    if name.ends_with(".tiles") { name } else { stem(shader) }
}

/// The levels of the networks, each once.
fn levels(networks: &[Network]) -> BTreeSet<Level> {
    let level = |n: Network, i| Level { size: n.size >> i, channels: n.base << i, batch: n.batch };
    networks.iter().flat_map(|&n| (0..5).map(move |i| level(n, i))).collect()
}

fn all_cases(networks: &[Network], caps: Caps) -> Vec<Case> {
    let levels = levels(networks);
    let mut cases: Vec<Case> = levels.iter().flat_map(|&l| cases::network(l, caps)).collect();
    cases.extend(levels.iter().flat_map(|&l| baselines::network(l)));
    cases.extend(levels.iter().flat_map(|&l| convolutions::network(l, caps)));
    let first: BTreeSet<Level> =
        networks.iter().map(|n| Level { size: n.size, channels: n.base, batch: n.batch }).collect();
    cases.extend(first.iter().filter_map(|&l| convolutions::first(l, caps)));
    // Kernels of any size do a shape that the others do not, and one that they do.
    cases.extend(convolutions::portable(Level { batch: 1, channels: 32, size: 32 }));
    let images: BTreeSet<Level> =
        networks.iter().map(|n| Level { size: n.size, channels: 1, batch: n.batch }).collect();
    let parameters = if caps.software { 1 << 20 } else { 1 << 24 };
    cases.extend(images.iter().flat_map(|&l| cases::diffusion(l)));
    cases.extend(cases::optimiser(parameters));
    cases
}

#[cfg(feature = "cli")]
fn draw(options: &Options, report: &Report, peaks: Peaks, adapter: &str) -> Result<()> {
    let Some(path) = &options.picture else { return Ok(()) };
    roofline::write(path, &report.lines.all, peaks, &format!("Kernels on {adapter}"))
}

#[cfg(not(feature = "cli"))]
fn draw(options: &Options, _: &Report, _: Peaks, _: &str) -> Result<()> {
    match &options.picture {
        None => Ok(()),
        Some(_) => Err(Error::input("--picture needs the feature cli: cargo bench --features cli --bench kernels")),
    }
}

fn bench() -> Result<()> {
    let options = Options::read()?;
    Options::refuse(options.profile, "--profile", "engine")?;
    let gpu = options.open()?;
    let effort = if options.quick {
        Effort { runs: 7, least: 7, budget: Duration::ZERO }
    } else {
        Effort { runs: 31, least: 9, budget: Duration::from_secs(2) }
    };
    let bench = Bench::new(&gpu, effort)?;
    let summary = gpu.summary();
    let clock = if bench.timestamps() { "timestamps of the device" } else { "the host's clock, submission included" };
    println!("{} ({}, {}; {}), timed by {clock}", summary.name, summary.backend, summary.kind, summary.driver);
    let (peaks, empty) = bench.adapter()?;
    println!(
        "limits: {:.1} GFLOP/s of multiply-adds, {:.2} GB/s of copying, {:.1} µs for an empty dispatch ({:.0} µs for the host)",
        peaks.gflops,
        peaks.gbytes,
        peaks.dispatch / 1e3,
        empty / 1e3
    );
    let caps = gpu.caps();
    let (mut networks, left_out) = shapes::networks(&options, caps.software)?;
    networks.retain(|n| options.batch.is_none_or(|batch| n.batch == batch));
    if left_out > 0 {
        println!(
            "{left_out} of the networks in benches/shapes are left out, too large for a software adapter; --all times them"
        );
    }
    let cache = caps.software.then(peaks::last_cache).flatten();
    let written = peaks::past_caches(&gpu);
    if let Some(cache) = cache.filter(|&cache| cache > written) {
        println!(
            "the processor's last cache holds {} MiB, more than the {} MiB written between runs: the copy's limit and the kernels alike may find their tensors there",
            cache >> 20,
            written >> 20
        );
    }
    let mut adapter = options.adapter(&gpu);
    adapter["timestamps"] = json!(bench.timestamps());
    adapter["last_cache_mib"] = json!(cache.map(|bytes| bytes >> 20));
    adapter["written_between_runs_mib"] = json!(written >> 20);
    peaks.note(&mut adapter, empty);
    let mut report = Report { lines: Lines::new(&options)?, ..Report::default() };
    report.lines.push(adapter)?;
    println!(
        "\n{:<28} {:<42} {:>10} {:>19} {:>15} {:>17} {:>6} {:>7}",
        "shader", "on", "median µs", "p10–p90", "rate", "limit", "passes", "first ms"
    );
    // Timed, or too large for this adapter at every shape.
    let mut tried: BTreeSet<&str> = BTreeSet::new();
    for case in all_cases(&networks, caps) {
        let name = format!("{} {}", case.shaders.join(" "), case.on);
        if !name.contains(&options.filter) {
            continue;
        }
        tried.extend(case.shaders);
        let measured = match plausible(&bench, &case) {
            Err(Error::Limit(reason) | Error::OutOfMemory(reason)) => {
                report.left_out(&case, &reason)?;
                continue;
            }
            measured => measured?,
        };
        for (i, timing) in measured.timings.iter().enumerate() {
            let name = stem(timing.call.shader);
            if !case.shaders.contains(&name) {
                return Err(Error::Validation(format!("{name} runs where only {:?} are announced", case.shaders)));
            }
            report.row(&case, timing, &measured, i == 0)?;
        }
    }
    report.summary()?;
    draw(&options, &report, peaks, &summary.name)?;
    let met = |needs| match needs {
        Needs::Nothing => true,
        Needs::Subgroups => caps.subgroups,
        Needs::Halves => caps.halves,
        Needs::Matrices => caps.matrices.is_some(),
    };
    let known = ALL.iter().filter(|s| met(s.needs)).map(|s| stem(s));
    let missing: BTreeSet<&str> = known.filter(|s| !tried.contains(s)).collect();
    if missing.is_empty() || !options.filter.is_empty() {
        return Ok(());
    }
    Err(Error::Validation(format!("not timed: {missing:?}; add them to benches/kernels, a case each")))
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
