//! Tensors of halves: every kernel that takes them gives what it gives for the same values in single precision, rounded once;
//! a network's error is measured.

mod harness;

use std::collections::HashMap;

use cvdm::Error;
use cvdm::diffusion::{
    Discretisation, Model, ModelConfig, Network, Parametrization, SampleOptions, Sampler, ScheduleKind, Sr3Size,
    Variant as Step,
};
use cvdm::gpu::Gpu;
use cvdm::kernels::conv2d::{self, Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{self, Input, Packing, Reads, Variant};
use cvdm::kernels::{Call, conv_transpose2d, conv2d_3x3_portable, elementwise, instance_norm, max_pool2d};
use cvdm::tape::{PlanOptions, Role, Tape};
use cvdm::tensor::{Element, Shape, View};
use half::f16;
use harness::{devices, random, with_halves};

/// Of a half: relative, and where halves are no longer normal.
const ROUNDING: f64 = 1.0 / 2048.0;
const SMALLEST: f64 = 6e-8;

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&v| f16::from_f32(v).to_f32()).collect()
}

type Record<'a> = &'a dyn Fn(&mut Tape, &View, &View, &View) -> cvdm::Result<Vec<Call>>;

/// The `y` of `record(tape, x, w, y)` with tensors of these shapes, `x` and `y` stored so.
fn result(gpu: &Gpu, [xs, ws, ys]: [Shape; 3], [input, output]: [Element; 2], record: Record<'_>) -> Vec<f32> {
    let mut tape = Tape::new(gpu.caps());
    let x = tape.stored("x", xs, Role::Persistent, input).unwrap();
    let w = tape.persistent("w", ws).unwrap();
    let y = tape.stored("y", ys, Role::Persistent, output).unwrap();
    let calls = record(&mut tape, &x, &w, &y).unwrap();
    tape.push(calls);
    let plan = tape.plan(gpu, &HashMap::new(), PlanOptions { guards: true, ..Default::default() }).unwrap();
    let values = rounded(&random(xs, 1, -2.0, 2.0).values);
    match input {
        Element::F32 => plan.write(&x, &values).unwrap(),
        Element::F16 => {
            let bits: Vec<u16> = values.iter().map(|&v| f16::from_f32(v).to_bits()).collect();
            plan.write(&x, &bits).unwrap();
        }
    }
    plan.write(&w, &rounded(&random(ws, 2, -1.0, 1.0).values)).unwrap();
    plan.run().unwrap();
    plan.check_guards().unwrap();
    plan.read(&y).unwrap()
}

/// Compares halves in and out, in only, and out only with single precision.
fn check(name: &str, shapes: [Shape; 3], record: Record<'_>) {
    use Element::{F16, F32};
    for (mode, gpu) in with_halves() {
        let want = result(gpu, shapes, [F32, F32], record);
        for elements in [[F16, F16], [F16, F32], [F32, F16]] {
            let got = result(gpu, shapes, elements, record);
            for (i, (&g, &w)) in got.iter().zip(&want).enumerate() {
                let (g, w) = (f64::from(g), f64::from(w));
                // Single precision itself: the order of operations is the same, but a driver may fuse them differently.
                let single = 1e-5 * (1.0 + w.abs());
                let half = if elements[1] == F16 { ROUNDING * w.abs() + SMALLEST } else { 0.0 };
                assert!((g - w).abs() <= single + half, "{name}, {mode}, {elements:?}: value {i} is {g}, expected {w}");
            }
        }
    }
}

#[test]
fn conv2d_of_any_size() {
    for (kernel, xs, channels) in [(1, Shape::new(2, 5, 6, 8), 3), (3, Shape::new(1, 3, 5, 7), 6)] {
        let spec = Conv2d::same(kernel);
        let shapes = [xs, spec.weight(xs.c, channels), spec.output(xs, channels).unwrap()];
        check("conv2d", shapes, &|_, x, w, y| {
            Ok(vec![conv2d::forward(spec, x, w, None, Activation::Softplus, y, false)?])
        });
    }
}

