//! Products of matrices and softmax, self-attention over pixels made of them, and their gradients.

use super::{Gradients, Op, Tape};
use crate::kernels::matmul::{Product, matmul};
use crate::kernels::softmax;
use crate::tensor::View;
use crate::{Error, Result};

/// A recorded product of matrices or softmax, as plain data.
#[derive(Debug, Clone)]
pub enum Attention {
    /// `Y = scale · A B`, or with one of them transposed, for each sample and head.
    Product {
        /// Which is transposed.
        product: Product,
        /// Matrices of a sample, one below the other.
        heads: usize,
        /// The constant factor.
        scale: f32,
        /// Left matrices.
        a: View,
        /// Right matrices.
        b: View,
        /// Output.
        y: View,
    },
    /// Softmax over the pixels of each channel.
    Softmax {
        /// Input.
        x: View,
        /// Output.
        y: View,
    },
}

impl Attention {
    /// The inputs.
    pub fn inputs(&self) -> Vec<&View> {
        match self {
            Self::Product { a, b, .. } => vec![a, b],
            Self::Softmax { x, .. } => vec![x],
        }
    }

    /// The output.
    pub fn output(&self) -> &View {
        match self {
            Self::Product { y, .. } | Self::Softmax { y, .. } => y,
        }
    }

    /// Every view.
    pub(super) fn views_mut(&mut self) -> Vec<&mut View> {
        match self {
            Self::Product { a, b, y, .. } => vec![a, b, y],
            Self::Softmax { x, y } => vec![x, y],
        }
    }
}

impl Tape {
    /// Records products of matrices (see [`crate::kernels::matmul`]) into `y`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not fit, [`Error::Input`] if `scale` is not finite.
    pub fn matmul_into(
        &mut self,
        product: Product,
        heads: usize,
        scale: f32,
        a: &View,
        b: &View,
        y: &View,
    ) -> Result<()> {
        let call = matmul(self.caps, product, heads, scale, a, b, y, false)?;
        self.push([call]);
        self.note(Op::Attention(Attention::Product { product, heads, scale, a: *a, b: *b, y: *y }));
        Ok(())
    }

    /// Records softmax over the pixels of each channel into a new intermediate.
    ///
    /// # Errors
    /// As [`Tape::intermediate`].
    pub fn softmax(&mut self, x: &View) -> Result<View> {
        let y = self.intermediate("softmax", x.shape)?;
        let call = softmax::forward(self.caps, x, &y)?;
        self.push([call]);
        self.note(Op::Attention(Attention::Softmax { x: *x, y }));
        Ok(y)
    }

    /// Records self-attention over pixels into `y`: for each head, with `D = C / heads` channels,
    /// `y[·, i] = Σ_j softmax_j(q[·, i] · k[·, j] / √D) v[·, j]`.
    ///
    /// All `[N, C, H, W]`; the weights of all pairs of pixels take `N · heads · (H·W)²` values.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ or the heads do not divide the channels.
    pub fn attention_into(&mut self, heads: usize, q: &View, k: &View, v: &View, y: &View) -> Result<()> {
        for (what, view) in [("attention's keys", k), ("attention's values", v), ("attention's output", y)] {
            view.expect(what, q.shape)?;
        }
        if heads == 0 || !q.shape.c.is_multiple_of(heads) {
            return Err(Error::shape(format!(
                "attention of {} in {heads} heads; they must divide the channels",
                q.shape
            )));
        }
        let scale = ((q.shape.c / heads) as f32).sqrt().recip();
        let shape = Product::LeftTransposed.output(heads, q.shape, k.shape)?;
        let scores = self.intermediate("scores", shape)?;
        self.matmul_into(Product::LeftTransposed, heads, scale, q, k, &scores)?;
        let shares = self.softmax(&scores)?;
        self.matmul_into(Product::RightTransposed, heads, 1.0, v, &shares, y)
    }

    /// As [`Tape::attention_into`], into a new intermediate.
    ///
    /// # Errors
    /// As [`Tape::attention_into`].
    pub fn attention(&mut self, heads: usize, q: &View, k: &View, v: &View) -> Result<View> {
        let y = self.intermediate("attended", q.shape)?;
        self.attention_into(heads, q, k, v, &y)?;
        Ok(y)
    }

    /// Records the gradients of `op` from that of its output: of a product they are products again.
    pub(super) fn backward_attention(&mut self, op: &Attention, g: &View, gradients: &mut Gradients) -> Result<()> {
        match op {
            Attention::Product { product, heads, scale, a, b, .. } => {
                let (of_a, of_b) = match product {
                    Product::Plain => ((Product::RightTransposed, g, b), (Product::LeftTransposed, a, g)),
                    Product::RightTransposed => ((Product::Plain, g, b), (Product::LeftTransposed, g, a)),
                    Product::LeftTransposed => ((Product::RightTransposed, b, g), (Product::Plain, a, g)),
                };
                for (x, (product, left, right)) in [(a, of_a), (b, of_b)] {
                    self.pass_on(x, gradients, |tape, gx, add| {
                        Ok([matmul(tape.caps, product, *heads, *scale, left, right, gx, add)?])
                    })?;
                }
                Ok(())
            }
            Attention::Softmax { x, y } => {
                self.pass_on(x, gradients, |tape, gx, add| Ok([softmax::backward(tape.caps, y, g, gx, add)?]))
            }
        }
    }
}
