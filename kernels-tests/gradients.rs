//! What the tape makes of seeds, and of values of which something reads a part alone or reads more than once.

#[path = "harness/convolution.rs"]
mod convolution;
mod harness;

use std::collections::HashMap;

use cvdm::Error;
use cvdm::gpu::Gpu;
use cvdm::kernels::activation::Function;
use cvdm::kernels::conv2d::{Activation, Conv2d};
use cvdm::kernels::elementwise::copy;
use cvdm::tape::{Plan, PlanOptions, Tape};
use cvdm::tensor::{Shape, View};
use harness::{close, devices, random, wide};

const SPEC: Conv2d = Conv2d::same(3);

fn plan(tape: &Tape, gpu: &Gpu, given: &[(View, Vec<f32>)]) -> Plan {
    let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default()).unwrap();
    given.iter().for_each(|(view, values)| plan.write(view, values).unwrap());
    plan
}

fn swish_slope(x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    sigmoid * (1.0 + x * (1.0 - sigmoid))
}

/// A convolution reads three of the input's five channels, and an activation some of the convolution's four.
#[test]
fn channels_that_nothing_reads_have_a_gradient_of_zero() {
    let (xs, ys) = (Shape::new(2, 3, 4, 8), Shape::new(2, 4, 4, 8));
    let all = Shape { c: 5, ..xs };
    let weights = SPEC.weight(xs.c, ys.c).len();
    let flat = Shape::vector(weights + ys.c);
    let (theta64, x64) = (random(flat, 1, -0.5, 0.5).values, random(all, 2, -1.0, 1.0).values);
    for ((mode, gpu), read) in devices().iter().flat_map(|device| [0..2, 1..3, 3..4, 0..4].map(|r| (device, r))) {
        let part = Shape { c: read.len(), ..ys };
        let mut tape = Tape::new(gpu.caps());
        let [theta, gradient] = ["parameters", "gradient"].map(|n| tape.persistent(n, flat).unwrap());
        let [x, gx] = ["x", "gx"].map(|n| tape.persistent(n, all).unwrap());
        let seed = tape.persistent("seed", part).unwrap();
        tape.parameters(&theta, &gradient).unwrap();
        tape.watch(&x);
        let (weight, bias) = (theta.range(0..weights).unwrap(), theta.range(weights..flat.c).unwrap());
        let y = tape.conv2d(SPEC, &x.range(1..4).unwrap(), &weight, &bias, Activation::None).unwrap();
        let out = tape.activation(Function::Swish, &y.range(read.clone()).unwrap()).unwrap();
        let gradients = tape.backward(&[(out, seed)]).unwrap();
        tape.push([copy(&gradients.of(&x).unwrap(), &gx, false).unwrap()]);
        assert!(tape.has_gradient(&(0..flat.c)));
        let seed64 = random(part, 3, -1.0, 1.0).values;
        let plan = plan(&tape, gpu, &[(theta, theta64.clone()), (x, x64.clone()), (seed, seed64.clone())]);
        plan.run().unwrap();

        let inside = harness::inside(&harness::given(all, x64.clone()), 1, xs);
        let (w, b) = (wide(&theta64[..weights]), wide(&theta64[weights..]));
        let mut y64 = convolution::forward(SPEC, xs, ys, &inside, &w);
        convolution::add_bias(ys, &mut y64, &b);
        let mut gy = vec![0.0; ys.len()];
        for (i, g) in gy.iter_mut().enumerate() {
            let (n, c) = (i / (ys.c * ys.plane()), i / ys.plane() % ys.c);
            if read.contains(&c) {
                let at = (n * part.c + c - read.start) * ys.plane() + i % ys.plane();
                *g = f64::from(seed64[at]) * swish_slope(y64[i]);
            }
        }
        let what = format!("{mode}, channels {read:?}");
        let want = convolution::grad_input(SPEC, xs, ys, &gy, &w);
        let zero = harness::given(all, vec![0.0; all.len()]);
        close(&what, &plan.read(&gx).unwrap(), &harness::placed(&zero, 1, xs, &want, false), 1e-5, 1e-5);
        let mut want = convolution::grad_weight(SPEC, xs, ys, &inside, &gy);
        want.extend(convolution::channel_sums(ys, &gy));
        close(&what, &plan.read(&gradient).unwrap(), &want, 1e-4, 1e-5);
    }
}

