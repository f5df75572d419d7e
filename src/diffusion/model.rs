//! A conditional diffusion model: which networks it has and where their parameters lie.

use super::network::Backbone;
use super::{FixedSchedule, Network, TimeNetwork};
use crate::kernels::conv2d::{Activation, Conv2d};
use crate::kernels::elementwise;
use crate::nets::{Init, Parameters, UNet, UNetConfig};
use crate::tape::Tape;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// Where the noise schedule comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScheduleKind {
    /// The paper's: `λ(x)` per pixel from a U-Net, `τ(t)` and `ρ(t)` two networks tied by the loss `L_β` alone.
    Learned,
    /// `λ(x)` per pixel, and `τ := ρ'` analytically, so that equation 4 holds exactly.
    Tied,
    /// CVDM-simple (appendix K): `λ` is one learned number for each channel of the answer, `softplus(w + b)`. Weight and bias have the same
    /// gradient and both move it, so that a step of Adam moves it twice as far as one number would go.
    Simple,
    /// CDDPM: a fixed linear `β`.
    Fixed(FixedSchedule),
    /// No diffusion: the noise network maps the condition to the target in one pass ([`super::Predictor`]), trained by a distance
    /// to the target ([`super::RegressionLoss`]). What diffusion is measured against.
    None,
}

/// What the noise network's output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parametrization {
    /// The noise `ε̂` itself (the paper's).
    #[default]
    Noise,
    /// The velocity `v = √γ ε − √σ y`, from which `ε̂ = √σ z + √γ v`. Where γ is small, an error of the network then reaches
    /// the target as it is instead of divided by `√γ`, which a short training notices.
    Velocity,
}

/// The size and kind of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelConfig {
    /// Channels of the condition `x`.
    pub condition_channels: usize,
    /// Channels of the target `y`.
    pub target_channels: usize,
    /// Which network predicts.
    pub network: Network,
    /// Base filters of the noise network; the channels of a DFCAN.
    pub noise_base: usize,
    /// Base filters of the rate network `λ`.
    pub rate_base: usize,
    /// Scales of both networks, the noise network's and the rate network's.
    pub scales: usize,
    /// Kernel of their transposed convolutions: 2 or 3.
    pub up_kernel: usize,
    /// Hidden units of `τ` and `ρ`.
    pub hidden: usize,
    /// The schedule.
    pub schedule: ScheduleKind,
    /// `k` of the start `ρ = k t²`, `τ = 2 k t`.
    pub start: f32,
    /// What the noise network's output means.
    pub parametrization: Parametrization,
}

impl Default for ModelConfig {
    /// The paper's sizes, for two condition channels and one target channel.
    fn default() -> Self {
        Self {
            condition_channels: 2,
            target_channels: 1,
            network: Network::UNet,
            noise_base: 64,
            rate_base: 32,
            scales: 5,
            up_kernel: 2,
            hidden: 1024,
            schedule: ScheduleKind::Learned,
            start: 6.0,
            parametrization: Parametrization::Noise,
        }
    }
}

fn input_channels(config: &ModelConfig) -> usize {
    let of_diffusion = if config.schedule == ScheduleKind::None { 0 } else { 2 * config.target_channels };
    config.condition_channels + of_diffusion
}

#[derive(Debug, Clone)]
enum Rate {
    Network(UNet),
    Scalar { weight: std::ops::Range<usize>, bias: std::ops::Range<usize> },
    One,
}

/// A model: its networks, and where their parameters lie in one flat tensor.
#[derive(Debug, Clone)]
pub struct Model {
    config: ModelConfig,
    parameters: Parameters,
    noise: Backbone,
    rate: Rate,
    rho: Option<TimeNetwork>,
    tau: Option<TimeNetwork>,
}

impl Model {
    /// Lays out a model.
    ///
    /// # Errors
    /// [`Error::Input`] if the sizes make no network, or a model without a schedule is to predict a velocity.
    pub fn new(config: ModelConfig) -> Result<Self> {
        let ModelConfig { condition_channels: cx, target_channels: cy, hidden, start: k, .. } = config;
        if !(1..=65_536).contains(&hidden) || !k.is_finite() || k <= 0.0 {
            return Err(Error::input(format!(
                "time networks with {hidden} hidden units that start at k = {k}; 1 to 65536 units and a positive k"
            )));
        }
        if config.schedule == ScheduleKind::None && config.parametrization != Parametrization::Noise {
            return Err(Error::input("a velocity needs a schedule; without one the network gives the target itself"));
        }
        let mut parameters = Parameters::default();
        let noise = Backbone::new(&config, input_channels(&config), &mut parameters)?;
        let rate = match config.schedule {
            ScheduleKind::Learned | ScheduleKind::Tied => {
                let size = UNetConfig {
                    in_channels: cx,
                    out_channels: cy,
                    base: config.rate_base,
                    scales: config.scales,
                    up_kernel: config.up_kernel,
                    head: Activation::Softplus,
                };
                Rate::Network(UNet::new(size, &mut parameters, "rate")?)
            }
            ScheduleKind::Simple => Rate::Scalar {
                weight: parameters.add("rate.scalar.weight".into(), &[cy, 1, 1, 1], Init::Constant(0.0)),
                bias: parameters.add("rate.scalar.bias".into(), &[cy], Init::Constant(0.0)),
            },
            ScheduleKind::Fixed(_) | ScheduleKind::None => Rate::One,
        };
        let learned = !matches!(config.schedule, ScheduleKind::Fixed(_) | ScheduleKind::None);
        let rho = learned.then(|| TimeNetwork::new(&mut parameters, "rho", hidden, k, 0.0));
        let untied = learned && config.schedule != ScheduleKind::Tied;
        let tau = untied.then(|| TimeNetwork::new(&mut parameters, "tau", hidden, 0.0, 2.0 * k));
        Ok(Self { config, parameters, noise, rate, rho, tau })
    }

