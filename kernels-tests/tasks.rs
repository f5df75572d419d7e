//! The three tasks from their data to reconstructions: batches, runs that learn and resume, weights, and what is refused.

#[path = "harness/files.rs"]
mod files;
mod harness;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cvdm::Error;
use cvdm::config::{
    DfcanSection, Loss, MicroscopySource, NetworkKind, PhotographSet, Schedule, Sr3Section, Task, TrainConfig,
};
use cvdm::data::{Plane, Split, Structure, resize_lanczos, write_png16, write_tiff};
use cvdm::diffusion::{Model, SampleOptions};
use cvdm::evaluate::score_image;
use cvdm::gpu::{Caps, Gpu, OpenOptions};
use cvdm::interrupt::Interrupt;
use cvdm::inverse::{DefocusPair, FresnelSetup};
use cvdm::metrics;
use cvdm::reconstruct::{Estimator, Reconstructor, SuperResolver};
use cvdm::tasks::{self, Batch};
use cvdm::train::{cost, train};
use cvdm::weights::{Weights, load_weights};
use files::{write_mrc, write_picture};
use tempfile::TempDir;

const PATCH: usize = 16;
const BATCH: usize = 2;

/// A folder with data of every task.
struct Data(TempDir);

impl Data {
    fn new() -> Self {
        let data = Self(tempfile::tempdir().unwrap());
        for i in 0..24 {
            write_picture(&data.path().join(format!("photographs/{i}.png")), 70 + i, 90);
            let gray = Plane::from_fn(96, 96, |y, x| ((y * 7 + x * 13 + i * 29) % 61) as f32 / 61.0);
            write_png16(data.path().join(format!("gray/{i}.png")), &gray, 0.0, 1.0).unwrap();
        }
        for i in 0..24 {
            let texture = |y: usize, x: usize| ((y * 5 + x * 11 + i * 17) % 47) as f32;
            let name = format!("{i}.tif");
            write_tiff(
                data.path().join("own/coarse").join(&name),
                &[&Plane::from_fn(20, 24, |y, x| texture(2 * y, 2 * x))],
            )
            .unwrap();
            write_tiff(data.path().join("own/fine").join(&name), &[&Plane::from_fn(40, 48, texture)]).unwrap();
        }
        for cell in [1, 2, 16, 17, 46] {
            let folder = data.path().join(format!("BioSR/Microtubules/Cell_{cell:03}"));
            let brightness = |y: usize, x: usize| ((y * y / 3 + x * 5 + cell) % 83) as u16;
            for level in 1..=3 {
                let frames = folder.join(format!("RawSIMData_level_{level:02}.mrc"));
                write_mrc(&frames, [3, 20, 24], |z, y, x| brightness(2 * y, 2 * x) + z as u16);
            }
            write_mrc(&folder.join("SIM_gt.mrc"), [1, 40, 48], |_, y, x| brightness(y, x));
        }
        data
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The smallest run of a task.
    fn config(&self, task: Task) -> TrainConfig {
        let mut config = TrainConfig { task, ..TrainConfig::default() };
        let model = &mut config.model;
        (model.noise_base, model.rate_base, model.scales, model.hidden) = (4, 2, 2, 8);
        (config.data.patch, config.data.batch) = (PATCH, BATCH);
        (config.data.photographs, config.data.defocus_um) = (self.path().join("gray"), 0.05);
        (config.training.learning_rate, config.training.log_every) = (3e-3, 1);
        match task {
            Task::Phase => {}
            Task::Microscopy => {
                config.microscopy.folder = self.path().join("BioSR");
                config.microscopy.structure = Structure::Microtubules;
            }
            Task::SuperResolution => {
                let section = &mut config.super_resolution;
                (section.set, section.folder) = (PhotographSet::Folder, self.path().join("photographs"));
                section.image = 32;
            }
        }
        config.check().unwrap();
        config
    }

    fn simulated(&self) -> TrainConfig {
        let mut config = self.config(Task::Microscopy);
        config.microscopy.source = MicroscopySource::Simulated;
        config
    }

    /// Images of one's own.
    fn own(&self) -> TrainConfig {
        let mut config = self.config(Task::Microscopy);
        (config.microscopy.source, config.microscopy.folder) = (MicroscopySource::Folder, self.path().join("own"));
        config
    }

    /// DFCAN on measured microscopy images, by its own loss, halving its step size at every pause.
    fn dfcan(&self, scale: Option<usize>) -> TrainConfig {
        let mut config = self.config(Task::Microscopy);
        (config.model.network, config.model.schedule) = (NetworkKind::Dfcan, Schedule::None);
        config.model.dfcan =
            DfcanSection { groups: 1, blocks: 1, reduction: 2, attention_size: 8, scale, ..DfcanSection::default() };
        (config.training.loss, config.training.plateau) = (Loss::MseSsim, Some(4));
        config.check().unwrap();
        config
    }

    /// SR3's network as noise predictor, on photographs.
    fn sr3(&self) -> TrainConfig {
        let mut config = self.config(Task::SuperResolution);
        config.model.network = NetworkKind::Sr3;
        config.model.sr3 = Sr3Section { blocks: 1, groups: 2, heads: 1 };
        config.training.learning_rate = 1e-2;
        config.check().unwrap();
        config
    }

    fn every(&self) -> Vec<TrainConfig> {
        let mut all = [Task::Phase, Task::Microscopy, Task::SuperResolution].map(|task| self.config(task)).to_vec();
        all.extend([self.simulated(), self.own(), self.dfcan(None), self.dfcan(Some(1)), self.sr3()]);
        all
    }
}

fn gpu() -> &'static Gpu {
    &harness::devices()[0].1
}

