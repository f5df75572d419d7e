//! Weights for phases against the classical method, on held-out photographs and on a measured field.

use std::time::Instant;

use cvdm::config::{Schedule, Task};
use cvdm::data::{Split, photographs_of};
use cvdm::evaluate::{Covered, Scores, classical, covered, mean, score};
use cvdm::gpu::Gpu;
use cvdm::metrics::ms_ssim_scales;
use cvdm::phase::one_pass_tie;
use cvdm::reconstruct::{PhaseResult, Reconstructor, expect_task};
use cvdm::repro::phase::cases::{Case, field, photographs};
use cvdm::weights::Weights;
use cvdm::{Error, Result};
use serde::Serialize;

use super::arguments::Evaluate;
use super::finished::{Finished, WRITING_FINISHED, is_output, listed};
use crate::demo::panels;
use crate::options::{Bar, clear, expect_distinct, fresh_folder};

#[derive(Serialize)]
struct Row {
    data: String,
    image: String,
    method: String,
    scores: Scores,
    /// Scales that the image has room for in MS-SSIM.
    ms_ssim_scales: usize,
    /// How far its samples' deviations can be believed; of methods that draw several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    intervals: Vec<Covered>,
}

/// Writes `table.md`, `scores.json` and a picture of the first image of each kind of data.
pub fn run(args: &Evaluate, names: &[String], weights: Vec<Weights>, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
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
        expect_distinct("--noise", &args.noise, f32::to_string)?;
        let at = |&noise: &f32| field(&format!("field, noise {noise}"), file, optics, &setup, args.views, noise);
        groups.extend(args.noise.iter().map(at).collect::<Result<Vec<_>>>()?);
    }
    if groups.is_empty() {
        return Err(Error::input("nothing to evaluate on: give --photographs, --field, or both"));
    }
    let out = fresh_folder(&args.out, args.force)?;
    let gpu = open()?;
    let interrupt = cvdm::interrupt::install(WRITING_FINISHED)?;
    let images = groups.iter().map(|g| g.all.len()).sum();
    let mut bar = Bar::new("evaluating", &args.sampling, images * weights.len(), interrupt);
    let mut finished = Finished { rows: Vec::new(), images: 0, of: images };
    let options = args.sampling.options();
    let mut methods: Vec<(String, Reconstructor)> =
        names.iter().zip(weights).map(|(name, w)| (name.clone(), Reconstructor::new(&gpu, w, options))).collect();
    for (name, method) in &methods {
        if let Some(Err(why)) = method.weights().calibration.as_ref().map(|c| c.interval(None, &options)) {
            say!("{name} without calibrated intervals: {why}");
        }
    }
    let cases = groups.iter().flat_map(|g| g.all.iter().enumerate().map(|(i, case)| (g.name.as_str(), i, case)));
    let mut answer = |(data, i, case): (&str, usize, &Case)| {
        bar.check()?;
        let ms_ssim_scales = ms_ssim_scales(case.truth.height().min(case.truth.width()));
        let (image, mut rows) = (case.name.clone(), Vec::new());
        let row = |method: &str, scores| Row {
            data: data.into(),
            image: image.clone(),
            method: method.into(),
            scores,
            ms_ssim_scales,
            intervals: Vec::new(),
        };
        let (tie, seconds) = classical(&case.pair, &case.setup, case.noisy)?;
        rows.push(row("US-TIE", score(&tie, &case.truth, seconds)?));
        let started = Instant::now();
        let once = one_pass_tie(&case.pair, &case.setup)?;
        rows.push(row("TIE, one pass", score(&once, &case.truth, started.elapsed().as_secs_f64())?));
        let mut results: Vec<(String, PhaseResult)> = Vec::new();
        for (name, method) in &mut methods {
            let steps = method.steps(&case.pair, &case.setup)?;
            let result = method.reconstruct(&case.pair, &case.setup, false, bar.watch(steps))?;
            let mut row = row(name, score(&result.phase, &case.truth, result.seconds)?);
            if method.weights().config.model.schedule != Schedule::None && options.samples > 1 {
                let calibration = method.weights().calibration.as_ref();
                row.intervals = covered([&result.phase, &result.std, &case.truth], calibration, &options)?;
            }
            rows.push(row);
            results.push((name.clone(), result));
        }
        if finished.images == 0 {
            clear(&out, is_output)?;
        }
        if i == 0 {
            let file = out.join(format!("{}.png", data.replace([' ', ','], "-")));
            panels(data, &case.pair, &case.truth, &tie, &results).write_to(&file)?;
        }
        finished.add(rows);
        Ok(())
    };
    let outcome = cases.into_iter().try_for_each(&mut answer);
    bar.finish();
    finished.write(&out, table, outcome)
}

fn table(rows: &[Row]) -> String {
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if !keys.contains(&(&row.data, &row.method)) {
            keys.push((&row.data, &row.method));
        }
    }
    let mut text = String::from(
        "| data | method | images | MAE | MAE aligned | MS-SSIM | scales | PSNR [dB] | seconds |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for &(data, method) in &keys {
        let of_key = || rows.iter().filter(|r| r.data == data && r.method == method);
        let scores: Vec<Scores> = of_key().map(|r| r.scores).collect();
        let m = mean(&scores);
        text += &format!(
            "| {data} | {method} | {} | {:.4} | {:.4} | {:.4} | {} | {:.2} | {:.2} |\n",
            scores.len(),
            m.mae,
            m.mae_aligned,
            m.ms_ssim,
            listed(of_key().map(|r| r.ms_ssim_scales)),
            m.psnr,
            m.seconds
        );
    }
    if rows.iter().any(|row| !row.intervals.is_empty()) {
        text += "\nShare of the pixels within their intervals, mean difference removed:\n\n\
                 | data | method | level | as of a Gaussian | calibrated | half-width [rad] |\n|---|---|---|---|---|---|\n";
    }
    for (data, method) in keys {
        let images: Vec<&Row> = rows.iter().filter(|r| r.data == data && r.method == method).collect();
        for (i, level) in images[0].intervals.iter().map(|covered| covered.level).enumerate() {
            let mean = |f: fn(&Covered) -> Option<f64>| {
                let values: Option<Vec<f64>> = images.iter().map(|row| f(&row.intervals[i])).collect();
                values.map_or("–".into(), |v| format!("{:.3}", v.iter().sum::<f64>() / v.len() as f64))
            };
            let shares = [mean(|c| Some(c.gaussian)), mean(|c| c.calibrated), mean(|c| c.half_width)].join(" | ");
            text += &format!("| {data} | {method} | {level} | {shares} |\n");
        }
    }
    text
}
