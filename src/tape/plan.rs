//! From a recording to prepared dispatches: every tensor gets a place, every call a pipeline and a bind group.

use std::collections::HashMap;
use std::sync::Arc;

use super::layout::{Layout, bytes_of, lay_out};
use super::prepared::{Memories, Prepared, image_sizes, record, record_timed};
use crate::gpu::{Caps, Elements, Gpu, Image, Submission, Timer};
use crate::kernels::{Bound, Call, NOTHING};
use crate::tensor::{Element, Shape, TensorId, View};
use crate::{Error, Result};

/// What a tensor is for: the planner reuses the memory of intermediates only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Keeps its own buffer: written or read from outside.
    Persistent,
    /// A value on the way; its memory is reused after its last reader.
    Intermediate,
}

/// A tensor of a recording.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    /// Shape.
    pub shape: Shape,
    /// How its values are stored.
    pub element: Element,
    /// What it is for.
    pub role: Role,
    /// Name for messages.
    pub label: String,
}

/// The memory of a plan, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Tensors with a buffer of their own, but for those that the plan was given.
    pub persistent: u64,
    /// Buffers that intermediates share.
    pub shared: u64,
    /// What the intermediates would need without sharing.
    pub unshared: u64,
    /// The images that calls read copies from, which they share too.
    pub images: u64,
}

impl Memory {
    /// All that is allocated.
    pub fn total(&self) -> u64 {
        self.persistent + self.shared + self.images
    }
}

impl std::iter::Sum for Memory {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            persistent: a.persistent + b.persistent,
            shared: a.shared + b.shared,
            unshared: a.unshared + b.unshared,
            images: a.images + b.images,
        })
    }
}

/// What is wrong with a tensor that a recording or plan of so many does not have.
pub(super) fn not_of(what: &str, tensor: TensorId, count: usize) -> String {
    format!("tensor {} is not part of this {what} of {count}; take views from the tape that it belongs to", tensor.0)
}

/// Refuses a recording that holds a tensor or a dispatch which no adapter with these limits can take, or calls on tensors that it
/// does not have.
pub(super) fn check_limits<'a>(
    caps: Caps,
    tensors: &[TensorInfo],
    mut calls: impl Iterator<Item = &'a Call> + Clone,
) -> Result<()> {
    let foreign = |call: &'a Call| Some((call, call.tensors.iter().find(|t| t.0 >= tensors.len())?));
    if let Some((call, &tensor)) = calls.clone().find_map(foreign) {
        return Err(Error::shape(format!("{}: {}", call.shader.name, not_of("recording", tensor, tensors.len()))));
    }
    let of_call = |call: &Call, index: usize| {
        let info = &tensors[call.tensors[index].0];
        let bound = call.bound(index, bytes_of(info));
        let image = call.bound_as(index) == Bound::Image;
        let limit = if image { caps.max_image } else { caps.max_binding.min(caps.max_buffer) };
        (bound.end - bound.start, limit, call.tensors[index])
    };
    let used = calls.clone().flat_map(|call| (0..call.tensors.len()).map(move |index| of_call(call, index)));
    if let Some((bytes, limit, tensor)) = used.filter(|(bytes, limit, _)| bytes > limit).max() {
        let TensorInfo { label, shape, .. } = &tensors[tensor.0];
        return Err(Error::Limit(format!(
            "the tensor \"{label}\" {shape} needs {bytes} bytes in a binding, which holds {limit}; use a smaller batch or image"
        )));
    }
    calls.try_for_each(|call| check_dispatch(call, caps))
}

fn check_dispatch(call: &Call, caps: Caps) -> Result<()> {
    if call.grid.iter().any(|&g| g == 0 || g > caps.max_workgroups) {
        return Err(Error::Limit(format!("{}: a grid of {:?} workgroups", call.shader.name, call.grid)));
    }
    call.check_loops(caps)
}

/// Refuses a tensor of halves that the call's kernel has not been told of: it would read pairs of them as single values.
fn check_elements(call: &Call, tensors: &[TensorInfo]) -> Result<()> {
    let halves = |info: &&TensorInfo| info.element == Element::F16;
    match call.tensors.iter().map(|t| &tensors[t.0]).find(halves) {
        Some(info) if call.elements == Elements::default() => Err(Error::shape(format!(
            "{} takes no halves, as which \"{}\" is stored; store it as f32",
            call.shader.name, info.label
        ))),
        _ => Ok(()),
    }
}

