//! What a training step and a sampler step cost, read from the plan: dispatches, bytes that must cross memory, passes over
//! feature maps, memory. No clock: a change that makes the engine do more work fails here on every machine.

mod harness;

use std::collections::BTreeMap;

use cvdm::diffusion::{
    Hyper, Model, ModelConfig, SampleOptions, Sampler, StepCost, StepOptions, Trainer, TrainerState,
};
use cvdm::gpu::{Caps, Gpu, OpenOptions};
use cvdm::kernels::{Bound, Call};
use cvdm::tape::Plan;
use harness::devices;

/// The networks of the shipped weights, in the paper's form.
fn model() -> Model {
    Model::new(ModelConfig { noise_base: 16, rate_base: 8, ..ModelConfig::default() }).unwrap()
}

fn calls(plan: &Plan) -> BTreeMap<&'static str, usize> {
    let mut calls = BTreeMap::new();
    for call in plan.calls() {
        *calls.entry(call.shader.name.split('.').next().unwrap()).or_default() += 1;
    }
    calls
}

fn bytes(plan: &Plan, shader: &str) -> u64 {
    plan.calls().iter().filter(|c| c.shader.name.split('.').next() == Some(shader)).map(|c| c.bytes).sum()
}

/// Bytes of all the convolutions' outputs in a U-Net of 5 scales: two of `base << i` channels at each scale of the encoder
/// and, but for the deepest, of the decoder.
fn feature_maps(base: usize, batch: usize, size: usize) -> u64 {
    let maps = |i: usize| 2 * (base << i) * (size >> i) * (size >> i) * if i == 4 { 1 } else { 2 };
    (4 * batch * (0..5).map(maps).sum::<usize>()) as u64
}

/// Bytes of the four poolings.
fn maps_pooled(base: usize, batch: usize, size: usize) -> u64 {
    (4 * batch * (0..4).map(|i| (base << i) * (size >> i) * (size >> i) / 4).sum::<usize>()) as u64
}

const MIB: u64 = 1 << 20;

/// Checks what is counted of so many instance norms: half of them, the first one of each block, are done by the next convolution on the way,
/// from scales that come from the moments of tiles or, of kernels that leave none, from the map. Returns how many are written.
fn check_norms(gpu: &Gpu, all: usize, count: &BTreeMap<&str, usize>) -> usize {
    let scales = ["instance_norm_tile_scales", "instance_norm_scales"];
    let [of, not_of] = if gpu.caps().subgroups { scales } else { [scales[1], scales[0]] };
    assert_eq!((count.get(of), count.get(not_of)), (Some(&(all / 2)), None), "{count:?}");
    all / 2
}

#[test]
fn a_training_step() {
    devices().iter().for_each(|(_, gpu)| check_a_training_step(gpu));
}

fn check_a_training_step(gpu: &Gpu) {
    let model = model();
    let state = TrainerState::new(&model, 1);
    let trainer = Trainer::new(gpu, model.clone(), StepOptions::new(4, 64, 64), &state).unwrap();
    let plan = trainer.plan();
    let count = calls(plan);
    // Two U-Nets of 18 blocks' halves, 9 scales' halves and 4 steps up each.
    let written = check_norms(gpu, 36, &count);
    for (shader, expected) in [
        // Eight of them with the pooling of what they write.
        ("instance_norm", written - 8),
        ("instance_norm_pool", 8),
        ("instance_norm_backward", 36),
        ("instance_norm_affine", 36),
        ("max_pool2d_backward", 8),
        ("noising", 1),
        ("noising_backward", 1),
        ("schedule_losses", 1),
        ("noise_loss", 1),
    ] {
        assert_eq!(count.get(shader), Some(&expected), "{shader}: {count:?}");
    }
    // Nothing is filled, copied or added on its own but the condition; softplus costs a pass only at the rate's head.
    assert_eq!(count.get("copy"), Some(&1), "{count:?}");
    assert_eq!(count.get("fill").or(count.get("binary")), None, "{count:?}");
    assert_eq!(count.get("activation_backward"), Some(&1), "{count:?}");

    // Forward, instance norm reads each feature map once and writes it once, but for those that the next convolution normalises
    // on the way, of which it reads the moments of tiles alone, or the map: two or three passes a block for four. Backward reads a map and
    // its gradient and writes one.
    let maps = feature_maps(16, 4, 64) + feature_maps(8, 4, 64);
    let passes = |shader| bytes(plan, shader) as f64 / maps as f64;
    let pooled = bytes(plan, "instance_norm_pool") - maps_pooled(16, 4, 64) - maps_pooled(8, 4, 64);
    let scales = passes("instance_norm_tile_scales") + passes("instance_norm_scales");
    let forward = passes("instance_norm") + scales + pooled as f64 / maps as f64;
    assert!(forward < if gpu.caps().subgroups { 1.09 } else { 1.52 }, "{forward} passes");
    assert!(passes("instance_norm_backward") < 3.02, "{} passes", passes("instance_norm_backward"));

    // Adam reads four flat tensors and writes three, at once or half a million parameters at a time.
    let parts = if gpu.caps().slow_buffers { model.parameters().len().div_ceil(1 << 19) } else { 1 };
    assert_eq!(count["adam"], parts, "{count:?}");
    let flat = 4 * model.parameters().len() as u64;
    assert!(bytes(plan, "adam").div_ceil(flat) <= 8, "{} bytes", bytes(plan, "adam"));

    // Memory: known before the first dispatch, and shared by lifetime.
    let memory = plan.memory();
    assert!(memory.total() <= 80 * MIB, "{memory:?}");
    assert!(100 * memory.shared <= 62 * memory.unshared, "{memory:?}");

    if gpu.caps().subgroups && gpu.caps().software {
        // 36 forward, 35 input gradients: none for the rate's input. Eleven of those have fewer than 32 channels; the others read the
        // weights where they lie.
        assert_eq!((count["pack_weights"], count["conv2d_3x3"]), (36 + 11, 71));
        assert_eq!(count["conv2d_3x3_grad_weight"], 36);
        // Of each block one map less than if its first norm were written.
        assert!(memory.shared <= 24 * MIB, "{memory:?}");
    }
}

