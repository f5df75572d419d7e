use super::*;
use crate::diffusion::{Network, Sr3Size};

fn parse(text: &str) -> std::result::Result<TrainConfig, String> {
    let config: TrainConfig = toml::from_str(text).map_err(|e| e.to_string())?;
    config.check().map_err(|e| e.to_string())?;
    Ok(config)
}

#[test]
fn an_empty_file_is_the_papers_run() {
    let config = parse("").unwrap();
    assert_eq!(config.model_config(), ModelConfig::default());
    assert_eq!(config.training.learning_rate, 1e-4);
    assert_eq!((config.training.micro_batch, config.training.recompute), (None, false));
    let config = parse("[training]\nmicro_batch = 2\nrecompute = true").unwrap();
    assert_eq!((config.training.micro_batch, config.training.recompute), (Some(2), true));
}

#[test]
fn unknown_keys_and_values_out_of_range_are_refused_by_name() {
    assert!(parse("[training]\nstep = 3").unwrap_err().contains("step"));
    assert!(parse("[model]\nschedule = \"cosine\"").unwrap_err().contains("cosine"));
    assert!(parse("[data]\nbatch = 0").unwrap_err().contains("data.batch = 0"));
    assert!(parse("[data]\npatch = 60").unwrap_err().contains("multiple of 16"));
    assert!(parse("[model]\ntarget = \"tie-residual\"").unwrap_err().contains("pair-tie"));
    let fixed = "[model]\nschedule = \"fixed\"\n[training]\nnoise_weight = \"snr\"";
    assert!(parse(fixed).unwrap_err().contains("noise_weight"));
    let none = "[model]\nschedule = \"none\"\npredicts = \"velocity\"";
    assert!(parse(none).unwrap_err().contains("velocity"));
    assert!(parse("[training]\nmicro_batch = 0").unwrap_err().contains("micro_batch = 0"));
    assert!(parse("[data]\nphotograph = 0.0").unwrap_err().contains("all 0"));
    assert!(parse("[training]\nlearning_rate = nan").unwrap_err().contains("learning_rate"));
    assert!(parse("[training]\nfinal_learning_rate = 1.0").unwrap_err().contains("final_learning_rate"));
}

#[test]
fn the_step_size_warms_up_and_falls_along_a_cosine() {
    let mut config = TrainConfig::default();
    config.training.steps = 100;
    config.training.learning_rate = 1e-3;
    config.training.final_learning_rate = Some(1e-5);
    config.training.warmup = 10;
    assert!((config.hyper(0).learning_rate - 1e-4).abs() < 1e-6);
    assert!(config.hyper(9).learning_rate > 9.5e-4);
    assert!((config.hyper(100).learning_rate - 1e-5).abs() < 1e-8);
}

#[test]
fn channels_follow_from_the_task() {
    let channels = |text| {
        let config = parse(text).unwrap();
        let model = config.model_config();
        (model.condition_channels, model.target_channels, config.factor())
    };
    assert_eq!(channels(""), (2, 1, 1));
    assert_eq!(channels("[model]\ncondition = \"pair-tie\""), (3, 1, 1));
    assert_eq!(channels("task = \"microscopy\""), (1, 1, 2));
    let own = "task = \"microscopy\"\n[microscopy]\nsource = \"folder\"\nstructure = \"f-actin-nonlinear\"\n";
    assert_eq!(channels(own), (1, 1, 2));
    let denser = format!("{own}factor = 4");
    assert_eq!(channels(&denser), (1, 1, 4));
    assert!(parse(&format!("{own}factor = 17")).unwrap_err().contains("microscopy.factor = 17"));
    assert!(parse("task = \"microscopy\"\n[microscopy]\nfactor = 2").unwrap_err().contains("source = \"folder\""));
    let nonlinear = "task = \"microscopy\"\n[microscopy]\nstructure = \"f-actin-nonlinear\"\n[data]\npatch = 96";
    assert_eq!(channels(nonlinear), (1, 1, 3));
    assert_eq!(channels("task = \"super-resolution\""), (3, 3, 4));
    assert_eq!(channels("task = \"super-resolution\"\n[super_resolution]\ncolour = false\nfactor = 2"), (1, 1, 2));
}

