//! DFCAN and SR3's U-Net, small ones, and what the CVDM's U-Net is made of, forward and every gradient, against the same
//! operations in `f64` and their central differences; and the sizes of the full ones.

#[path = "harness/convolution.rs"]
mod convolution;
#[path = "harness/groups.rs"]
mod groups;
mod harness;
#[path = "harness/interpreter.rs"]
mod interpreter;
#[path = "harness/matrices.rs"]
mod matrices;
#[path = "harness/normal.rs"]
mod normal;
#[path = "harness/resampling.rs"]
mod resampling;
#[path = "harness/spectrum.rs"]
mod spectrum;

use std::collections::HashMap;

use cvdm::Error;
use cvdm::kernels::conv2d::{Activation, Conv2d};
use cvdm::kernels::elementwise::copy;
use cvdm::nets::{Dfcan, DfcanConfig, Init, Parameters, Sr3, Sr3Config, noise_encoding};
use cvdm::tape::{Measured, Op, Tape};
use cvdm::tensor::{Shape, View};
use harness::{close, devices, dot, random, wide};
use interpreter::Tensors;

const TINY_DFCAN: DfcanConfig = DfcanConfig {
    in_channels: 2,
    out_channels: 1,
    channels: 4,
    groups: 2,
    blocks: 2,
    reduction: 2,
    attention_size: 6,
    scale: 2,
    start_mean: 0.2,
};

fn tiny_sr3() -> Sr3Config {
    Sr3Config {
        in_channels: 2,
        out_channels: 1,
        base: 4,
        multipliers: vec![1, 2, 2],
        blocks: 1,
        groups: 2,
        heads: 2,
        encoding: true,
    }
}

/// Starting values with biases and norms that are not 0 and 1, or their places in the formulas would not show.
fn values(parameters: &Parameters) -> Vec<f32> {
    let noise = random(parameters.shape(), 99, -0.2, 0.2).values;
    parameters.initial(3).iter().zip(noise).map(|(v, n)| v + n).collect()
}

