//! What a training step of a model without a schedule records: the distance to the target in one pass.

use super::Model;
use super::views::Part;
use crate::Result;
use crate::kernels::ssim::{self, DataRange, Dissimilarity, Scratch};
use crate::kernels::{elementwise, reduce};
use crate::tape::Tape;
use crate::tensor::{Shape, View};

/// What a model without a schedule is trained by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegressionLoss {
    /// `mean((ŷ − y)²)` in the networks' range [−1, 1].
    #[default]
    SquaredError,
    /// DFCAN's: `mean((ŷ − y)²) + 0.1 (1 − SSIM(ŷ, y))`, both as images in [0, 1], where the squared error is a quarter of the above.
    SquaredErrorAndSimilarity,
}

/// The weight of `1 − SSIM`, as in DFCAN's code.
pub(super) const DISSIMILARITY_WEIGHT: f32 = 0.1;

/// Records one micro-batch, forward and backward: `losses[0]` is the squared error, whose gradient is `2 (ŷ − y) / count`,
/// `losses[1]` is `1 − SSIM` if it takes part.
pub(super) fn record_regression(
    tape: &mut Tape,
    model: &Model,
    loss: RegressionLoss,
    theta: &View,
    part: &Part,
) -> Result<()> {
    let prediction = model.record_noise(tape, theta, &part.x)?;
    let (shape, count) = (prediction.shape, prediction.shape.len());
    let error = tape.intermediate("error of the prediction", shape)?;
    let partials = tape.intermediate("partial sums", reduce::sum_of_squares_partials(count))?;
    let sum = tape.intermediate("squared error", Shape::vector(1))?;
    let gradient = tape.intermediate("gradient of the prediction", shape)?;
    // A difference in [0, 1] is half of one in [−1, 1].
    let unit = if loss == RegressionLoss::SquaredError { 1.0 } else { 0.25 };
    tape.push([elementwise::copy(&prediction, &error, false)?, elementwise::scale(&part.y, -1.0, &error, true)?]);
    tape.push(reduce::sum_of_squares(&error, &partials, &sum)?);
    tape.push([
        elementwise::scale(&sum, unit / count as f32, &part.losses.range(0..1)?, false)?,
        elementwise::scale(&error, 2.0 * unit * part.share / count as f32, &gradient, false)?,
    ]);
    if loss == RegressionLoss::SquaredErrorAndSimilarity {
        let shapes = ssim::scratch(shape)?;
        let calls = ssim::dissimilarity(&Dissimilarity {
            a: &prediction,
            b: &part.y,
            range: DataRange::NETWORK,
            weight: DISSIMILARITY_WEIGHT * part.share,
            ga: &gradient,
            accumulate: true,
            loss: &part.losses.range(1..2)?,
            scratch: Scratch {
                moments: &tape.intermediate("moments of rows", shapes.moments)?,
                slopes: &tape.intermediate("slopes of windows", shapes.slopes)?,
                spread: &tape.intermediate("gathered slopes", shapes.spread)?,
                partials: &tape.intermediate("partial sums", shapes.partials)?,
            },
        })?;
        tape.push(calls);
    }
    tape.backward(&[(prediction, gradient)])?;
    Ok(())
}