/// How a plan gives out memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanOptions {
    /// Every tensor keeps a buffer of its own, so that any of them can be read afterwards. For tests and debugging.
    pub keep_all: bool,
    /// Puts [`GUARD`] bytes of sentinel words on both sides of every tensor; [`Plan::check_guards`] finds stray writes.
    /// Implies `keep_all`.
    pub guards: bool,
}

/// Bytes of sentinel words on each side of a guarded tensor.
pub const GUARD: u64 = 256;
const SENTINEL: u32 = 0x7fc0_dead;

/// The most work of a submission, in operations: operating systems take what runs for some seconds, two at the least, for hung and reset the GPU, and
/// small ones reach 50 to 100 GFLOP/s. A byte counts as eight operations, more than it takes on any.
const LONGEST: u64 = 50_000_000_000;

/// Where one submission ends and the next begins, given the work of each call: a submission has as many as are not too long together, one at
/// least.
fn cuts(work: &[u64]) -> Vec<usize> {
    let (mut cuts, mut sum) = (Vec::new(), 0);
    for (i, &work) in work.iter().enumerate() {
        if sum > 0 && sum + work > LONGEST {
            cuts.push(i);
            sum = 0;
        }
        sum += work;
    }
    cuts
}

/// The memory of a plan for these calls with this layout, which is given buffers of some of the tensors.
pub(super) fn memory(
    tensors: &[TensorInfo],
    layout: &Layout,
    images: &[u64],
    given: &HashMap<TensorId, wgpu::Buffer>,
) -> Memory {
    let own = |(i, t): &(usize, &TensorInfo)| t.role == Role::Persistent && !given.contains_key(&TensorId(*i));
    let persistent = tensors.iter().enumerate().filter(own).map(|(_, t)| bytes_of(t)).sum();
    let unshared = layout.slot.keys().map(|t| bytes_of(&tensors[t.0])).sum();
    Memory { shared: layout.sizes.iter().sum(), unshared, persistent, images: images.iter().sum() }
}

/// A recording with buffers, ready to be replayed: no allocation, no pipeline and no bind group is made after this.
pub struct Plan {
    gpu: Gpu,
    tensors: Vec<TensorInfo>,
    buffers: HashMap<TensorId, wgpu::Buffer>,
    prologue: Vec<Prepared>,
    steps: Vec<Prepared>,
    calls: Vec<Call>,
    /// The steps that begin a submission, but for the first.
    cuts: Vec<usize>,
    memory: Memory,
    guard: u64,
}

impl Plan {
    /// Prepares `calls` over `tensors`. `given` are buffers that exist already (parameters shared between plans).
    ///
    /// # Errors
    /// [`Error::Limit`] or [`Error::OutOfMemory`] if a buffer cannot be made, [`Error::Validation`] for a defect.
    pub(super) fn new(
        gpu: &Gpu,
        mut tensors: Vec<TensorInfo>,
        [prologue, calls]: [Vec<Call>; 2],
        given: &HashMap<TensorId, wgpu::Buffer>,
        options: PlanOptions,
    ) -> Result<Self> {
        if options.keep_all || options.guards {
            tensors.iter_mut().for_each(|t| t.role = Role::Persistent);
        }
        let both = || prologue.iter().chain(&calls);
        check_limits(gpu.caps(), &tensors, both())?;
        both().try_for_each(|call| check_elements(call, &tensors))?;
        let layout = lay_out(&tensors, &calls);
        let images = image_sizes(both());
        let memory = memory(&tensors, &layout, &images, given);
        let mut slots = Vec::new();
        for (i, &size) in layout.sizes.iter().enumerate() {
            slots.push(gpu.storage(&format!("slot {i}"), size)?);
        }
        let guard = if options.guards { GUARD } else { 0 };
        let mut buffers = given.clone();
        for (i, info) in tensors.iter().enumerate() {
            let id = TensorId(i);
            if let Some(&slot) = layout.slot.get(&id) {
                buffers.insert(id, slots[slot].clone());
            } else if info.role == Role::Persistent {
                if given.contains_key(&id) {
                    continue;
                }
                let buffer = gpu.storage(&info.label, bytes_of(info) + 2 * guard)?;
                if options.guards {
                    let words = vec![SENTINEL; buffer.size() as usize / 4];
                    gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
                }
                buffers.insert(id, buffer);
            }
        }
        let image = |&bytes: &u64| Image::new(gpu, bytes).map(Arc::new);
        let images = images.iter().map(image).collect::<Result<Vec<_>>>()?;
        let nothing = gpu.storage("nothing", NOTHING)?;
        let memories = Memories { tensors: &tensors, buffers: &buffers, images: &images, nothing: &nothing, guard };
        let prologue = memories.prepare(gpu, &prologue)?;
        let steps = memories.prepare(gpu, &calls)?;
        let work: Vec<u64> = calls.iter().map(|call| call.flops.max(8 * call.bytes)).collect();
        let cuts = cuts(&work);
        Ok(Self { gpu: gpu.clone(), tensors, buffers, prologue, steps, calls, cuts, memory, guard })
    }

