//! What the adapter can do at best: independent multiply-adds and a copy, by two tiny shaders.

use bytemuck::{Pod, Zeroable};
use cvdm::Result;
use cvdm::gpu::Shader;
use cvdm::kernels::{Call, grid};
use cvdm::tensor::Shape;

use super::measure::{Bench, Timing};

static FMA: Shader = Shader { name: "fma", sources: &[include_str!("../shaders/fma.wgsl")], subgroups: false };
static COPY_PEAK: Shader =
    Shader { name: "copy_peak", sources: &[include_str!("../shaders/copy_peak.wgsl")], subgroups: false };

/// Operations and bytes a nanosecond, which is GFLOP/s and GB/s.
#[derive(Clone, Copy)]
pub struct Peaks {
    pub gflops: f64,
    pub gbytes: f64,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct FmaParams {
    rounds: u32,
    factor: f32,
}

/// Measures both limits.
pub fn measure(bench: &Bench<'_>) -> Result<Peaks> {
    let workgroups: usize = if bench.gpu.caps().software { 256 } else { 16_384 };
    let rounds = 256;
    let fma = bench.measure(|r| {
        let y = r.tensor(Shape::vector(workgroups * 64 * 4))?;
        let call = Call::new(&FMA, FmaParams { rounds, factor: 0.7 }, grid(workgroups)).bind(&y);
        Ok(vec![call.costs(workgroups * 64 * rounds as usize * 128)])
    })?;
    let values: usize = if bench.gpu.caps().software { 1 << 23 } else { 1 << 25 };
    let copy = bench.measure(|r| {
        let (x, y) = (r.tensor(Shape::vector(values))?, r.tensor(Shape::vector(values))?);
        let items = values / 4;
        Ok(vec![Call::new(&COPY_PEAK, items as u32, grid(items.div_ceil(64))).bind(&x).bind(&y)])
    })?;
    // The best run: a peak is what can be reached.
    let best = |timing: &Timing| timing.nanoseconds[0];
    let (fma, copy) = (&fma.timings[0], &copy.timings[0]);
    Ok(Peaks { gflops: fma.call.flops as f64 / best(fma), gbytes: copy.call.bytes as f64 / best(copy) })
}
