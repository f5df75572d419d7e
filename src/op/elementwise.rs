//! Element by element: sums, products, multiples, concatenation.

use super::{Argument, Arguments, Operation, Recording};
use crate::kernels::elementwise::{self, copy};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

pub(super) static ADD: Operation = Operation {
    name: "add",
    formula: "y = x1 + x2 + …",
    arguments: &[
        Argument::arrays("input", "x1, x2, … of one shape, up to four dimensions"),
        Argument::array("grad", "gradient of y").optional(),
    ],
    results: "y of the inputs' shape; with --grad gx1, gx2, …",
    record: add,
};

pub(super) static MULTIPLY: Operation = Operation {
    name: "multiply",
    formula: "y = x1 · x2",
    arguments: &[
        Argument::arrays("input", "x1 and x2 of one shape, up to four dimensions"),
        Argument::array("grad", "gradient of y").optional(),
    ],
    results: "y of the inputs' shape; with --grad gx1 = g · x2, gx2 = g · x1",
    record: multiply,
};

pub(super) static SCALE: Operation = Operation {
    name: "scale",
    formula: "y = f · x + s",
    arguments: &[
        Argument::array("input", "x, up to four dimensions"),
        Argument::setting("factor", "1", "f").required(),
        Argument::setting("shift", "0", "s"),
        Argument::array("grad", "gradient of y").optional(),
    ],
    results: "y of the input's shape; with --grad gx",
    record: scale,
};

pub(super) static CONCAT: Operation = Operation {
    name: "concat",
    formula: "y = x1, x2, … one after the other along the channels",
    arguments: &[
        Argument::arrays("input", "x1 [N, C1, H, W], x2 [N, C2, H, W], …"),
        Argument::array("grad", "gradient of y").optional(),
    ],
    results: "y [N, C1 + C2 + …, H, W]; with --grad gx1, gx2, …",
    record: concat,
};

/// Up to four dimensions as `[N, C, H, W]`: those that are missing in front are one.
pub(super) fn shape_of(name: &str, dimensions: &[usize]) -> Result<Shape> {
    match *dimensions {
        [] => Ok(Shape::new(1, 1, 1, 1)),
        [w] => Ok(Shape::new(1, 1, 1, w)),
        [h, w] => Ok(Shape::new(1, 1, h, w)),
        [c, h, w] => Ok(Shape::new(1, c, h, w)),
        [n, c, h, w] => Ok(Shape::new(n, c, h, w)),
        _ => Err(Error::shape(format!("--{name} is {dimensions:?}; at most four dimensions are taken"))),
    }
}

/// The inputs as tensors, which must all have the first one's dimensions.
pub(super) fn alike<'a>(r: &mut Recording, a: &'a Arguments) -> Result<(&'a [usize], Vec<View>)> {
    let inputs = a.arrays("input");
    let dimensions = inputs[0].shape.as_slice();
    let shape = shape_of("input", dimensions)?;
    let mut views = Vec::new();
    for (i, x) in inputs.iter().enumerate() {
        if x.shape != dimensions {
            return Err(Error::shape(format!(
                "--input number {} is {:?}, the first is {dimensions:?}; the shapes must be the same",
                i + 1,
                x.shape
            )));
        }
        views.push(r.given(&format!("x{}", i + 1), shape, &x.values)?);
    }
    Ok((dimensions, views))
}

fn add(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (dimensions, x) = alike(r, a)?;
    let y = r.blank("y", x[0].shape)?;
    r.tape.push([elementwise::add(&x[0], &x[1], &y, false)?]);
    for x in &x[2..] {
        r.tape.push([copy(x, &y, true)?]);
    }
    r.result("y", dimensions, &y);
    if let Some(gy) = a.find_shaped("grad", dimensions)? {
        let gy = r.given("the gradient of y", y.shape, gy)?;
        for i in 1..=x.len() {
            let gx = r.blank("gx", y.shape)?;
            r.tape.push([copy(&gy, &gx, false)?]);
            r.result(format!("gx{i}"), dimensions, &gx);
        }
    }
    Ok(())
}

fn multiply(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (dimensions, x) = alike(r, a)?;
    let &[x1, x2] = x.as_slice() else {
        return Err(Error::input(format!("multiply takes two arrays as --input, {} were given", x.len())));
    };
    let y = r.blank("y", x1.shape)?;
    r.tape.push([elementwise::multiply(&x1, &x2, &y, false)?]);
    r.result("y", dimensions, &y);
    if let Some(gy) = a.find_shaped("grad", dimensions)? {
        let gy = r.given("the gradient of y", y.shape, gy)?;
        for (name, other) in [("gx1", x2), ("gx2", x1)] {
            let gx = r.blank(name, y.shape)?;
            r.tape.push([elementwise::multiply(&gy, &other, &gx, false)?]);
            r.result(name, dimensions, &gx);
        }
    }
    Ok(())
}

fn scale(r: &mut Recording, a: &Arguments) -> Result<()> {
    let x = a.array("input")?;
    let shape = shape_of("input", &x.shape)?;
    let number = |name| a.number(name, "a finite number", |v| (v as f32).is_finite()).map(|v| v as f32);
    let (factor, shift) = (number("factor")?, number("shift")?);
    let mut affine = |name: &str, values: &[f32], shift: f32| {
        let from = r.given("x", shape, values)?;
        let to = r.blank(name, shape)?;
        r.tape.push([elementwise::affine(&from, factor, shift, &to, false)?]);
        r.result(name, &x.shape, &to);
        Ok(())
    };
    affine("y", &x.values, shift)?;
    match a.find_shaped("grad", &x.shape)? {
        Some(gy) => affine("gx", gy, 0.0),
        None => Ok(()),
    }
}

fn concat(r: &mut Recording, a: &Arguments) -> Result<()> {
    let mut shapes = Vec::new();
    for (i, x) in a.arrays("input").iter().enumerate() {
        let &[n, c, h, w] = x.shape.as_slice() else {
            return Err(Error::shape(format!("--input number {} is {:?}; concat takes rank 4", i + 1, x.shape)));
        };
        let shape = Shape::new(n, c, h, w);
        let first = *shapes.first().unwrap_or(&shape);
        if (Shape { c: first.c, ..shape }) != first {
            return Err(Error::shape(format!(
                "--input number {} is {shape}, the first is {first}; they may differ in channels alone",
                i + 1
            )));
        }
        shapes.push(shape);
    }
    let whole = Shape { c: shapes.iter().map(|s| s.c).sum(), ..shapes[0] };
    let y = r.blank("y", whole)?;
    let gy = match a.find_shaped("grad", &[whole.n, whole.c, whole.h, whole.w])? {
        Some(gy) => Some(r.given("the gradient of y", whole, gy)?),
        None => None,
    };
    r.image_result("y", &y);
    let mut at = 0;
    for (i, (x, shape)) in a.arrays("input").iter().zip(shapes).enumerate() {
        let range = at..at + shape.c;
        at = range.end;
        let x = r.given("x", shape, &x.values)?;
        r.tape.push([copy(&x, &y.range(range.clone())?, false)?]);
        if let Some(gy) = &gy {
            let gx = r.blank("gx", shape)?;
            r.tape.push([copy(&gy.range(range)?, &gx, false)?]);
            r.image_result(&format!("gx{}", i + 1), &gx);
        }
    }
    Ok(())
}