#[test]
fn a_sampler_step() {
    devices().iter().for_each(|(_, gpu)| check_a_sampler_step(gpu));
}

fn check_a_sampler_step(gpu: &Gpu) {
    let model = model();
    let flat = model.parameters().initial(1);
    let options = SampleOptions { steps: 10, samples: 8, ..SampleOptions::default() };
    let sampler = Sampler::new(gpu, &model, &flat, (64, 64), options).unwrap();
    let plan = sampler.step_plan();
    let count = calls(plan);
    // A noise network and the fused update: 18 convolutions with their norms, the poolings in 4 of these, 4 steps up, the head.
    let convolution = if gpu.caps().subgroups { "conv2d_3x3" } else { "conv2d_3x3_portable" };
    let written = check_norms(gpu, 18, &count);
    for (shader, expected) in [
        (convolution, 18),
        ("conv2d_1x1", 1),
        ("instance_norm", written - 4),
        ("instance_norm_pool", 4),
        ("reverse_step", 1),
    ] {
        assert_eq!(count.get(shader), Some(&expected), "{shader}: {count:?}");
    }
    assert_eq!(plan.calls().len(), 18 + 1 + 18 + 4 + 1, "{count:?}");
    // The update reads λ, z and the prediction and writes γ and z: five maps of one channel.
    let map = 4 * 8 * 64 * 64;
    assert!(bytes(plan, "reverse_step") < 6 * map, "{} bytes", bytes(plan, "reverse_step"));
    // Weights are packed once, not in every step.
    assert_eq!(count.get("pack_weights"), None, "{count:?}");
    let memory = plan.memory();
    assert!(3 * memory.shared <= memory.unshared, "{memory:?}");
}

/// All that a step costs, from its plan.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    dispatches: usize,
    flops: u64,
    /// What kernels must read and write.
    bytes: u64,
    /// Copies to images before them, and their bytes.
    copies: usize,
    copied: u64,
    /// What intermediates share.
    shared: u64,
}

impl Cost {
    fn of(plan: &Plan) -> Self {
        let sum = |of: fn(&Call) -> u64| plan.calls().iter().map(of).sum();
        let copies = |call: &Call| call.windows.iter().filter(|w| w.bound == Bound::Image).count();
        Self {
            dispatches: plan.calls().len(),
            flops: sum(|c| c.flops),
            bytes: sum(|c| c.bytes),
            copies: plan.calls().iter().map(copies).sum(),
            copied: sum(Call::copied),
            shared: plan.memory().shared,
        }
    }
}

/// The kinds of adapter that work is dealt out for; none if it is another GPU than the tests deal out for on a software adapter.
fn kind(gpu: &Gpu) -> Option<usize> {
    let caps = gpu.caps();
    match (caps.subgroups, caps.software, caps.slow_buffers) {
        (true, true, false) => Some(0),
        (false, true, false) => Some(1),
        (true, false, false) if caps.subgroup_sizes == [8, 8] => Some(2),
        (true, true, true) => Some(3),
        _ => None,
    }
}

