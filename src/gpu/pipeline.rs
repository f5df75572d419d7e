//! The only place where shader modules and pipelines are made; cached by shader and overrides.

use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::failures::Failures;
use crate::Result;
use crate::tensor::Element;

/// A WGSL source. Its entry point is `main`; binding 0 of group 0 is the uniform `params`, the storage buffers follow.
#[derive(Debug)]
pub struct Shader {
    /// The file's stem, unique.
    pub name: &'static str,
    /// Pure helper sources from `shaders/shared/`, then the file itself.
    pub sources: &'static [&'static str],
    /// What it asks of an adapter.
    pub needs: Needs,
}

/// What a shader asks of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// What all of them have.
    Nothing,
    /// Subgroup operations: [`super::Caps::subgroups`].
    Subgroups,
    /// Halves, whatever its tensors are stored as: [`super::Caps::halves`].
    Halves,
    /// Cooperative matrices of halves, and subgroups: [`super::Caps::matrices`].
    Matrices,
}

/// How the tensors of a dispatch are stored: the types `In`, `Weight` and `Out` of its shader, which are `f32` in those shaders
/// that do not mention them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Elements {
    /// The input.
    pub input: Element,
    /// The (packed) weights.
    pub weight: Element,
    /// The output.
    pub output: Element,
}

impl Shader {
    /// The whole WGSL text.
    pub fn text(&self, elements: Elements) -> String {
        let Elements { input, weight, output } = elements;
        let enable = match (self.needs, elements == Elements::default()) {
            (Needs::Halves, _) => "enable f16;\n",
            (Needs::Matrices, _) => "enable f16;\nenable wgpu_cooperative_matrix;\n",
            (_, false) => "enable f16;\n",
            (_, true) => "",
        };
        let [input, weight, output] = [input, weight, output].map(Element::wgsl);
        let types = format!("alias In = {input};\nalias Weight = {weight};\nalias Out = {output};\n");
        [enable, &types, &self.sources.concat()].concat()
    }
}

/// Pipeline-overridable constants, by name. A sorted, comparable list, since it is half of a cache key.
pub type Overrides = Vec<(&'static str, u32)>;

/// What a driver compiles: a shader for tensors stored so, with these overrides.
#[derive(Debug, Clone)]
pub struct Specialisation {
    /// The shader.
    pub shader: &'static Shader,
    /// How its tensors are stored.
    pub elements: Elements,
    /// Its overrides.
    pub overrides: Overrides,
}

/// A shader's name stands for it.
type Key = (&'static str, Elements, Overrides);

impl Specialisation {
    fn key(&self) -> Key {
        (self.shader.name, self.elements, self.overrides.clone())
    }
}

/// A compute pipeline with the layout of its one bind group.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

pub(super) struct PipelineCache {
    checked: bool,
    made: Mutex<HashMap<Key, Arc<Pipeline>>>,
}

impl PipelineCache {
    pub fn new(checked: bool) -> Self {
        Self { checked, made: Mutex::default() }
    }

    fn made(&self) -> MutexGuard<'_, HashMap<Key, Arc<Pipeline>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn len(&self) -> usize {
        self.made().len()
    }

    /// Keeps a pipeline only if there was no error: one that wgpu refused would fail again without a word.
    pub fn get(&self, device: &wgpu::Device, failures: &Failures, wanted: &Specialisation) -> Result<Arc<Pipeline>> {
        let key = wanted.key();
        if let Some(known) = self.made().get(&key) {
            return Ok(known.clone());
        }
        // Not under the lock: other threads may compile at the same time.
        let pipeline = failures.caught(device, || Ok(Arc::new(self.make(device, wanted))))?;
        Ok(self.made().entry(key).or_insert(pipeline).clone())
    }

    /// Makes those that are not there yet, on as many threads as there are processors.
    pub fn make_all(
        &self,
        device: &wgpu::Device,
        failures: &Failures,
        wanted: impl IntoIterator<Item = Specialisation>,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        let mut missing: Vec<_> = wanted.into_iter().filter(|one| seen.insert(one.key())).collect();
        missing.retain(|one| !self.made().contains_key(&one.key()));
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(one) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.get(device, failures, one)?;
            }
            Ok(())
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(missing.len());
        thread::scope(|scope| {
            // This one works too, and alone where no other can be had.
            let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..threads).filter_map(spawn).collect();
            let own = work();
            let results = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            results.fold(own, Result::and)
        })
    }

    fn make(&self, device: &wgpu::Device, wanted: &Specialisation) -> Pipeline {
        let Specialisation { shader, elements, overrides } = wanted;
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(shader.name),
            source: wgpu::ShaderSource::Wgsl(shader.text(*elements).into()),
        };
        let module = if self.checked {
            device.create_shader_module(descriptor)
        } else {
            // SAFETY: the sources are compiled into this crate, never a user's. Every loop in them ends: its counter moves one
            // way to a bound that the loop does not change, by halving or by a step that it does not change either, a constant, an
            // override or a number of parts that the kernel's Rust file makes at least one. Every index is derived from the shapes that
            // that file has checked, and the kernel tests run all of them in checked mode too, with sentinel words around every buffer.
            unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
        };
        let constants: Vec<(&str, f64)> = overrides.iter().map(|&(name, value)| (name, f64::from(value))).collect();
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader.name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // Every kernel writes a workgroup variable before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        let layout = pipeline.get_bind_group_layout(0);
        Pipeline { pipeline, layout }
    }
}
