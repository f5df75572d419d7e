//! What networks are put together from: a weight and a bias, and the operations that take them.

use std::ops::Range;

use super::parameters::view;
use super::{Init, Parameters};
use crate::Result;
use crate::kernels::conv2d::{Activation, Conv2d};
use crate::tape::Tape;
use crate::tensor::View;

/// Where the weight and the bias of a layer lie in the flat tensor.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    pub weight: Range<usize>,
    pub bias: Range<usize>,
}

impl Weights {
    /// Adds the parameters of a convolution from `ci` to `co` channels with `k` taps along each side.
    pub fn convolution(parameters: &mut Parameters, name: &str, sizes: [usize; 3]) -> Self {
        Self::biased_convolution(parameters, name, sizes, 0.0)
    }

    /// The same with biases that start at `bias`.
    pub fn biased_convolution(parameters: &mut Parameters, name: &str, [co, ci, k]: [usize; 3], bias: f32) -> Self {
        let init = Init::Glorot { fan_in: ci * k * k, fan_out: co * k * k };
        Self {
            weight: parameters.add(format!("{name}.weight"), &[co, ci, k, k], init),
            bias: parameters.add(format!("{name}.bias"), &[co], Init::Constant(bias)),
        }
    }

    /// Adds the parameters of a norm of `c` channels.
    pub fn norm(parameters: &mut Parameters, name: &str, c: usize) -> Self {
        Self {
            weight: parameters.add(format!("{name}.weight"), &[c], Init::Constant(1.0)),
            bias: parameters.add(format!("{name}.bias"), &[c], Init::Constant(0.0)),
        }
    }

    /// Weight and bias in the flat tensor.
    pub fn of(&self, flat: &View) -> Result<[View; 2]> {
        Ok([view(flat, &self.weight)?, view(flat, &self.bias)?])
    }

    /// Records the convolution of `x` into a new intermediate.
    pub fn convolve(
        &self,
        tape: &mut Tape,
        flat: &View,
        spec: Conv2d,
        x: &View,
        activation: Activation,
    ) -> Result<View> {
        let [weight, bias] = self.of(flat)?;
        tape.conv2d(spec, x, &weight, &bias, activation)
    }

    /// Records the convolution of `x` into `y`.
    pub fn convolve_into(&self, tape: &mut Tape, flat: &View, spec: Conv2d, x: &View, y: &View) -> Result<()> {
        let [weight, bias] = self.of(flat)?;
        tape.conv2d_into(spec, x, &weight, &bias, Activation::None, y)
    }
}