    /// The memory that this plan holds, without the buffers that it was given.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// The calls, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The buffer of a tensor, to share with another plan.
    ///
    /// # Errors
    /// [`Error::Shape`] if the tensor is not part of this plan.
    pub fn buffer(&self, view: &View) -> Result<&wgpu::Buffer> {
        let buffer = self.buffers.get(&view.tensor);
        buffer.ok_or_else(|| Error::shape(not_of("plan", view.tensor, self.tensors.len())))
    }

    /// The buffers of the first `count` tensors, to share with another plan.
    pub(super) fn first_buffers(&self, count: usize) -> HashMap<TensorId, wgpu::Buffer> {
        self.buffers.iter().filter(|(id, _)| id.0 < count).map(|(id, buffer)| (*id, buffer.clone())).collect()
    }

    /// What is known of a view's tensor.
    fn info(&self, view: &View) -> Result<&TensorInfo> {
        let info = self.tensors.get(view.tensor.0);
        let info = info.ok_or_else(|| Error::shape(not_of("plan", view.tensor, self.tensors.len())))?;
        if view.element == info.element && view.extent().end <= info.shape.len() {
            return Ok(info);
        }
        Err(Error::shape(format!(
            "a view {} does not lie in \"{}\" {}; take views from the tape of this plan",
            view.shape, info.label, info.shape
        )))
    }

    /// Writes all values of a tensor, as they are stored.
    ///
    /// # Errors
    /// [`Error::Shape`] if `values` are not as many as the tensor holds, the view is not a whole tensor, or one of another plan;
    /// [`Error::OutOfMemory`] if there is no room to copy them to.
    pub fn write<T: bytemuck::NoUninit>(&self, view: &View, values: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let info = self.info(view)?;
        if !view.is_whole() || bytes.len() as u64 != info.element.bytes(info.shape.len()) {
            return Err(Error::shape(format!(
                "writing {} bytes into \"{}\" of {}; give exactly the {} bytes of the whole tensor",
                bytes.len(),
                info.label,
                info.shape,
                info.element.bytes(info.shape.len())
            )));
        }
        // An odd number of halves leaves two bytes over, and only whole words are written.
        let (words, rest) = bytes.split_at(bytes.len() / 4 * 4);
        let buffer = self.buffer(view)?;
        self.gpu.caught(|| {
            self.gpu.queue().write_buffer(buffer, self.guard, words);
            if let &[low, high] = rest {
                self.gpu.queue().write_buffer(buffer, self.guard + words.len() as u64, &[low, high, 0, 0]);
            }
            Ok(())
        })
    }

