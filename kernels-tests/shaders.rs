//! Every shader as text: valid WGSL, translated for Vulkan, Metal, Direct3D and OpenGL, with the layout that the engine
//! relies on, and with an entry in the registry, a test and a bench.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cvdm::gpu::{Elements, Needs, Shader};
use cvdm::kernels::ALL;
use cvdm::tensor::Element;
use naga::back::{glsl, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ScalarKind, ShaderStage, TypeInner};

const ENTRY: &str = "main";

/// All of a shader's tensors in single precision, or all of them halves.
const SINGLE: Elements = Elements { input: Element::F32, weight: Element::F32, output: Element::F32 };
const HALF: Elements = Elements { input: Element::F16, weight: Element::F16, output: Element::F16 };

fn parse(shader: &Shader) -> Module {
    parse_as(shader, SINGLE)
}

fn parse_as(shader: &Shader, elements: Elements) -> Module {
    let text = shader.text(elements);
    naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string(&text)))
}

fn validate(shader: &Shader, module: &Module, allowed: Capabilities) -> Result<ModuleInfo, String> {
    let text = shader.text(SINGLE);
    Validator::new(ValidationFlags::all(), allowed).validate(module).map_err(|e| e.emit_to_string(&text))
}

fn needs(shader: &Shader) -> Capabilities {
    match shader.needs {
        Needs::Nothing => Capabilities::empty(),
        Needs::Subgroups => Capabilities::SUBGROUP,
        Needs::Halves => Capabilities::SHADER_FLOAT16,
        Needs::Matrices => Capabilities::SUBGROUP | Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX,
    }
}

/// `NAME.singles` is `NAME` compiled over `f32`.
fn stem(shader: &Shader) -> &'static str {
    shader.name.split('.').next().unwrap()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Path and text of the files with this extension, in the order of their names.
fn files(name: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == extension));
    paths.sort();
    paths.into_iter().map(|p| (p.clone(), fs::read_to_string(&p).unwrap())).collect()
}

#[test]
fn every_shader_is_valid_with_just_the_features_it_declares() {
    for shader in ALL {
        let module = parse(shader);
        if let Err(e) = validate(shader, &module, needs(shader)) {
            panic!("{}: {e}", shader.name);
        }
        let fewer = match shader.needs {
            Needs::Nothing => continue,
            Needs::Subgroups | Needs::Halves => Capabilities::empty(),
            Needs::Matrices => Capabilities::SUBGROUP | Capabilities::SHADER_FLOAT16,
        };
        assert!(validate(shader, &module, fewer).is_err(), "{} does not need what it declares", shader.name);
    }
}

fn write(backend: &str, module: &Module, info: &ModuleInfo) -> Result<usize, String> {
    let entry = (ShaderStage::Compute, ENTRY.to_string());
    match backend {
        "SPIR-V" => {
            let options = spv::Options { lang_version: (1, 3), ..Default::default() };
            let pipeline = spv::PipelineOptions { shader_stage: entry.0, entry_point: entry.1 };
            spv::write_vec(module, info, &options, Some(&pipeline)).map(|w| w.len()).map_err(|e| e.to_string())
        }
        "MSL" => {
            let options = msl::Options { lang_version: (2, 4), ..Default::default() };
            let pipeline = msl::PipelineOptions { entry_point: Some(entry), ..Default::default() };
            let (text, written) = msl::write_string(module, info, &options, &pipeline).map_err(|e| e.to_string())?;
            written.entry_point_names[0].as_ref().map_err(|e| e.to_string())?;
            Ok(text.len())
        }
        "HLSL" => {
            let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_2, ..Default::default() };
            let pipeline = hlsl::PipelineOptions { entry_point: Some(entry) };
            let mut text = String::new();
            let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
            let written = writer.write(module, info, None).map_err(|e| e.to_string())?;
            written.entry_point_names[0].as_ref().map_err(|e| e.to_string())?;
            Ok(text.len())
        }
        "GLSL" => {
            let options = glsl::Options { version: glsl::Version::Desktop(450), ..Default::default() };
            let pipeline = glsl::PipelineOptions { shader_stage: entry.0, entry_point: entry.1, multiview: None };
            let mut text = String::new();
            glsl::Writer::new(&mut text, module, info, &options, &pipeline, Default::default())
                .and_then(|mut writer| writer.write())
                .map_err(|e| e.to_string())?;
            Ok(text.len())
        }
        other => panic!("no backend {other}"),
    }
}

