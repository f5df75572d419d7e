//! Measured choices of kernels: made once, kept in a file, taken from there, and of no effect on a forward pass but where
//! Winograd's algorithm takes the place of a sum, or other slices of the channels that of these.

mod harness;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use cvdm::diffusion::{
    Discretisation, Hyper, Model, ModelConfig, SampleOptions, Sampler, StepOptions, Trainer, TrainerState,
};
use cvdm::gpu::{Choices, Gpu, OpenOptions};
use cvdm::kernels::conv2d::{Activation, Conv2d};
use cvdm::kernels::conv2d_3x3::Variant;
use cvdm::kernels::conv2d_3x3_grad_weight;
use cvdm::nets::{Parameters, UNet, UNetConfig};
use cvdm::tape::{PlanOptions, Tape};
use cvdm::tensor::{Shape, View};
use harness::{devices, random};

/// An empty folder that is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cvdm-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(tuning: Option<&Path>) -> Gpu {
    Gpu::open(&OpenOptions { tuning: tuning.map(Path::to_path_buf), ..OpenOptions::default() }).unwrap()
}

/// Input and output channels of [`convolution`].
const INPUT: Shape = Shape { n: 2, c: 8, h: 8, w: 12 };
const CHANNELS: usize = 20;

/// A convolution with its gradients, recorded on this device: the output, the input gradient and the parameters' gradients.
fn convolution(gpu: &Gpu) -> [Vec<f32>; 3] {
    let (xs, channels) = (INPUT, CHANNELS);
    let spec = Conv2d::same(3);
    let weights = spec.weight(xs.c, channels).len();
    let mut tape = Tape::on(gpu);
    let flat = Shape::vector(weights + channels);
    let theta = tape.persistent("parameters", flat).unwrap();
    let gradient = tape.persistent("gradient", flat).unwrap();
    tape.parameters(&theta, &gradient).unwrap();
    let x = tape.persistent("x", xs).unwrap();
    tape.watch(&x);
    let part = |from: usize, to: usize, shape| View { shape, ..theta.range(from..to).unwrap() };
    let weight = theta.range(0..weights).unwrap();
    let bias = part(weights, weights + channels, Shape::vector(channels));
    let y = tape.conv2d(spec, &x, &weight, &bias, Activation::None).unwrap();
    let g = tape.persistent("seed", y.shape).unwrap();
    let gx = tape.backward(&[(y, g)]).unwrap().of(&x).unwrap();
    let plan = tape.plan(gpu, &HashMap::new(), PlanOptions { keep_all: true, ..PlanOptions::default() }).unwrap();
    plan.write(&theta, &random(flat, 1, -1.0, 1.0).values).unwrap();
    plan.write(&x, &random(xs, 2, -1.0, 1.0).values).unwrap();
    plan.write(&g, &random(y.shape, 3, -1.0, 1.0).values).unwrap();
    plan.run().unwrap();
    [&y, &gx, &gradient].map(|v| plan.read(v).unwrap())
}

fn near(what: &str, fixed: &[Vec<f32>; 3], other: &[Vec<f32>; 3]) {
    for (a, b) in fixed.iter().flatten().zip(other.iter().flatten()) {
        assert!((a - b).abs() <= 1e-4, "{what}: {a} became {b}");
    }
}

