//! Operations value by value or channel by channel, and their gradients.

use super::{Gradients, Op, Tape};
use crate::Result;
use crate::kernels::activation::Function;
use crate::kernels::{elementwise, planes};
use crate::tensor::View;

/// A recorded operation value by value or channel by channel, as plain data.
#[derive(Debug, Clone)]
pub enum Pointwise {
    /// `y = f(x)`.
    Activation {
        /// f.
        function: Function,
        /// Input.
        x: View,
        /// Output.
        y: View,
    },
    /// `y = factor · x + shift`.
    Affine {
        /// The factor; a constant has no gradient, and so none of the shift is kept.
        factor: f32,
        /// Input.
        x: View,
        /// Output.
        y: View,
    },
    /// `y = a + b`.
    Add {
        /// Input.
        a: View,
        /// Input of the same shape.
        b: View,
        /// Output.
        y: View,
    },
    /// `y = a · b`, value by value.
    Multiply {
        /// Input.
        a: View,
        /// Input of the same shape.
        b: View,
        /// Output.
        y: View,
    },
    /// `y = x + s[n, c]`.
    AddToPlanes {
        /// Input.
        x: View,
        /// A value for each channel, `[N, C, 1, 1]`.
        s: View,
        /// Output.
        y: View,
    },
    /// `y = x · s[n, c]`.
    ScalePlanes {
        /// Input.
        x: View,
        /// A factor for each channel, `[N, C, 1, 1]`.
        s: View,
        /// Output.
        y: View,
    },
    /// The mean over the pixels of each channel.
    PlaneMean {
        /// Input.
        x: View,
        /// Output, `[N, C, 1, 1]`.
        y: View,
    },
}

impl Pointwise {
    /// The inputs.
    pub fn inputs(&self) -> Vec<&View> {
        match self {
            Self::Activation { x, .. } | Self::Affine { x, .. } | Self::PlaneMean { x, .. } => vec![x],
            Self::Add { a, b, .. } | Self::Multiply { a, b, .. } => vec![a, b],
            Self::AddToPlanes { x, s, .. } | Self::ScalePlanes { x, s, .. } => vec![x, s],
        }
    }

    /// The output.
    pub fn output(&self) -> &View {
        match self {
            Self::Activation { y, .. }
            | Self::Affine { y, .. }
            | Self::Add { y, .. }
            | Self::Multiply { y, .. }
            | Self::AddToPlanes { y, .. }
            | Self::ScalePlanes { y, .. }
            | Self::PlaneMean { y, .. } => y,
        }
    }

    /// Every view.
    pub(super) fn views_mut(&mut self) -> Vec<&mut View> {
        match self {
            Self::Activation { x, y, .. } | Self::Affine { x, y, .. } | Self::PlaneMean { x, y } => vec![x, y],
            Self::Add { a, b, y } | Self::Multiply { a, b, y } => vec![a, b, y],
            Self::AddToPlanes { x, s, y } | Self::ScalePlanes { x, s, y } => vec![x, s, y],
        }
    }
}

impl Tape {
    /// Records `f(x)` into a new intermediate.
    ///
    /// # Errors
    /// As [`Tape::intermediate`].
    pub fn activation(&mut self, function: Function, x: &View) -> Result<View> {
        let y = self.intermediate("activation", x.shape)?;
        self.push([function.forward(x, &y)?]);
        self.note(Op::Pointwise(Pointwise::Activation { function, x: *x, y }));
        Ok(y)
    }

    /// Records `factor · x + shift` into `y`; with 1 and 0 a copy, which also is how ranges of channels come together.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes differ, [`crate::Error::Input`] if a number is not finite.
    pub fn affine_into(&mut self, factor: f32, shift: f32, x: &View, y: &View) -> Result<()> {
        // The kernel hands a batch of one to every sample, which this operation's gradient does not know.
        x.expect("the tensor to copy", y.shape)?;
        self.push([elementwise::affine(x, factor, shift, y, false)?]);
        self.note(Op::Pointwise(Pointwise::Affine { factor, x: *x, y: *y }));
        Ok(())
    }

    /// Records `a + b` into `y`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes differ.
    pub fn add_into(&mut self, a: &View, b: &View, y: &View) -> Result<()> {
        self.push([elementwise::add(a, b, y, false)?]);
        self.note(Op::Pointwise(Pointwise::Add { a: *a, b: *b, y: *y }));
        Ok(())
    }

