//! The U-Net of SR3 (Saharia et al., Image Super-Resolution via Iterative Refinement, 2021), as it is built in a widely used reimplementation
//! and smaller than in that publication, whose network for 64² to 256² has 128 channels times 1, 2, 4, 4, 8 and 8, three blocks a resolution and
//! some 625 million parameters. Left out are the publication's attention in every block at 16² (here it is in the middle alone), its
//! dropout, and its factor 1/√2 on skips.
//!
//! Residual blocks of group norm, swish and 3×3 convolutions, told the noise level by a value added to every channel, or by its input alone; strided
//! convolutions on the way down, repeated pixels and a convolution on the way up; self-attention in the middle. What the way
//! down leaves behind is read again on the way up: it is written where the reader will find it beside its other input, so that
//! nothing is concatenated.

use super::Parameters;
use super::layers::Weights;
use crate::kernels::activation::Function;
use crate::kernels::conv2d::{Activation, Conv2d};
use crate::tape::Tape;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// Group norm's ε.
const NORM_EPSILON: f32 = 1e-5;
/// Halves an image.
const DOWN: Conv2d = Conv2d { kernel: 3, stride: 2, padding: 1 };

/// The size of SR3's U-Net; [`Self::paper`] says which one stands for the paper's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sr3Config {
    /// Channels of the input: the measurement's and the noisy image's.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Channels at full resolution; even, for the noise level's sines and cosines.
    pub base: usize,
    /// Channels at each resolution, as multiples of `base`.
    pub multipliers: Vec<usize>,
    /// Residual blocks at each resolution on the way down; one more on the way up.
    pub blocks: usize,
    /// Groups of the norms.
    pub groups: usize,
    /// Heads of the attention.
    pub heads: usize,
    /// Every sample has one noise level, told by an encoding. Without it the layers that bring it in are left out, and the level
    /// is what the input says.
    pub encoding: bool,
}

impl Sr3Config {
    /// 64 channels times 1, 2, 4, 8 and 8, two blocks a resolution, 32 groups, one head; color images. These are a widely used
    /// reimplementation's sizes, which stand for the paper's, as it names none; SR3's publication has larger ones (above).
    pub fn paper() -> Self {
        Self {
            in_channels: 6,
            out_channels: 3,
            base: 64,
            multipliers: vec![1, 2, 4, 8, 8],
            blocks: 2,
            groups: 32,
            heads: 1,
            encoding: true,
        }
    }

    /// Image sizes must be a multiple of this.
    pub fn multiple(&self) -> usize {
        1 << (self.multipliers.len() - 1)
    }

    fn channels(&self, level: usize) -> usize {
        self.base * self.multipliers[level]
    }

    /// Refuses sizes that make no network.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn check(&self) -> Result<()> {
        let Self { in_channels, out_channels, base, multipliers, blocks, groups, heads, encoding: _ } = self;
        let counts = [*in_channels, *out_channels, *base, *blocks, *groups, *heads];
        let sensible = !counts.contains(&0) && !multipliers.contains(&0) && (1..=8).contains(&multipliers.len());
        if !sensible
            || !base.is_multiple_of(2)
            || !base.is_multiple_of(*groups)
            || !self.channels(multipliers.len() - 1).is_multiple_of(*heads)
        {
            return Err(Error::input(format!(
                "{self:?}; every size must be positive, one to eight multipliers, the base even and divided by the groups, \
                 the deepest channels divided by the heads"
            )));
        }
        Ok(())
    }
}

/// How the noise level of a sample, in SR3 the root of γ, is told to the network: `sin(v f_k)` and then `cos(v f_k)` with
/// `f_k = 10⁻⁴` to the power of `k / (base/2)`, for `k < base/2`.
pub fn noise_encoding(level: f32, base: usize) -> Vec<f32> {
    let half = base / 2;
    let angle = |k: usize| f64::from(level) * 1e-4f64.powf(k as f64 / half as f64);
    let sines = (0..half).map(|k| angle(k).sin() as f32);
    sines.chain((0..half).map(|k| angle(k).cos() as f32)).collect()
}