#[test]
fn batches_depend_on_the_step_alone_and_have_the_models_shape() {
    let data = Data::new();
    for config in data.every() {
        let source = tasks::source(&config).unwrap();
        let (model, scale) = (config.model_config(), Model::new(config.model_config()).unwrap().scale());
        let batches: Vec<Batch> = (0..3).map(|step| source.batch(step).unwrap()).collect();
        let again = tasks::source(&config).unwrap();
        assert_eq!(again.batch(2).unwrap(), batches[2], "{:?}", config.task);
        assert_ne!(batches[1], batches[2]);
        let mut other = config.clone();
        other.training.seed = 2;
        assert_ne!(tasks::source(&other).unwrap().batch(2).unwrap(), batches[2]);
        for batch in &batches {
            let pixels = BATCH * PATCH * PATCH;
            assert_eq!(batch.x.len(), pixels * model.condition_channels / (scale * scale));
            assert_eq!(batch.y.len(), pixels * model.target_channels);
            let range = |values: &[f32]| values.iter().all(|v| (-1.0..=1.0).contains(v));
            assert!(range(&batch.x) && range(&batch.y), "{:?}", config.task);
            // Neither is one value everywhere.
            assert!(batch.x.iter().any(|v| *v != batch.x[0]) && batch.y.iter().any(|v| *v != batch.y[0]));
        }
        assert!(!source.describe().is_empty());
    }
}