#[test]
fn choices_are_measured_once_and_change_no_bit_but_by_winograd_and_slices() {
    let folder = Folder::new("tuning");
    let fixed = convolution(&open(None));
    let gpu = open(Some(&folder.0));
    if !gpu.caps().subgroups {
        return;
    }
    let measured = convolution(&gpu);
    near("a measured choice", &fixed, &measured);
    let path = gpu.choices().unwrap().path().to_path_buf();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3, "forward, input gradient, weight gradient: {text}");

    // Whatever the file says is taken without measuring again, and what it says wrongly is not. The last answer is Winograd's algorithm;
    // from 20 channels to 8 it does not suit, and the input gradient stays a sum.
    let of = |x: Shape, channels| {
        let all = Variant::candidates(gpu.caps(), x, channels);
        let slices = Variant::fixed(gpu.caps(), x, channels).slices;
        let same: Vec<bool> = all.iter().map(|v| v.slices == slices).collect();
        (all.len(), same)
    };
    let (direct, same_forward) = of(INPUT, CHANNELS);
    let (backward, same_backward) = of(Shape { c: CHANNELS, ..INPUT }, INPUT.c);
    // Between the direct sums and Winograd's algorithm GPUs have the two kernels without subgroups.
    let portable = if gpu.caps().software { 0 } else { 2 };
    let winograd = direct + portable;
    for answer in 0..=winograd {
        let forced: String = text.lines().map(|l| format!("{}: {answer}\n", l.rsplit_once(": ").unwrap().0)).collect();
        fs::write(&path, format!("{forced}half a li")).unwrap();
        let again = convolution(&open(Some(&folder.0)));
        near("a forced choice", &fixed, &again);
        if same_backward.get(answer) == Some(&true) {
            assert!(fixed[1] == again[1], "answer {answer} changes a bit of the input gradient");
        }
        match same_forward.get(answer) {
            Some(same) => assert!(!same || fixed[0] == again[0], "answer {answer} changes a forward bit"),
            None if answer < winograd => {}
            None => assert!(fixed[0] != again[0], "Winograd's algorithm gives the bits of a sum: it was not taken"),
        }
        let kept = fs::read_to_string(&path).unwrap();
        let weight_gradient = "conv2d_3x3_grad_weight";
        let known = |l: &&str| {
            if l.starts_with(weight_gradient) {
                answer < conv2d_3x3_grad_weight::Variant::candidates(gpu.caps()).len() + portable.min(1)
            } else if l.contains("Backward") {
                answer < backward + portable
            } else {
                answer <= winograd
            }
        };
        for line in forced.lines().filter(known) {
            assert!(kept.contains(line), "{line} was measured again: {kept}");
        }
    }
}

/// A U-Net with its gradients, recorded on this device: the output, the input gradient and the parameters' gradients.
fn network(gpu: &Gpu) -> [Vec<f32>; 3] {
    let shape = Shape::new(2, 3, 16, 32);
    let mut parameters = Parameters::default();
    let config =
        UNetConfig { in_channels: 3, out_channels: 1, base: 8, scales: 3, up_kernel: 2, head: Activation::None };
    let net = UNet::new(config, &mut parameters, "net").unwrap();
    let mut tape = Tape::on(gpu);
    let theta = tape.persistent("parameters", parameters.shape()).unwrap();
    let gradient = tape.persistent("gradient", parameters.shape()).unwrap();
    let x = tape.persistent("x", shape).unwrap();
    let g = tape.persistent("seed", Shape { c: 1, ..shape }).unwrap();
    tape.parameters(&theta, &gradient).unwrap();
    tape.watch(&x);
    let y = net.record(&mut tape, &theta, &x).unwrap();
    let gx = tape.backward(&[(y, g)]).unwrap().of(&x).unwrap();
    let plan = tape.plan(gpu, &HashMap::new(), PlanOptions { keep_all: true, ..PlanOptions::default() }).unwrap();
    plan.write(&theta, &parameters.initial(1)).unwrap();
    plan.write(&x, &random(shape, 2, -1.0, 1.0).values).unwrap();
    plan.write(&g, &random(g.shape, 3, -1.0, 1.0).values).unwrap();
    plan.run().unwrap();
    [&y, &gx, &gradient].map(|v| plan.read(v).unwrap())
}

/// A model whose convolutions have, at some level, every kernel to choose from.
fn model() -> Model {
    let config = ModelConfig { noise_base: 8, rate_base: 8, scales: 3, hidden: 16, ..ModelConfig::default() };
    Model::new(config).unwrap()
}

/// A sampler's mean on this device: its weights are packed or transformed once. By the steps that do not diverge where there are few.
fn sampled(gpu: &Gpu, halves: bool) -> Vec<f32> {
    let discretisation = Discretisation::Exponential;
    let options = SampleOptions { steps: 4, samples: 2, discretisation, halves, ..SampleOptions::default() };
    let (model, size) = (model(), (16, 32));
    let mut sampler = Sampler::new(gpu, &model, &model.parameters().initial(1), size, options).unwrap();
    let x = random(Shape::new(1, 2, size.0, size.1), 2, -1.0, 1.0).values;
    sampler.sample(&x, false, || Ok(())).unwrap().mean
}

/// The gradient of a training step that computes its blocks again.
fn recomputed(gpu: &Gpu) -> Vec<f32> {
    let model = model();
    let options = StepOptions { recompute: true, ..StepOptions::new(2, 16, 32) };
    let mut trainer = Trainer::new(gpu, model.clone(), options, &TrainerState::new(&model, 1)).unwrap();
    let [x, y] = [2, 1].map(|c| random(Shape::new(2, c, 16, 32), 3, -1.0, 1.0).values);
    trainer.step(&x, &y, &Hyper::default()).unwrap();
    trainer.gradient().unwrap()
}

