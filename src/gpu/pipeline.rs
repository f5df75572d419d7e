//! The only place where shader modules and pipelines are made; cached by shader and overrides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// A compute pipeline with the layout of its one bind group.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// A shader by name, and what it is compiled for.
type Key = (&'static str, Elements, Overrides);

pub(super) struct PipelineCache {
    checked: bool,
    made: Mutex<HashMap<Key, Arc<Pipeline>>>,
}

impl PipelineCache {
    pub fn new(checked: bool) -> Self {
        Self { checked, made: Mutex::default() }
    }

    pub fn len(&self) -> usize {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Keeps a pipeline only if `check` finds no error: one that wgpu refused would fail again without a word.
    pub fn get(
        &self,
        device: &wgpu::Device,
        shader: &'static Shader,
        elements: Elements,
        overrides: &Overrides,
        check: impl FnOnce() -> Result<()>,
    ) -> Result<Arc<Pipeline>> {
        let key = (shader.name, elements, overrides.clone());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(&key) {
            return check().map(|()| known.clone());
        }
        let pipeline = Arc::new(self.make(device, shader, elements, overrides));
        check()?;
        made.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    fn make(
        &self,
        device: &wgpu::Device,
        shader: &'static Shader,
        elements: Elements,
        overrides: &Overrides,
    ) -> Pipeline {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(shader.name),
            source: wgpu::ShaderSource::Wgsl(shader.text(elements).into()),
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