/// Exactly what a training step, a sampler step and one with halves stored cost, on a software adapter, one without subgroups, as a GPU, and on a
/// software adapter whose buffers are slow.
/// A change that makes them cost more fails, and one that makes them cost less says so here.
#[test]
fn what_steps_cost_to_the_byte() {
    #[rustfmt::skip]
    let expected = [
        [
            Cost { dispatches: 342, flops: 5_791_353_311, bytes: 271_024_460, copies: 262, copied: 82_205_952, shared: 24_534_848 },
            Cost { dispatches: 341, flops: 5_803_344_383, bytes: 281_405_132, copies: 0, copied: 0, shared: 24_534_848 },
            Cost { dispatches: 395, flops: 5_832_509_831, bytes: 630_050_444, copies: 0, copied: 0, shared: 32_679_488 },
            Cost { dispatches: 346, flops: 5_791_353_311, bytes: 271_024_588, copies: 455, copied: 173_886_560, shared: 24_534_848 },
        ],
        [
            Cost { dispatches: 42, flops: 3_066_118_144, bytes: 69_000_796, copies: 44, copied: 27_095_552, shared: 8_290_304 },
            Cost { dispatches: 42, flops: 3_081_093_120, bytes: 74_960_220, copies: 0, copied: 0, shared: 8_273_920 },
            Cost { dispatches: 42, flops: 3_066_118_144, bytes: 71_350_364, copies: 0, copied: 0, shared: 8_290_304 },
            Cost { dispatches: 42, flops: 3_066_118_144, bytes: 69_000_796, copies: 57, copied: 37_336_064, shared: 8_290_304 },
        ],
        [
            Cost { dispatches: 42, flops: 3_066_118_144, bytes: 36_956_252, copies: 0, copied: 0, shared: 4_161_536 },
            Cost { dispatches: 42, flops: 3_081_093_120, bytes: 38_530_012, copies: 0, copied: 0, shared: 4_145_152 },
            Cost { dispatches: 42, flops: 3_066_118_144, bytes: 37_740_892, copies: 0, copied: 0, shared: 4_161_536 },
            Cost { dispatches: 42, flops: 3_066_118_144, bytes: 36_956_252, copies: 2, copied: 147_456, shared: 4_161_536 },
        ],
    ];
    let [training, sampling, of_halves] = expected;
    let model = model();
    let flat = model.parameters().initial(1);
    for (mode, gpu) in devices() {
        let Some(kind) = kind(gpu) else {
            eprintln!("not compared: {mode}, subgroups of {:?}", gpu.caps().subgroup_sizes);
            continue;
        };
        let state = TrainerState::new(&model, 1);
        let trainer = Trainer::new(gpu, model.clone(), StepOptions::new(4, 64, 64), &state).unwrap();
        assert_eq!(Cost::of(trainer.plan()), training[kind], "a training step, {mode}");
        for (halves, expected) in [(false, &sampling), (true, &of_halves)] {
            if halves && !gpu.caps().halves {
                eprintln!("not compared: {mode} stores no halves");
                continue;
            }
            let options = SampleOptions { steps: 10, samples: 8, halves, ..SampleOptions::default() };
            let sampler = Sampler::new(gpu, &model, &flat, (64, 64), options).unwrap();
            assert_eq!(Cost::of(sampler.step_plan()), expected[kind], "a sampler step, halves {halves}, {mode}");
        }
    }
}

/// What a training step costs on a GPU with subgroups of 32, from a recording for one: no such device is needed.
#[test]
fn what_a_training_step_costs_on_a_large_gpu() {
    let caps = Caps {
        subgroups: true,
        subgroup_sizes: [32, 32],
        max_invocations: 1024,
        software: false,
        slow_buffers: false,
        ends_loops: false,
        max_binding: 2 << 30,
        max_buffer: 2 << 30,
        ..devices()[0].1.caps()
    };
    let model = Model::new(ModelConfig { noise_base: 32, rate_base: 16, ..ModelConfig::default() }).unwrap();
    let cost = StepCost::of(caps, &model, &StepOptions::new(4, 64, 64)).unwrap();
    assert_eq!([cost.dispatches as u64, cost.flops, cost.bytes], [394, 22_970_506_615, 1_445_859_308]);
}

/// What a device holds: buffers, textures, bind groups, pipelines, shader modules.
fn held(gpu: &Gpu) -> [isize; 5] {
    let hal = gpu.device().get_internal_counters().hal;
    [&hal.buffers, &hal.textures, &hal.bind_groups, &hal.compute_pipelines, &hal.shader_modules].map(|c| c.read())
}