#[test]
fn every_shader_is_translated_for_every_backend() {
    let mut wrong = Vec::new();
    // OpenGL, which the engine does not use, knows no halves.
    let everywhere: &[&str] = &["SPIR-V", "MSL", "HLSL", "GLSL"];
    for (shader, elements) in ALL.iter().flat_map(|shader| [(shader, SINGLE), (shader, HALF)]) {
        let module = parse_as(shader, elements);
        let half = if elements == HALF { Capabilities::SHADER_FLOAT16 } else { Capabilities::empty() };
        let backends = match (shader.needs, elements) {
            // Neither Direct3D nor OpenGL have a form of them that naga writes.
            (Needs::Matrices, _) => &everywhere[..2],
            (Needs::Halves, _) | (_, HALF) => &everywhere[..3],
            _ => everywhere,
        };
        let info = validate(shader, &module, needs(shader) | half).unwrap();
        // No constants: every override has a default.
        let (module, info) =
            process_overrides(&module, &info, Some((ShaderStage::Compute, ENTRY)), &Default::default()).unwrap();
        for backend in backends {
            match write(backend, &module, &info) {
                Ok(length) => assert!(length > 100, "{} as {backend}: {length} units", shader.name),
                Err(e) => wrong.push(format!("{} as {backend}: {e}", shader.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One compute entry point `main`; `params` at binding 0; storage buffers from 1 on without a gap, all of them used: an
/// automatic layout drops what is not.
#[test]
fn bindings_are_those_that_the_planner_makes() {
    for shader in ALL {
        let name = shader.name;
        let module = parse(shader);
        let info = validate(shader, &module, needs(shader)).unwrap();
        assert_eq!(module.entry_points.len(), 1, "{name}");
        let entry = &module.entry_points[0];
        assert_eq!((entry.stage, entry.name.as_str()), (ShaderStage::Compute, ENTRY), "{name}");
        let (mut bindings, mut images) = (Vec::new(), 0);
        for (handle, global) in module.global_variables.iter() {
            let Some(at) = global.binding else {
                assert_eq!(global.space, AddressSpace::WorkGroup, "{name}: {:?} without a binding", global.name);
                continue;
            };
            assert_eq!(at.group, 0, "{name}: {:?}", global.name);
            assert!(!info.get_entry_point(0)[handle].is_empty(), "{name}: {:?} is not used", global.name);
            let uniform = global.space == AddressSpace::Uniform;
            // Packed weights may be uniform too: Call::bind_window.
            let expected = at.binding == 0 || name.ends_with(".uniform") && at.binding == 2;
            assert_eq!(uniform, expected, "{name}: {:?}; params is binding 0, storage follows", global.name);
            // What a kernel reads may be images: Call::bind_image.
            let image = global.space == AddressSpace::Handle;
            assert!(!image || name.ends_with(".images") && at.binding > 0, "{name}: {:?} is an image", global.name);
            images += usize::from(image);
            let storage = matches!(global.space, AddressSpace::Storage { .. });
            assert!(uniform || image || storage, "{name}: {:?}", global.name);
            bindings.push(at.binding);
        }
        bindings.sort_unstable();
        assert_eq!(bindings, (0..bindings.len() as u32).collect::<Vec<_>>(), "{name}");
        assert!(bindings.len() > 1, "{name} works on no tensor");
        assert_eq!(images > 0, name.ends_with(".images"), "{name} reads {images} images");
    }
}

/// Sums in an order that changes from run to run would not repeat.
#[test]
fn no_shader_has_float_atomics() {
    for shader in ALL {
        for (_, ty) in parse(shader).types.iter() {
            let float = matches!(ty.inner, TypeInner::Atomic(scalar) if scalar.kind == ScalarKind::Float);
            assert!(!float, "{}: {:?}", shader.name, ty.name);
        }
    }
}

#[test]
fn registry_and_folder_hold_the_same_shaders() {
    let names: BTreeSet<&str> = ALL.iter().map(|s| s.name).collect();
    assert_eq!(names.len(), ALL.len(), "a name stands twice in ALL: {names:?}");
    let files = files("shaders", "wgsl");
    let in_folder: BTreeSet<&str> = files.iter().map(|(p, _)| p.file_stem().unwrap().to_str().unwrap()).collect();
    let in_registry: BTreeSet<&str> = ALL.iter().map(|s| stem(s)).collect();
    assert_eq!(in_registry, in_folder, "ALL and shaders/*.wgsl differ");
    for shader in ALL {
        let path = folder("shaders").join(format!("{}.wgsl", stem(shader)));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(shader.sources.last(), Some(&text.as_str()), "{} is made from another file", shader.name);
    }
}

#[test]
fn every_shader_file_says_what_it_computes() {
    for (path, text) in files("shaders", "wgsl").into_iter().chain(files("shaders/shared", "wgsl")) {
        let head = text.lines().next().unwrap_or_default().trim_start_matches("//").trim();
        assert!(text.starts_with("//") && head.len() > 5, "{} has no comment at its head", path.display());
    }
}

/// By whole words: `conv2d` is not mentioned by `conv2d_3x3`.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect()
}

#[test]
fn every_shader_has_a_test_and_a_bench() {
    for name in ["kernels-tests", "benches/kernels"] {
        let mut files = files(name, "rs");
        files.retain(|(path, _)| path.file_stem().unwrap() != "shaders");
        let mentioned: BTreeSet<&str> = files.iter().flat_map(|(_, text)| words(text)).collect();
        let missing: BTreeSet<&str> = ALL.iter().map(|s| stem(s)).filter(|s| !mentioned.contains(s)).collect();
        assert!(missing.is_empty(), "{name}/*.rs say nothing of {missing:?}");
    }
}
