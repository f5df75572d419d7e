//! `cvdm evaluate`: weights for phases against the classical method, on held-out photographs and on a measured field.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use cvdm::config::{NetworkKind, Schedule, Task};
use cvdm::data::{Split, photographs_of, write_atomically};
use cvdm::evaluate::{Scores, classical, mean, score};
use cvdm::gpu::Gpu;
use cvdm::phase::one_pass_tie;
use cvdm::reconstruct::{PhaseResult, Reconstructor, expect_task};
use cvdm::repro::phase::cases::{field, photographs};
use cvdm::weights::{Weights, load_weights};
use cvdm::{Error, Progress, Result};
use serde::Serialize;

use super::evaluate_images;
use super::options::{Sampling, fresh_folder, watch};

/// Arguments of `cvdm evaluate`.
#[derive(Args)]
pub struct Evaluate {
    /// Weights to evaluate; several are compared in one table.
    #[arg(long, num_args = 1.., required = true)]
    weights: Vec<PathBuf>,
    /// For phases: folder of photographs, none of which was trained on.
    #[arg(long)]
    pub photographs: Option<PathBuf>,
    /// Take only the held-out eighth of the folder.
    #[arg(long)]
    held_out: bool,
    /// A measured field, `.npy` float32 `[V, 2, H, W]`: phase in rad and amplitude.
    #[arg(long)]
    pub field: Option<PathBuf>,
    /// Views of the field to use, evenly spaced.
    #[arg(long, default_value_t = 4)]
    views: usize,
    /// Noise levels of the field's measurements.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [0.0, 0.05, 0.1, 0.2])]
    noise: Vec<f32>,
    /// Wavelength of the field in µm.
    #[arg(long, default_value_t = 0.647)]
    field_wavelength: f64,
    /// Pixel of the field in µm.
    #[arg(long, default_value_t = 0.139)]
    field_pixel: f64,
    /// Side of the images in pixels.
    #[arg(long, default_value_t = 128)]
    pub size: usize,
    /// At most this many photographs or images.
    #[arg(long, default_value_t = 12)]
    pub count: usize,
    /// Folder for the report.
    #[arg(long)]
    pub out: PathBuf,
    /// Replace what the folder holds.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub sampling: Sampling,
}

#[derive(Serialize)]
struct Row {
    data: String,
    image: String,
    method: String,
    scores: Scores,
}

/// Writes `table.md`, `scores.json` and a picture of the first image of each kind of data.
pub fn run(args: &Evaluate, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    let weights = args.weights.iter().map(|p| load_weights(p)).collect::<Result<Vec<_>>>()?;
    let names = names(&args.weights, &weights);
    if weights[0].config.task != Task::Phase {
        return evaluate_images::run(args, &names, weights, open);
    }
    weights.iter().try_for_each(|w| expect_task(w, &[Task::Phase]))?;
    let setup = cvdm::phase::setup(&weights[0].config.data)?;
    let mut groups = Vec::new();
    if let Some(folder) = &args.photographs {
        let split = if args.held_out { Split::HeldOut } else { Split::All };
        let files = photographs_of(folder, split)?;
        groups.push(photographs("photographs", &files, &setup, args.size, [0, args.count])?);
    }
    if let Some(file) = &args.field {
        let optics = (args.field_wavelength, args.field_pixel);
        let at = |&noise: &f32| field(&format!("field, noise {noise}"), file, optics, &setup, args.views, noise);
        groups.extend(args.noise.iter().map(at).collect::<Result<Vec<_>>>()?);
    }
    if groups.is_empty() {
        return Err(Error::input("nothing to evaluate on: give --photographs, --field, or both"));
    }
    let out = fresh_folder(&args.out, args.force)?;
    let gpu = open()?;
    let interrupt = cvdm::interrupt::install()?;
    let total =
        args.sampling.total_steps() * (groups.iter().map(|g| g.all.len()).sum::<usize>() * weights.len()) as u64;
    let mut progress = Progress::new(total, "evaluating");
    let mut rows = Vec::new();
    let mut methods: Vec<(String, Reconstructor)> = names
        .iter()
        .zip(weights)
        .map(|(name, w)| (name.clone(), Reconstructor::new(&gpu, w, args.sampling.options())))
        .collect();
    for (data, i, case) in
        groups.iter().flat_map(|g| g.all.iter().enumerate().map(|(i, case)| (g.name.as_str(), i, case)))
    {
        let row =
            |method: &str, scores| Row { data: data.into(), image: case.name.clone(), method: method.into(), scores };
        let (tie, seconds) = classical(&case.pair, &case.setup, case.noisy)?;
        rows.push(row("US-TIE", score(&tie, &case.truth, seconds)?));
        let started = Instant::now();
        let once = one_pass_tie(&case.pair, &case.setup)?;
        rows.push(row("TIE, one pass", score(&once, &case.truth, started.elapsed().as_secs_f64())?));
        let mut results: Vec<(String, PhaseResult)> = Vec::new();
        for (name, method) in &mut methods {
            let result = method.reconstruct(&case.pair, &case.setup, false, watch(&mut progress, &interrupt))?;
            rows.push(row(name, score(&result.phase, &case.truth, result.seconds)?));
            results.push((name.clone(), result));
        }
        if i == 0 {
            let file = out.join(format!("{}.png", data.replace([' ', ','], "-")));
            super::demo::panels(data, &case.pair, &case.truth, &tie, &results).write_to(&file)?;
        }
    }
    progress.finish();
    let table = table(&rows);
    let json = serde_json::to_string_pretty(&rows).map_err(|e| Error::file(&out, e.to_string()))?;
    write_atomically(out.join("scores.json"), |f| f.write_all(json.as_bytes()))?;
    write_atomically(out.join("table.md"), |f| f.write_all(table.as_bytes()))?;
    println!("{table}\nscores and pictures are in {}", out.display());
    Ok(())
}

/// What the methods are called: by their kind, and by their file too where that says more than one.
fn names(files: &[PathBuf], weights: &[Weights]) -> Vec<String> {
    let kind = |w: &Weights| match w.config.model.schedule {
        Schedule::Learned => "CVDM",
        Schedule::Tied => "CVDM, tied",
        Schedule::Simple => "CVDM-simple",
        Schedule::Fixed => "CDDPM",
        Schedule::None if w.config.model.network == NetworkKind::Dfcan => "DFCAN",
        Schedule::None => "regression",
    };
    let name = |(file, w): (&PathBuf, &Weights)| {
        let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let alone = weights.iter().filter(|other| kind(other) == kind(w)).count() == 1;
        if alone { kind(w).to_string() } else { format!("{} ({stem})", kind(w)) }
    };
    files.iter().zip(weights).map(name).collect()
}

fn table(rows: &[Row]) -> String {
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if !keys.contains(&(&row.data, &row.method)) {
            keys.push((&row.data, &row.method));
        }
    }
    let mut text = String::from(
        "| data | method | images | MAE | MAE aligned | MS-SSIM | PSNR [dB] | seconds |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (data, method) in keys {
        let scores: Vec<Scores> =
            rows.iter().filter(|r| r.data == data && r.method == method).map(|r| r.scores).collect();
        let m = mean(&scores);
        text += &format!(
            "| {data} | {method} | {} | {:.4} | {:.4} | {:.4} | {:.2} | {:.2} |\n",
            scores.len(),
            m.mae,
            m.mae_aligned,
            m.ms_ssim,
            m.psnr,
            m.seconds
        );
    }
    text
}
