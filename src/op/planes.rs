//! Whole channels and single values: means over pixels, and values that are constant in a channel.

use super::{Argument, Arguments, Operation, Recording};
use crate::Result;

pub(super) static PLANE_MEAN: Operation = Operation {
    name: "plane_mean",
    formula: "y[n,c] = Σ x[n,c,i,j] / (H·W)",
    arguments: &[Argument::array("input", "x [N, C, H, W]"), Argument::array("grad", "gradient of y").optional()],
    results: "y [N, C, 1, 1]; with --grad gx",
    record: plane_mean,
};

pub(super) static PLANE_ADD: Operation = Operation {
    name: "plane_add",
    formula: "y[n,c,i,j] = x[n,c,i,j] + s[n,c]",
    arguments: WITH_VALUES,
    results: "y [N, C, H, W]; with --grad gx, gs",
    record: plane_add,
};

pub(super) static PLANE_MULTIPLY: Operation = Operation {
    name: "plane_multiply",
    formula: "y[n,c,i,j] = x[n,c,i,j] · s[n,c]",
    arguments: WITH_VALUES,
    results: "y [N, C, H, W]; with --grad gx, gs",
    record: plane_multiply,
};

const WITH_VALUES: &[Argument] = &[
    Argument::array("input", "x [N, C, H, W]"),
    Argument::array("values", "s [N, C, 1, 1]"),
    Argument::array("grad", "gradient of y").optional(),
];

fn plane_mean(r: &mut Recording, a: &Arguments) -> Result<()> {
    let x = r.watched(a, "input")?;
    let y = r.tape.plane_mean(&x)?;
    r.results(a, &y, &[("gx", &x)])
}

fn plane_add(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (x, s) = (r.watched(a, "input")?, r.watched(a, "values")?);
    let y = r.tape.add_to_planes(&x, &s)?;
    r.results(a, &y, &[("gx", &x), ("gs", &s)])
}

fn plane_multiply(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (x, s) = (r.watched(a, "input")?, r.watched(a, "values")?);
    let y = r.tape.scale_planes(&x, &s)?;
    r.results(a, &y, &[("gx", &x), ("gs", &s)])
}