    /// The model's size and kind.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Its parameters by name.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Sizes of conditions must be a multiple of this; others are padded.
    pub fn multiple(&self) -> usize {
        self.noise.multiple()
    }

    /// How much larger the target is than the condition along each side: 1, but for a DFCAN that enlarges.
    pub fn scale(&self) -> usize {
        self.noise.scale()
    }

    /// The network `ρ`, if the schedule is learned.
    pub fn rho(&self) -> Option<&TimeNetwork> {
        self.rho.as_ref()
    }

    /// The network `τ`, if the schedule is learned and not tied.
    pub fn tau(&self) -> Option<&TimeNetwork> {
        self.tau.as_ref()
    }

    /// Refuses the flat parameters of another model, and images without pixels.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub(super) fn expect(&self, flat: &[f32], (height, width): (usize, usize)) -> Result<()> {
        if flat.len() == self.parameters.len() && height > 0 && width > 0 {
            return Ok(());
        }
        Err(Error::input(format!(
            "{} parameters for a model of {}, images of {height} × {width}; both must fit and none be empty",
            flat.len(),
            self.parameters.len()
        )))
    }

    /// The size that an image of `size` is padded to, the same on every adapter. The fast kernels need widths that are multiples of 4 at
    /// every scale; a larger margin on the right costs less than the kernels of any size would.
    pub(super) fn padded(&self, (height, width): (usize, usize)) -> (usize, usize) {
        (height.next_multiple_of(self.multiple()), width.next_multiple_of(4 * self.multiple()))
    }

    /// Channels of the noise network's input: condition, γ, latent; without a schedule the condition alone.
    pub fn input_channels(&self) -> usize {
        input_channels(&self.config)
    }

    /// The parts of the noise network's input: condition, γ, latent.
    ///
    /// # Errors
    /// [`Error::Shape`] if `input` has other channels.
    pub fn split_input(&self, input: &View) -> Result<[View; 3]> {
        let (cx, cy) = (self.config.condition_channels, self.config.target_channels);
        Ok([input.range(0..cx)?, input.range(cx..cx + cy)?, input.range(cx + cy..cx + 2 * cy)?])
    }

    /// Records the noise predictor `ε̂(concat(x, γ, z))`, or, without a schedule, the predictor of the target `ŷ(x)`, which is
    /// [`Model::scale`] times as large as `x`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not fit.
    pub fn record_noise(&self, tape: &mut Tape, flat: &View, input: &View) -> Result<View> {
        let output = self.noise.record(tape, flat, input)?;
        match self.config.parametrization {
            Parametrization::Noise => Ok(output),
            Parametrization::Velocity => {
                let cx = self.config.condition_channels;
                tape.velocity(&input.range(cx..self.input_channels())?, &output)
            }
        }
    }

    /// Records the rate `λ(x)` into `rate`. A fixed schedule has `λ = 1`, a simple one the same number everywhere in a channel.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not fit.
    pub fn record_rate(&self, tape: &mut Tape, flat: &View, x: &View, rate: &View) -> Result<()> {
        match &self.rate {
            Rate::Network(network) => network.record_into(tape, flat, x, rate),
            Rate::Scalar { weight, bias } => {
                // softplus(w + b) everywhere, as a 1×1 convolution of ones: no kernel of its own is needed.
                let ones = tape.intermediate("ones", Shape { c: 1, ..rate.shape })?;
                tape.push([elementwise::fill(&ones, 1.0)?]);
                let (weight, bias) = (flat.range(weight.clone())?, flat.range(bias.clone())?);
                tape.conv2d_into(Conv2d::same(1), &ones, &weight, &bias, Activation::Softplus, rate)
            }
            Rate::One => {
                tape.push([elementwise::fill(rate, 1.0)?]);
                Ok(())
            }
        }
    }

    /// The rate of change `τ(t)` of the schedule, from the flat parameters.
    pub fn time_rate(&self, flat: &[f32], t: f64) -> f64 {
        match (self.config.schedule, &self.tau, &self.rho) {
            (ScheduleKind::Fixed(fixed), ..) => fixed.rate(t),
            (_, Some(tau), _) => tau.evaluate(flat, t)[0],
            (_, None, Some(rho)) => rho.evaluate(flat, t)[1],
            (_, None, None) => 0.0,
        }
    }

    /// The integrated rate `ρ(t)`, from the flat parameters.
    pub fn time_integral(&self, flat: &[f32], t: f64) -> f64 {
        match (self.config.schedule, &self.rho) {
            (ScheduleKind::Fixed(fixed), _) => fixed.integral(t),
            (_, Some(rho)) => rho.evaluate(flat, t)[0],
            (_, None) => 0.0,
        }
    }
}
