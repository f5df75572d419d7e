//! What the adapter can do at best: independent multiply-adds, a copy, and a dispatch that does nothing.

use bytemuck::{Pod, Zeroable};
use cvdm::Result;
use cvdm::gpu::{Gpu, Needs, Shader};
use cvdm::kernels::{Call, elementwise, grid};
use cvdm::tape::Plan;
use cvdm::tensor::Shape;
use serde_json::{Value, json};

use super::measure::Recording;

static FMA: Shader = Shader { name: "fma", sources: &[include_str!("../shaders/fma.wgsl")], needs: Needs::Nothing };
static COPY_PEAK: Shader = Shader {
    name: "copy_peak",
    sources: &[
        include_str!("../../shaders/shared/quads.wgsl"),
        include_str!("../../shaders/shared/input_storage.wgsl"),
        include_str!("../shaders/copy_peak.wgsl"),
    ],
    needs: Needs::Nothing,
};
static COPY_PEAK_IMAGE: Shader = Shader {
    name: "copy_peak.image",
    sources: &[
        include_str!("../../shaders/shared/image.wgsl"),
        include_str!("../../shaders/shared/input_image.wgsl"),
        include_str!("../shaders/copy_peak.wgsl"),
    ],
    needs: Needs::Nothing,
};

/// Items of a workgroup.
const BLOCK: usize = 256;

/// The adapter's limits.
#[derive(Clone, Copy)]
pub struct Peaks {
    /// Operations a nanosecond, which is GFLOP/s.
    pub gflops: f64,
    /// Bytes a nanosecond, which is GB/s.
    pub gbytes: f64,
    /// Nanoseconds of a dispatch that does nothing.
    pub dispatch: f64,
}

impl Peaks {
    /// Adds them, and the nanoseconds of an empty submission, to what is written of the adapter.
    pub fn note(&self, adapter: &mut Value, empty: f64) {
        adapter["peak_gflops"] = json!(self.gflops);
        adapter["peak_gbytes"] = json!(self.gbytes);
        adapter["empty_dispatch_us"] = json!(self.dispatch / 1e3);
        adapter["empty_submission_us"] = json!(empty / 1e3);
    }

    /// The least nanoseconds that so many operations, bytes and dispatches can take, and which of the three decides.
    pub fn least(&self, flops: u64, bytes: u64, dispatches: usize) -> (f64, &'static str) {
        let limits = [
            (flops as f64 / self.gflops, "fma"),
            (bytes as f64 / self.gbytes, "copy"),
            (dispatches as f64 * self.dispatch, "dispatch"),
        ];
        limits.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, "nothing"))
    }

    /// The nanoseconds of work at these limits that begins when its dispatches have been made. Adding a tensor to another takes about as
    /// long, at every size; of the limit that binds alone it has two thirds where the dispatch counts as much as the bytes.
    pub fn one_after_the_other(&self, flops: u64, bytes: u64, dispatches: usize) -> f64 {
        self.least(flops, bytes, 0).0 + dispatches as f64 * self.dispatch
    }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct FmaParams {
    rounds: u32,
    factor: f32,
}

/// Multiply-adds without memory.
pub fn multiply_adds(gpu: &Gpu) -> Result<Plan> {
    let workgroups: usize = if gpu.caps().software { 256 } else { 16_384 };
    let rounds = 256;
    let mut r = Recording::new(gpu);
    let y = r.tensor(Shape::vector(workgroups * 64 * 4))?;
    let call = Call::new(&FMA, FmaParams { rounds, factor: 0.7 }, grid(workgroups)).bind(&y);
    r.plan(gpu, vec![call.costs(workgroups * 64 * rounds as usize * 128)])
}

/// Bytes that are written between two runs, so that neither finds its tensors in a cache, and that the copy moves in all: more than the last
/// caches of large GPUs hold. Those of some processors hold more ([`last_cache`]); writing so much before every run would take
/// minutes there.
pub fn past_caches(gpu: &Gpu) -> usize {
    let wanted: u64 = if gpu.caps().software { 64 << 20 } else { 256 << 20 };
    wanted.min(gpu.caps().max_binding).min(gpu.caps().max_buffer) as usize
}

/// Bytes of the processor's last cache, which a software adapter works in: on Linux, where the system says so.
pub fn last_cache() -> Option<usize> {
    let size = |level: usize| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{level}/size");
        std::fs::read_to_string(path).ok()?.trim().strip_suffix('K')?.parse::<usize>().ok()
    };
    (0..8).filter_map(size).max().map(|kib| kib << 10)
}

/// A copy of as much as lies between two runs, as the adapter does it best.
pub fn copy(gpu: &Gpu) -> Result<Plan> {
    let values = past_caches(gpu) / 2 / 4;
    let mut r = Recording::new(gpu);
    let (x, y) = (r.tensor(Shape::vector(values))?, r.tensor(Shape::vector(values))?);
    let items = values / 4;
    let image = gpu.caps().slow_buffers;
    let shader = if image { &COPY_PEAK_IMAGE } else { &COPY_PEAK };
    let call = Call::new(shader, items as u32, grid(items.div_ceil(BLOCK))).in_blocks(BLOCK as u32);
    r.plan(gpu, vec![call.bind_read(&x, image).bind(&y)])
}

/// One value written: what is left is the dispatch.
pub fn nothing(gpu: &Gpu) -> Result<Plan> {
    let mut r = Recording::new(gpu);
    let y = r.tensor(Shape::vector(1))?;
    r.plan(gpu, vec![elementwise::fill(&y, 0.0)?])
}
