//! The U-Net that all peers compute, with the names of PyTorch's modules.
//!
//! Five scales with doubling channels; a block is twice 3×3 convolution, softplus, instance norm with learned scale and
//! shift. Down by 2×2 max-pooling, up by 2×2 transposed convolutions, `[up, skip]` concatenated, a 1×1 convolution last.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{InstanceNorm, InstanceNormConfig, PaddingConfig2d};
use burn::tensor::activation::softplus;
use burn::tensor::{Device, Tensor};

pub const IN: usize = 3;
pub const OUT: usize = 1;
const SCALES: usize = 5;
const NORM_EPSILON: f64 = 1e-3;

#[derive(Module, Debug)]
struct Block {
    c1: Conv2d,
    n1: InstanceNorm,
    c2: Conv2d,
    n2: InstanceNorm,
}

impl Block {
    fn new(from: usize, to: usize, device: &Device) -> Self {
        let conv = |from| {
            Conv2dConfig::new([from, to], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        let norm = || InstanceNormConfig::new(to).with_epsilon(NORM_EPSILON).init(device);
        Self { c1: conv(from), n1: norm(), c2: conv(to), n2: norm() }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.n1.forward(softplus(self.c1.forward(x), 1.0));
        self.n2.forward(softplus(self.c2.forward(x), 1.0))
    }
}

#[derive(Module, Debug)]
pub struct UNet {
    down: Vec<Block>,
    up: Vec<ConvTranspose2d>,
    dec: Vec<Block>,
    out: Conv2d,
    pool: MaxPool2d,
}

impl UNet {
    pub fn new(base: usize, device: &Device) -> Self {
        let channels = |scale: usize| base << scale;
        let up =
            |i| ConvTranspose2dConfig::new([channels(i + 1), channels(i)], [2, 2]).with_stride([2, 2]).init(device);
        Self {
            down: (0..SCALES)
                .map(|i| Block::new(if i == 0 { IN } else { channels(i - 1) }, channels(i), device))
                .collect(),
            up: (0..SCALES - 1).map(up).collect(),
            dec: (0..SCALES - 1).map(|i| Block::new(2 * channels(i), channels(i), device)).collect(),
            out: Conv2dConfig::new([base, OUT], [1, 1]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).init(),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut skips = Vec::new();
        let mut x = self.down[0].forward(x);
        for block in &self.down[1..] {
            skips.push(x.clone());
            x = block.forward(self.pool.forward(x));
        }
        for (i, skip) in skips.into_iter().enumerate().rev() {
            x = self.dec[i].forward(Tensor::cat(vec![self.up[i].forward(x), skip], 1));
        }
        self.out.forward(x)
    }
}
