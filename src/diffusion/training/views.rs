//! The tensors of a recorded training step.

use std::ops::Range;

use crate::tensor::View;

/// The tensors that a step is fed with and leaves behind.
pub(super) struct Views {
    pub parts: Vec<Part>,
    pub hyper: View,
    pub parameters: View,
    pub gradient: View,
    pub first: View,
    pub second: View,
    /// The moving average of the parameters, if one is kept.
    pub average: Option<View>,
    /// Four values a micro-batch, means over its own samples: the four losses; without a schedule `(squared error, 1 − SSIM, 0, 0)`.
    pub losses: View,
}

/// A micro-batch: which samples of the batch, and the tensors that it is fed with.
pub(super) struct Part {
    pub samples: Range<usize>,
    pub x: View,
    pub y: View,
    /// Of each sample, then 1.
    pub times: View,
    pub rng: View,
    /// `(ρ, ρ', ρ'')` by row, written from outside if the schedule is fixed.
    pub rho: View,
    pub losses: View,
    /// Of the batch.
    pub share: f32,
}
