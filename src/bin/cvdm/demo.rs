//! `cvdm demo`: two shipped measurements, reconstructed with the shipped weights.

use std::path::{Path, PathBuf};

use clap::Args;
use cvdm::config::Task;
use cvdm::data::{Plane, read_gray, write_atomically};
use cvdm::evaluate::{HL60_OPTICS, Scores, aligned, classical, field_pair, photograph_pair, score};
use cvdm::gpu::Gpu;
use cvdm::inverse::{DefocusPair, FresnelSetup};
use cvdm::picture::{Colormap, Montage, Panel};
use cvdm::reconstruct::{PhaseResult, Reconstructor, expect_task};
use cvdm::repro::phase::cases::{View, first_view};
use cvdm::weights::load_weights;
use cvdm::{Error, Result};

use super::options::{Bar, Sampling, Step, UNWRITTEN};

/// Arguments of `cvdm demo`.
#[derive(Args)]
pub struct Demo {
    /// Folder for the pictures; files of an earlier demo are replaced.
    #[arg(long, default_value = "out/demo")]
    out: PathBuf,
    /// The weights.
    #[arg(long, default_value = "weights/phase.safetensors")]
    weights: PathBuf,
    /// The shipped measurements.
    #[arg(long, default_value = "assets")]
    assets: PathBuf,
    /// Samples of each measurement.
    #[arg(long, default_value_t = 8)]
    samples: usize,
    /// Sampling steps.
    #[arg(long, default_value_t = 40)]
    steps: usize,
}

/// A montage that owns its planes.
pub struct Panels {
    title: String,
    rows: Vec<Row>,
}

/// A label, and the panels beside it with their titles.
type Row = (String, Vec<(String, Plane, Look)>);

#[derive(Clone, Copy)]
enum Look {
    Intensity,
    Phase,
    Error,
    Std,
    Rate,
}

impl Panels {
    /// Draws the picture.
    pub fn write_to(&self, path: &Path) -> Result<()> {
        let mut montage = Montage::new().title(self.title.clone());
        for (label, panels) in &self.rows {
            let drawn = panels.iter().map(|(title, plane, look)| {
                let panel = Panel::new(title.clone(), plane);
                match look {
                    Look::Intensity => panel,
                    Look::Phase => panel.range(0.0, 3.5).map(Colormap::Viridis).unit("rad"),
                    Look::Error => panel.symmetric(1.0).map(Colormap::Diverging).unit("rad"),
                    Look::Std => panel.map(Colormap::Magma).unit("rad"),
                    Look::Rate => panel.map(Colormap::Magma),
                }
            });
            montage = montage.row(label.clone(), drawn.collect::<Vec<_>>());
        }
        montage.write_png(path)
    }
}

/// Measurement and truth; then for every method its phase and error, both with the mean difference to the truth removed.
pub fn panels(
    title: &str,
    pair: &DefocusPair,
    truth: &Plane,
    tie: &Plane,
    results: &[(String, PhaseResult)],
) -> Panels {
    let error = |phase: &Plane| Plane::from_fn(truth.height(), truth.width(), |y, x| phase.at(y, x) - truth.at(y, x));
    let mut rows = vec![(
        "simulated pair".to_string(),
        vec![
            ("image at +d".to_string(), pair.plus().clone(), Look::Intensity),
            ("image at −d".to_string(), pair.minus().clone(), Look::Intensity),
            ("true phase".to_string(), truth.clone(), Look::Phase),
        ],
    )];
    for (name, result) in results {
        let phase = aligned(&result.phase, truth);
        rows.push((
            name.clone(),
            vec![
                ("mean phase".into(), phase.clone(), Look::Phase),
                ("error".into(), error(&phase), Look::Error),
                ("standard deviation".into(), result.std.clone(), Look::Std),
                ("∫β dt".into(), result.beta_integral.clone(), Look::Rate),
            ],
        ));
    }
    let tie = aligned(tie, truth);
    rows.push((
        "US-TIE".into(),
        vec![("phase".into(), tie.clone(), Look::Phase), ("error".into(), error(&tie), Look::Error)],
    ));
    Panels { title: title.into(), rows }
}

struct Measurement {
    key: &'static str,
    title: &'static str,
    pair: DefocusPair,
    truth: Plane,
    setup: FresnelSetup,
    noisy: bool,
}