#[test]
fn what_belongs_to_another_task_is_refused() {
    let refused = |text: &str, part: &str| {
        let message = parse(text).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
    };
    refused("task = \"ocr\"", "ocr");
    refused("[microscopy]\nfirst_level = 3", "[microscopy]");
    refused("task = \"microscopy\"\n[super_resolution]\nfactor = 2", "[super_resolution]");
    refused("task = \"microscopy\"\n[model]\ncondition = \"pair-tie\"", "model.condition");
    let drawn = "task = \"microscopy\"\n[microscopy]\nsource = \"simulated\"\n";
    refused(&format!("{drawn}last_level = 11"), "last_level = 11; levels must lie in 1 to 10");
    refused(&format!("{drawn}first_level = 11"), "first_level = 11; levels");
    refused("task = \"microscopy\"\n[microscopy]\nfirst_level = 0", "first_level = 0; levels must be positive");
    refused(
        "task = \"microscopy\"\n[microscopy]\nfirst_level = 3\nlast_level = 2",
        "first_level = 3 and last_level = 2",
    );
    refused("task = \"microscopy\"\n[microscopy]\nstructure = \"nuclei\"", "nuclei");
    let simulated = "task = \"microscopy\"\n[microscopy]\nsource = \"simulated\"\nstructure = \"f-actin-nonlinear\"";
    refused(&format!("{simulated}\n[data]\npatch = 96"), "cannot be simulated");
    refused("task = \"super-resolution\"\n[super_resolution]\nimage = 32", "super_resolution.image = 32");
    refused("task = \"super-resolution\"\n[super_resolution]\nfactor = 3", "image = 256");
    refused("task = \"super-resolution\"\n[super_resolution]\nfactor = 3\nimage = 258", "data.patch = 64");
}

#[test]
fn a_written_configuration_reads_as_it_was() {
    for text in ["", "task = \"microscopy\"\n[microscopy]\nstructure = \"er\"\nsource = \"simulated\""] {
        let config = parse(text).unwrap();
        let written = toml::to_string(&config).unwrap();
        assert_eq!(parse(&written).unwrap(), config);
        assert_eq!(written.contains("[microscopy]"), !text.is_empty(), "{written}");
    }
}

/// A measured set has as many levels as its files; what earlier versions wrote into weights, the simulation's ten, still reads.
#[test]
fn levels_of_a_measured_set_are_bounded_by_what_is_given_alone() {
    let measured = "task = \"microscopy\"\n[microscopy]\nstructure = \"f-actin\"";
    let levels = |config: &TrainConfig| (config.microscopy.first_level, config.microscopy.last_level);
    let config = parse(measured).unwrap();
    assert_eq!(levels(&config), (1, None));
    assert!(!toml::to_string(&config).unwrap().contains("last_level"));
    assert_eq!(levels(&parse(&format!("{measured}\nlast_level = 12")).unwrap()), (1, Some(12)));
    let mut saved = serde_json::to_value(&config).unwrap();
    assert_eq!(serde_json::from_value::<TrainConfig>(saved.clone()).unwrap(), config);
    saved["microscopy"]["last_level"] = 10.into();
    let earlier: TrainConfig = serde_json::from_value(saved).unwrap();
    earlier.check().unwrap();
    assert_eq!(levels(&earlier), (1, Some(10)));
}

#[test]
fn networks_and_their_losses_go_together() {
    let network = |text: &str| parse(text).unwrap().model_config().network;
    let dfcan = "task = \"microscopy\"\n[model]\nnetwork = \"dfcan\"\nschedule = \"none\"\n";
    let scale_of = |text: &str| match network(text) {
        Network::Dfcan(size) => size.scale,
        other => panic!("{other:?}"),
    };
    assert_eq!(scale_of(dfcan), 2, "the task's factor");
    assert_eq!(scale_of(&format!("{dfcan}[model.dfcan]\nscale = 1")), 1);
    assert_eq!(scale_of("[model]\nnetwork = \"dfcan\"\nschedule = \"none\""), 1);
    assert_eq!(network("[model]\nnetwork = \"sr3\""), Network::Sr3(Sr3Size::default()));
    let refused = |text: &str, part: &str| {
        let message = parse(text).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
    };
    refused("[model]\nnetwork = \"dfcan\"", "needs model.schedule");
    refused(&format!("{dfcan}[model.dfcan]\nscale = 3"), "model.dfcan.scale = 3");
    refused(&format!("{dfcan}[model.sr3]\nblocks = 1"), "[model.sr3]");
    refused("[model]\nnetwork = \"sr3\"\n[model.dfcan]\nblocks = 1", "[model.dfcan]");
    refused("[model]\nnetwork = \"sr3\"\nnoise_base = 40", "base: 40");
    refused("[training]\nloss = \"mse-ssim\"", "training.loss");
    refused("[training]\nplateau = 0", "training.plateau = 0");
    // Without a network that halves it, a patch may have any side; and a section comes back as it was.
    let odd = parse(&format!("{dfcan}[data]\npatch = 30\n[training]\nloss = \"mse-ssim\"\nplateau = 5")).unwrap();
    assert_eq!(parse(&toml::to_string(&odd).unwrap()).unwrap(), odd);
}