#[test]
fn conv2d_3x3_with_weights_of_halves() {
    let spec = Conv2d::same(3);
    for (outputs, slices) in [(1, 1), (2, 1), (4, 1), (2, 3)] {
        let xs = Shape::new(2, 7, 9, 16);
        let channels = 19;
        check("conv2d_3x3", [xs, spec.weight(7, channels), Shape { c: channels, ..xs }], &|tape, x, w, y| {
            if !conv2d_3x3::suits(tape.caps(), spec, xs) {
                return Ok(vec![conv2d::forward(spec, x, w, None, Activation::None, y, false)?]);
            }
            let packing = Packing::new(
                tape.caps(),
                Variant { outputs, reads: Reads::Storage, slices },
                Direction::Forward,
                [xs.c, channels],
            );
            let packed = tape.stored("packed", packing.shape(), Role::Persistent, x.element)?;
            let mut calls = vec![conv2d_3x3::pack(&packing, w, &packed)?];
            calls.extend(conv2d_3x3::forward(&packing, x, &packed, None, Activation::None, y, false)?);
            Ok(calls)
        });
    }
}

#[test]
fn conv2d_3x3_that_normalises_what_it_loads() {
    let spec = Conv2d::same(3);
    let (xs, channels) = (Shape::new(2, 11, 6, 8), 9);
    check("conv2d_3x3", [xs, spec.weight(xs.c, channels), Shape { c: channels, ..xs }], &|tape, x, w, y| {
        if !conv2d_3x3::suits(tape.caps(), spec, xs) {
            return Ok(vec![conv2d::forward(spec, x, w, None, Activation::None, y, false)?]);
        }
        let [stats, scales] = ["stats", "scales"].map(|name| tape.persistent(name, instance_norm::stats(xs)).unwrap());
        let affine = [w.range(0..1)?, w.range(1..2)?].map(|v| View { shape: Shape::vector(xs.c), ..v });
        let norm = instance_norm::scales(tape.caps(), x, [&affine[0], &affine[1]], &stats, &scales, 1e-3)?;
        let packing = Packing::new(
            tape.caps(),
            Variant { outputs: 2, reads: Reads::Storage, slices: 1 },
            Direction::Forward,
            [xs.c, channels],
        );
        let packed = tape.stored("packed", packing.shape(), Role::Persistent, x.element)?;
        let mut calls = vec![norm, conv2d_3x3::pack(&packing, w, &packed)?];
        let input = Input { x, scales: Some(&scales) };
        calls.extend(conv2d_3x3::forward(&packing, input, &packed, None, Activation::None, y, false)?);
        Ok(calls)
    });
}

#[test]
fn conv2d_3x3_without_subgroups() {
    let spec = Conv2d::same(3);
    let (xs, channels) = (Shape::new(2, 7, 9, 16), 19);
    for (groups, normalised) in [(1, false), (2, false), (2, true)] {
        check("conv2d_3x3_portable", [xs, spec.weight(7, channels), Shape { c: channels, ..xs }], &|tape, x, w, y| {
            let caps = tape.caps();
            let scales = tape.persistent("scales", instance_norm::stats(xs))?;
            let packing = Packing::portable(caps, groups, Direction::Forward, [xs.c, channels]);
            let packed = tape.stored("packed", packing.shape(), Role::Persistent, x.element)?;
            let input = Input { x, scales: normalised.then_some(&scales) };
            let none = Activation::None;
            Ok(vec![
                elementwise::fill(&scales, 0.5)?,
                conv2d_3x3::pack(&packing, w, &packed)?,
                conv2d_3x3_portable::forward(caps, &packing, input, &packed, None, none, y, false)?,
            ])
        });
    }
}