/// A value that nothing reads passes nothing on, and neither do channels of an input that nothing reads.
#[test]
fn what_nothing_reads_has_no_gradient() {
    let (_, gpu) = &devices()[0];
    let shape = Shape::new(1, 2, 4, 4);
    let mut tape = Tape::new(gpu.caps());
    let [x, other, seed] = ["x", "other", "seed"].map(|n| tape.persistent(n, shape).unwrap());
    tape.watch(&x);
    tape.watch(&other);
    let y = tape.activation(Function::Swish, &x).unwrap();
    tape.activation(Function::Swish, &other).unwrap();
    let before = tape.calls().len();
    let gradients = tape.backward(&[(y, seed)]).unwrap();
    assert!(gradients.of(&x).is_some() && gradients.of(&other).is_none());
    assert_eq!(tape.calls().len(), before + 1);
}

#[test]
fn two_seeds_of_one_value_are_refused() {
    let (_, gpu) = &devices()[0];
    let shape = Shape::new(1, 2, 4, 4);
    let mut tape = Tape::new(gpu.caps());
    let [x, g1, g2] = ["x", "g1", "g2"].map(|n| tape.persistent(n, shape).unwrap());
    tape.watch(&x);
    let y = tape.activation(Function::Swish, &x).unwrap();
    let refused = tape.backward(&[(y, g1), (y, g2)]).err().unwrap();
    assert!(matches!(&refused, Error::Shape(m) if m.contains("activation") && m.contains("sum")), "{refused}");
}

/// A seed of a value and one of what is made of it: the first is added to, but not where the caller wrote it.
#[test]
fn a_seed_stays_as_it_was_written() {
    let shape = Shape::new(2, 3, 4, 8);
    for (mode, gpu) in devices() {
        let mut tape = Tape::new(gpu.caps());
        let [x, ga, gb, gx] = ["x", "ga", "gb", "gx"].map(|n| tape.persistent(n, shape).unwrap());
        tape.watch(&x);
        let a = tape.activation(Function::Swish, &x).unwrap();
        let b = tape.activation(Function::Swish, &a).unwrap();
        let gradients = tape.backward(&[(a, ga), (b, gb)]).unwrap();
        tape.push([copy(&gradients.of(&x).unwrap(), &gx, false).unwrap()]);
        let values = [1, 2, 3].map(|seed| random(shape, seed, -1.0, 1.0).values);
        let given: Vec<_> = [x, ga, gb].into_iter().zip(values.clone()).collect();
        let plan = plan(&tape, gpu, &given);
        let want: Vec<f64> = (0..shape.len())
            .map(|i| {
                let [x, ga, gb] = [0, 1, 2].map(|k| f64::from(values[k][i]));
                let a = x / (1.0 + (-x).exp());
                (ga + gb * swish_slope(a)) * swish_slope(x)
            })
            .collect();
        for replay in 0..2 {
            plan.run().unwrap();
            close(&format!("{mode}: gx, replay {replay}"), &plan.read(&gx).unwrap(), &want, 1e-5, 1e-5);
            assert!(plan.read(&ga).unwrap() == values[1], "{mode}: the seed has changed");
        }
    }
}