    /// Records `a + b` into a new intermediate.
    ///
    /// # Errors
    /// As [`Tape::add_into`].
    pub fn add(&mut self, a: &View, b: &View) -> Result<View> {
        let y = self.intermediate("sum", a.shape)?;
        self.add_into(a, b, &y)?;
        Ok(y)
    }

    /// Records `a · b`, value by value, into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes differ.
    pub fn multiply(&mut self, a: &View, b: &View) -> Result<View> {
        let y = self.intermediate("product", a.shape)?;
        self.push([elementwise::multiply(a, b, &y, false)?]);
        self.note(Op::Pointwise(Pointwise::Multiply { a: *a, b: *b, y }));
        Ok(y)
    }

    /// Records `x + s[n, c]`, `s [N, C, 1, 1]`, into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes do not fit.
    pub fn add_to_planes(&mut self, x: &View, s: &View) -> Result<View> {
        let y = self.intermediate("shifted channels", x.shape)?;
        self.push([planes::add(x, s, &y, false)?]);
        self.note(Op::Pointwise(Pointwise::AddToPlanes { x: *x, s: *s, y }));
        Ok(y)
    }

    /// Records `x · s[n, c]`, `s [N, C, 1, 1]`, into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes do not fit.
    pub fn scale_planes(&mut self, x: &View, s: &View) -> Result<View> {
        let y = self.intermediate("scaled channels", x.shape)?;
        self.push([planes::multiply(x, s, &y, false)?]);
        self.note(Op::Pointwise(Pointwise::ScalePlanes { x: *x, s: *s, y }));
        Ok(y)
    }

    /// Records the mean over the pixels of each channel, `[N, C, 1, 1]`, into a new intermediate.
    ///
    /// # Errors
    /// As [`Tape::intermediate`].
    pub fn plane_mean(&mut self, x: &View) -> Result<View> {
        let y = self.intermediate("channel means", planes::values(x.shape))?;
        let call = planes::sum(self.caps, x, 1.0 / x.shape.plane() as f32, &y, false)?;
        self.push([call]);
        self.note(Op::Pointwise(Pointwise::PlaneMean { x: *x, y }));
        Ok(y)
    }

    /// Records the gradients of `op` from that of its output.
    pub(super) fn backward_pointwise(&mut self, op: &Pointwise, g: &View, gradients: &mut Gradients) -> Result<()> {
        match op {
            Pointwise::Activation { function, x, y } => {
                self.pass_on(x, gradients, |_, gx, add| Ok([function.backward(x, y, g, gx, add)?]))
            }
            Pointwise::Affine { factor, x, .. } => {
                self.pass_on(x, gradients, |_, gx, add| Ok([elementwise::scale(g, *factor, gx, add)?]))
            }
            Pointwise::Add { a, b, .. } => {
                for x in [a, b] {
                    self.pass_on(x, gradients, |_, gx, add| Ok([elementwise::copy(g, gx, add)?]))?;
                }
                Ok(())
            }
            Pointwise::Multiply { a, b, .. } => {
                for (x, other) in [(a, b), (b, a)] {
                    self.pass_on(x, gradients, |_, gx, add| Ok([elementwise::multiply(g, other, gx, add)?]))?;
                }
                Ok(())
            }
            Pointwise::AddToPlanes { x, s, .. } => {
                self.pass_on(x, gradients, |_, gx, add| Ok([elementwise::copy(g, gx, add)?]))?;
                self.pass_on(s, gradients, |tape, gs, add| Ok([planes::sum(tape.caps, g, 1.0, gs, add)?]))
            }
            Pointwise::ScalePlanes { x, s, .. } => {
                self.pass_on(x, gradients, |_, gx, add| Ok([planes::multiply(g, s, gx, add)?]))?;
                self.pass_on(s, gradients, |tape, gs, add| Ok([planes::dot(tape.caps, g, x, gs, add)?]))
            }
            Pointwise::PlaneMean { x, .. } => {
                let share = 1.0 / x.shape.plane() as f32;
                self.pass_on(x, gradients, |_, gx, add| Ok([planes::spread(g, share, gx, add)?]))
            }
        }
    }
}