/// A residual block: twice (norm, swish, convolution), the noise level's layer, and the shortcut where channels change.
#[derive(Debug, Clone)]
struct Block {
    norms: [Weights; 2],
    convolutions: [Weights; 2],
    noise: Option<Weights>,
    shortcut: Option<Weights>,
}

/// Self-attention over pixels.
#[derive(Debug, Clone)]
struct Attention {
    norm: Weights,
    qkv: Weights,
    out: Weights,
}

/// A block or a change of size on the way down: each leaves what the way up reads.
#[derive(Debug, Clone)]
enum Down {
    Block(Block),
    Halve(Weights),
}

/// A block on the way up, the channels that it gets from below and those from the way down; and the convolution after
/// doubling the size, behind the last block of a resolution.
#[derive(Debug, Clone)]
struct Up {
    block: Block,
    below: usize,
    beside: usize,
    double: Option<Weights>,
}

/// SR3's U-Net: where its parameters lie, and how it is recorded.
#[derive(Debug, Clone)]
pub struct Sr3 {
    config: Sr3Config,
    noise: Option<[Weights; 2]>,
    first: Weights,
    down: Vec<Down>,
    middle: [Block; 2],
    attention: Attention,
    up: Vec<Up>,
    last: (Weights, Weights),
}

/// Adds a network's parameters, a layer at a time.
struct Builder<'a> {
    parameters: &'a mut Parameters,
    prefix: &'a str,
    base: usize,
    encoding: bool,
}

impl Builder<'_> {
    fn convolution(&mut self, name: &str, sizes: [usize; 3]) -> Weights {
        Weights::convolution(self.parameters, &format!("{}.{name}", self.prefix), sizes)
    }

    fn norm(&mut self, name: &str, c: usize) -> Weights {
        Weights::norm(self.parameters, &format!("{}.{name}", self.prefix), c)
    }

    fn block(&mut self, name: &str, ci: usize, co: usize) -> Block {
        Block {
            norms: [self.norm(&format!("{name}.norm1"), ci), self.norm(&format!("{name}.norm2"), co)],
            convolutions: [
                self.convolution(&format!("{name}.conv1"), [co, ci, 3]),
                self.convolution(&format!("{name}.conv2"), [co, co, 3]),
            ],
            noise: self.encoding.then(|| self.convolution(&format!("{name}.noise"), [co, self.base, 1])),
            shortcut: (ci != co).then(|| self.convolution(&format!("{name}.shortcut"), [co, ci, 1])),
        }
    }
}

impl Sr3 {
    /// Adds the network's parameters, named `PREFIX.down0.block0.conv1.weight` and so on.
    ///
    /// # Errors
    /// [`Error::Input`] if the sizes make no network.
    pub fn new(config: Sr3Config, parameters: &mut Parameters, prefix: &str) -> Result<Self> {
        config.check()?;
        let (base, levels) = (config.base, config.multipliers.len());
        let mut add = Builder { parameters, prefix, base, encoding: config.encoding };
        let noise = config
            .encoding
            .then(|| [add.convolution("noise1", [4 * base, base, 1]), add.convolution("noise2", [base, 4 * base, 1])]);
        let first = add.convolution("first", [base, config.in_channels, 3]);
        // What each step leaves for the way up, in channels.
        let (mut left, mut c) = (vec![base], base);
        let mut down = Vec::new();
        for level in 0..levels {
            for i in 0..config.blocks {
                let co = config.channels(level);
                down.push(Down::Block(add.block(&format!("down{level}.block{i}"), c, co)));
                c = co;
                left.push(c);
            }
            if level + 1 < levels {
                down.push(Down::Halve(add.convolution(&format!("down{level}.halve"), [c, c, 3])));
                left.push(c);
            }
        }
        let middle = [add.block("middle0", c, c), add.block("middle1", c, c)];
        let attention = Attention {
            norm: add.norm("attention.norm", c),
            qkv: add.convolution("attention.qkv", [3 * c, c, 1]),
            out: add.convolution("attention.out", [c, c, 1]),
        };
        let mut up = Vec::new();
        for level in (0..levels).rev() {
            for i in 0..=config.blocks {
                let (below, co) = (c, config.channels(level));
                let Some(beside) = left.pop() else { break };
                let block = add.block(&format!("up{level}.block{i}"), below + beside, co);
                c = co;
                let doubled = i == config.blocks && level > 0;
                let double = doubled.then(|| add.convolution(&format!("up{level}.double"), [c, c, 3]));
                up.push(Up { block, below, beside, double });
            }
        }
        let last = (add.norm("last.norm", c), add.convolution("last.conv", [config.out_channels, c, 3]));
        Ok(Self { config, noise, first, down, middle, attention, up, last })
    }