/// Records on a tuned device by each of the choices that there are, wherever there are so many: what comes out is that of the fixed
/// choices, up to a share of the largest value, and the same bits each time.
fn by_every_choice(what: &str, tolerance: f32, work: impl Fn(&Gpu) -> Vec<Vec<f32>>) {
    let folder = Folder::new(&format!("tuning-{what}"));
    let gpu = open(Some(&folder.0));
    let fixed = work(&open(None));
    work(&gpu);
    let path = gpu.choices().unwrap().path().to_path_buf();
    let questions = fs::read_to_string(&path).unwrap();
    let answers = |line: &str| -> usize {
        let (_, after) = line.rsplit_once(", of ").expect("a question says of how many answers");
        after.split(',').next().unwrap().parse().unwrap()
    };
    let most = questions.lines().map(answers).max().unwrap();
    let least = if gpu.caps().subgroups { 3 } else { 2 };
    assert!(most >= least, "one, two or four outputs at least, or one and two groups: {questions}");
    for answer in 0..most {
        // The last one where there are fewer.
        let forced = questions.lines().map(|line| {
            let (question, _) = line.rsplit_once(": ").unwrap();
            format!("{question}: {}\n", answer.min(answers(line) - 1))
        });
        let forced: String = forced.collect();
        fs::write(&path, &forced).unwrap();
        let [once, again] = [0; 2].map(|_| work(&open(Some(&folder.0))));
        assert_eq!(fs::read_to_string(&path).unwrap(), forced, "{what}: something was measured anew");
        assert!(once == again, "{what}: choice {answer} does not repeat bit for bit");
        for (number, (fixed, once)) in fixed.iter().zip(&once).enumerate() {
            let largest = fixed.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let apart = fixed.iter().zip(once).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(apart <= tolerance * largest, "{what}, tensor {number}, choice {answer}: {apart} of {largest}");
        }
    }
}

/// The fixed choices' numbers are PyTorch's (`unet.rs`).
#[test]
fn a_network_by_every_choice() {
    by_every_choice("network", 5e-5, |gpu| network(gpu).to_vec());
}

#[test]
fn a_sampler_by_every_choice() {
    by_every_choice("sampler", 5e-5, |gpu| vec![sampled(gpu, false)]);
}

/// All direct sums of halves are the same bits; on matrices normalised inputs are rounded too.
#[test]
fn a_sampler_of_halves_by_every_choice() {
    if devices()[0].1.caps().halves {
        by_every_choice("halves", 2e-3, |gpu| vec![sampled(gpu, true)]);
    }
}

#[test]
fn a_step_that_computes_again_by_every_choice() {
    by_every_choice("recomputed", 5e-5, |gpu| vec![recomputed(gpu)]);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let folder = Folder::new("tuning-refused");
    fs::write(&folder.0, "a file where the folder should be").unwrap();
    let options = OpenOptions { tuning: Some(folder.0.clone()), ..OpenOptions::default() };
    let refused = match Gpu::open(&options) {
        Err(e) => e.to_string(),
        Ok(gpu) => {
            let mut tape = Tape::on(&gpu);
            let x = tape.persistent("x", Shape::new(1, 1, 4, 4)).unwrap();
            let weight = tape.persistent("weight", Shape::vector(9)).unwrap();
            let bias = tape.persistent("bias", Shape::vector(1)).unwrap();
            tape.conv2d(Conv2d::same(3), &x, &weight, &bias, Activation::None).unwrap_err().to_string()
        }
    };
    assert!(refused.contains("cvdm-tuning-refused"), "{refused}");
    let _ = fs::remove_file(&folder.0);
}

/// Devices that tune into one folder at the same time do not get in each other's way.
#[test]
fn many_may_tune_into_a_folder() {
    let folder = Folder::new("tuning-together");
    let adapter = devices()[0].1.summary();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let folder = &folder.0;
            scope.spawn(move || {
                let choices = Choices::read(folder, adapter).unwrap();
                (0..50).for_each(|i| choices.keep(&format!("question {thread} {i}"), i).unwrap());
            });
        }
    });
    // One after the other nothing is lost, whoever read the file before.
    let [early, late] = [0; 2].map(|_| Choices::read(&folder.0, adapter).unwrap());
    early.keep("of the early one", 1).unwrap();
    late.keep("of the late one", 2).unwrap();
    let all = Choices::read(&folder.0, adapter).unwrap();
    assert_eq!([all.known("of the early one", 3), all.known("of the late one", 3)], [Some(1), Some(2)]);
}