/// Records a network on persistent tensors, runs it forward and back on every device, and compares with the operations in
/// `f64`: the output and the inputs' gradients value by value, each parameter's gradient along a random direction.
fn check(
    parameters: &Parameters,
    inputs: &[harness::Given],
    output: Shape,
    record: impl Fn(&mut Tape, &View, &[View]) -> cvdm::Result<View>,
) {
    let flat = values(parameters);
    let g = random(output, 7, -1.0, 1.0);
    for (mode, gpu) in devices() {
        let mut tape = Tape::new(gpu.caps());
        let theta = tape.persistent("parameters", parameters.shape()).unwrap();
        let gradient = tape.persistent("gradient", parameters.shape()).unwrap();
        let views: Vec<View> = inputs.iter().map(|x| tape.persistent("input", x.shape).unwrap()).collect();
        let seed = tape.persistent("gradient of the output", output).unwrap();
        let read = tape.persistent("output", output).unwrap();
        let gx: Vec<View> = inputs.iter().map(|x| tape.persistent("gx", x.shape).unwrap()).collect();
        tape.parameters(&theta, &gradient).unwrap();
        views.iter().for_each(|x| tape.watch(x));
        let y = record(&mut tape, &theta, &views).unwrap();
        assert_eq!(y.shape, output, "{mode}");
        tape.push([copy(&y, &read, false).unwrap()]);
        let gradients = tape.backward(&[(y, seed)]).unwrap();
        for (x, gx) in views.iter().zip(&gx) {
            tape.push([copy(&gradients.of(x).unwrap(), gx, false).unwrap()]);
        }
        assert!(parameters.iter().all(|p| tape.has_gradient(&p.range)), "{mode}");
        let plan = tape.plan(gpu, &HashMap::new(), Default::default()).unwrap();
        plan.write(&theta, &flat).unwrap();
        plan.write(&seed, &g.values).unwrap();
        for (x, given) in views.iter().zip(inputs) {
            plan.write(x, &given.values).unwrap();
        }
        plan.run().unwrap();

        let forward = |flat: &[f64], inputs: &[Vec<f64>]| {
            let mut tensors = Tensors::default();
            tensors.write(&theta, flat);
            views.iter().zip(inputs).for_each(|(x, values)| tensors.write(x, values));
            tensors.run(tape.ops());
            tensors.read(&y)
        };
        let (flat64, g64) = (wide(&flat), wide(&g.values));
        let inputs64: Vec<Vec<f64>> = inputs.iter().map(|x| wide(&x.values)).collect();
        close(&format!("{mode}, output"), &plan.read(&read).unwrap(), &forward(&flat64, &inputs64), 2e-5, 2e-5);
        // Once, on the first device, against slopes; on the others the same operations have the same reference.
        let loss = |flat: &[f64], inputs: &[Vec<f64>]| dot(&forward(flat, inputs), &g64);
        const STEP: f64 = 1e-6;
        let along = |values: &[f64], direction: &[f64], by: f64| -> Vec<f64> {
            values.iter().zip(direction).map(|(v, d)| v + by * d).collect()
        };
        let got = plan.read(&gradient).unwrap();
        let got64 = wide(&got);
        let largest = got64.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        for (i, p) in parameters.iter().enumerate() {
            let mut direction = vec![0.0; flat.len()];
            let part = random(Shape::vector(p.range.len()), 1000 + i as u64, -1.0, 1.0);
            direction[p.range.clone()].copy_from_slice(&wide(&part.values));
            let moved = |by| loss(&along(&flat64, &direction, by), &inputs64);
            let want = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let size: f64 = p.range.clone().map(|k| (got64[k] * direction[k]).abs()).sum();
            let (slope, tolerance) = (dot(&got64, &direction), 2e-5 * (size + largest));
            assert!((slope - want).abs() <= tolerance, "{mode}, {}: {slope} instead of {want} ± {tolerance}", p.name);
        }
        for (k, gx) in gx.iter().enumerate() {
            let got = wide(&plan.read(gx).unwrap());
            let direction = wide(&random(gx.shape, 77, -1.0, 1.0).values);
            let moved = |by| {
                let mut inputs = inputs64.clone();
                inputs[k] = along(&inputs[k], &direction, by);
                loss(&flat64, &inputs)
            };
            let want = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let size: f64 = got.iter().zip(&direction).map(|(g, d)| (g * d).abs()).sum();
            let slope = dot(&got, &direction);
            assert!((slope - want).abs() <= 2e-5 * (size + largest), "{mode}, input {k}: {slope} instead of {want}");
        }
    }
}

#[test]
fn dfcan_and_all_its_gradients() {
    let mut parameters = Parameters::default();
    let net = Dfcan::new(TINY_DFCAN, &mut parameters, "net").unwrap();
    let x = random(Shape::new(2, 2, 5, 8), 1, 0.0, 1.0);
    check(&parameters, &[x], Shape::new(2, 1, 10, 16), |tape, flat, inputs| net.record(tape, flat, &inputs[0]));
}

#[test]
fn sr3_and_all_its_gradients() {
    let mut parameters = Parameters::default();
    let net = Sr3::new(tiny_sr3(), &mut parameters, "net").unwrap();
    let x = random(Shape::new(2, 2, 8, 12), 1, -1.0, 1.0);
    let encoding = [noise_encoding(0.9, 4), noise_encoding(0.2, 4)].concat();
    let encoding = harness::given(Shape::new(2, 4, 1, 1), encoding);
    check(&parameters, &[x, encoding], Shape::new(2, 1, 8, 12), |tape, flat, inputs| {
        net.record(tape, flat, &inputs[0], Some(&inputs[1]))
    });
}

