//! Timing one recording: a cold first run apart, then repeated runs, each after the caches were flushed, and between them
//! the adapter's limits: a shared machine is now fast and now slow, and only what was measured together can be compared.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cvdm::Result;
use cvdm::gpu::Gpu;
use cvdm::kernels::{Call, elementwise};
use cvdm::tape::{Plan, PlanOptions, Role, Tape};
use cvdm::tensor::{Element, Shape, View};
use half::f16;

use super::peaks::{self, Peaks};

/// How often to run.
#[derive(Clone, Copy)]
pub struct Effort {
    /// No more runs than this.
    pub runs: usize,
    /// And no fewer.
    pub least: usize,
    /// No further run after this long.
    pub budget: Duration,
}

/// A recording under way: its tape, and what its tensors hold before the first run.
pub struct Recording {
    pub tape: Tape,
    values: Vec<(View, Option<Vec<f32>>)>,
}

impl Recording {
    pub fn new(gpu: &Gpu) -> Self {
        Self { tape: Tape::on(gpu), values: Vec::new() }
    }

    /// A tensor of numbers between 0.1 and 1: no denormal ones, which processors treat slowly.
    pub fn tensor(&mut self, shape: Shape) -> Result<View> {
        let view = self.tape.persistent("bench", shape)?;
        self.values.push((view, None));
        Ok(view)
    }

    /// The same, stored as halves.
    pub fn halves(&mut self, shape: Shape) -> Result<View> {
        let view = self.tape.stored("bench", shape, Role::Persistent, Element::F16)?;
        self.values.push((view, None));
        Ok(view)
    }

    /// A tensor with these values.
    pub fn given(&mut self, shape: Shape, values: Vec<f32>) -> Result<View> {
        let view = self.tape.persistent("bench", shape)?;
        self.values.push((view, Some(values)));
        Ok(view)
    }

    pub fn plan(self, gpu: &Gpu, calls: Vec<Call>) -> Result<Plan> {
        let Self { mut tape, values } = self;
        tape.push(calls);
        let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default())?;
        for (view, values) in values {
            // 1009 is prime: no period that a power of two of values would share.
            let ramp = || (0..view.shape.len()).map(|i| 0.1 + 0.9 * (i * 101 % 1009) as f32 / 1009.0).collect();
            let values: Vec<f32> = values.unwrap_or_else(ramp);
            match view.element {
                Element::F32 => plan.write(&view, &values)?,
                Element::F16 => {
                    let bits: Vec<u16> = values.into_iter().map(|v| f16::from_f32(v).to_bits()).collect();
                    plan.write(&view, &bits)?;
                }
            }
        }
        Ok(plan)
    }
}

/// What one call took.
pub struct Timing {
    pub call: Call,
    pub dispatches: usize,
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

/// The timings of a recording's calls.
pub struct Measured {
    pub timings: Vec<Timing>,
    /// From planning to the end of the first run, and how many pipelines were made in it: `None` if all were there already, as they are
    /// where choices were measured before.
    pub first: Option<(Duration, usize)>,
    /// The adapter's limits in the meantime, the median of a few runs.
    pub peaks: Peaks,
}

/// Measures on one device.
pub struct Bench<'a> {
    pub gpu: &'a Gpu,
    flush: Plan,
    /// Multiply-adds, a copy, and a dispatch that does nothing.
    limits: [Plan; 3],
    effort: Effort,
}

impl<'a> Bench<'a> {
    pub fn new(gpu: &'a Gpu, effort: Effort) -> Result<Self> {
        let mut recording = Recording::new(gpu);
        let view = recording.tape.persistent("flush", Shape::vector(peaks::past_caches(gpu) / 4))?;
        let flush = recording.plan(gpu, vec![elementwise::fill(&view, 1.0)?])?;
        let limits = [peaks::multiply_adds(gpu)?, peaks::copy(gpu)?, peaks::nothing(gpu)?];
        Ok(Self { gpu, flush, limits, effort })
    }

    /// The nanoseconds of one run at each limit.
    fn limits(&self) -> Result<Vec<f64>> {
        let once = |plan: &Plan| -> Result<f64> { Ok(self.once(plan)?.iter().sum()) };
        let [multiply_adds, copy, nothing] = &self.limits;
        let first = once(multiply_adds)?;
        // Only the copy has something to find in a cache.
        self.flush.run()?;
        self.gpu.wait()?;
        Ok(vec![first, once(copy)?, once(nothing)?])
    }

    fn peaks(&self, runs: &[Vec<f64>]) -> Peaks {
        let median = |which: usize| {
            let mut nanoseconds: Vec<f64> = runs.iter().map(|run| run[which]).collect();
            nanoseconds.sort_by(f64::total_cmp);
            nanoseconds[nanoseconds.len() / 2]
        };
        let [fma, copy, _] = &self.limits;
        Peaks {
            gflops: fma.calls()[0].flops as f64 / median(0),
            gbytes: copy.calls()[0].bytes as f64 / median(1),
            dispatch: median(2),
        }
    }

    /// The adapter's limits, and the nanoseconds from submitting a dispatch that does nothing to its end, as the host sees it.
    pub fn adapter(&self) -> Result<(Peaks, f64)> {
        let nothing = &self.limits[2];
        let (mut limits, mut empty) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            limits.push(self.limits()?);
            let begin = Instant::now();
            nothing.run()?;
            self.gpu.wait()?;
            empty.push(begin.elapsed().as_nanos() as f64);
        }
        empty.sort_by(f64::total_cmp);
        Ok((self.peaks(&limits), empty[empty.len() / 2]))
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
        let made = self.gpu.pipeline_count() - known;
        let first = (made > 0).then(|| (begin.elapsed(), made));

        let mut runs: Vec<Vec<f64>> = Vec::new();
        let mut limits = vec![self.limits()?];
        let begin = Instant::now();
        while runs.len() < self.effort.runs && (runs.len() < self.effort.least || begin.elapsed() < self.effort.budget)
        {
            // Waited for: two passes without a common buffer may overlap.
            self.flush.run()?;
            self.gpu.wait()?;
            runs.push(self.once(&plan)?);
            // Before them, two or three times between, and behind them.
            if runs.len().is_multiple_of((self.effort.least / 2).max(self.effort.runs / 3)) {
                limits.push(self.limits()?);
            }
        }
        limits.push(self.limits()?);
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
            Timing { call: joined(group), dispatches: group.len(), nanoseconds }
        });
        Ok(Measured { timings: timings.collect(), first, peaks: self.peaks(&limits) })
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