/// After the first step nothing is made that stays: no buffer, no bind group, no pipeline.
#[test]
fn a_replay_makes_nothing_that_stays() {
    // A device of its own: others are used by other tests at the same time.
    let gpu = &Gpu::open(&OpenOptions::default()).unwrap();
    let model = Model::new(ModelConfig { noise_base: 4, rate_base: 4, ..ModelConfig::default() }).unwrap();
    let state = TrainerState::new(&model, 1);
    let mut trainer = Trainer::new(gpu, model.clone(), StepOptions::new(1, 16, 16), &state).unwrap();
    let (x, y) = (vec![0.25; 2 * 16 * 16], vec![0.5; 16 * 16]);
    let mut steps = |count: usize| {
        for _ in 0..count {
            trainer.step(&x, &y, &Hyper::default()).unwrap();
        }
        trainer.wait().unwrap();
        held(gpu)
    };
    let first = steps(1);
    assert!(first[2] > 300, "the counters do not count: {first:?}");
    assert_eq!(first, steps(5), "training");

    let options = SampleOptions { steps: 3, samples: 1, ..SampleOptions::default() };
    let flat = model.parameters().initial(1);
    let mut sampler = Sampler::new(gpu, &model, &flat, (16, 16), options).unwrap();
    let mut sample = || {
        sampler.sample(&x, false, || Ok(())).unwrap();
        gpu.wait().unwrap();
        held(gpu)
    };
    let first = sample();
    assert_eq!(first, sample(), "sampling");
}

/// A step's dispatches, operations, bytes that cross memory, and bytes that its intermediates share.
fn cost(trainer: &Trainer) -> [u64; 4] {
    let calls = trainer.plan().calls();
    let sum = |of: fn(&Call) -> u64| calls.iter().map(of).sum();
    [calls.len() as u64, sum(|c| c.flops), sum(|c| c.bytes), trainer.memory().shared]
}

/// For the shipped weights' networks, and for those whose figures stand in ARCHITECTURE.md.
#[test]
fn recomputation_trades_operations_for_memory() {
    let (_, gpu) = &devices()[0];
    // Mebibytes that the intermediates share, without and with it, rounded up.
    for (noise_base, batch, size, kept, again) in [(16, 4, 64, 24, 15), (32, 4, 64, 51, 35), (32, 1, 128, 51, 34)] {
        let config = ModelConfig { noise_base, rate_base: noise_base / 2, ..ModelConfig::default() };
        let model = Model::new(config).unwrap();
        let state = TrainerState::new(&model, 1);
        let of = |recompute| {
            let options = StepOptions { recompute, ..StepOptions::new(batch, size, size) };
            let trainer = Trainer::new(gpu, model.clone(), options, &state).unwrap();
            (cost(&trainer), calls(trainer.plan()))
        };
        let ((without, fewer), (with, more)) = (of(false), of(true));
        let what = format!("base {noise_base}, {batch} × {size}²: {without:?}, {with:?}");
        let ratio = |i: usize| with[i] as f64 / without[i] as f64;
        // In each of 18 blocks two convolutions and two packed weights, and no norm: scales are kept.
        let extra = |shader| more.get(shader).unwrap_or(&0) - fewer.get(shader).unwrap_or(&0);
        let convolution = if gpu.caps().subgroups { "conv2d_3x3" } else { "conv2d_3x3_portable" };
        assert_eq!([convolution, "pack_weights", "instance_norm"].map(extra), [36, 36, 0], "{what}");
        assert_eq!(with[0], without[0] + 36 + 36, "{what}");
        assert!((1.30..1.32).contains(&ratio(1)), "operations: {what}");
        if gpu.caps().subgroups && gpu.caps().software {
            assert!((1.18..1.21).contains(&ratio(2)), "bytes: {what}");
            assert_eq!([without[3].div_ceil(MIB), with[3].div_ceil(MIB)], [kept, again], "{what}");
        }
    }
}

/// Four micro-batches of one sample: four times the networks, but weights packed once, Adam once, and the memory of one.
#[test]
fn micro_batches_share_memory_and_packed_weights() {
    devices().iter().for_each(|(mode, gpu)| check_micro_batches(mode, gpu));
}

fn check_micro_batches(mode: &str, gpu: &Gpu) {
    let model = model();
    let state = TrainerState::new(&model, 1);
    let of = |options| Trainer::new(gpu, model.clone(), options, &state).unwrap();
    let split = of(StepOptions { micro_batch: Some(1), ..StepOptions::new(4, 64, 64) });
    let one = of(StepOptions::new(1, 64, 64));
    let (count, single) = (calls(split.plan()), calls(one.plan()));
    for once in ["adam", "pack_weights", "conv2d_1x1_pack"] {
        assert_eq!(count.get(once), single.get(once), "{mode}: {once}");
    }
    assert_eq!(count["instance_norm"], 4 * single["instance_norm"]);
    // But for the packed weights of both networks, which now live from the first micro-batch to the last: what packing
    // writes, a little more than half of what it moves, and of the heads' few channels most of it.
    let packed = 6 * bytes(split.plan(), "pack_weights") / 10 + bytes(split.plan(), "conv2d_1x1_pack");
    let ([.., split], [.., one]) = (cost(&split), cost(&one));
    assert!(split <= one + packed, "{mode}: {split} bytes, {one} for one sample, {packed} of packed weights");
}