/// Convolutions behind norms: of an input, of a softplus that the norm alone reads, and of one that another operation reads too.
/// In rows that are no whole quads the norm is an operation of its own.
#[test]
fn convolutions_of_norms_and_all_their_gradients() {
    const SPEC: Conv2d = Conv2d::same(3);
    for (width, on_the_way) in [(8, true), (6, false)] {
        let mut parameters = Parameters::default();
        let channels = [(3, 5), (5, 9), (9, 5)];
        let places = channels.map(|(ci, co)| {
            let mut add = |name: &str, len: usize, value| {
                parameters.add(format!("{name} of {ci} to {co}"), &[len], Init::Constant(value))
            };
            [add("norm", ci, 1.0), add("norm's bias", ci, 0.0), add("weight", 9 * ci * co, 0.1), add("bias", co, 0.0)]
        });
        let x = random(Shape::new(2, 3, 5, width), 1, -1.0, 1.0);
        check(&parameters, &[x], Shape::new(2, 5, 5, width), |tape, flat, inputs| {
            let mut layer = |i: usize, x: Measured, activation| {
                let [norm, shift, weight, bias] = places[i].clone().map(|range| flat.range(range).unwrap());
                tape.conv2d_of_normalised(SPEC, x, [&norm, &shift], groups::EPSILON, [&weight, &bias], activation)
            };
            let first = layer(0, (&inputs[0]).into(), Activation::Softplus)?;
            let second = layer(1, first, Activation::Softplus)?;
            let third = layer(2, second, Activation::None)?;
            let fused = tape.ops().iter().filter(|op| matches!(op, Op::Conv2dOfNormalised { .. })).count();
            assert_eq!(fused, if on_the_way { 3 } else { 0 });
            tape.add(&first.map, &third.map)
        });
    }
}

/// Both kernels, into a channel range of what the next one reads, which something else reads too: so the second one's input gradient
/// is added. Of widths that the kernels for their size take and of others.
#[test]
fn transposed_convolutions_and_all_their_gradients() {
    for (kernel, width) in [(2, 4), (2, 3), (3, 4), (3, 3)] {
        let mut parameters = Parameters::default();
        let places = [(3, 5), (5, 2)].map(|(ci, co)| {
            let mut add = |name: &str, len: usize, value| {
                parameters.add(format!("{name} of {ci} to {co}"), &[len], Init::Constant(value))
            };
            [add("weight", kernel * kernel * ci * co, 0.1), add("bias", co, 0.0)]
        });
        let shape = Shape::new(2, 3, 3, width);
        let [middle, last] = [2, 4].map(|by| Shape::new(2, 5, 3 * by, width * by));
        let last = Shape { c: 2, ..last };
        check(&parameters, &[random(shape, 1, -1.0, 1.0)], last, |tape, flat, inputs| {
            let [first, second] = places.clone().map(|p| p.map(|range| flat.range(range).unwrap()));
            let both = tape.intermediate("both", Shape { c: 7, ..middle })?.range(1..6)?;
            tape.conv_transpose2d_into(kernel, &inputs[0], &first[0], &first[1], &both)?;
            let copied = tape.add(&both, &both)?;
            let y = tape.intermediate("y", last)?;
            tape.conv_transpose2d_into(kernel, &both, &second[0], &second[1], &y)?;
            let z = tape.intermediate("z", last)?;
            tape.conv_transpose2d_into(kernel, &copied, &second[0], &second[1], &z)?;
            tape.add(&y, &z)
        });
    }
}

#[test]
fn sr3_without_an_encoding_and_all_its_gradients() {
    let mut parameters = Parameters::default();
    let net = Sr3::new(Sr3Config { encoding: false, ..tiny_sr3() }, &mut parameters, "net").unwrap();
    assert!(parameters.iter().all(|p| !p.name.contains("noise")));
    let x = random(Shape::new(2, 2, 8, 12), 1, -1.0, 1.0);
    check(&parameters, &[x], Shape::new(2, 1, 8, 12), |tape, flat, inputs| net.record(tape, flat, &inputs[0], None));
}

