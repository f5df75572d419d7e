//! Times of a U-Net's training step and forward pass.

use std::time::{Duration, Instant};

use burn::module::Module;
use burn::nn::loss::{MseLoss, Reduction};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};

use crate::Result;
use crate::net::{IN, OUT, UNet};

const LEARNING_RATE: f64 = 1e-4;

#[derive(Clone, Copy, PartialEq)]
pub enum What {
    Training,
    Forward,
}

impl What {
    pub const ALL: [What; 2] = [What::Training, What::Forward];

    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "unet_train_step",
            Self::Forward => "unet_forward",
        }
    }
}

#[derive(Clone, Copy)]
pub struct Case {
    pub base: usize,
    pub batch: usize,
    pub size: usize,
}

impl Case {
    /// Reads `base,batch,size`.
    pub fn parse(text: &str) -> Result<Self> {
        let numbers: Vec<usize> = text.split(',').filter_map(|n| n.parse().ok()).collect();
        match numbers[..] {
            [base, batch, size] if base > 0 && batch > 0 && size > 0 && size.is_multiple_of(16) => {
                Ok(Self { base, batch, size })
            }
            _ => Err(format!("\"{text}\" is no case; expected base,batch,size with a size that is a multiple of 16")),
        }
    }

    fn tensor(&self, channels: usize, device: &Device) -> Tensor<4> {
        let shape = [self.batch, channels, self.size, self.size];
        let ramp = (0..shape.iter().product::<usize>()).map(|i| (i * 101 % 1009) as f32 / 504.5 - 1.0).collect();
        Tensor::from_data(TensorData::new::<f32, _>(ramp, shape), device)
    }
}

/// How often to run, and for how long at most. The time counts from the start of the case, the first run with it; one
/// run after the first is always timed. Between the two come runs that warm up, in a tenth of the time.
pub struct Effort {
    pub runs: usize,
    pub warm_up: usize,
    pub budget: Duration,
}

/// The first run, and those after the warm-up in rising order; milliseconds.
pub struct Times {
    pub first: f64,
    pub rest: Vec<f64>,
}

impl Times {
    pub fn quantile(&self, share: f64) -> f64 {
        self.rest[(share * (self.rest.len() - 1) as f64).round() as usize]
    }
}

/// Times one case. `device` is without automatic differentiation.
pub fn time(what: What, case: &Case, effort: &Effort, device: &Device) -> Result<Times> {
    match what {
        What::Forward => {
            let net = UNet::new(case.base, device).no_grad();
            let x = case.tensor(IN, device);
            repeat(effort, device, || net.forward(x.clone()))
        }
        What::Training => {
            let device = &device.clone().autodiff();
            let mut net = Some(UNet::new(case.base, device));
            let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
            let (x, y) = (case.tensor(IN, device), case.tensor(OUT, device));
            repeat(effort, device, || {
                let old = net.take().expect("a step always puts the network back");
                let loss = MseLoss::new().forward(old.forward(x.clone()), y.clone(), Reduction::Mean);
                let gradients = GradientsParams::from_grads(loss.backward(), &old);
                net = Some(adam.step(LEARNING_RATE, old, gradients));
            })
        }
    }
}

/// What a step returns is kept until the device is done, so that none of it is left out.
fn repeat<T>(effort: &Effort, device: &Device, mut step: impl FnMut() -> T) -> Result<Times> {
    let wait = || device.sync().map_err(|e| format!("waiting for the device: {e}"));
    let mut once = || {
        let start = Instant::now();
        let kept = step();
        wait()?;
        let elapsed = 1e3 * start.elapsed().as_secs_f64();
        drop(kept);
        Ok::<_, String>(elapsed)
    };
    let begin = Instant::now();
    let first = once()?;
    for _ in 0..effort.warm_up {
        if begin.elapsed() > effort.budget / 10 {
            break;
        }
        once()?;
    }
    let mut rest = vec![once()?];
    while rest.len() < effort.runs && begin.elapsed() < effort.budget {
        rest.push(once()?);
    }
    rest.sort_by(f64::total_cmp);
    Ok(Times { first, rest })
}
