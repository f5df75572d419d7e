//! The differentiable operations that networks are made of: what each records going forward.

use super::Tape;
use super::attention::Attention;
use super::convolution::{Measured, Norm};
use super::pointwise::Pointwise;
use super::spatial::Spatial;
use crate::Result;
use crate::kernels::conv2d::{Activation, Conv2d};
use crate::kernels::{group_norm, instance_norm, max_pool2d, velocity};
use crate::tensor::View;

/// A recorded operation, as plain data: everything that its gradient needs to know.
#[derive(Debug, Clone)]
pub enum Op {
    /// `y = activation(conv2d(x, weight) + bias)`.
    Conv2d {
        /// Kernel, stride and padding.
        spec: Conv2d,
        /// Input.
        x: View,
        /// Parameter `[Cout, Cin, K, K]`.
        weight: View,
        /// Parameter `[Cout]`.
        bias: View,
        /// The epilogue.
        activation: Activation,
        /// Output.
        y: View,
    },
    /// `y = activation(conv2d(norm(x), weight) + bias)`, 3×3, without the normalised map.
    Conv2dOfNormalised {
        /// Input of the norm.
        x: View,
        /// The norm.
        norm: Norm,
        /// Parameter `[Cout, Cin, 3, 3]`.
        weight: View,
        /// Parameter `[Cout]`.
        bias: View,
        /// The epilogue.
        activation: Activation,
        /// Output.
        y: View,
    },
    /// `y = conv_transpose2d(x, weight) + bias`, stride 2.
    ConvTranspose2d {
        /// Taps along each side, 2 or 3.
        kernel: usize,
        /// Input.
        x: View,
        /// Parameter `[Cin, Cout, K, K]`.
        weight: View,
        /// Parameter `[Cout]`.
        bias: View,
        /// Output.
        y: View,
    },
    /// `y = (x − mean) / sqrt(var + ε) · weight + bias`, over each sample's channel.
    InstanceNorm {
        /// Input.
        x: View,
        /// Parameter `[C]`.
        weight: View,
        /// Parameter `[C]`.
        bias: View,
        /// Mean and inverse standard deviation, `[N, C, 1, 2]`.
        stats: View,
        /// Output.
        y: View,
    },
    /// `y = (x − mean) / sqrt(var + ε) · weight + bias`, over each sample's groups of channels.
    GroupNorm {
        /// How many groups.
        groups: usize,
        /// Input.
        x: View,
        /// Parameter `[C]`.
        weight: View,
        /// Parameter `[C]`.
        bias: View,
        /// Mean and inverse standard deviation of each channel's group, `[N, C, 1, 2]`.
        stats: View,
        /// Output.
        y: View,
    },
    /// `y = √(1 − γ) z + √γ v`: the noise from a velocity.
    Velocity {
        /// γ and z, neighbouring ranges of the noise network's input.
        latent: View,
        /// The network's prediction.
        v: View,
        /// Output.
        y: View,
    },
    /// The largest of each 2×2 block.
    MaxPool2d {
        /// Input.
        x: View,
        /// Output.
        y: View,
    },
    /// Value by value or channel by channel.
    Pointwise(Pointwise),
    /// Between sizes of images, or between an image and its spectrum.
    Spatial(Spatial),
    /// Products of matrices, and softmax.
    Attention(Attention),
}

impl Op {
    /// The inputs, parameters left out, whose gradients the operation passes on.
    pub fn inputs(&self) -> Vec<&View> {
        match self {
            Self::Conv2d { x, .. }
            | Self::Conv2dOfNormalised { x, .. }
            | Self::ConvTranspose2d { x, .. }
            | Self::InstanceNorm { x, .. }
            | Self::GroupNorm { x, .. }
            | Self::MaxPool2d { x, .. } => vec![x],
            Self::Velocity { latent, v, .. } => vec![v, latent],
            Self::Pointwise(op) => op.inputs(),
            Self::Spatial(op) => vec![op.input()],
            Self::Attention(op) => op.inputs(),
        }
    }

    /// The output.
    pub fn output(&self) -> &View {
        match self {
            Self::Conv2d { y, .. }
            | Self::Conv2dOfNormalised { y, .. }
            | Self::ConvTranspose2d { y, .. }
            | Self::InstanceNorm { y, .. }
            | Self::GroupNorm { y, .. }
            | Self::MaxPool2d { y, .. }
            | Self::Velocity { y, .. } => y,
            Self::Pointwise(op) => op.output(),
            Self::Spatial(op) => op.output(),
            Self::Attention(op) => op.output(),
        }
    }

