//! Calls with everything that a replay needs: pipeline, bind group, and the copies that the call reads as images.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::TensorInfo;
use super::layout::bytes_of;
use crate::gpu::{Gpu, Image, Pipeline, Timer};
use crate::kernels::{Bound, Call};
use crate::tensor::TensorId;
use crate::{Error, Result};

/// A call, ready to be replayed.
pub(super) struct Prepared {
    copies: Vec<Copy>,
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    grid: [u32; 3],
}

/// Bytes of a buffer that are copied to an image before the call.
struct Copy {
    buffer: wgpu::Buffer,
    bytes: Range<u64>,
    image: Arc<Image>,
}

/// The bytes of each image that calls read from: all calls share the first, the second and so on, since none is read again.
pub(super) fn image_sizes<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Vec<u64> {
    let mut sizes = Vec::new();
    for call in calls {
        for (number, window) in call.images().enumerate() {
            sizes.resize(sizes.len().max(number + 1), 0);
            sizes[number] = Image::size(window.bytes.end - window.bytes.start).max(sizes[number]);
        }
    }
    sizes
}

/// The tensors of a plan as calls find them.
pub(super) struct Memories<'a> {
    pub tensors: &'a [TensorInfo],
    pub buffers: &'a HashMap<TensorId, wgpu::Buffer>,
    pub images: &'a [Arc<Image>],
    /// What is bound where a call has nothing to bind.
    pub nothing: &'a wgpu::Buffer,
    /// Bytes before every tensor.
    pub guard: u64,
}

impl Memories<'_> {
    fn buffer(&self, tensor: TensorId) -> Result<&wgpu::Buffer> {
        let info = &self.tensors[tensor.0];
        self.buffers.get(&tensor).ok_or_else(|| Error::shape(format!("\"{}\" has no buffer in this plan", info.label)))
    }

    /// Pipelines, one uniform buffer for all parameters, and a bind group a call.
    pub fn prepare(&self, gpu: &Gpu, calls: &[Call]) -> Result<Vec<Prepared>> {
        // 256 is the largest uniform offset alignment that any adapter may ask for.
        const ALIGN: usize = 256;
        let mut params = Vec::new();
        let mut starts = Vec::new();
        for call in calls {
            params.resize(params.len().next_multiple_of(ALIGN), 0u8);
            starts.push(params.len() as u64);
            params.extend_from_slice(&call.params);
        }
        gpu.make_pipelines(calls.iter().map(|call| call.specialisation(gpu.caps())))?;
        gpu.caught(|| {
            let uniform = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("params"),
                size: params.len().max(16) as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            gpu.queue().write_buffer(&uniform, 0, &params);
            calls.iter().zip(starts).map(|(call, start)| self.prepare_one(gpu, call, &uniform, start)).collect()
        })
    }

    fn prepare_one(&self, gpu: &Gpu, call: &Call, uniform: &wgpu::Buffer, start: u64) -> Result<Prepared> {
        let pipeline = gpu.pipeline(&call.specialisation(gpu.caps()))?;
        let binding = |buffer, bytes: Range<u64>| {
            let size = std::num::NonZeroU64::new(bytes.end - bytes.start);
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: bytes.start, size })
        };
        let params = binding(uniform, start..start + call.params.len() as u64);
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: params }];
        let mut copies = Vec::new();
        for (i, &tensor) in call.tensors.iter().enumerate() {
            let buffer = self.buffer(tensor)?;
            // Exactly the tensor, not the slot: a slot may be longer.
            let bytes = call.bound(i, bytes_of(&self.tensors[tensor.0]));
            let bytes = self.guard + bytes.start..self.guard + bytes.end;
            let resource = match call.bound_as(i) {
                Bound::Buffer => binding(buffer, bytes),
                Bound::Image => {
                    let image = &self.images[copies.len()];
                    copies.push(Copy { buffer: buffer.clone(), bytes, image: image.clone() });
                    wgpu::BindingResource::TextureView(image.view())
                }
                Bound::Nothing => self.nothing.as_entire_binding(),
            };
            entries.push(wgpu::BindGroupEntry { binding: i as u32 + 1, resource });
        }
        let bind_group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(call.shader.name),
            layout: &pipeline.layout,
            entries: &entries,
        });
        Ok(Prepared { copies, pipeline, bind_group, grid: call.grid })
    }
}

impl Prepared {
    fn copy(&self, encoder: &mut wgpu::CommandEncoder) {
        for Copy { buffer, bytes, image } in &self.copies {
            image.fill(encoder, buffer, bytes.clone());
        }
    }

    fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.grid[0], self.grid[1], self.grid[2]);
    }
}

/// Adds all steps, in as few passes as there can be: a copy lies between two.
pub(super) fn record(encoder: &mut wgpu::CommandEncoder, steps: &[Prepared]) {
    for steps in steps.chunk_by(|_, next| next.copies.is_empty()) {
        steps[0].copy(encoder);
        let mut pass = encoder.begin_compute_pass(&Default::default());
        steps.iter().for_each(|step| step.dispatch(&mut pass));
    }
}

/// Adds all steps, each a pass of its own, with timestamps around it and its copies.
pub(super) fn record_timed(encoder: &mut wgpu::CommandEncoder, steps: &[Prepared], timer: &Timer) {
    for (i, step) in steps.iter().enumerate() {
        let mut writes = timer.writes(i as u32);
        if !step.copies.is_empty() {
            // No timestamp stands outside of a pass: one without a dispatch takes the first.
            let begin = wgpu::ComputePassTimestampWrites { end_of_pass_write_index: None, ..writes.clone() };
            drop(
                encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(begin) }),
            );
            writes.beginning_of_pass_write_index = None;
            step.copy(encoder);
        }
        let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) };
        step.dispatch(&mut encoder.begin_compute_pass(&descriptor));
    }
}
