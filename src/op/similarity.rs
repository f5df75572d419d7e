//! Structural similarity as a loss.

use super::elementwise::alike;
use super::{Argument, Arguments, Operation, Recording};
use crate::kernels::ssim::{self, DataRange, Dissimilarity, Scratch};
use crate::tensor::Shape;
use crate::{Error, Result};

pub(super) static SSIM_LOSS: Operation = Operation {
    name: "ssim_loss",
    formula: "y = 1 − mean SSIM(a, b) over all windows of 11 × 11 inside the images, weighted by a Gaussian of σ = 1.5",
    arguments: &[
        Argument::arrays("input", "a and b [N, C, H, W], sides of at least 11"),
        Argument::setting("black", "0", "b₀, the lowest value of images, from which luminance is counted"),
        Argument::setting("range", "1", "L, their highest value less the lowest: c1 = (0.01 L)², c2 = (0.03 L)²"),
        Argument::array("grad", "gradient of y [1]").optional(),
    ],
    results: "y [1]; with --grad gx of a's shape",
    record: ssim_loss,
};

fn ssim_loss(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (dimensions, x) = alike(r, a)?;
    let &[first, second] = x.as_slice() else {
        return Err(Error::input(format!("ssim_loss takes two arrays as --input, {} were given", x.len())));
    };
    let black = a.number("black", "a finite number", |v| (v as f32).is_finite())? as f32;
    let range = a.number("range", "a positive number", |v| (v as f32).is_finite() && v as f32 > 0.0)? as f32;
    let weight = a.find_shaped("grad", &[1])?.map(|g| g[0]);
    let shapes = ssim::scratch(first.shape)?;
    let gx = r.blank("gx", first.shape)?;
    let y = r.blank("y", Shape::vector(1))?;
    let scratch = Scratch {
        moments: &r.blank("moments", shapes.moments)?,
        slopes: &r.blank("slopes", shapes.slopes)?,
        spread: &r.blank("gathered slopes", shapes.spread)?,
        partials: &r.blank("partial sums", shapes.partials)?,
    };
    r.tape.push(ssim::dissimilarity(&Dissimilarity {
        a: &first,
        b: &second,
        range: DataRange { black, range },
        weight: weight.unwrap_or(1.0),
        ga: &gx,
        accumulate: false,
        loss: &y,
        scratch,
    })?);
    r.result("y", &[1], &y);
    if weight.is_some() {
        r.result("gx", dimensions, &gx);
    }
    Ok(())
}