    /// Reads all values of a tensor: one that was recorded as persistent, or any if the plan keeps every tensor.
    ///
    /// # Errors
    /// [`Error::Shape`] for an intermediate, whose memory has been reused, or a tensor of another plan; device errors of earlier
    /// commands.
    pub fn read(&self, view: &View) -> Result<Vec<f32>> {
        let info = self.info(view)?;
        if info.role != Role::Persistent {
            return Err(Error::shape(format!("\"{}\" is an intermediate; its memory has been reused", info.label)));
        }
        let bytes = info.element.bytes(info.shape.len());
        let whole = self.gpu.read(self.buffer(view)?, self.guard, bytes.next_multiple_of(4))?;
        let whole: Vec<f32> = match info.element {
            Element::F32 => bytemuck::pod_collect_to_vec(&whole),
            Element::F16 => bytemuck::pod_collect_to_vec(&whole).into_iter().map(from_half).collect(),
        };
        let len = view.shape.c * view.shape.plane();
        let sample = |n: usize| {
            let start = n * view.batch_stride() + view.start();
            whole[start..start + len].to_vec()
        };
        Ok((0..view.shape.n).flat_map(sample).collect())
    }

    /// Looks at the sentinel words of a plan made with [`PlanOptions::guards`].
    ///
    /// # Errors
    /// [`Error::Validation`] that names the first tensor outside of which something was written.
    pub fn check_guards(&self) -> Result<()> {
        for (id, buffer) in self.buffers.iter().filter(|_| self.guard > 0) {
            let info = &self.tensors[id.0];
            let words: Vec<u32> = bytemuck::pod_collect_to_vec(&self.gpu.read(buffer, 0, buffer.size())?);
            let first = self.guard as usize / 4;
            let inside = first..first + info.element.bytes(info.shape.len()).div_ceil(4) as usize;
            let stray = words.iter().enumerate().find(|(i, w)| !inside.contains(i) && **w != SENTINEL);
            if let Some((i, w)) = stray {
                let at = i as i64 - first as i64;
                return Err(Error::Validation(format!(
                    "stray write of {w:#x} at value {at} of \"{}\" {}",
                    info.label, info.shape
                )));
            }
        }
        Ok(())
    }

    /// Computes what depends on frozen parameters alone: once before the first [`Plan::run`], and after every change of them.
    ///
    /// # Errors
    /// An error that the device has reported.
    pub fn prepare(&self) -> Result<Submission> {
        self.gpu.submit(|encoder| record(encoder, &self.prologue))
    }

    /// Replays all dispatches in one submission, or in several where it has more than 50 GFLOP, the last to be [waited for](Gpu::wait_for).
    /// Does not wait: a loop should, for the submission before the last ([`Behind`](crate::gpu::Behind)), or its writes pile up.
    ///
    /// # Errors
    /// An error that the device has reported.
    pub fn run(&self) -> Result<Submission> {
        let submit = |steps: &[Prepared]| self.gpu.submit(|encoder| record(encoder, steps));
        let mut first = 0;
        for &cut in &self.cuts {
            submit(&self.steps[first..cut])?;
            first = cut;
        }
        submit(&self.steps[first..])
    }

    /// Waits until everything submitted is done.
    ///
    /// # Errors
    /// Whatever went wrong on the device.
    pub fn wait(&self) -> Result<()> {
        self.gpu.wait()
    }

    /// Replays once with a timestamp pair around every call: the nanoseconds of each.
    ///
    /// # Errors
    /// [`Error::Limit`] if the adapter has no timestamps, or they tell no time.
    pub fn profile(&self) -> Result<Vec<f64>> {
        let timer = Timer::new(&self.gpu, self.steps.len() as u32)?;
        self.gpu.submit(|encoder| {
            record_timed(encoder, &self.steps, &timer);
            timer.resolve(encoder);
        })?;
        timer.nanoseconds(&self.gpu)
    }
}

/// The value of a half: sign, 5 bits of exponent, 10 of fraction (IEEE 754 binary16).
fn from_half(bits: u16) -> f32 {
    let sign = f32::from_bits(u32::from(bits & 0x8000) << 16 | 1f32.to_bits());
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    sign * size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submissions_are_not_too_long() {
        let none: [usize; 0] = [];
        assert_eq!((cuts(&[]), cuts(&[LONGEST / 3; 3])), (none.to_vec(), none.to_vec()));
        assert_eq!(cuts(&[LONGEST / 3; 8]), [3, 6]);
        // What is too long alone cannot be divided.
        assert_eq!(cuts(&[1, 2 * LONGEST, 1, 1]), [1, 2]);
        assert_eq!(cuts(&[2 * LONGEST]), none);
    }
}
