//! What a training step of a model without a schedule records: the squared error of the target in one pass.

use super::Model;
use super::record::Part;
use crate::Result;
use crate::kernels::{elementwise, reduce};
use crate::tape::Tape;
use crate::tensor::{Shape, View};

/// Records one micro-batch, forward and backward: `losses[0] = mean((ŷ − y)²)`, whose gradient is `2 (ŷ − y) / count`.
pub(super) fn record_regression(tape: &mut Tape, model: &Model, theta: &View, part: &Part) -> Result<()> {
    let prediction = model.record_noise(tape, theta, &part.x)?;
    let (shape, count) = (prediction.shape, prediction.shape.len());
    let error = tape.intermediate("error of the prediction", shape)?;
    let partials = tape.intermediate("partial sums", reduce::sum_of_squares_partials(count))?;
    let sum = tape.intermediate("squared error", Shape::vector(1))?;
    let gradient = tape.intermediate("gradient of the prediction", shape)?;
    tape.push([elementwise::copy(&prediction, &error, false)?, elementwise::scale(&part.y, -1.0, &error, true)?]);
    tape.push(reduce::sum_of_squares(&error, &partials, &sum)?);
    tape.push([
        elementwise::scale(&sum, 1.0 / count as f32, &part.losses.range(0..1)?, false)?,
        elementwise::scale(&error, 2.0 * part.share / count as f32, &gradient, false)?,
    ]);
    tape.backward(&[(prediction, gradient)])?;
    Ok(())
}