/// A norm's gradient goes past the softplus before it, unless a seed's gradient stands behind that: the gradients of two seeds
/// are the sum of each one's.
#[test]
fn seeds_behind_a_softplus_add_up() {
    let shape = Shape::new(2, 4, 8, 8);
    let weights = SPEC.weight(4, 4).len();
    let flat = Shape::vector(weights + 12);
    for (mode, gpu) in devices() {
        let run = |of_map: bool, of_norm: bool| {
            let mut tape = Tape::new(gpu.caps());
            let [theta, gradient] = ["parameters", "gradient"].map(|n| tape.persistent(n, flat).unwrap());
            let [x, ga, gb] = ["x", "ga", "gb"].map(|n| tape.persistent(n, shape).unwrap());
            tape.parameters(&theta, &gradient).unwrap();
            let part = |from: usize, len: usize| theta.range(from..from + len).unwrap();
            let (weight, bias) = (part(0, weights), part(weights, 4));
            let a = tape.conv2d(SPEC, &x, &weight, &bias, Activation::Softplus).unwrap();
            let b = tape.instance_norm(&a, &part(weights + 4, 4), &part(weights + 8, 4), 1e-3).unwrap();
            let seeds = [(of_map, (a, ga)), (of_norm, (b, gb))];
            tape.backward(&seeds.into_iter().filter_map(|(wanted, seed)| wanted.then_some(seed)).collect::<Vec<_>>())
                .unwrap();
            let given = [theta, x, ga, gb].map(|v| (v, random(v.shape, v.shape.c as u64, -1.0, 1.0).values));
            let plan = plan(&tape, gpu, &given);
            plan.run().unwrap();
            // Weight and bias of the convolution: those that both reach.
            wide(&plan.read(&gradient).unwrap()[..weights + 4])
        };
        let [both, map, norm] = [(true, true), (true, false), (false, true)].map(|(a, b)| run(a, b));
        let sum: Vec<f64> = map.iter().zip(&norm).map(|(a, b)| a + b).collect();
        let both: Vec<f32> = both.iter().map(|&v| v as f32).collect();
        close(mode, &both, &sum, 1e-3, 1e-4);
    }
}

/// A norm's weight and bias go together: one that another norm has too, without the other, has a gradient to add to.
#[test]
fn norms_that_share_one_parameter_are_refused() {
    let (_, gpu) = &devices()[0];
    let shape = Shape::new(1, 4, 8, 8);
    for group in [false, true] {
        let mut tape = Tape::new(gpu.caps());
        let [theta, gradient] = ["parameters", "gradient"].map(|n| tape.persistent(n, Shape::vector(12)).unwrap());
        let [x, seed] = ["x", "seed"].map(|n| tape.persistent(n, shape).unwrap());
        tape.parameters(&theta, &gradient).unwrap();
        let [weight, first, second] = [0, 4, 8].map(|i| theta.range(i..i + 4).unwrap());
        let norm = |tape: &mut Tape, x: &View, bias: &View| match group {
            false => tape.instance_norm(x, &weight, bias, 1e-3),
            true => tape.group_norm(2, x, &weight, bias, 1e-3),
        };
        let h = norm(&mut tape, &x, &first).unwrap();
        let y = norm(&mut tape, &h, &second).unwrap();
        let refused = tape.backward(&[(y, seed)]).err().unwrap();
        assert!(matches!(&refused, Error::Shape(m) if m.contains("share")), "{refused}");
    }
}