    /// Every view of the operation.
    pub(super) fn views_mut(&mut self) -> Vec<&mut View> {
        match self {
            Self::Conv2d { x, weight, bias, y, .. } => vec![x, weight, bias, y],
            Self::Conv2dOfNormalised { x, norm: n, weight, bias, y, .. } => {
                vec![x, &mut n.weight, &mut n.bias, &mut n.stats, &mut n.scales, weight, bias, y]
            }
            Self::ConvTranspose2d { x, weight, bias, y, .. } => vec![x, weight, bias, y],
            Self::InstanceNorm { x, weight, bias, stats, y } => vec![x, weight, bias, stats, y],
            Self::GroupNorm { x, weight, bias, stats, y, .. } => vec![x, weight, bias, stats, y],
            Self::Velocity { latent, v, y } => vec![latent, v, y],
            Self::MaxPool2d { x, y } => vec![x, y],
            Self::Pointwise(op) => op.views_mut(),
            Self::Spatial(op) => op.views_mut(),
            Self::Attention(op) => op.views_mut(),
        }
    }
}

impl Tape {
    pub(super) fn note(&mut self, op: Op) {
        self.note_made(vec![op.output().tensor]);
        self.note_operation(op);
    }

    pub(super) fn note_operation(&mut self, op: Op) {
        let has_parameters = matches!(
            op,
            Op::Conv2d { .. }
                | Op::Conv2dOfNormalised { .. }
                | Op::ConvTranspose2d { .. }
                | Op::InstanceNorm { .. }
                | Op::GroupNorm { .. }
        );
        if has_parameters || op.inputs().iter().any(|x| self.differentiable.contains(&x.tensor)) {
            self.differentiable.insert(op.output().tensor);
        }
        self.ops.push(op);
    }

    /// Records an affine instance norm into `y`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes do not fit.
    pub fn instance_norm_into(
        &mut self,
        x: impl Into<Measured>,
        weight: &View,
        bias: &View,
        epsilon: f32,
        y: &View,
    ) -> Result<()> {
        let measured = x.into();
        let x = measured.map;
        let stats = self.intermediate("norm statistics", instance_norm::stats(x.shape))?;
        let call = instance_norm::forward(self.caps, measured.input(), Some((weight, bias)), &stats, y, epsilon)?;
        self.push([call]);
        self.note(Op::InstanceNorm { x, weight: *weight, bias: *bias, stats, y: *y });
        Ok(())
    }

    /// As [`Tape::instance_norm_into`], and its 2×2 max-pool into a new intermediate, in one pass.
    ///
    /// # Errors
    /// As [`Tape::instance_norm_into`], and [`crate::Error::Shape`] if height or width is odd.
    pub fn instance_norm_pooled(
        &mut self,
        x: impl Into<Measured>,
        weight: &View,
        bias: &View,
        epsilon: f32,
        y: &View,
    ) -> Result<View> {
        let measured = x.into();
        let x = measured.map;
        let stats = self.intermediate("norm statistics", instance_norm::stats(x.shape))?;
        let pooled = self.feature_map("max-pool", max_pool2d::output(x.shape)?)?;
        let call = instance_norm::pooled(self.caps, measured.input(), [weight, bias], &stats, [y, &pooled], epsilon)?;
        self.push([call]);
        self.note_made(vec![y.tensor, pooled.tensor]);
        self.note_operation(Op::InstanceNorm { x, weight: *weight, bias: *bias, stats, y: *y });
        self.note_operation(Op::MaxPool2d { x: *y, y: pooled });
        Ok(pooled)
    }

    /// Records an affine instance norm into a new intermediate.
    ///
    /// # Errors
    /// As [`Tape::instance_norm_into`].
    pub fn instance_norm(&mut self, x: impl Into<Measured>, weight: &View, bias: &View, epsilon: f32) -> Result<View> {
        let x = x.into();
        let y = self.feature_map("norm", x.map.shape)?;
        self.instance_norm_into(x, weight, bias, epsilon, &y)?;
        Ok(y)
    }

    /// Records an affine group norm into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes do not fit or the channels do not divide into the groups.
    pub fn group_norm(&mut self, groups: usize, x: &View, weight: &View, bias: &View, epsilon: f32) -> Result<View> {
        let moments = self.intermediate("norm moments", group_norm::stats(x.shape))?;
        let stats = self.intermediate("norm statistics", group_norm::stats(x.shape))?;
        let y = self.intermediate("norm", x.shape)?;
        let calls = group_norm::forward(self.caps, groups, x, [weight, bias], &moments, &stats, &y, epsilon)?;
        self.push(calls);
        self.note(Op::GroupNorm { groups, x: *x, weight: *weight, bias: *bias, stats, y });
        Ok(y)
    }

    /// Records the noise from a velocity `v`, with γ and z in the two halves of `latent`'s channels.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes do not fit.
    pub fn velocity(&mut self, latent: &View, v: &View) -> Result<View> {
        let y = self.intermediate("noise from velocity", v.shape)?;
        let c = v.shape.c;
        self.push([velocity::forward(&latent.range(0..c)?, &latent.range(c..2 * c)?, v, &y)?]);
        self.note(Op::Velocity { latent: *latent, v: *v, y });
        Ok(y)
    }

    /// Records a 2×2 max-pool into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if height or width is odd.
    pub fn max_pool2d(&mut self, x: &View) -> Result<View> {
        let y = self.feature_map("max-pool", max_pool2d::output(x.shape)?)?;
        self.push([max_pool2d::forward(x, &y)?]);
        self.note(Op::MaxPool2d { x: *x, y });
        Ok(y)
    }
}