    /// The network's size.
    pub fn config(&self) -> &Sr3Config {
        &self.config
    }

    /// Records the network on `x [N, Cin, H, W]` with the parameters `flat`; `encoding [N, base, 1, 1]` is [`noise_encoding`] of
    /// each sample's noise level, if [`Sr3Config::encoding`] asks for one. Returns `[N, Cout, H, W]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the channels are others, the size is no multiple of [`Sr3Config::multiple`], or there is an encoding
    /// too few or too many.
    pub fn record(&self, tape: &mut Tape, flat: &View, x: &View, encoding: Option<&View>) -> Result<View> {
        let (config, multiple) = (&self.config, self.config.multiple());
        if x.shape.c != config.in_channels || !x.shape.h.is_multiple_of(multiple) || !x.shape.w.is_multiple_of(multiple)
        {
            return Err(Error::shape(format!(
                "SR3's U-Net on {}; expected {} channels and sizes that are multiples of {multiple}",
                x.shape, config.in_channels
            )));
        }
        let level = self.record_level(tape, flat, x.shape, encoding)?;
        let level = level.as_ref();

        // The inputs of the way up, last first; the second part of each is written on the way down.
        let mut readers = self.up.iter().rev();
        let mut inputs = Vec::new();
        let mut leave = |tape: &mut Tape, size: Shape| -> Result<View> {
            let Some(reader) = readers.next() else { return Err(Error::shape("nothing on the way up reads this")) };
            let both = tape.intermediate("beside", Shape { c: reader.below + reader.beside, ..size })?;
            inputs.push(both);
            both.range(reader.below..reader.below + reader.beside)
        };
        let mut h = leave(tape, x.shape)?;
        self.first.convolve_into(tape, flat, Conv2d::same(3), x, &h)?;
        for step in &self.down {
            match step {
                Down::Block(block) => {
                    let y = leave(tape, h.shape)?;
                    self.record_block(tape, flat, block, level, &h, &y)?;
                    h = y;
                }
                Down::Halve(weights) => {
                    let y = leave(tape, DOWN.output(h.shape, h.shape.c)?)?;
                    weights.convolve_into(tape, flat, DOWN, &h, &y)?;
                    h = y;
                }
            }
        }
        let between = tape.intermediate("middle", h.shape)?;
        self.record_block(tape, flat, &self.middle[0], level, &h, &between)?;
        let attended = self.record_attention(tape, flat, &between)?;
        // The first part of what the next block reads.
        let below = |i: usize, both: &View| both.range(0..self.up[i].below);
        let mut both = inputs.pop().ok_or_else(|| Error::shape("nothing was left on the way down"))?;
        self.record_block(tape, flat, &self.middle[1], level, &attended, &below(0, &both)?)?;
        for (i, step) in self.up.iter().enumerate() {
            let next = inputs.pop();
            let co = step.block.convolutions[1].bias.len();
            let out = match (&next, &step.double) {
                (Some(next), None) => below(i + 1, next)?,
                _ => tape.intermediate("up", Shape { c: co, ..both.shape })?,
            };
            self.record_block(tape, flat, &step.block, level, &both, &out)?;
            h = out;
            if let Some(next) = next {
                if let Some(double) = &step.double {
                    let large = tape.upsample(2, &h)?;
                    double.convolve_into(tape, flat, Conv2d::same(3), &large, &below(i + 1, &next)?)?;
                }
                both = next;
            }
        }
        let h = self.norm_and_swish(tape, flat, &self.last.0, &h)?;
        self.last.1.convolve(tape, flat, Conv2d::same(3), &h, Activation::None)
    }

