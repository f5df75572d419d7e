//! How fast whole networks are: `cargo bench --bench engine -- [--quick] [--all] [--filter TEXT] [--batch N]
//! [--adapter NAME] [--tune FOLDER] [--slow-buffers yes|no] [--profile] [--json FILE]`.
//!
//! A U-Net's forward pass, a U-Net's training step (mean squared error, gradients, Adam), a CVDM training step, a sampler
//! step, one with halves stored where the adapter has them, and a whole reconstruction. For each: the median time with its 10 % and 90 % quantiles, operations a second and
//! their share of the multiply-adds that a tiny shader reaches on the same adapter, what the host spends before the device
//! starts, the time of first use with every pipeline compiled on the way, and what the plan says without a clock:
//! dispatches, bytes that must cross memory, memory held. `--profile` adds where the device's time goes, by shader.

#[path = "engine/cases.rs"]
mod cases;
#[path = "common/measure.rs"]
#[allow(dead_code, reason = "each bench uses its own part")]
mod measure;
#[path = "common/options.rs"]
#[allow(dead_code, reason = "each bench has its own options")]
mod options;
#[path = "common/peaks.rs"]
#[allow(dead_code, reason = "each bench uses its own part")]
mod peaks;
#[path = "common/shapes.rs"]
mod shapes;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cvdm::gpu::{Gpu, Timer};
use cvdm::{Error, Result};
use serde_json::{Value, json};

use cases::{Case, Job, What};
use measure::{Bench, Effort};
use options::{Lines, Options};

/// Sorted times in milliseconds.
struct Times(Vec<f64>);

impl Times {
    fn quantile(&self, share: f64) -> f64 {
        self.0[(share * (self.0.len() - 1) as f64).round() as usize]
    }
}

fn milliseconds(since: Instant) -> f64 {
    1e3 * since.elapsed().as_secs_f64()
}

/// Runs of a job, as the host sees them: until everything is submitted, and until it is done.
fn time(gpu: &Gpu, job: &mut Job, runs: usize, budget: Duration) -> Result<[Times; 2]> {
    let (mut host, mut all) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    while all.len() < runs && (all.len() < 3 || begin.elapsed() < budget) {
        let start = Instant::now();
        job.run()?;
        host.push(milliseconds(start));
        gpu.wait()?;
        all.push(milliseconds(start));
    }
    Ok([host, all].map(|mut times| {
        times.sort_by(f64::total_cmp);
        Times(times)
    }))
}

