//! Weights for microscopy and super-resolution against interpolation, on the held-out side of their own data.

use std::path::Path;
use std::time::Instant;

use cvdm::data::{Plane, resize_lanczos};
use cvdm::evaluate::{ImageScores, score_image};
use cvdm::gpu::Gpu;
use cvdm::metrics::ms_ssim_scales;
use cvdm::picture::{Colormap, Montage, Panel};
use cvdm::reconstruct::{Estimate, SuperResolver};
use cvdm::tasks::{TestImage, test_images};
use cvdm::weights::Weights;
use cvdm::{Error, Result};
use serde::Serialize;

use super::arguments::Evaluate;
use super::finished::{Finished, WRITING_FINISHED, is_output, listed};
use crate::options::{Bar, clear, fresh_folder};

#[derive(Serialize)]
struct Row {
    image: String,
    method: String,
    scores: ImageScores,
    /// Scales that the image has room for in MS-SSIM.
    ms_ssim_scales: usize,
}

/// Writes `table.md`, `scores.json` and a picture of the first image.
pub fn run(args: &Evaluate, names: &[String], weights: Vec<Weights>, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    let config = weights[0].config.clone();
    let data = |w: &Weights| (w.config.task, w.config.microscopy.clone(), w.config.super_resolution.clone());
    if weights.iter().any(|w| data(w) != data(&weights[0])) {
        return Err(Error::input(
            "the weights were trained on different data; evaluate those of one task and set together",
        ));
    }
    if args.photographs.is_some() || args.field.is_some() {
        return Err(Error::input(
            "--photographs and --field are for phases; these weights are tested on the held-out side of their own data",
        ));
    }
    let images = test_images(&config, args.size, args.count)?;
    let out = fresh_folder(&args.out, args.force)?;
    let gpu = open()?;
    let interrupt = cvdm::interrupt::install(WRITING_FINISHED)?;
    let mut bar = Bar::new("evaluating", &args.sampling, images.len() * weights.len(), interrupt);
    let resolver = |w: Weights| SuperResolver::new(&gpu, w, args.sampling.options());
    let mut methods = weights.into_iter().map(resolver).collect::<Result<Vec<_>>>()?;
    let mut finished = Finished { rows: Vec::new(), images: 0, of: images.len() };
    let mut answer = |image: &TestImage| {
        bar.check()?;
        let mut rows = Vec::new();
        let started = Instant::now();
        let factor = config.factor();
        let enlarge = |p: &Plane| resize_lanczos(p, p.height() * factor, p.width() * factor);
        let enlarged = image.coarse.iter().map(enlarge).collect::<Result<Vec<_>>>()?;
        let row = |method: &str, planes: &[Plane], seconds: f64| {
            let scores = score_image(planes, &image.truth, seconds)?;
            let ms_ssim_scales = ms_ssim_scales(image.truth[0].height().min(image.truth[0].width()));
            Ok::<_, Error>(Row { image: image.name.clone(), method: method.into(), scores, ms_ssim_scales })
        };
        rows.push(row("interpolation", &enlarged, started.elapsed().as_secs_f64())?);
        let mut results = Vec::new();
        for (name, method) in names.iter().zip(&mut methods) {
            let steps = method.steps((image.coarse[0].height(), image.coarse[0].width()))?;
            let result = method.resolve(&image.coarse, false, bar.watch(steps))?;
            rows.push(row(name, &result.mean, result.seconds)?);
            results.push(result);
        }
        if finished.images == 0 {
            clear(&out, is_output)?;
            picture(image, &enlarged, names, &results, &out.join("images.png"))?;
        }
        finished.add(rows);
        Ok(())
    };
    let outcome = images.iter().try_for_each(&mut answer);
    bar.finish();
    finished.write(&out, table, outcome)
}

/// Means over the images, a line a method.
fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| method | images | MAE | SSIM | MS-SSIM | scales | PSNR [dB] | seconds |\n|---|---|---|---|---|---|---|---|\n",
    );
    let mut methods: Vec<&str> = Vec::new();
    for row in rows {
        if !methods.contains(&row.method.as_str()) {
            methods.push(&row.method);
        }
    }
    for method in methods {
        let of_method = || rows.iter().filter(|r| r.method == method);
        let scores: Vec<&ImageScores> = of_method().map(|r| &r.scores).collect();
        let mean = |f: fn(&ImageScores) -> f64| scores.iter().map(|s| f(s)).sum::<f64>() / scores.len() as f64;
        text += &format!(
            "| {method} | {} | {:.4} | {:.4} | {:.4} | {} | {:.2} | {:.2} |\n",
            scores.len(),
            mean(|s| s.mae),
            mean(|s| s.ssim),
            mean(|s| s.ms_ssim),
            listed(of_method().map(|r| r.ms_ssim_scales)),
            mean(|s| s.psnr),
            mean(|s| s.seconds)
        );
    }
    text
}

fn picture(image: &TestImage, enlarged: &[Plane], names: &[String], results: &[Estimate], path: &Path) -> Result<()> {
    let (measured, truth) = (Plane::mean_of(enlarged), Plane::mean_of(&image.truth));
    let error = |p: &Plane| Plane::from_fn(p.height(), p.width(), |y, x| (p.at(y, x) - truth.at(y, x)).abs());
    let answers: Vec<[Plane; 3]> = results
        .iter()
        .map(|r| {
            let mean = Plane::mean_of(&r.mean);
            [error(&mean), Plane::mean_of(&r.std), mean]
        })
        .collect();
    let mut montage = Montage::new().title(&image.name).row(
        "given",
        [Panel::new("measured, interpolated", &measured).range(0.0, 1.0), Panel::new("truth", &truth).range(0.0, 1.0)],
    );
    for (name, [error, std, mean]) in names.iter().zip(&answers) {
        let mut panels =
            vec![Panel::new("answer", mean).range(0.0, 1.0), Panel::new("error", error).map(Colormap::Magma)];
        // One answer alone has none.
        if std.min_max().1 > 0.0 {
            panels.push(Panel::new("standard deviation", std).map(Colormap::Magma));
        }
        montage = montage.row(name, panels);
    }
    montage.write_png(path)
}
