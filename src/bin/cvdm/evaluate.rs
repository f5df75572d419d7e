//! `cvdm evaluate`: weights for phases against the classical method, on held-out photographs and on a measured field.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use cvdm::config::{NetworkKind, Schedule, Task};
use cvdm::data::{Split, photographs_of, write_atomically};
use cvdm::evaluate::{Covered, HL60_OPTICS, Scores, classical, covered, mean, score};
use cvdm::gpu::Gpu;
use cvdm::metrics::ms_ssim_scales;
use cvdm::phase::one_pass_tie;
use cvdm::reconstruct::{PhaseResult, Reconstructor, expect_task};
use cvdm::repro::phase::cases::{Case, field, photographs};
use cvdm::weights::{Weights, load_weights};
use cvdm::{Error, Result, tell};
use serde::Serialize;

use super::evaluate_images;
use super::options::{Bar, Sampling, at_least_one, clear, expect_distinct, fresh_folder};

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
    #[arg(long, requires = "photographs")]
    held_out: bool,
    /// A measured field, `.npy` float32 `[V, 2, H, W]`: phase in rad and amplitude.
    #[arg(long)]
    pub field: Option<PathBuf>,
    /// Views of the field to use, evenly spaced.
    #[arg(long, default_value = "4", value_parser = at_least_one, requires = "field")]
    views: usize,
    /// Noise levels of the field's measurements.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [0.0, 0.05, 0.1, 0.2], requires = "field")]
    noise: Vec<f32>,
    /// Wavelength of the field in µm.
    #[arg(long, default_value_t = HL60_OPTICS.0)]
    field_wavelength: f64,
    /// Pixel of the field in µm.
    #[arg(long, default_value_t = HL60_OPTICS.1)]
    field_pixel: f64,
    /// Side of photographs and images in pixels; a field keeps its own.
    #[arg(long, default_value = "128", value_parser = at_least_one)]
    pub size: usize,
    /// At most this many photographs or images.
    #[arg(long, default_value = "12", value_parser = at_least_one)]
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
    /// Scales that the image has room for in MS-SSIM.
    ms_ssim_scales: usize,
    /// How far its samples' deviations can be believed; of methods that draw several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    intervals: Vec<Covered>,
}

/// What Ctrl-C does to an evaluation.
pub const WRITING_FINISHED: &str = "writing what is finished";

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
            super::demo::panels(data, &case.pair, &case.truth, &tie, &results).write_to(&file)?;
        }
        finished.add(rows);
        Ok(())
    };
    let outcome = cases.into_iter().try_for_each(&mut answer);
    bar.finish();
    finished.write(&out, table, outcome)
}

/// Whether a file of this name is one that an evaluation writes.
pub fn is_output(name: &str) -> bool {
    ["scores.json", "table.md", "images.png", "photographs.png"].contains(&name)
        || (name.starts_with("field--noise-") && name.ends_with(".png"))
}

/// The rows of the images that every method has answered.
pub struct Finished<R> {
    pub rows: Vec<R>,
    pub images: usize,
    /// Images in all.
    pub of: usize,
}

impl<R: Serialize> Finished<R> {
    /// An image more.
    pub fn add(&mut self, rows: Vec<R>) {
        self.rows.extend(rows);
        self.images += 1;
    }

    /// Writes `scores.json` and `table.md`; after Ctrl-C or another error those of the images that were finished by then.
    ///
    /// # Errors
    /// That of `outcome`, and files that cannot be written.
    pub fn write(&self, out: &Path, table: fn(&[R]) -> String, outcome: Result<()>) -> Result<()> {
        if self.images == 0 && outcome.is_err() {
            return outcome;
        }
        let table = table(&self.rows);
        let json = serde_json::to_string_pretty(&self.rows).map_err(|e| Error::file(out, e.to_string()))?;
        write_atomically(out.join("scores.json"), |f| f.write_all(json.as_bytes()))?;
        write_atomically(out.join("table.md"), |f| f.write_all(table.as_bytes()))?;
        let (images, of, folder) = (self.images, self.of, out.display());
        match outcome {
            Ok(()) => say!("{table}\nscores and pictures are in {folder}"),
            Err(Error::Interrupted(_)) => {
                let told = format!("{images} of {of} images were evaluated; their scores are in {folder}");
                return Err(Error::Interrupted(told));
            }
            Err(other) => {
                tell(format_args!("{images} of {of} images were evaluated; their scores are in {folder}"));
                return Err(other);
            }
        }
        Ok(())
    }
}

