//! Transposed convolutions, with stride 2, and their gradients: which kernels do them.
//!
//! A 2×2 kernel has shaders of its own. A 3×3 one is the 3×3 convolution of the image with zeros between its pixels, whose kernels do
//! four times the work at ten times the speed of those of any size and more, in all three directions; as a convolution with stride 2
//! is one at every pixel, of which most are left out.

use super::{Op, Tape};
use crate::Result;
use crate::kernels::conv2d::{Activation, Direction};
use crate::kernels::{conv_transpose2d, conv2d, conv2d_3x3, conv2d_3x3_portable, split_sum, upsample};
use crate::tensor::{Shape, View};

/// The stride of all of them.
const STRIDE: usize = 2;

impl Tape {
    /// Records a transposed convolution with stride 2 into `y`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes do not fit.
    pub fn conv_transpose2d_into(
        &mut self,
        kernel: usize,
        x: &View,
        weight: &View,
        bias: &View,
        y: &View,
    ) -> Result<()> {
        let mut made = vec![y.tensor];
        if self.suits_with_zeros(kernel, x.shape) {
            y.expect("the transposed convolution's output", conv_transpose2d::output(x.shape, y.shape.c))?;
            let spread = self.with_zeros(x)?;
            // Its weights are those of the convolution whose adjoint it is.
            self.conv2d_3x3(Direction::Backward, &spread, weight, Some(bias), Activation::None, y, false)?;
            made.push(spread.tensor);
        } else {
            self.push([conv_transpose2d::forward(self.caps, kernel, x, weight, bias, y)?]);
        }
        self.note_made(made);
        self.note_operation(Op::ConvTranspose2d { kernel, x: *x, weight: *weight, bias: *bias, y: *y });
        Ok(())
    }

    /// Whether the kernels of 3×3 convolutions do a transposed one of images of this shape.
    fn suits_with_zeros(&self, kernel: usize, x: Shape) -> bool {
        kernel == 3 && conv2d_3x3_portable::suits(conv2d_3x3::SPEC, conv_transpose2d::output(x, x.c))
    }

    /// Records `x` with zeros between its pixels, twice as high and as wide, into a new intermediate.
    fn with_zeros(&mut self, x: &View) -> Result<View> {
        let spread = self.feature_map("pixels with zeros between", conv_transpose2d::output(x.shape, x.shape.c))?;
        self.push([upsample::decimate_backward(STRIDE, x, &spread, false)?]);
        Ok(spread)
    }

    /// Records the gradients of a transposed convolution's weight and bias.
    pub(super) fn conv_transpose2d_parameters(
        &mut self,
        kernel: usize,
        x: &View,
        [weight, bias]: [&View; 2],
        g: &View,
    ) -> Result<()> {
        let (gw, add_w) = self.parameter_gradient(weight)?;
        let (gb, add_b) = self.parameter_gradient(bias)?;
        let caps = self.caps;
        if conv_transpose2d::suits(kernel, x.shape) {
            let parts = conv_transpose2d::parts(caps, x.shape, g.shape.c);
            let record = |to: &View| conv_transpose2d::grad_weight(caps, x, g, to);
            return self.split_gradient(parts, [&gw, &gb], [add_w, add_b], record);
        }
        if self.suits_with_zeros(kernel, x.shape) {
            // Made again, not kept: it is four times as large as `x`.
            let spread = self.with_zeros(x)?;
            let how = self.weight_gradient(g.shape, spread.shape.c)?;
            let parts = how.parts(caps, g.shape, spread.shape.c);
            let sums = self.intermediate("partial sums", parts.shape())?;
            self.push([how.record(caps, g.into(), &spread, &sums)?]);
            self.push([split_sum::sum_splits(parts, &sums, 0, &gw, add_w)?]);
        } else {
            self.push([conv2d::grad_weight(conv_transpose2d::adjoint(kernel)?, g, x, &gw, add_w)?]);
        }
        self.bias_gradient(g, &gb, add_b)
    }

    /// Records the gradient of what a transposed convolution read.
    pub(super) fn conv_transpose2d_input(
        &mut self,
        kernel: usize,
        g: &View,
        weight: &View,
        gx: &View,
        add: bool,
    ) -> Result<()> {
        if !self.suits_with_zeros(kernel, gx.shape) {
            self.push([conv_transpose2d::grad_input(self.caps, kernel, g, weight, gx, add)?]);
            return Ok(());
        }
        let full = self.intermediate("gradient at every pixel", Shape { c: gx.shape.c, ..g.shape })?;
        self.conv2d_3x3(Direction::Forward, g, weight, None, Activation::None, &full, false)?;
        self.push([upsample::decimate(STRIDE, &full, gx, add)?]);
        Ok(())
    }
}