/// Milliseconds and calls by shader, most expensive first.
fn profile(job: &Job) -> Result<Vec<(&'static str, f64, usize)>> {
    let plan = job.plan();
    let mut by_shader: BTreeMap<&'static str, (f64, usize)> = BTreeMap::new();
    for (call, nanoseconds) in plan.calls().iter().zip(plan.profile()?) {
        let entry = by_shader.entry(call.shader.name).or_default();
        entry.0 += nanoseconds / 1e6;
        entry.1 += 1;
    }
    let mut all: Vec<_> = by_shader.into_iter().map(|(name, (ms, calls))| (name, ms, calls)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(all)
}

/// What is timed, and in which parts where it does not fit at once: of a step of a sampler one part is timed.
fn on(case: &Case, job: &Job) -> String {
    let note = match (job.group(case.network.batch), job) {
        (None, _) => return case.on(),
        (Some(part), Job::Step(_)) => format!(", {part} of them"),
        (Some(part), _) => format!(", {part} at a time"),
    };
    case.on() + &note
}

fn run(bench: &Bench<'_>, case: &Case, options: &Options) -> Result<Value> {
    let gpu = bench.gpu;
    let known = gpu.pipeline_count();
    let start = Instant::now();
    let mut job = case.job(gpu)?;
    job.run()?;
    gpu.wait()?;
    let first = milliseconds(start);
    let compiled = gpu.pipeline_count() - known;
    let (runs, budget) = if options.quick { (7, Duration::from_secs(3)) } else { (31, Duration::from_secs(12)) };
    let [host, all] = time(gpu, &mut job, runs, budget)?;
    // Measured again beside each case: a shared machine is now fast and now slow.
    let peak = bench.adapter()?.0.gflops;
    let [flops, bytes, dispatches] = job.work();
    let (median, memory) = (all.quantile(0.5), job.memory());
    // A reconstruction waits for the device on the way.
    let host = (!matches!(job, Job::Sampler { .. })).then(|| host.quantile(0.5));
    let gflops = flops as f64 / median / 1e6;
    let mib = |b: u64| b as f64 / (1 << 20) as f64;
    println!(
        "{:<16} {:<22} {:>10.2} {:>19} {:>8.1} {:>4.0} % {:>7} {:>10} {:>9.0} {:>9.1} {:>8.0} ({compiled})",
        case.what.name(),
        on(case, &job),
        median,
        format!("{:.2}–{:.2}", all.quantile(0.1), all.quantile(0.9)),
        gflops,
        100.0 * gflops / peak,
        host.map_or(String::new(), |ms| format!("{ms:.2}")),
        dispatches,
        mib(bytes),
        mib(memory.total()),
        first,
    );
    let mut line = json!({
        "kind": "engine", "what": case.what.name(), "base": case.network.base, "batch": case.network.batch,
        "size": case.network.size, "side_by_side": job.group(case.network.batch),
        "runs": all.0.len(), "median_ms": median, "p10_ms": all.quantile(0.1), "p90_ms": all.quantile(0.9),
        "host_ms": host, "gflops": gflops, "peak_gflops": peak, "flops": flops, "bytes": bytes, "dispatches": dispatches,
        "memory_mib": mib(memory.total()), "memory_unshared_mib": mib(memory.persistent + memory.unshared),
        "first_use_ms": first, "pipelines_compiled": compiled,
    });
    // A plan of very many dispatches has no timestamp for each.
    if options.profile && gpu.caps().timestamps && job.plan().calls().len() <= Timer::MOST as usize {
        let shares = match profile(&job) {
            Err(Error::Limit(reason)) => {
                println!("    no profile: {reason}");
                return Ok(line);
            }
            shares => shares?,
        };
        let total: f64 = shares.iter().map(|s| s.1).sum();
        for (name, ms, calls) in &shares {
            println!("    {name:<34} {ms:>9.3} ms {:>5.1} % in {calls} calls", 100.0 * ms / total);
        }
        let others: f64 =
            shares.iter().filter(|s| !["conv", "winograd"].iter().any(|c| s.0.starts_with(c))).map(|s| s.1).sum();
        println!("    {:<34} {others:>9.3} ms {:>5.1} %", "all but the convolutions", 100.0 * others / total);
        line["without_convolutions"] = json!(others / total);
        line["profile_ms"] = shares.iter().map(|(name, ms, _)| (name.to_string(), json!(ms))).collect();
    }
    Ok(line)
}

fn bench() -> Result<()> {
    let options = Options::read()?;
    Options::refuse(options.picture.is_some(), "--picture", "kernels")?;
    let gpu = options.open()?;
    let summary = gpu.summary();
    println!("{} ({}, {}; {})", summary.name, summary.backend, summary.kind, summary.driver);
    let effort = Effort { runs: 11, least: 3, budget: Duration::from_millis(500) };
    let bench = Bench::new(&gpu, effort)?;
    let (peaks, empty) = bench.adapter()?;
    println!(
        "limits: {:.1} GFLOP/s of multiply-adds, {:.2} GB/s of copying, {:.1} µs for an empty dispatch ({:.0} µs for the host)\n",
        peaks.gflops,
        peaks.gbytes,
        peaks.dispatch / 1e3,
        empty / 1e3
    );
    println!(
        "{:<16} {:<22} {:>10} {:>19} {:>8} {:>6} {:>7} {:>10} {:>9} {:>9} {:>8}",
        "what",
        "on",
        "median ms",
        "p10–p90",
        "GFLOP/s",
        "peak",
        "host ms",
        "dispatches",
        "MiB moved",
        "MiB held",
        "first ms"
    );
    let mut lines = Lines::new(&options)?;
    let mut adapter = options.adapter(&gpu);
    peaks.note(&mut adapter, empty);
    lines.push(adapter)?;
    let (mut networks, left_out) = shapes::networks(&options, gpu.caps().software)?;
    networks.retain(|n| options.batch.is_none_or(|batch| n.batch == batch));
    if left_out > 0 {
        println!(
            "{left_out} of the networks in benches/shapes are left out, too large for a software adapter; --all times them"
        );
    }
    let mut cases = cases::all(&networks);
    cases.retain(|case| case.what != What::SamplerStepHalves || gpu.caps().halves);
    for case in cases {
        if !format!("{} {}", case.what.name(), case.on()).contains(&options.filter) {
            continue;
        }
        lines.push(match run(&bench, &case, &options) {
            // A U-Net alone is not split, as training and sampling are.
            Err(Error::Limit(reason) | Error::OutOfMemory(reason)) => {
                println!("{:<16} {:<22} not timed: {reason}", case.what.name(), case.on());
                json!({ "kind": "left out", "what": case.what.name(), "on": case.on(), "reason": reason })
            }
            line => line?,
        })?;
    }
    Ok(())
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