#[test]
fn what_is_tested_on_is_never_trained_on() {
    let data = Data::new();
    for config in [data.config(Task::Microscopy), data.config(Task::SuperResolution), data.own()] {
        let task = config.task;
        let trained: BTreeSet<PathBuf> = tasks::source(&config).unwrap().files().into_iter().collect();
        let held_out = tasks::pairs(&config, Split::HeldOut, PATCH).unwrap();
        let tested: BTreeSet<PathBuf> = held_out.files().into_iter().collect();
        assert!(!trained.is_empty() && !tested.is_empty() && trained.is_disjoint(&tested), "{task:?}");
        let count = held_out.count().unwrap();
        for number in 0..count {
            assert_eq!(held_out.pair(number).unwrap().factor(), config.factor());
        }
        assert!(held_out.pair(count).is_err() && !held_out.name(0).is_empty());
    }
    // Of one's own images the configuration says how dense the fine ones are.
    let mut other = data.own();
    other.microscopy.factor = Some(1);
    let refused = tasks::pairs(&other, Split::Train, PATCH).unwrap().pair(0).unwrap_err().to_string();
    assert!(refused.contains("own/fine") && refused.contains("microscopy.factor = 1"), "{refused}");
    // What models are tested on: the middle, coarse and fine alike; of as many as there are, or as are asked for.
    let config = data.config(Task::Microscopy);
    let all = tasks::test_images(&config, 1000, 1000).unwrap();
    let some = tasks::test_images(&config, 17, 3).unwrap();
    assert_eq!((all.len(), some.len(), some[1].name.as_str()), (6, 3, "Microtubules 1, level 3"));
    assert_eq!((all[2].truth[0].height(), all[2].coarse[0].width()), (40, 24));
    // All levels of a cell are images of one specimen.
    assert_eq!(all.iter().map(|image| image.specimen).collect::<BTreeSet<_>>(), BTreeSet::from([1, 2]));
    assert_eq!(some[1].truth[0], all[2].truth[0].crop(12, 16, 16, 16).unwrap());
    assert_eq!(some[1].coarse[0], all[2].coarse[0].crop(6, 8, 8, 8).unwrap());
    // Level by level: the noisiest only.
    let mut config = data.config(Task::Microscopy);
    config.microscopy.last_level = Some(1);
    let names: Vec<String> = {
        let pairs = tasks::pairs(&config, Split::HeldOut, PATCH).unwrap();
        (0..pairs.count().unwrap()).map(|i| pairs.name(i)).collect()
    };
    assert_eq!(names, ["Microtubules 1, level 1", "Microtubules 2, level 1"]);
    (config.microscopy.first_level, config.microscopy.last_level) = (9, Some(10));
    assert!(tasks::source(&config).err().unwrap().to_string().contains("levels 9 to 10"));
    // Simulated: the scenes of the two sides differ, number by number.
    let config = data.simulated();
    let [train, test] = [Split::Train, Split::HeldOut].map(|split| tasks::pairs(&config, split, 32).unwrap());
    assert!((0..3).all(|i| train.pair(i).unwrap().high() != test.pair(i).unwrap().high()));
    assert_eq!(test.pair(2).unwrap(), test.pair(2).unwrap());
    assert!(
        tasks::pairs(&data.config(Task::Phase), Split::HeldOut, PATCH).err().unwrap().to_string().contains("phase")
    );
}

/// The total losses of a run's log.
fn losses(run: &Path) -> Vec<f64> {
    let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    let total = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["total"].as_f64().unwrap();
    log.lines().map(total).collect()
}

/// Trains to `steps`, in one go or in two with a checkpoint between.
fn trained(config: &TrainConfig, run: &Path, steps: u64, stop: Option<u64>) -> Weights {
    let to = |steps: u64| {
        let mut config = config.clone();
        config.training.steps = steps;
        config
    };
    if let Some(stop) = stop {
        train(gpu(), &to(stop), run, false, &Interrupt::manual()).unwrap();
    }
    train(gpu(), &to(steps), run, stop.is_some(), &Interrupt::manual()).unwrap();
    load_weights(&run.join("weights.safetensors")).unwrap()
}

#[test]
fn every_task_learns_resumes_exactly_and_keeps_its_weights() {
    let data = Data::new();
    let runs = data.every();
    for (i, config) in runs.iter().enumerate() {
        let (whole, halves) = (data.path().join(format!("whole{i}")), data.path().join(format!("halves{i}")));
        let straight = trained(config, &whole, 60, None);
        let losses = losses(&whole);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&losses[..10]), mean(&losses[50..]));
        assert!(last < 0.8 * first, "{:?}, {:?}: {first} to {last}", config.task, config.model.network);
        let resumed = trained(config, &halves, 20, Some(7));
        let again = trained(config, &data.path().join(format!("again{i}")), 20, None);
        assert!(resumed.parameters == again.parameters, "{:?}: a resumed run ends where another does", config.task);
        assert_eq!((straight.step, straight.config.task), (60, config.task));
    }
    // A checkpoint of one task is not another's start.
    let error = train(gpu(), &runs[2], &data.path().join("halves1"), true, &Interrupt::manual()).unwrap_err();
    assert!(error.to_string().contains("another task"), "{error}");
}

