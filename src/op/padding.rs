//! Padding by reflection, and cropping.

use super::{Argument, Arguments, Operation, Recording};
use crate::Result;
use crate::kernels::{Call, pad};
use crate::tensor::View;

pub(super) static REFLECT_PAD: Operation = Operation {
    name: "reflect_pad",
    formula: "y = x continued to the right and below by reflection without repeating the edge",
    arguments: &[
        Argument::array("input", "x [N, C, H, W]"),
        Argument::setting("shape", "", "N,C,H',W' of y, no smaller than x").required(),
    ],
    results: "y [N, C, H', W']",
    record: |r, a| record(r, a, pad::reflect_pad),
};

pub(super) static CROP: Operation = Operation {
    name: "crop",
    formula: "y = the upper left of x",
    arguments: &[
        Argument::array("input", "x [N, C, H, W]"),
        Argument::setting("shape", "", "N,C,H',W' of y, no larger than x").required(),
    ],
    results: "y [N, C, H', W']",
    record: |r, a| record(r, a, pad::crop),
};

fn record(r: &mut Recording, a: &Arguments, kernel: fn(&View, &View) -> Result<Call>) -> Result<()> {
    let (shape, x) = a.image("input")?;
    let x = r.given("x", shape, x)?;
    let y = r.blank("--shape", a.four_sizes("shape")?)?;
    r.tape.push([kernel(&x, &y)?]);
    r.image_result("y", &y);
    Ok(())
}