#[test]
fn conv_transpose2d_of_both_kernels() {
    for (kernel, xs) in [(2, Shape::new(2, 6, 3, 8)), (3, Shape::new(1, 5, 4, 6))] {
        let channels = 9;
        let shapes = [xs, Shape::new(xs.c, channels, kernel, kernel), conv_transpose2d::output(xs, channels)];
        check("conv_transpose2d", shapes, &|tape, x, w, y| {
            let bias = tape.persistent("bias", Shape::vector(channels))?;
            let fill = elementwise::fill(&bias, 0.25)?;
            Ok(vec![fill, conv_transpose2d::forward(tape.caps(), kernel, x, w, &bias, y)?])
        });
    }
}

#[test]
fn instance_norm_in_quads_and_singles() {
    for xs in [Shape::new(2, 3, 8, 12), Shape::new(1, 4, 3, 5)] {
        check("instance_norm", [xs, Shape::vector(xs.c), xs], &|tape, x, w, y| {
            let stats = tape.persistent("stats", instance_norm::stats(xs))?;
            Ok(vec![instance_norm::forward(tape.caps(), x, Some((w, w)), &stats, y, 1e-3)?])
        });
    }
}

#[test]
fn instance_norm_that_pools_what_it_writes() {
    for xs in [Shape::new(2, 3, 8, 16), Shape::new(1, 4, 6, 10)] {
        let ys = max_pool2d::output(xs).unwrap();
        check("instance_norm_pool", [xs, Shape::vector(xs.c), ys], &|tape, x, w, pooled| {
            let stats = tape.persistent("stats", instance_norm::stats(xs))?;
            let y = tape.stored("y", xs, Role::Persistent, pooled.element)?;
            Ok(vec![instance_norm::pooled(tape.caps(), x, [w, w], &stats, [&y, pooled], 1e-3)?])
        });
    }
}

#[test]
fn max_pool2d_in_quads_and_singles() {
    for xs in [Shape::new(2, 3, 8, 16), Shape::new(1, 4, 6, 10)] {
        let shapes = [xs, Shape::vector(1), max_pool2d::output(xs).unwrap()];
        check("max_pool2d", shapes, &|_, x, _, y| Ok(vec![max_pool2d::forward(x, y)?]));
    }
}

#[test]
fn every_half_is_read_as_it_is() {
    let (_, gpu) = &devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let all = tape.stored("all", Shape::vector(1 << 16), Role::Persistent, Element::F16).unwrap();
    let other = tape.persistent("to have something to run", Shape::vector(4)).unwrap();
    tape.push([elementwise::fill(&other, 1.0).unwrap()]);
    let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default()).unwrap();
    let bits: Vec<u16> = (0..=u16::MAX).collect();
    plan.write(&all, &bits).unwrap();
    for (bits, got) in bits.into_iter().zip(plan.read(&all).unwrap()) {
        let want = f16::from_bits(bits).to_f32();
        assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{bits:#06x}: {got}, not {want}");
    }
}

#[test]
fn a_kernel_that_takes_no_halves_says_so() {
    let (_, gpu) = &devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let x = tape.stored("map", Shape::new(1, 2, 4, 4), Role::Persistent, Element::F16).unwrap();
    tape.push([elementwise::fill(&x, 1.0).unwrap()]);
    let error = tape.plan(gpu, &HashMap::new(), PlanOptions::default()).err().unwrap().to_string();
    assert!(error.contains("fill") && error.contains("map"), "{error}");
}

const SMALL: ModelConfig = ModelConfig {
    condition_channels: 2,
    target_channels: 1,
    noise_base: 16,
    rate_base: 4,
    scales: 3,
    up_kernel: 2,
    hidden: 8,
    schedule: ScheduleKind::Learned,
    start: 6.0,
    parametrization: Parametrization::Noise,
    network: Network::UNet,
};