#[test]
fn an_interrupted_run_that_cannot_be_saved_says_so() {
    let data = Data::new();
    let (config, run) = (data.config(Task::Phase), data.path().join("run"));
    let interrupt = Interrupt::manual();
    interrupt.request();
    let error = train(gpu(), &config, &data.path().join("saved"), false, &interrupt).unwrap_err();
    assert!(matches!(&error, Error::Interrupted(m) if m.contains("was saved")), "{error}");
    // No file can take the place of a folder.
    std::fs::create_dir_all(run.join("weights.safetensors")).unwrap();
    match train(gpu(), &config, &run, false, &interrupt).unwrap_err() {
        Error::File { path, .. } => assert!(path.ends_with("weights.safetensors"), "{path:?}"),
        other => panic!("{other}"),
    }
}

#[test]
fn the_steps_that_are_told_are_those_that_are_taken() {
    let data = Data::new();
    let options = SampleOptions { steps: 2, samples: 5, ..SampleOptions::default() };
    let coarse = Plane::from_fn(16, 16, |y, x| ((y * 5 + x * 3) % 7) as f32 / 7.0);
    // An adapter that holds three samples side by side at most.
    let max_binding = Some(3 * 4 * 8 * 32 * 32 + 1000);
    let small = Gpu::open(&OpenOptions { max_binding, ..Default::default() }).unwrap();
    let steps = |gpu: &Gpu, config: &TrainConfig, name: &str| {
        let weights = trained(config, &data.path().join(name), 1, None);
        let mut resolver = SuperResolver::new(gpu, weights, options).unwrap();
        let told = resolver.steps((16, 16)).unwrap();
        let mut taken = 0;
        let count = || {
            taken += 1;
            Ok(())
        };
        resolver.resolve(std::slice::from_ref(&coarse), false, count).unwrap();
        assert_eq!(told, taken);
        taken
    };
    let microscopy = data.config(Task::Microscopy);
    assert_eq!(steps(gpu(), &microscopy, "one-group"), 2);
    assert_eq!(steps(&small, &microscopy, "groups"), 4);
    assert_eq!(steps(gpu(), &data.dfcan(None), "one-pass"), 0);
}

#[test]
fn the_step_size_is_halved_on_a_plateau_over_a_checkpoint_too() {
    let data = Data::new();
    let mut config = data.dfcan(None);
    // Too small a step size to get anywhere: batches are noise around a constant loss.
    (config.training.learning_rate, config.training.plateau) = (1e-7, Some(3));
    let rates = |run: &Path| {
        let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
        let rate =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["learning_rate"].as_f64().unwrap();
        log.lines().map(rate).collect::<Vec<_>>()
    };
    let (whole, halves) = (data.path().join("plateau"), data.path().join("plateau-halves"));
    trained(&config, &whole, 60, None);
    trained(&config, &halves, 60, Some(23));
    let rates_of = rates(&whole);
    assert_eq!(rates_of, rates(&halves));
    assert_eq!(rates_of[0], 1e-7);
    // Halves, up to JSON's last digit.
    let halved = |w: &[f64]| w[1] == w[0] || (w[1] / w[0] - 0.5).abs() < 1e-12;
    assert!(rates_of.windows(2).all(halved), "{rates_of:?}");
    assert!(rates_of[59] < 1e-7 && rates_of[22] < 1e-7, "{rates_of:?}");
}

