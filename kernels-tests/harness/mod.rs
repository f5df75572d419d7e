//! What every kernel test shares: devices in both shader modes, running calls between sentinels, and comparison with an
//! `f64` reference.

#![allow(dead_code, reason = "each test program uses its own part of the harness")]

use std::collections::HashMap;
use std::sync::OnceLock;

use cvdm::gpu::{Caps, Gpu, OpenOptions};
use cvdm::kernels::Call;
use cvdm::tape::{PlanOptions, Tape};
use cvdm::tensor::{Shape, View};

/// A device of this machine for each way the shaders are compiled: unchecked (as shipped), checked (with the other tiles where
/// there are two, and from images where there is a choice), unchecked without subgroups (the portable kernels) and, of a software adapter, dealt
/// out as for a GPU: the same on every processor. No adapter is a failure, never a pass.
pub fn devices() -> &'static [(&'static str, Gpu)] {
    static DEVICES: OnceLock<Vec<(&'static str, Gpu)>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let open = |options: OpenOptions| {
            Gpu::open(&options).expect("the kernel tests need an adapter; `make test` installs a software one")
        };
        let plain = || OpenOptions { slow_buffers: Some(false), ..OpenOptions::default() };
        let mut all = vec![
            ("unchecked", open(plain())),
            ("checked", open(OpenOptions { checked_shaders: true, slow_buffers: Some(true), ..plain() })),
            ("no subgroups", open(OpenOptions { without_subgroups: true, ..plain() })),
        ];
        if all[0].1.caps().software {
            all.push(("as a GPU", open(OpenOptions { as_gpu: true, ..plain() })));
        }
        all
    })
}

/// What the adapter can do: for shapes that depend on its kind, which is that of all [`devices`].
pub fn caps() -> Caps {
    devices()[0].1.caps()
}

/// Whether the device of this mode runs the kernels that need subgroups.
pub fn has_subgroups(mode: &str) -> bool {
    devices().iter().any(|(name, gpu)| *name == mode && gpu.caps().subgroups)
}

/// Those of [`devices`] that store halves: all or, which is said, none.
pub fn with_halves() -> &'static [(&'static str, Gpu)] {
    if caps().halves {
        return devices();
    }
    eprintln!("not run: {} stores no halves", devices()[0].1.summary().name);
    &[]
}

/// Each of these with [`caps`], and with those of an adapter of the other kind, for kernels that are dealt out otherwise there.
pub fn on_both_kinds<T: Copy>(cases: impl IntoIterator<Item = T>) -> impl Iterator<Item = (T, Caps)> {
    let other = Caps { software: !caps().software, ..caps() };
    cases.into_iter().flat_map(move |case| [(case, caps()), (case, other)])
}

/// A tensor that a test hands to a kernel.
pub struct Given {
    pub shape: Shape,
    pub values: Vec<f32>,
}

/// A tensor of uniform random values in `low..high`, the same for the same seed.
pub fn random(shape: Shape, seed: u64, low: f32, high: f32) -> Given {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut next = || {
        // SplitMix64: enough for test data, and the same everywhere.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    };
    Given { shape, values: (0..shape.len()).map(|_| low + (high - low) * next()).collect() }
}

/// A tensor with these values.
pub fn given(shape: Shape, values: Vec<f32>) -> Given {
    assert_eq!(shape.len(), values.len());
    Given { shape, values }
}

/// Runs what `record` records on every device, each tensor between sentinel words. `tensors` are written before the run;
/// all of them are read back and returned. Fails on stray writes and on values that are not finite, unless they were given.
pub fn run(
    tensors: &[Given],
    record: impl Fn(&mut Tape, &[View]) -> cvdm::Result<Vec<Call>>,
    mut check: impl FnMut(&str, &[Vec<f32>]),
) {
    for (mode, gpu) in devices() {
        let mut tape = Tape::new(gpu.caps());
        let views: Vec<View> = tensors
            .iter()
            .enumerate()
            .map(|(i, t)| tape.persistent(&format!("tensor {i}"), t.shape).unwrap())
            .collect();
        let calls = record(&mut tape, &views).unwrap();
        tape.push(calls);
        let plan = tape.plan(gpu, &HashMap::new(), PlanOptions { guards: true, ..Default::default() }).unwrap();
        for (view, tensor) in views.iter().zip(tensors) {
            plan.write(view, &tensor.values).unwrap();
        }
        plan.run().unwrap();
        gpu.wait().unwrap();
        plan.check_guards().unwrap_or_else(|e| panic!("{mode}: {e}"));
        let results: Vec<Vec<f32>> = views.iter().map(|v| plan.read(v).unwrap()).collect();
        let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
        if tensors.iter().all(|t| finite(&t.values)) {
            for (i, values) in results.iter().enumerate() {
                assert!(finite(values), "{mode}: tensor {i} holds values that are not finite");
            }
        }
        check(mode, &results);
    }
}

/// Compares with an `f64` reference: every value within `atol + rtol·|reference|`, none NaN. Says where the worst is.
pub fn close(what: &str, got: &[f32], want: &[f64], atol: f64, rtol: f64) {
    assert_eq!(got.len(), want.len(), "{what}: number of values");
    let mut worst = (0.0, 0);
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let used = (f64::from(g) - w).abs() / (atol + rtol * w.abs());
        assert!(used.is_finite(), "{what}: value {i} is {g}, expected {w}");
        if used > worst.0 {
            worst = (used, i);
        }
    }
    let (used, i) = worst;
    assert!(used <= 1.0, "{what}: value {i} is {}, expected {}: {used:.2} times the tolerance", got[i], want[i]);
}

/// A reference vector as `f64`.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// `shape`'s values of `outer` from channel `first` on.
pub fn inside(outer: &Given, first: usize, shape: Shape) -> Vec<f64> {
    let (plane, len) = (shape.plane(), shape.c * shape.plane());
    (0..shape.n).flat_map(|n| wide(&outer.values[(n * outer.shape.c + first) * plane..][..len])).collect()
}

/// All of `outer` with these values from channel `first` on, where `add` says added to what is there.
pub fn placed(outer: &Given, first: usize, shape: Shape, values: &[f64], add: bool) -> Vec<f64> {
    let (plane, len) = (shape.plane(), shape.c * shape.plane());
    let mut all = wide(&outer.values);
    for (n, values) in values.chunks_exact(len).enumerate() {
        for (old, new) in all[(n * outer.shape.c + first) * plane..][..len].iter_mut().zip(values) {
            *old = if add { *old + new } else { *new };
        }
    }
    all
}

/// Central differences of `f` along every value of `at`.
pub fn slopes(at: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut moved = at.to_vec();
    (0..at.len())
        .map(|i| {
            moved[i] = at[i] + STEP;
            let up = f(&moved);
            moved[i] = at[i] - STEP;
            let down = f(&moved);
            moved[i] = at[i];
            (up - down) / (2.0 * STEP)
        })
        .collect()
}

/// The sum of products.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `ln(1 + eˣ)`, without overflow.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
