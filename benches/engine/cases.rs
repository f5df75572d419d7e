//! What is timed end to end, and at which sizes.

use std::collections::HashMap;

use cvdm::Result;
use cvdm::diffusion::{Hyper, Model, ModelConfig, SampleOptions, Sampler, StepOptions, Trainer, TrainerState};
use cvdm::gpu::Gpu;
use cvdm::kernels::conv2d::Activation;
use cvdm::kernels::{Call, adam, losses};
use cvdm::nets::{Parameters, UNet, UNetConfig};
use cvdm::random::state;
use cvdm::tape::{Memory, Plan, PlanOptions, Tape};
use cvdm::tensor::Shape;

use super::shapes::Network;

/// Steps of the reconstruction that is timed.
const STEPS: usize = 10;

#[derive(Clone, Copy, PartialEq)]
pub enum What {
    UNetForward,
    UNetTraining,
    CvdmTraining,
    SamplerStep,
    /// With feature maps and weights stored as halves.
    SamplerStepHalves,
    Reconstruction,
}

impl What {
    pub fn name(self) -> &'static str {
        match self {
            Self::UNetForward => "unet_forward",
            Self::UNetTraining => "unet_train_step",
            Self::CvdmTraining => "cvdm_train_step",
            Self::SamplerStep => "sampler_step",
            Self::SamplerStepHalves => "sampler_step_f16",
            Self::Reconstruction => "reconstruction",
        }
    }
}

/// One line of the table.
pub struct Case {
    pub what: What,
    /// The (noise) U-Net; the rate network of CVDM has half as many base filters.
    pub network: Network,
}

/// Everything with each of the networks.
pub fn all(networks: &[Network]) -> Vec<Case> {
    let kinds = [
        What::UNetForward,
        What::UNetTraining,
        What::CvdmTraining,
        What::SamplerStep,
        What::SamplerStepHalves,
        What::Reconstruction,
    ];
    let case = |what, &network: &Network| Case { what, network };
    kinds.iter().flat_map(|&what| networks.iter().map(move |n| case(what, n))).collect()
}

/// Something that can be run again and again.
pub enum Job {
    Plan(Plan),
    Training { trainer: Trainer, x: Vec<f32>, y: Vec<f32> },
    Sampler { sampler: Sampler, condition: Vec<f32> },
    Step(Sampler),
}

impl Job {
    /// One run, submitted.
    pub fn run(&mut self) -> Result<()> {
        match self {
            Self::Plan(plan) => plan.run().map(drop),
            Self::Training { trainer, x, y } => trainer.step(x, y, &Hyper::default()).map(drop),
            Self::Sampler { sampler, condition } => sampler.sample(condition, false, || Ok(())).map(drop),
            Self::Step(sampler) => sampler.step_plan().run().map(drop),
        }
    }

    /// The plan that a run replays, or most of it.
    pub fn plan(&self) -> &Plan {
        match self {
            Self::Plan(plan) => plan,
            Self::Training { trainer, .. } => trainer.plan(),
            Self::Sampler { sampler, .. } | Self::Step(sampler) => sampler.step_plan(),
        }
    }

    /// Operations, bytes and dispatches of a run.
    pub fn work(&self) -> [u64; 3] {
        let of = |plan: &Plan, times: usize| {
            let sum = |of: fn(&Call) -> u64| plan.calls().iter().map(of).sum::<u64>();
            [sum(|c| c.flops), sum(|c| c.bytes), plan.calls().len() as u64].map(|n| n * times as u64)
        };
        match self {
            Self::Sampler { sampler, .. } => {
                let plans = sampler.plans().map(|(plan, times)| of(plan, times));
                [0, 1, 2].map(|i| plans.iter().map(|plan| plan[i]).sum())
            }
            _ => of(self.plan(), 1),
        }
    }

    /// All memory that it holds.
    pub fn memory(&self) -> Memory {
        match self {
            Self::Plan(plan) => plan.memory(),
            Self::Training { trainer, .. } => trainer.memory(),
            Self::Sampler { sampler, .. } | Self::Step(sampler) => sampler.memory(),
        }
    }

    /// Samples that go through the network side by side, if that is not the whole batch: where the adapter's bindings hold fewer.
    pub fn group(&self, batch: usize) -> Option<usize> {
        let group = match self {
            Self::Plan(_) => batch,
            Self::Training { trainer, .. } => trainer.micro_batch(),
            Self::Sampler { sampler, .. } | Self::Step(sampler) => sampler.batch(),
        };
        (group < batch).then_some(group)
    }
}