#[test]
fn reconstructions_are_in_the_units_of_their_task() {
    let data = Data::new();
    let options = SampleOptions { steps: 2, samples: 2, ..SampleOptions::default() };
    let weights = |config: &TrainConfig, name: &str| trained(config, &data.path().join(name), 1, None);
    let microscopy = weights(&data.config(Task::Microscopy), "microscopy");
    let photographs = weights(&data.config(Task::SuperResolution), "photographs");
    for (weights, channels, factor) in [(&microscopy, 1, 2), (&photographs, 3, 4)] {
        let coarse: Vec<Plane> =
            (0..channels).map(|c| Plane::from_fn(6, 9, |y, x| ((y * 5 + x * 3 + c) % 7) as f32 / 7.0)).collect();
        let mut resolver = SuperResolver::new(gpu(), weights.clone(), options).unwrap();
        assert_eq!(resolver.factor(), factor);
        let image = resolver.resolve(&coarse, true, || Ok(())).unwrap();
        // The same in the networks' range.
        let enlarged = |p: &Plane| resize_lanczos(p, 6 * factor, 9 * factor).unwrap().map(|v| 2.0 * v - 1.0);
        let condition: Vec<Plane> = coarse.iter().map(enlarged).collect();
        let estimate = Estimator::new(gpu(), weights.clone(), options).estimate(&condition, true, || Ok(())).unwrap();
        assert_eq!((image.mean.len(), image.std.len(), image.samples.len()), (channels, channels, 2));
        for c in 0..channels {
            assert_eq!((image.mean[c].height(), image.mean[c].width()), (6 * factor, 9 * factor));
            assert_eq!(image.mean[c], estimate.mean[c].map(|v| 0.5 * (v + 1.0)));
            assert_eq!(image.std[c], estimate.std[c].map(|v| 0.5 * v));
            assert_eq!(image.samples[1][c], estimate.samples[1][c].map(|v| 0.5 * (v + 1.0)));
            assert_eq!(image.rate[c], estimate.rate[c]);
        }
        assert!(resolver.resolve(&[], false, || Ok(())).is_err());
        let counts: Vec<Plane> = coarse.iter().map(|p| p.map(|v| 255.0 * v)).collect();
        let error = resolver.resolve(&counts, false, || Ok(())).unwrap_err();
        assert!(matches!(&error, Error::Input(m) if m.contains("[0, 1]")), "{error}");
        assert!(resolver.resolve(&[coarse[0].clone(), Plane::from_fn(2, 2, |_, _| 0.0)], false, || Ok(())).is_err());
    }
    // A network that enlarges by itself is given the image as it is.
    let dfcan = weights(&data.dfcan(None), "dfcan");
    let coarse = Plane::from_fn(6, 9, |y, x| ((y * 5 + x * 3) % 7) as f32 / 7.0);
    let mut resolver = SuperResolver::new(gpu(), dfcan, options).unwrap();
    let image = resolver.resolve(std::slice::from_ref(&coarse), true, || Ok(())).unwrap();
    assert_eq!((image.mean[0].height(), image.mean[0].width(), image.samples.len()), (12, 18, 1));
    assert!(image.mean[0].values().iter().all(|v| (0.0..=1.0).contains(v)));
    assert_eq!((image.std[0].min_max(), image.samples[0][0].clone()), ((0.0, 0.0), image.mean[0].clone()));
    // Weights of one task are refused by another's.
    let plane = Plane::from_fn(16, 16, |y, x| 1.0 + 0.01 * ((y * x) % 5) as f32);
    let pair = DefocusPair::new(plane.clone(), plane).unwrap();
    let setup = FresnelSetup::new(0.521, 0.21, 0.05).unwrap();
    let error =
        Reconstructor::new(gpu(), microscopy, options).reconstruct(&pair, &setup, false, || Ok(())).unwrap_err();
    assert!(error.to_string().contains("\"microscopy\", not for \"phase\""), "{error}");
    let shipped = load_weights(&Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/phase.safetensors")).unwrap();
    let error = SuperResolver::new(gpu(), shipped, options).err().unwrap().to_string();
    assert!(error.contains("\"phase\", not for \"microscopy\" or \"super-resolution\""), "{error}");
}

#[test]
fn images_are_scored_channel_by_channel() {
    let truth: Vec<Plane> =
        (0..3).map(|c| Plane::from_fn(24, 20, |y, x| 0.2 + 0.05 * ((y * 3 + x * 5 + c) % 11) as f32)).collect();
    // The channels are off by 0.1, 0.2 and 0; a mean absolute error of 0.1, a mean squared one of 0.05/3.
    let image: Vec<Plane> = truth.iter().zip([0.1, -0.2, 0.0]).map(|(p, d)| p.map(|v| v + d)).collect();
    let scores = score_image(&image, &truth, 2.0).unwrap();
    assert!((scores.mae - 0.1).abs() < 1e-6, "{scores:?}");
    assert!((scores.psnr - -10.0 * (0.05f64 / 3.0).log10()).abs() < 1e-4, "{scores:?}");
    let ssim = |i: usize| metrics::ssim(&image[i], &truth[i], 1.0).unwrap();
    assert!((scores.ssim - (ssim(0) + ssim(1) + 1.0) / 3.0).abs() < 1e-6, "rounding to [0, 1] in single precision");
    // What a picture cannot show is no error.
    let bright: Vec<Plane> = truth.iter().map(|p| p.map(|_| 1.7)).collect();
    let white: Vec<Plane> = truth.iter().map(|p| p.map(|_| 1.0)).collect();
    assert_eq!(score_image(&bright, &white, 0.0).unwrap().mae, 0.0);
    assert!(score_image(&image[..2], &truth, 0.0).is_err() && score_image(&[], &[], 0.0).is_err());
}

#[test]
fn example_configurations_are_the_papers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let read = |name: &str| TrainConfig::read(&folder.join(name)).unwrap();
    let files = std::fs::read_dir(folder.join("paper")).unwrap().count();
    // An adapter that holds these networks, which a software one may not.
    let large = Caps { max_binding: 4 << 30, max_buffer: 4 << 30, ..gpu().caps() };
    let columns = ["biosr-cvdm", "biosr-cddpm", "biosr-dfcan", "imagenet-cvdm", "imagenet-cddpm"];
    assert_eq!(files, columns.len(), "a file that no test reads");
    for name in columns {
        let config = read(&format!("paper/{name}.toml"));
        let model = Model::new(config.model_config()).unwrap();
        let biosr = name.starts_with("biosr");
        assert_eq!(config.task, if biosr { Task::Microscopy } else { Task::SuperResolution });
        assert_eq!(
            (config.data.patch, config.model.noise_base, config.training.learning_rate),
            (256, 64, 1e-4),
            "{name}"
        );
        assert!(!biosr || config.training.steps == 400_000, "{name}");
        let of = |prefix: &str| {
            let own = model.parameters().iter().filter(|p| p.name.starts_with(prefix));
            own.map(|p| p.range.len()).sum::<usize>()
        };
        // Counted from the layers in unet.rs and baselines.rs; SR3's has three more input channels (γ) and no layers for a level.
        let conv = |co: usize, ci: usize, k: usize| co * ci * k * k + co;
        match name {
            "biosr-dfcan" => {
                assert_eq!((model.scale(), model.parameters().count()), (2, of("noise.")));
                let block = 3 * conv(64, 64, 3) + conv(4, 64, 1) + conv(64, 4, 1);
                assert_eq!(of("noise."), conv(64, 1, 3) + 16 * block + conv(256, 64, 3) + conv(1, 64, 3));
                assert_eq!(config.training.loss, Loss::MseSsim);
            }
            "biosr-cddpm" => assert!(of("rate.") == 0 && config.model.beta_last == 0.03),
            _ => assert!(of("noise.") > 1_000_000, "{name}"),
        }
        // The step that it would take is known without data and without a byte of memory.
        let cost = cost(large, &config).unwrap();
        assert_eq!(cost.parameters, model.parameters().count());
        assert!(cost.flops > 1_000_000_000 && cost.memory.total() > 4 * 4 * cost.parameters as u64, "{name}: {cost:?}");
    }
    let small = [
        ("microscopy", Task::Microscopy),
        ("own-images", Task::Microscopy),
        ("super-resolution", Task::SuperResolution),
    ];
    for (name, task) in small {
        assert_eq!(read(&format!("{name}.toml")).task, task);
    }
}

#[test]
fn shipped_weights_and_configurations_open() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights");
    let mut opened = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => {
                let weights = load_weights(&path).unwrap();
                let toml = TrainConfig::read(&path.with_extension("toml")).unwrap();
                assert_eq!((weights.config.task, &weights.config.model), (Task::Phase, &toml.model), "{path:?}");
                opened += 1;
            }
            Some("toml") => assert_eq!(TrainConfig::read(&path).unwrap().task, Task::Phase),
            _ => {}
        }
    }
    assert_eq!(opened, 2);
}