/// A whole run of the sampler, and what its step holds and moves.
fn sample(gpu: &Gpu, halves: bool) -> (Vec<f32>, [u64; 2]) {
    let model = Model::new(SMALL).unwrap();
    let flat = model.parameters().initial(3);
    let options = SampleOptions {
        steps: 6,
        samples: 2,
        variant: Step::Posterior,
        discretisation: Discretisation::Exponential,
        halves,
        ..SampleOptions::default()
    };
    let mut sampler = Sampler::new(gpu, &model, &flat, (32, 64), options).unwrap();
    let x = random(Shape::new(1, 2, 32, 64), 9, -1.0, 1.0).values;
    let mean = sampler.sample(&x, false, || Ok(())).unwrap().mean;
    let moved = sampler.step_plan().calls().iter().map(|c| c.bytes).sum();
    (mean, [sampler.step_plan().memory().shared, moved])
}

#[test]
fn sampling_with_halves_is_close_and_takes_half_the_memory() {
    for (mode, gpu) in with_halves() {
        let (want, [held, moved]) = sample(gpu, false);
        let (got, [held_half, moved_half]) = sample(gpu, true);
        let square = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>();
        let error = square(&mut got.iter().zip(&want).map(|(g, w)| f64::from(g - w)));
        let relative = (error / square(&mut want.iter().map(|&w| f64::from(w)))).sqrt();
        // Six steps of some thirty roundings of 2⁻¹² each: measured 0.0006.
        assert!(relative > 0.0 && relative < 3e-3, "{mode}: {relative}");
        assert!(2 * held_half <= held + held / 8, "{mode}: {held_half} of {held} bytes held");
        assert!(2 * moved_half <= moved + moved / 2, "{mode}: {moved_half} of {moved} bytes moved");
    }
}

/// Every form of the U-Net is sampled with halves, where the adapter stores them, and SR3's network refused with what to do.
#[test]
fn halves_are_for_the_unet() {
    let (_, gpu) = &devices()[0];
    let new = |config: ModelConfig| {
        let model = Model::new(config).unwrap();
        let flat = model.parameters().initial(1);
        let options = SampleOptions { steps: 2, samples: 1, halves: true, ..SampleOptions::default() };
        Sampler::new(gpu, &model, &flat, (16, 16), options)
    };
    for up_kernel in [2, 3] {
        for parametrization in [Parametrization::Noise, Parametrization::Velocity] {
            match new(ModelConfig { up_kernel, parametrization, noise_base: 4, ..SMALL }).err() {
                None => assert!(gpu.caps().halves),
                Some(Error::Device(m)) => assert!(!gpu.caps().halves && m.contains("single precision"), "{m}"),
                Some(other) => panic!("{other}"),
            }
        }
    }
    let size = Sr3Size { blocks: 1, groups: 2, heads: 1 };
    let config = ModelConfig { network: Network::Sr3(size), noise_base: 4, ..SMALL };
    match new(config).err() {
        Some(Error::Input(m)) => assert!(m.contains("SR3") && m.contains("single precision"), "{m}"),
        other => panic!("{other:?}"),
    }
}

/// A tensor that several of a sampler's plans see is allocated once: of a sample more it holds the network's input, the noise
/// network's maps and the sample.
#[test]
fn a_sampler_holds_each_tensor_once() {
    let (_, gpu) = &devices()[0];
    let model = Model::new(SMALL).unwrap();
    let flat = model.parameters().initial(1);
    let memory = |samples: usize, size: usize| {
        let options = SampleOptions { steps: 2, samples, ..SampleOptions::default() };
        Sampler::new(gpu, &model, &flat, (size, size), options).unwrap().memory()
    };
    let (one, five) = (memory(1, 32), memory(5, 32));
    // Condition in two channels, γ and z; and the sample.
    let sample = 4 * 5 * 32 * 32;
    assert_eq!(five.persistent - one.persistent, 4 * sample, "{one:?}, {five:?}");
    // The measured condition and the padded one, in two channels each; the rate, measured and padded; mean and deviation; and a sample.
    let pixels = 4 * (2 + 2 + 1 + 1 + 1 + 1) + sample / (32 * 32);
    assert_eq!(memory(1, 64).persistent - one.persistent, pixels * (64 * 64 - 32 * 32), "{one:?}");
    assert!(one.total() >= one.persistent + one.shared);
}