    /// The noise level as every block's own layer takes it.
    fn record_level(&self, tape: &mut Tape, flat: &View, x: Shape, encoding: Option<&View>) -> Result<Option<View>> {
        let ([first, second], encoding) = match (&self.noise, encoding) {
            (None, None) => return Ok(None),
            (Some(layers), Some(encoding)) => (layers, encoding),
            _ => {
                return Err(Error::shape(
                    "an encoding of the noise level for SR3's U-Net without it, or none for one with it",
                ));
            }
        };
        encoding.expect("the encoding of the noise level", Shape { c: self.config.base, h: 1, w: 1, ..x })?;
        let level = first.convolve(tape, flat, Conv2d::same(1), encoding, Activation::None)?;
        let level = tape.activation(Function::Swish, &level)?;
        second.convolve(tape, flat, Conv2d::same(1), &level, Activation::None).map(Some)
    }

    fn norm_and_swish(&self, tape: &mut Tape, flat: &View, norm: &Weights, x: &View) -> Result<View> {
        let [weight, bias] = norm.of(flat)?;
        let normed = tape.group_norm(self.config.groups, x, &weight, &bias, NORM_EPSILON)?;
        tape.activation(Function::Swish, &normed)
    }

    /// A block is a segment, as in the U-Net.
    fn record_block(
        &self,
        tape: &mut Tape,
        flat: &View,
        block: &Block,
        level: Option<&View>,
        x: &View,
        y: &View,
    ) -> Result<()> {
        tape.segment(|tape| {
            let h = self.norm_and_swish(tape, flat, &block.norms[0], x)?;
            let mut h = block.convolutions[0].convolve(tape, flat, Conv2d::same(3), &h, Activation::None)?;
            if let (Some(layer), Some(level)) = (&block.noise, level) {
                let shift = layer.convolve(tape, flat, Conv2d::same(1), level, Activation::None)?;
                h = tape.add_to_planes(&h, &shift)?;
            }
            let h = self.norm_and_swish(tape, flat, &block.norms[1], &h)?;
            let h = block.convolutions[1].convolve(tape, flat, Conv2d::same(3), &h, Activation::None)?;
            let shortcut = match &block.shortcut {
                Some(weights) => weights.convolve(tape, flat, Conv2d::same(1), x, Activation::None)?,
                None => *x,
            };
            tape.add_into(&h, &shortcut, y)
        })
    }

    fn record_attention(&self, tape: &mut Tape, flat: &View, x: &View) -> Result<View> {
        let Attention { norm, qkv, out } = &self.attention;
        let c = x.shape.c;
        let [weight, bias] = norm.of(flat)?;
        let h = tape.group_norm(self.config.groups, x, &weight, &bias, NORM_EPSILON)?;
        let qkv = qkv.convolve(tape, flat, Conv2d::same(1), &h, Activation::None)?;
        let (q, k, v) = (qkv.range(0..c)?, qkv.range(c..2 * c)?, qkv.range(2 * c..3 * c)?);
        let h = tape.attention(self.config.heads, &q, &k, &v)?;
        let h = out.convolve(tape, flat, Conv2d::same(1), &h, Activation::None)?;
        tape.add(x, &h)
    }
}