/// The noise from a velocity reads γ and z too. Where they are the softplus of a convolution that a norm reads as well, the gradients
/// are those of the same network with the softplus as a pass of its own.
#[test]
fn a_latent_that_a_norm_reads_has_both_gradients() {
    let (xs, shape) = (Shape::new(2, 3, 8, 8), Shape::new(2, 2, 8, 8));
    let lens = [SPEC.weight(3, 2).len(), 2, 2, 2, SPEC.weight(2, 1).len(), 1];
    let flat = Shape::vector(lens.iter().sum());
    for (mode, gpu) in devices() {
        let run = |epilogue: bool| {
            let mut tape = Tape::new(gpu.caps());
            let [theta, gradient] = ["parameters", "gradient"].map(|n| tape.persistent(n, flat).unwrap());
            let x = tape.persistent("x", xs).unwrap();
            let seed = tape.persistent("seed", Shape { c: 1, ..shape }).unwrap();
            tape.parameters(&theta, &gradient).unwrap();
            let mut at = 0;
            let parts = lens.map(|len| {
                at += len;
                theta.range(at - len..at).unwrap()
            });
            let mut conv = |i: usize, x: &View, activation| tape.conv2d(SPEC, x, &parts[i], &parts[i + 1], activation);
            let latent = if epilogue {
                conv(0, &x, Activation::Softplus).unwrap()
            } else {
                let before = conv(0, &x, Activation::None).unwrap();
                tape.activation(Function::Softplus, &before).unwrap()
            };
            let norm = tape.instance_norm(&latent, &parts[2], &parts[3], 1e-3).unwrap();
            let v = tape.conv2d(SPEC, &norm, &parts[4], &parts[5], Activation::None).unwrap();
            // γ is about ln 2: the parameters are small.
            let y = tape.velocity(&latent, &v).unwrap();
            tape.backward(&[(y, seed)]).unwrap();
            let given = [theta, x, seed].map(|v| (v, random(v.shape, v.shape.c as u64, -0.1, 0.1).values));
            let plan = plan(&tape, gpu, &given);
            plan.run().unwrap();
            plan.read(&gradient).unwrap()
        };
        close(mode, &run(true), &wide(&run(false)), 1e-4, 1e-4);
    }
}

/// A norm behind a convolution with softplus passes on the gradient before the softplus, unless the one behind it was asked for.
#[test]
fn a_watched_value_has_its_own_gradient() {
    let (xs, ys) = (Shape::new(2, 3, 4, 8), Shape::new(2, 4, 4, 8));
    let lens = [SPEC.weight(xs.c, ys.c).len(), ys.c, ys.c, ys.c];
    let flat = Shape::vector(lens.iter().sum());
    for (mode, gpu) in devices() {
        // What a second reader does, with a gradient of zero, is what nothing may do.
        let run = |watched: bool, read_twice: bool| {
            let mut tape = Tape::new(gpu.caps());
            let [theta, gradient] = ["parameters", "gradient"].map(|n| tape.persistent(n, flat).unwrap());
            let [x, seed, zero, gy] = [xs, ys, ys, ys].map(|shape| tape.persistent("values", shape).unwrap());
            tape.parameters(&theta, &gradient).unwrap();
            let mut at = 0;
            let [weight, bias, scale, shift] = lens.map(|len| {
                at += len;
                theta.range(at - len..at).unwrap()
            });
            let y = tape.conv2d(SPEC, &x, &weight, &bias, Activation::Softplus).unwrap();
            if watched {
                tape.watch(&y);
            }
            let norm = tape.instance_norm(&y, &scale, &shift, 1e-3).unwrap();
            let mut seeds = vec![(norm, seed)];
            if read_twice {
                seeds.push((tape.activation(Function::Swish, &y).unwrap(), zero));
            }
            let gradients = tape.backward(&seeds).unwrap();
            let of = gradients.of(&y);
            if let Some(of) = &of {
                tape.push([copy(of, &gy, false).unwrap()]);
            }
            let given = [theta, x, seed].map(|v| (v, random(v.shape, v.shape.c as u64, -0.5, 0.5).values));
            let plan = plan(&tape, gpu, &given);
            plan.run().unwrap();
            of.is_some().then(|| (plan.read(&gy).unwrap(), plan.read(&gradient).unwrap()))
        };
        let (want, want_parameters) = run(false, true).unwrap();
        let (got, parameters) = run(true, false).unwrap();
        close(mode, &got, &wide(&want), 1e-6, 1e-5);
        close(mode, &parameters, &wide(&want_parameters), 1e-5, 1e-5);
        assert!(run(false, false).is_none(), "{mode}: the gradient before the softplus");
    }
}