fn ramp(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 101 % 1009) as f32 / 504.5 - 1.0).collect()
}

impl Case {
    pub fn on(&self) -> String {
        format!("base {}, {} × {}²", self.network.base, self.network.batch, self.network.size)
    }

    pub fn job(&self, gpu: &Gpu) -> Result<Job> {
        match self.what {
            What::UNetForward => self.unet(gpu, false),
            What::UNetTraining => self.unet(gpu, true),
            What::CvdmTraining => self.training(gpu),
            What::SamplerStep => Ok(Job::Step(self.sampler(gpu, false)?)),
            What::SamplerStepHalves => Ok(Job::Step(self.sampler(gpu, true)?)),
            What::Reconstruction => {
                let condition = ramp(2 * self.network.size * self.network.size);
                Ok(Job::Sampler { sampler: self.sampler(gpu, false)?, condition })
            }
        }
    }

    /// A U-Net from three channels to one: the noise network of phase imaging on its own.
    fn unet(&self, gpu: &Gpu, train: bool) -> Result<Job> {
        let mut parameters = Parameters::default();
        let config = UNetConfig {
            in_channels: 3,
            out_channels: 1,
            base: self.network.base,
            scales: 5,
            up_kernel: 2,
            head: Activation::None,
        };
        let net = UNet::new(config, &mut parameters, "net")?;
        let mut tape = Tape::on(gpu);
        let theta = tape.persistent("parameters", parameters.shape())?;
        let x = tape.persistent("input", Shape::new(self.network.batch, 3, self.network.size, self.network.size))?;
        let plan = if train {
            let state_of = |tape: &mut Tape, label: &str| tape.persistent(label, parameters.shape());
            let gradient = state_of(&mut tape, "gradient")?;
            let (first, second) = (state_of(&mut tape, "first moments")?, state_of(&mut tape, "second moments")?);
            let hyper = tape.persistent("optimiser settings", Shape::vector(8))?;
            let rng = tape.persistent("random state", Shape::vector(4))?;
            let values = tape.persistent("losses", Shape::vector(4))?;
            tape.parameters(&theta, &gradient)?;
            let y = net.record(&mut tape, &theta, &x)?;
            let g = tape.intermediate("gradient of the output", y.shape)?;
            let partials = tape.intermediate("partial sums", losses::noise_partials(tape.caps(), y.shape))?;
            tape.push(losses::noise(tape.caps(), &rng, &y, 1.0, &g, &values, &partials)?);
            tape.backward(&[(y, g)])?;
            tape.push(adam::step(tape.caps(), &hyper, &gradient, &theta, &first, &second, None)?);
            let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default())?;
            plan.write(&hyper, &Hyper::default().values(1, 1.0))?;
            plan.write(&rng, &state(1, 0, 0))?;
            plan
        } else {
            tape.freeze();
            net.record(&mut tape, &theta, &x)?;
            tape.plan(gpu, &HashMap::new(), PlanOptions::default())?
        };
        plan.write(&theta, &parameters.initial(1))?;
        plan.write(&x, &ramp(x.shape.len()))?;
        plan.prepare()?;
        Ok(Job::Plan(plan))
    }

    fn model(&self) -> Result<Model> {
        Model::new(ModelConfig {
            noise_base: self.network.base,
            rate_base: self.network.base / 2,
            ..ModelConfig::default()
        })
    }

    fn training(&self, gpu: &Gpu) -> Result<Job> {
        let model = self.model()?;
        let options = StepOptions::new(self.network.batch, self.network.size, self.network.size);
        let state = TrainerState::new(&model, 1);
        let values = self.network.batch * self.network.size * self.network.size;
        Ok(Job::Training { trainer: Trainer::new(gpu, model, options, &state)?, x: ramp(2 * values), y: ramp(values) })
    }

    fn sampler(&self, gpu: &Gpu, halves: bool) -> Result<Sampler> {
        let model = self.model()?;
        let flat = model.parameters().initial(1);
        let options = SampleOptions { steps: STEPS, samples: self.network.batch, halves, ..Default::default() };
        Sampler::new(gpu, &model, &flat, (self.network.size, self.network.size), options)
    }
}