fn measurements(assets: &Path, trained: &FresnelSetup) -> Result<[Measurement; 2]> {
    let photograph = read_gray(assets.join("photograph.png"))?;
    let simulated = photograph_pair(&photograph, trained)?;
    let View { phase: truth, amplitude, .. } = first_view(&assets.join("hl60.npy"))?;
    // The distance at which λ·d/px² is what the weights were trained at (0.706 µm).
    let (wavelength, pixel) = HL60_OPTICS;
    let setup = FresnelSetup::new(wavelength, pixel, trained.parameter_a() * pixel * pixel / wavelength)?;
    let pair = field_pair(&truth, &amplitude, &setup, 0.1, 7)?;
    Ok([
        Measurement {
            key: "photo",
            title: "A photograph as phase",
            pair: simulated.pair,
            truth: simulated.phase,
            setup: *trained,
            noisy: false,
        },
        Measurement { key: "hl60", title: "A measured HL60 cell, noise 0.1", pair, truth, setup, noisy: true },
    ])
}

/// Writes a picture a measurement and `summary.json`, and prints a table.
pub fn run(args: &Demo, open: impl FnOnce() -> Result<Gpu>) -> Result<()> {
    let weights = load_weights(&args.weights)?;
    expect_task(&weights, &[Task::Phase])?;
    let trained = cvdm::phase::setup(&weights.config.data)?;
    let measurements = measurements(&args.assets, &trained)?;
    std::fs::create_dir_all(&args.out).map_err(|e| Error::file(&args.out, format!("cannot be made: {e}")))?;
    let gpu = open()?;
    let interrupt = cvdm::interrupt::install(UNWRITTEN)?;
    say!("adapter: {} ({}, {})", gpu.summary().name, gpu.summary().backend, gpu.summary().kind);
    let sampling = Sampling {
        samples: args.samples,
        steps: args.steps,
        batch: 0,
        variant: Step::Posterior,
        product: false,
        seed: 1,
        half: false,
    };
    let mut reconstructor = Reconstructor::new(&gpu, weights, sampling.options());
    let mut bar = Bar::new("sampling", &sampling, measurements.len(), interrupt);
    let mut summary = serde_json::Map::new();
    let mut lines = Vec::new();
    let mut pictures = Vec::new();
    for m in &measurements {
        let (tie, seconds) = classical(&m.pair, &m.setup, m.noisy)?;
        let of_tie = score(&tie, &m.truth, seconds)?;
        let steps = reconstructor.steps(&m.pair, &m.setup)?;
        let result = reconstructor.reconstruct(&m.pair, &m.setup, false, bar.watch(steps))?;
        let of_cvdm = score(&result.phase, &m.truth, result.seconds)?;
        lines.push((m.key, "CVDM", of_cvdm));
        lines.push((m.key, "US-TIE", of_tie));
        summary.insert(m.key.into(), serde_json::json!({ "cvdm": of_cvdm, "us_tie": of_tie }));
        let picture = panels(m.title, &m.pair, &m.truth, &tie, &[("CVDM".into(), result)]);
        pictures.push((format!("{}.png", m.key), picture));
    }
    bar.finish();
    pictures.iter().try_for_each(|(name, picture)| picture.write_to(&args.out.join(name)))?;
    let json = serde_json::to_string_pretty(&summary).map_err(|e| Error::file(&args.out, e.to_string()))?;
    write_atomically(args.out.join("summary.json"), |f| f.write_all(json.as_bytes()))?;
    print_table(&lines);
    say!("pictures: {0}/photo.png and {0}/hl60.png, numbers: {0}/summary.json", args.out.display());
    Ok(())
}

fn print_table(lines: &[(&str, &str, Scores)]) {
    say!(
        "\n{:<8} {:<8} {:>8} {:>12} {:>9} {:>9} {:>9}",
        "image",
        "method",
        "MAE",
        "MAE aligned",
        "MS-SSIM",
        "PSNR",
        "seconds"
    );
    for (image, method, s) in lines {
        say!(
            "{image:<8} {method:<8} {:>8.4} {:>12.4} {:>9.4} {:>6.2} dB {:>9.2}",
            s.mae,
            s.mae_aligned,
            s.ms_ssim,
            s.psnr,
            s.seconds
        );
    }
    say!(
        "MAE as a fraction of the 3.5 rad range; aligned: with the mean difference removed, as for MS-SSIM and PSNR\n"
    );
}
