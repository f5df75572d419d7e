//! What the kernels' functions make of their arguments, before anything runs: outputs in the tensor of an input are refused, of what
//! is bound the bytes are counted that cross memory, and loops that a software adapter would end early are known.

mod harness;

use cvdm::Error;
use cvdm::gpu::{Caps, Matrices};
use cvdm::kernels::conv2d::{Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{self, Packing};
use cvdm::kernels::reverse_step::{self, Discretisation, Reverse, Variant};
use cvdm::kernels::{
    Call, conv_transpose2d, conv2d, conv2d_1x1, conv2d_3x3_cooperative, conv2d_3x3_grad_weight, instance_norm, losses,
    matmul, noising, planes, random, reduce, schedule, split_sum, statistics, upsample, velocity, winograd,
};
use cvdm::random::Stream;
use cvdm::tape::{Role, Tape};
use cvdm::tensor::{Element, Shape, View};
use harness::devices;

/// The first two and the last two of four channels.
fn halves(all: &View) -> [View; 2] {
    [all.range(0..2).unwrap(), all.range(2..4).unwrap()]
}

/// A call or calls, refused for an output that is another argument too.
trait Recorded {
    fn refused(self) -> bool;
}

impl<T> Recorded for cvdm::Result<T> {
    fn refused(self) -> bool {
        matches!(self, Err(Error::Shape(m)) if m.contains("tensor of another argument"))
    }
}

#[test]
fn an_output_in_the_tensor_of_an_input_is_refused() {
    let (_, gpu) = &devices()[0];
    let caps = gpu.caps();
    let mut tape = Tape::new(caps);
    let small = Shape::new(1, 2, 4, 4);
    let mut new = |shape: Shape| tape.persistent("tensor", shape).unwrap();

    // Convolutions of two channels to two.
    let spec = Conv2d { kernel: 5, stride: 1, padding: 2 };
    let [[x, beside], [other, _]] = [0; 2].map(|_| halves(&new(Shape { c: 4, ..small })));
    let (weight, bias) = (new(spec.weight(2, 2)), new(Shape::vector(2)));
    let forward =
        |x: &View, bias: &View, y: &View| conv2d::forward(spec, x, &weight, Some(bias), Activation::None, y, false);
    assert!(forward(&x, &bias, &other).is_ok());
    assert!(forward(&x, &bias, &beside).refused());
    let one = new(Shape::new(1, 4, 1, 1));
    let [bias_beside, y_beside] = halves(&one);
    let tiny = new(Shape::new(1, 2, 1, 1));
    assert!(forward(&tiny, &bias_beside, &y_beside).refused(), "beside the bias");
    let back = |g: &View, gx: &View| conv2d::grad_input(spec, g, &weight, None, Activation::None, gx, false);
    assert!(back(&x, &other).is_ok() && back(&x, &beside).refused());
    let flat = new(Shape::vector(4 * 9 * 8));
    let packing = Packing::new(caps, conv2d_3x3::Variant::WHOLE[0], Direction::Forward, [2, 2]);
    let values = packing.shape().len();
    let [weight_beside, packed_beside] = [0..36, 36..36 + values].map(|r| flat.range(r).unwrap());
    assert!(conv2d_3x3::pack(&packing, &weight_beside, &packed_beside).is_err(), "a range, and beside its weight");
    let heads = new(Shape::new(1, 8, 2, 2));
    let (x8, four) = (new(Shape::new(1, 8, 2, 2)), new(conv2d_1x1::packed(8, 4)));
    let [y4, bias_beside] = [0..4, 4..5].map(|r| heads.range(r).unwrap());
    let head = |bias: &View| conv2d_1x1::forward(&x8, &four, Some(bias), Activation::None, &y4, false);
    assert!(head(&View { shape: Shape::vector(4), ..bias_beside }).refused() && head(&new(Shape::vector(4))).is_ok());
    let one = Conv2d { kernel: 1, stride: 1, padding: 0 };
    let row = Shape::new(1, 1, 1, 1);
    let (x1, gw) = (new(row), new(Shape::vector(3)));
    let [first, second] = [0..1, 1..2].map(|r| gw.range(r).unwrap());
    assert!(conv2d::grad_weight(one, &x1, &x1, &gw.range(0..1).unwrap(), false).is_ok());
    assert!(conv2d::grad_weight(one, &x1, &first, &second, false).refused());

    // Transposed ones, by their kernels with subgroups and without.
    let wide = Shape::new(1, 1, 1, 4);
    let [x4, y4] = [new(wide), new(conv_transpose2d::output(wide, 1))];
    let (weight4, bias1, both) = (new(Shape::vector(4)), new(Shape::vector(1)), new(Shape::new(1, 2, 2, 8)));
    let [first, second] = [0..1, 1..2].map(|r| both.range(r).unwrap());
    for caps in [caps, Caps { subgroups: false, ..caps }] {
        let forward = |bias, y| conv_transpose2d::forward(caps, 2, &x4, &weight4, bias, y);
        assert!(forward(&bias1, &y4).is_ok());
        assert!(forward(&View { shape: Shape::vector(1), ..first }, &second).refused());
        let back = |gx| conv_transpose2d::grad_input(caps, 2, &second, &weight4, gx, false);
        assert!(back(&x4).is_ok() && back(&View { shape: wide, ..first }).refused());
        let parts = conv_transpose2d::parts(caps, wide, 1);
        let sums = new(parts.shape());
        assert!(conv_transpose2d::grad_weight(caps, &x4, &y4, &sums).is_ok());
        let x_in = View { shape: wide, ..sums };
        assert!(conv_transpose2d::grad_weight(caps, &x_in, &y4, &sums).refused());
    }

    // The noise from a velocity, and its gradient.
    let mut maps = || new(Shape { c: 4, ..small });
    let (latent, glatent, vs) = (maps(), maps(), maps());
    let ([gamma, z], [ggamma, gz], [v, v2]) = (halves(&latent), halves(&glatent), halves(&vs));
    let (g, gv) = (new(small), new(small));
    assert!(velocity::forward(&gamma, &z, &v, &g).is_ok());
    assert!(velocity::forward(&gamma, &z, &v, &v2).refused());
    assert!(velocity::forward(&gamma, &z, &v, &z).refused());
    assert!(velocity::backward(&gamma, &z, &v, &g, &gv, &ggamma, &gz, false).is_ok());
    assert!(velocity::backward(&gamma, &z, &v, &g, &v2, &ggamma, &gz, false).refused());
    assert!(velocity::backward(&gamma, &z, &v, &g, &gv, &gamma, &z, false).refused());

    // The forward process.
    let (rng, rho, y, lambda) = (new(Shape::vector(4)), new(Shape::new(1, 3, 1, 1)), new(small), new(small));
    assert!(noising::forward(&rng, &y, &lambda, &rho, &gamma, &z).is_ok());
    let [y_beside, _] = halves(&latent);
    assert!(noising::forward(&rng, &y_beside, &lambda, &rho, &gamma, &z).refused());
    let partials = new(noising::backward_partials(caps, small));
    let (glambda, grho) = (new(small), new(Shape::new(1, 3, 1, 1)));
    let good = noising::Backward {
        rng: &rng,
        y: &y,
        lambda: &lambda,
        rho: &rho,
        ggamma: &ggamma,
        gz: &gz,
        glambda: &glambda,
        accumulate_lambda: false,
        grho: &grho,
        accumulate_rho: false,
        partials: &partials,
    };
    assert!(noising::backward(caps, &good).is_ok());
    assert!(noising::backward(caps, &noising::Backward { glambda: &lambda, ..good }).refused());
    assert!(noising::backward(caps, &noising::Backward { glambda: &ggamma, ..good }).refused());

    // Losses.
    let (four, partials) = (new(Shape::vector(4)), new(losses::noise_partials(caps, small)));
    let noise = |g: &View| losses::noise(caps, &rng, &v, 1.0, g, &four, &partials);
    assert!(noise(&gv).is_ok() && noise(&v2).refused());
    let rows = Shape::new(2, 3, 1, 1);
    let [rho, tau, grho, gtau] = [0; 4].map(|_| new(rows));
    let tau = tau.range(0..1).unwrap();
    let partials = new(losses::weighted_noise_partials(caps, small));
    let good = losses::WeightedNoise {
        rng: &rng,
        prediction: &v,
        lambda: &lambda,
        rho: &rho,
        tau: &tau,
        weight: 1.0,
        gprediction: &gv,
        glambda: &glambda,
        grho: &grho,
        gtau: Some(&gtau),
        losses: &four,
        partials: &partials,
    };
    assert!(losses::weighted_noise(caps, &good).is_ok());
    assert!(losses::weighted_noise(caps, &losses::WeightedNoise { gprediction: &v2, ..good }).refused());
    assert!(losses::weighted_noise(caps, &losses::WeightedNoise { glambda: &lambda, ..good }).refused());
    let partials = new(losses::schedule_partials(caps, small));
    let good = losses::Schedule {
        y: &y,
        lambda: &lambda,
        rho: &rho,
        tau: &tau,
        weights: losses::ScheduleWeights::default(),
        glambda: &glambda,
        accumulate_lambda: false,
        grho: &grho,
        accumulate_rho: false,
        gtau: Some(&gtau),
        accumulate_tau: false,
        losses: &four,
        partials: &partials,
    };
    assert!(losses::schedule(caps, &good).is_ok());
    assert!(losses::schedule(caps, &losses::Schedule { glambda: &lambda, ..good }).refused());
    assert!(losses::schedule(caps, &losses::Schedule { glambda: &y, ..good }).refused());

    // The reverse process, time networks, random numbers and sums.
    let (taus, sums) = (new(Shape::new(3, 1, 1, 1)), new(reverse_step::sums(3)));
    let discretisation = Discretisation::Product;
    let good = Reverse { rng: &rng, lambda: &lambda, tau: &taus, sums: &sums, gamma: &gamma, z: &z, discretisation };
    assert!(reverse_step::start(&good).is_ok() && reverse_step::step(&good, &v, Variant::Ancestral).is_ok());
    assert!(reverse_step::step(&good, &gamma, Variant::Ancestral).refused());
    assert!(reverse_step::start(&Reverse { lambda: &gamma, ..good }).refused());
    let (parameters, times) = (new(Shape::vector(schedule::parameter_count(4))), new(Shape::vector(2)));
    assert!(schedule::forward(&parameters, &times, &grho).is_ok());
    assert!(schedule::backward(&parameters, &times, &grho, &parameters, false).refused());
    assert!(random::fill(&rng, &rng, random::Kind::Normals, Stream::Noise).refused());
    let (len, one) = (rng.shape.len(), new(Shape::vector(1)));
    assert!(reduce::sum_of_squares(&one, &new(reduce::sum_of_squares_partials(len)), &one).refused());

    // The 3×3 kernels that are not the tape's first choice.
    let matrices = Matrices { side: 16, subgroup: 32 };
    let packed = conv2d_3x3_cooperative::packed(matrices, 2, 2);
    let packed = tape.stored("packed", packed, Role::Persistent, Element::F16).unwrap();
    let cooperative =
        |y: &View| conv2d_3x3_cooperative::forward(matrices, &v, &packed, None, Activation::None, y, false);
    assert!(cooperative(&g).is_ok() && cooperative(&v2).refused());
    let both = tape.persistent("weights", Shape::vector(2 * 9 * 4 * 4 + winograd::transformed(4, 4).len())).unwrap();
    let (weight, to) = (both.range(0..144).unwrap(), both.range(144..144 + winograd::transformed(4, 4).len()).unwrap());
    let to = View { shape: winograd::transformed(4, 4), ..to };
    assert!(winograd::weights(Direction::Forward, &weight, [4, 4], &to).refused());
}

/// What is bound where there is nothing to read counts nothing, and what is added to is read and written.
#[test]
fn bytes_are_those_that_cross_memory() {
    let (_, gpu) = &devices()[0];
    let caps = gpu.caps();
    let mut tape = Tape::new(caps);
    let mut new = |shape: Shape| tape.persistent("tensor", shape).unwrap();
    let spec = Conv2d { kernel: 5, stride: 1, padding: 2 };
    let (xs, ys) = (Shape::new(2, 3, 8, 8), Shape::new(2, 5, 8, 8));
    let (x, y, weight) = (new(xs), new(ys), new(spec.weight(3, 5)));
    let (of_x, of_y) = (new(Shape::vector(3)), new(Shape::vector(5)));
    let bytes = |views: &[&View]| views.iter().map(|v| v.bytes()).sum::<u64>();
    let counts = |call: cvdm::Result<Call>, views: &[&View]| assert_eq!(call.unwrap().bytes, bytes(views));
    const NONE: Activation = Activation::None;

    counts(conv2d::forward(spec, &x, &weight, Some(&of_y), NONE, &y, false), &[&x, &weight, &of_y, &y]);
    counts(conv2d::forward(spec, &x, &weight, None, NONE, &y, false), &[&x, &weight, &y]);
    counts(conv2d::forward(spec, &x, &weight, None, NONE, &y, true), &[&x, &weight, &y, &y]);
    counts(conv2d::grad_input(spec, &y, &weight, Some(&of_x), NONE, &x, false), &[&y, &weight, &of_x, &x]);
    counts(conv2d::grad_input(spec, &y, &weight, None, NONE, &x, false), &[&y, &weight, &x]);
    counts(conv2d::grad_input(spec, &y, &weight, None, NONE, &x, true), &[&y, &weight, &x, &x]);
    let gw = new(spec.weight(3, 5));
    counts(conv2d::grad_weight(spec, &x, &y, &gw, false), &[&x, &y, &gw]);
    counts(conv2d::grad_weight(spec, &x, &y, &gw, true), &[&x, &y, &gw, &gw]);

    let (stats, sums) = (new(instance_norm::stats(xs)), new(instance_norm::stats(xs)));
    let (out, g) = (new(xs), new(xs));
    counts(instance_norm::forward(caps, &x, None, &stats, &out, 1e-3), &[&x, &stats, &out]);
    counts(
        instance_norm::forward(caps, &x, Some((&of_x, &of_x)), &stats, &out, 1e-3),
        &[&x, &of_x, &of_x, &stats, &out],
    );
    let options = instance_norm::BackwardOptions::default();
    counts(instance_norm::backward(caps, &x, None, &stats, &g, &sums, &out, options), &[&x, &stats, &g, &sums, &out]);
    counts(
        instance_norm::backward(caps, &x, Some(&of_x), &stats, &g, &sums, &out, options),
        &[&x, &of_x, &stats, &g, &sums, &out],
    );

    let values = new(planes::values(xs));
    counts(planes::sum(caps, &x, 1.0, &values, false), &[&x, &values]);
    counts(planes::dot(caps, &x, &g, &values, true), &[&x, &g, &values, &values]);
    counts(planes::spread(&values, 1.0, &out, false), &[&values, &out]);
    counts(planes::multiply(&x, &values, &out, true), &[&x, &values, &out, &out]);
}

/// What kernels read or write from its beginning cannot be a range of a tensor, and weights that are read in place must lie as that wants.
#[test]
fn packed_weights_and_partial_sums_are_whole_tensors() {
    let (_, gpu) = &devices()[0];
    let caps = gpu.caps();
    let mut tape = Tape::new(caps);
    let mut new = |shape: Shape| tape.persistent("tensor", shape).unwrap();
    let map = Shape::new(1, 4, 4, 4);
    let (x, y, weight) = (new(map), new(map), new(Shape::new(4, 4, 3, 3)));
    let variant = conv2d_3x3::Variant { outputs: 4, reads: conv2d_3x3::Reads::Storage, slices: 1 };
    let packing = Packing::new(caps, variant, Direction::Backward, [4, 4]);
    let after_four = |whole: View| whole.range(4..whole.shape.c).unwrap();
    let room = |shape: Shape| Shape::vector(shape.len() + 4);
    let (packed, range) = (new(packing.shape()), after_four(new(room(packing.shape()))));
    let forward = |packing: &Packing, weights: &View| {
        conv2d_3x3::forward(packing, &x, weights, None, Activation::None, &y, false)
    };
    let refused = |error: Error| matches!(error, Error::Shape(_));
    assert!(conv2d_3x3::pack(&packing, &weight, &packed).is_ok() && forward(&packing, &packed).is_ok());
    assert!(refused(conv2d_3x3::pack(&packing, &weight, &range).unwrap_err()));
    assert!(refused(forward(&packing, &range).unwrap_err()));
    let (in_place, flat) = (packing.in_place(&weight).unwrap(), new(Shape::vector(148)));
    assert!(forward(&in_place, &after_four(flat)).is_ok());
    assert!(refused(forward(&in_place, &flat.range(1..145).unwrap()).unwrap_err()), "within a vec4");

    let parts = conv2d_1x1::parts(map, 4);
    let (sums, range) = (new(parts.shape()), after_four(new(room(parts.shape()))));
    assert!(conv2d_1x1::grad_weight(&x, &y, &sums).is_ok());
    assert!(refused(conv2d_1x1::grad_weight(&x, &y, &range).unwrap_err()));
    let of = conv2d_3x3_grad_weight::Variant::ALL[0];
    let parts = conv2d_3x3_grad_weight::parts(caps, of.outputs, map, 4);
    let more = Shape { c: parts.splits + 1, ..parts.shape() };
    let (sums, range) = (new(parts.shape()), new(more).range(1..more.c).unwrap());
    assert!(conv2d_3x3_grad_weight::grad_weight(caps, of, &x, &y, &sums).is_ok());
    assert!(refused(conv2d_3x3_grad_weight::grad_weight(caps, of, &x, &y, &range).unwrap_err()));
}

/// Mesa's llvmpipe ends the loops of an invocation after 65,535 iterations without a word: there such calls are refused, and where there is a
/// choice the work is dealt out so that they do not come about.
#[test]
fn loops_that_a_software_adapter_would_end_are_refused() {
    let (_, gpu) = &devices()[0];
    let of = |software: bool, record: &dyn Fn(&mut Tape, Caps) -> cvdm::Result<Vec<Call>>| {
        let roomy = Caps { max_binding: 1 << 30, max_buffer: 1 << 30, max_image: 1 << 30, ..gpu.caps() };
        let caps = Caps { software, ends_loops: software, ..roomy };
        let mut tape = Tape::new(caps);
        let calls = record(&mut tape, caps).unwrap();
        tape.push(calls);
        tape.check_limits()
    };
    fn norm(tape: &mut Tape, caps: Caps, shape: Shape) -> cvdm::Result<Vec<Call>> {
        let [x, y] = ["x", "y"].map(|name| tape.persistent(name, shape).unwrap());
        let stats = tape.persistent("statistics", instance_norm::stats(shape))?;
        Ok(vec![instance_norm::forward(caps, &x, None, &stats, &y, 1e-3)?])
    }
    type Record = dyn Fn(&mut Tape, Caps) -> cvdm::Result<Vec<Call>>;
    let too_long: [(&str, &Record); 5] = [
        ("matmul", &|tape, caps| {
            let a = tape.persistent("a", Shape::new(1, 4, 640, 640))?;
            let y = tape.persistent("y", Shape::new(1, 4, 1, 4))?;
            Ok(vec![matmul::matmul(caps, matmul::Product::RightTransposed, 1, 1.0, &a, &a, &y, false)?])
        }),
        ("conv2d", &|tape, _| {
            let spec = Conv2d { kernel: 257, stride: 1, padding: 128 };
            let [x, y] = ["x", "y"].map(|name| tape.persistent(name, Shape::new(1, 1, 4, 4)).unwrap());
            let weight = tape.persistent("weight", spec.weight(1, 1))?;
            Ok(vec![conv2d::forward(spec, &x, &weight, None, Activation::None, &y, false)?])
        }),
        ("upsample_backward", &|tape, _| {
            let [g, gx] = [1024, 4].map(|side| tape.persistent("map", Shape::new(1, 1, side, side)).unwrap());
            Ok(vec![upsample::nearest_backward(256, &g, &gx, false)?])
        }),
        ("mean_std", &|tape, _| {
            let x = tape.persistent("x", Shape::new(70_000, 1, 1, 1))?;
            let [mean, deviation] = [0; 2].map(|_| tape.persistent("one", Shape::vector(1)).unwrap());
            Ok(vec![statistics::mean_std(&x, &mean, &deviation)?])
        }),
        ("channel_sum", &|tape, _| {
            let (x, y) = (tape.persistent("x", Shape::new(1, 1, 8200, 8200))?, tape.persistent("y", Shape::vector(1))?);
            Ok(vec![split_sum::channel_sum(&x, &y, false)?])
        }),
    ];
    for (name, record) in too_long {
        let refused = of(true, record).unwrap_err();
        assert!(matches!(&refused, Error::Limit(m) if m.contains(name) && m.contains("65535")), "{name}: {refused}");
        of(false, record).unwrap_or_else(|e| panic!("a GPU has no such limit, {name}: {e}"));
    }
    let dealt_out: [(&str, &Record); 6] = [
        ("a large plane's mean", &|tape, caps| {
            let (x, y) = (tape.persistent("x", Shape::new(1, 1, 4800, 4800))?, tape.persistent("y", Shape::vector(1))?);
            Ok(vec![planes::sum(caps, &x, 1.0, &y, false)?])
        }),
        ("a large plane's norm", &|tape, caps| norm(tape, caps, Shape::new(1, 1, 4800, 4800))),
        ("a plane at the edge of sixteen invocations", &|tape, caps| norm(tape, caps, Shape::new(1, 1, 955, 1452))),
        ("3×3 weight gradient", &|tape, caps| {
            let [x, g] = ["x", "g"].map(|name| tape.persistent(name, Shape::new(1, 32, 1024, 1024)).unwrap());
            let variant = conv2d_3x3_grad_weight::Variant::fixed(caps, 32);
            let parts = conv2d_3x3_grad_weight::parts(caps, variant.outputs, x.shape, 32);
            let sums = tape.persistent("sums", parts.shape())?;
            Ok(vec![conv2d_3x3_grad_weight::grad_weight(caps, variant, &x, &g, &sums)?])
        }),
        ("transposed weight gradient", &|tape, caps| {
            let [x, g] = [(256, 512), (16, 1024)]
                .map(|(channels, side)| tape.persistent("map", Shape::new(1, channels, side, side)).unwrap());
            let sums = tape.persistent("sums", conv_transpose2d::parts(caps, x.shape, 16).shape())?;
            Ok(vec![conv_transpose2d::grad_weight(caps, &x, &g, &sums)?])
        }),
        ("5000 steps", &|tape, _| {
            let x = tape.persistent("x", Shape::new(5000, 1, 16, 16))?;
            let [mean, deviation] = [0; 2].map(|_| tape.persistent("one", Shape::new(1, 1, 16, 16)).unwrap());
            Ok(vec![statistics::mean_std(&x, &mean, &deviation)?])
        }),
    ];
    for (name, record) in dealt_out {
        of(true, record).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}