/// What the methods are called: by their kind, and by their file too where that says more than one.
fn names(files: &[PathBuf], weights: &[Weights]) -> Vec<String> {
    unique(files, &weights.iter().map(kind).collect::<Vec<_>>())
}

fn kind(weights: &Weights) -> &'static str {
    match weights.config.model.schedule {
        Schedule::Learned => "CVDM",
        Schedule::Tied => "CVDM, tied",
        Schedule::Simple => "CVDM-simple",
        Schedule::Fixed => "CDDPM",
        Schedule::None if weights.config.model.network == NetworkKind::Dfcan => "DFCAN",
        Schedule::None => "regression",
    }
}

/// A name for each file, no two the same: its kind; where that is not enough with the file's stem, then with its folder too, since every
/// run has its `weights.safetensors`; then with a number.
fn unique(files: &[PathBuf], kinds: &[&str]) -> Vec<String> {
    let part = |name: Option<&OsStr>| name.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = |file: &PathBuf| part(file.file_stem());
    let placed = |file: &PathBuf| match part(file.parent().and_then(Path::file_name)) {
        folder if folder.is_empty() => stem(file),
        folder => format!("{folder}/{}", stem(file)),
    };
    let mut names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    for of in [&stem as &dyn Fn(&PathBuf) -> String, &placed] {
        let alone = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
        let longer =
            |i: usize| if alone(&names[i]) { names[i].clone() } else { format!("{} ({})", kinds[i], of(&files[i])) };
        names = (0..files.len()).map(longer).collect();
    }
    let numbered = |i: usize| match names[..i].iter().filter(|other| **other == names[i]).count() {
        0 => names[i].clone(),
        before => format!("{} {}", names[i], before + 1),
    };
    (0..files.len()).map(numbered).collect()
}

/// The numbers of scales that occur, of images of one size one.
pub fn listed(scales: impl Iterator<Item = usize>) -> String {
    let distinct: BTreeSet<usize> = scales.collect();
    distinct.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_methods_have_one_name() {
        let names =
            |files: &[&str], kinds: &[&str]| unique(&files.iter().map(PathBuf::from).collect::<Vec<_>>(), kinds);
        assert_eq!(names(&["a/weights.safetensors", "b/weights.safetensors"], &["CVDM", "CDDPM"]), ["CVDM", "CDDPM"]);
        assert_eq!(names(&["one.safetensors", "x/two.safetensors"], &["CVDM"; 2]), ["CVDM (one)", "CVDM (two)"]);
        assert_eq!(
            names(&["a/weights.safetensors", "b/weights.safetensors", "c.safetensors"], &["CVDM"; 3]),
            ["CVDM (a/weights)", "CVDM (b/weights)", "CVDM (c)"]
        );
        // The same folder's name in two places, and no folder at all.
        assert_eq!(
            names(&["1/a/w.safetensors", "2/a/w.safetensors", "3/a/w.safetensors", "w.safetensors"], &["CVDM"; 4]),
            ["CVDM (a/w)", "CVDM (a/w) 2", "CVDM (a/w) 3", "CVDM (w)"]
        );
    }

    /// Whatever ends an evaluation, what was finished is written, and the error is told.
    #[test]
    fn finished_images_are_written_before_an_error_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let table = |rows: &[u32]| format!("{rows:?}");
        let told = |rows: Vec<u32>, outcome| {
            let images = rows.len();
            Finished { rows, images, of: 3 }.write(folder.path(), table, outcome).unwrap_err()
        };
        let lost = || Err(Error::DeviceLost("gone".into()));
        assert_eq!(told(vec![], lost()), lost().unwrap_err());
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was finished");
        assert_eq!(told(vec![7, 8], lost()), lost().unwrap_err());
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((read("table.md").as_str(), read("scores.json").contains('8')), ("[7, 8]", true));
        let stopped = told(vec![7], Err(Error::Interrupted(String::new())));
        assert!(matches!(&stopped, Error::Interrupted(told) if told.contains("1 of 3 images")), "{stopped}");
    }
}