/// Counted by hand from the layers.
#[test]
fn full_sizes() {
    let mut parameters = Parameters::default();
    Dfcan::new(DfcanConfig::PAPER, &mut parameters, "net").unwrap();
    let conv = |co: usize, ci: usize, k: usize| co * ci * k * k + co;
    let block = 3 * conv(64, 64, 3) + conv(4, 64, 1) + conv(64, 4, 1);
    assert_eq!(parameters.count(), conv(64, 1, 3) + 16 * block + conv(256, 64, 3) + conv(1, 64, 3));

    let mut parameters = Parameters::default();
    Sr3::new(Sr3Config::paper(), &mut parameters, "net").unwrap();
    let block = |ci: usize, co: usize| {
        let shortcut = if ci == co { 0 } else { conv(co, ci, 1) };
        2 * ci + conv(co, ci, 3) + 2 * co + conv(co, co, 3) + conv(co, 64, 1) + shortcut
    };
    let down = [(64, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512)];
    let same = [(512, 512); 3];
    let up: &[(usize, usize)] = &[
        (1024, 512),
        (1024, 512),
        (1024, 512),
        (1024, 512),
        (1024, 512),
        (768, 512),
        (768, 256),
        (512, 256),
        (384, 256),
        (384, 128),
        (256, 128),
        (192, 128),
        (192, 64),
        (128, 64),
        (128, 64),
    ];
    let blocks: usize = down.iter().chain(&same).chain(&[(512, 512); 2]).chain(up).map(|&(ci, co)| block(ci, co)).sum();
    let halves: usize = [64, 128, 256, 512].iter().map(|&c| conv(c, c, 3)).sum();
    let doubles: usize = [512, 512, 256, 128].iter().map(|&c| conv(c, c, 3)).sum();
    let attention = 2 * 512 + conv(3 * 512, 512, 1) + conv(512, 512, 1);
    let noise = conv(256, 64, 1) + conv(64, 256, 1);
    let ends = conv(64, 6, 3) + 2 * 64 + conv(3, 64, 3);
    assert_eq!(parameters.count(), blocks + halves + doubles + attention + noise + ends);
}

#[test]
fn a_noise_level_in_sines_and_cosines() {
    let got = noise_encoding(0.5, 4);
    let want = [0.5f64.sin(), 0.005f64.sin(), 0.5f64.cos(), 0.005f64.cos()];
    close("encoding", &got, &want, 0.0, f64::from(f32::EPSILON));
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let (_, gpu) = &devices()[0];
    let mut parameters = Parameters::default();
    for wrong in [
        DfcanConfig { reduction: 3, ..TINY_DFCAN },
        DfcanConfig { blocks: 0, ..TINY_DFCAN },
        DfcanConfig { scale: 17, ..TINY_DFCAN },
        DfcanConfig { start_mean: 0.0, ..TINY_DFCAN },
        DfcanConfig { start_mean: 1.0, ..TINY_DFCAN },
        DfcanConfig { start_mean: f32::NAN, ..TINY_DFCAN },
    ] {
        assert!(matches!(Dfcan::new(wrong, &mut parameters, "net"), Err(Error::Input(_))), "{wrong:?}");
    }
    for wrong in [
        Sr3Config { groups: 3, ..tiny_sr3() },
        Sr3Config { heads: 3, ..tiny_sr3() },
        Sr3Config { multipliers: vec![], ..tiny_sr3() },
        Sr3Config { base: 0, ..tiny_sr3() },
    ] {
        assert!(matches!(Sr3::new(wrong, &mut parameters, "net"), Err(Error::Input(_))));
    }
    let dfcan = Dfcan::new(TINY_DFCAN, &mut parameters, "dfcan").unwrap();
    let sr3 = Sr3::new(tiny_sr3(), &mut parameters, "sr3").unwrap();
    let mut tape = Tape::new(gpu.caps());
    let mut new = |shape| tape.persistent("tensor", shape).unwrap();
    let (flat, x) = (new(parameters.shape()), new(Shape::new(1, 3, 8, 8)));
    let (odd, fine) = (new(Shape::new(1, 2, 8, 6)), new(Shape::new(1, 2, 8, 8)));
    let (encoding, other) = (new(Shape::new(1, 4, 1, 1)), new(Shape::new(1, 5, 1, 1)));
    assert!(matches!(dfcan.record(&mut tape, &flat, &x), Err(Error::Shape(_))));
    assert!(matches!(sr3.record(&mut tape, &flat, &x, Some(&encoding)), Err(Error::Shape(_))));
    assert!(matches!(sr3.record(&mut tape, &flat, &odd, Some(&encoding)), Err(Error::Shape(_))));
    assert!(matches!(sr3.record(&mut tape, &flat, &fine, Some(&other)), Err(Error::Shape(_))));
    assert!(matches!(sr3.record(&mut tape, &flat, &fine, None), Err(Error::Shape(_))));
}
