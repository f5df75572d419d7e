//! Timing one recording: a cold first run apart, then repeated runs, each after the caches were flushed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cvdm::Result;
use cvdm::gpu::Gpu;
use cvdm::kernels::{Call, elementwise};
use cvdm::tape::{Plan, PlanOptions, Tape};
use cvdm::tensor::{Shape, View};

/// How often to run.
#[derive(Clone, Copy)]
pub struct Effort {
    /// No more runs than this.
    pub runs: usize,
    /// No further run after this long, once there are three.
    pub budget: Duration,
}

/// A recording under way: its tape, and what its tensors hold before the first run.
pub struct Recording {
    pub tape: Tape,
    values: Vec<(View, Option<Vec<f32>>)>,
}

impl Recording {
    pub fn new(gpu: &Gpu) -> Self {
        Self { tape: Tape::new(gpu.caps()), values: Vec::new() }
    }

    /// A tensor of numbers between 0.1 and 1: no denormal ones, which processors treat slowly.
    pub fn tensor(&mut self, shape: Shape) -> Result<View> {
        let view = self.tape.persistent("bench", shape)?;
        self.values.push((view, None));
        Ok(view)
    }

    /// A tensor with these values.
    pub fn given(&mut self, shape: Shape, values: Vec<f32>) -> Result<View> {
        let view = self.tape.persistent("bench", shape)?;
        self.values.push((view, Some(values)));
        Ok(view)
    }

    fn plan(self, gpu: &Gpu, calls: Vec<Call>) -> Result<Plan> {
        let Self { mut tape, values } = self;
        tape.push(calls);
        let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default())?;
        for (view, values) in values {
            // 1009 is prime: no period that a power of two of values would share.
            let ramp = || (0..view.shape.len()).map(|i| 0.1 + 0.9 * (i * 101 % 1009) as f32 / 1009.0).collect();
            plan.write(&view, &values.unwrap_or_else(ramp))?;
        }
        Ok(plan)
    }
}

/// What one call took.
pub struct Timing {
    pub call: Call,
    /// Nanoseconds of each run, sorted.
    pub nanoseconds: Vec<f64>,
}

impl Timing {
    /// The nanoseconds that a share of the runs stayed under, by nearest rank.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.nanoseconds.len() - 1;
        self.nanoseconds[(share * last as f64).round() as usize]
    }
}

/// The timings of a recording's calls, and the time from its planning to the end of its first run: `None` if all its
/// pipelines were there already.
pub struct Measured {
    pub timings: Vec<Timing>,
    pub first: Option<Duration>,
}

/// Measures on one device.
pub struct Bench<'a> {
    pub gpu: &'a Gpu,
    flush: Plan,
    effort: Effort,
}

impl<'a> Bench<'a> {
    pub fn new(gpu: &'a Gpu, effort: Effort) -> Result<Self> {
        // 64 MiB: more than the last cache of any processor and of most GPUs.
        let mut recording = Recording::new(gpu);
        let view = recording.tape.persistent("flush", Shape::vector(1 << 24))?;
        let flush = recording.plan(gpu, vec![elementwise::fill(&view, 1.0)?])?;
        Ok(Self { gpu, flush, effort })
    }

    /// Whether the device itself takes the time. Without timestamps it is the host, from submission to the end of all calls.
    pub fn timestamps(&self) -> bool {
        self.gpu.caps().timestamps
    }

    /// Runs what `record` records. Without timestamps the calls are timed as one, under the name of the first.
    pub fn measure(&self, record: impl FnOnce(&mut Recording) -> Result<Vec<Call>>) -> Result<Measured> {
        let mut recording = Recording::new(self.gpu);
        let calls = record(&mut recording)?;
        let known = self.gpu.pipeline_count();
        let begin = Instant::now();
        let plan = recording.plan(self.gpu, calls)?;
        plan.run()?;
        self.gpu.wait()?;
        let first = (self.gpu.pipeline_count() > known).then(|| begin.elapsed());

        let mut runs: Vec<Vec<f64>> = Vec::new();
        let begin = Instant::now();
        while runs.len() < self.effort.runs && (runs.len() < 3 || begin.elapsed() < self.effort.budget) {
            // Waited for: two passes without a common buffer may overlap.
            self.flush.run()?;
            self.gpu.wait()?;
            runs.push(self.once(&plan)?);
        }
        // A convolution may take several dispatches: neighbours of one shader count as one call.
        let groups = if self.timestamps() {
            plan.calls().chunk_by(|a, b| a.shader.name == b.shader.name).collect()
        } else {
            vec![plan.calls()]
        };
        let mut done = 0;
        let timings = groups.into_iter().map(|group| {
            let range = if self.timestamps() { done..done + group.len() } else { 0..1 };
            done = range.end;
            let mut nanoseconds: Vec<f64> = runs.iter().map(|run| run[range.clone()].iter().sum()).collect();
            nanoseconds.sort_by(f64::total_cmp);
            Timing { call: joined(group), nanoseconds }
        });
        Ok(Measured { timings: timings.collect(), first })
    }

    fn once(&self, plan: &Plan) -> Result<Vec<f64>> {
        if self.timestamps() {
            return plan.profile();
        }
        let begin = Instant::now();
        plan.run()?;
        self.gpu.wait()?;
        Ok(vec![begin.elapsed().as_nanos() as f64])
    }
}

/// All calls as one, to stand for their sum.
fn joined(calls: &[Call]) -> Call {
    let mut all = calls[0].clone();
    all.flops = calls.iter().map(|c| c.flops).sum();
    all.bytes = calls.iter().map(|c| c.bytes).sum();
    all
}
