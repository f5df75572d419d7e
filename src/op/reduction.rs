//! Sums and statistics.

use super::elementwise::shape_of;
use super::{Argument, Arguments, Operation, Recording};
use crate::Result;
use crate::kernels::{reduce, split_sum, statistics};
use crate::tensor::Shape;

pub(super) static CHANNEL_SUM: Operation = Operation {
    name: "channel_sum",
    formula: "y[c] = Σ x[n,c,i,j] over n, i, j",
    arguments: &[Argument::array("input", "x [N, C, H, W]")],
    results: "y [C]",
    record: channel_sum,
};

pub(super) static SUM_OF_SQUARES: Operation = Operation {
    name: "sum_of_squares",
    formula: "y = Σ x²",
    arguments: &[Argument::array("input", "x, up to four dimensions")],
    results: "y [1]",
    record: sum_of_squares,
};

pub(super) static MEAN_STD: Operation = Operation {
    name: "mean_std",
    formula: "y = Σ x[n]/N, std = sqrt(Σ (x[n] − y)²/(N − 1)) over the samples n; std = 0 for one sample",
    arguments: &[Argument::array("input", "x [N, C, H, W]")],
    results: "y, std [C, H, W]",
    record: mean_std,
};

fn channel_sum(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (shape, x) = a.image("input")?;
    let x = r.given("x", shape, x)?;
    let y = r.blank("y", Shape::vector(shape.c))?;
    r.tape.push([split_sum::channel_sum(&x, &y, false)?]);
    r.result("y", &[shape.c], &y);
    Ok(())
}

fn sum_of_squares(r: &mut Recording, a: &Arguments) -> Result<()> {
    let x = a.array("input")?;
    let shape = shape_of("input", &x.shape)?;
    let x = r.given("x", shape, &x.values)?;
    let partials = r.blank("partial sums", reduce::sum_of_squares_partials(shape.len()))?;
    let y = r.blank("y", Shape::vector(1))?;
    r.tape.push(reduce::sum_of_squares(&x, &partials, &y)?);
    r.result("y", &[1], &y);
    Ok(())
}

fn mean_std(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (shape, x) = a.image("input")?;
    let x = r.given("x", shape, x)?;
    let one = Shape { n: 1, ..shape };
    let (mean, std) = (r.blank("mean", one)?, r.blank("standard deviation", one)?);
    r.tape.push([statistics::mean_std(&x, &mean, &std)?]);
    for (name, view) in [("y", &mean), ("std", &std)] {
        r.result(name, &[shape.c, shape.h, shape.w], view);
    }
    Ok(())
}
