//! Instance norm, group norm and max-pooling.

use super::{Argument, Arguments, Operation, Recording};
use crate::kernels::instance_norm::{self, BackwardOptions};
use crate::tensor::View;
use crate::{Error, Result};

pub(super) static INSTANCE_NORM: Operation = Operation {
    name: "instance_norm",
    formula: "y = (x − mean) / sqrt(var + ε) · w[c] + b[c], mean and biased var over each sample's channel",
    arguments: &[
        Argument::array("input", "x [N, C, H, W]"),
        Argument::array("weight", "w [C], one without").optional(),
        Argument::array("bias", "b [C], zero without").optional(),
        Argument::array("grad", "gradient of y").optional(),
        Argument::setting("epsilon", "1e-5", "ε"),
    ],
    results: "y [N, C, H, W]; with --grad gx, and gw, gb of those given",
    record: instance_norm,
};

pub(super) static GROUP_NORM: Operation = Operation {
    name: "group_norm",
    formula: "y = (x − mean) / sqrt(var + ε) · w[c] + b[c], mean and biased var over each sample's group of C/G channels",
    arguments: &[
        Argument::array("input", "x [N, C, H, W]"),
        Argument::array("weight", "w [C], one without").optional(),
        Argument::array("bias", "b [C], zero without").optional(),
        Argument::array("grad", "gradient of y").optional(),
        Argument::setting("groups", "1", "G, which divides C"),
        Argument::setting("epsilon", "1e-5", "ε"),
    ],
    results: "y [N, C, H, W]; with --grad gx, and gw, gb of those given",
    record: group_norm,
};

pub(super) static MAX_POOL2D: Operation = Operation {
    name: "max_pool2d",
    formula: "y[n,c,i,j] = max of x[n,c,2i..2i+2,2j..2j+2]; the gradient goes to the first largest in row-major order",
    arguments: &[
        Argument::array("input", "x [N, C, H, W], H and W even"),
        Argument::array("grad", "gradient of y").optional(),
    ],
    results: "y [N, C, H/2, W/2]; with --grad gx",
    record: max_pool2d,
};

fn gradient<'a>(a: &'a Arguments, y: &View) -> Result<Option<&'a [f32]>> {
    a.find_shaped("grad", &[y.shape.n, y.shape.c, y.shape.h, y.shape.w])
}

fn instance_norm(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (xs, x) = a.image("input")?;
    let epsilon = a.number("epsilon", "a positive number", |v| v > 0.0)? as f32;
    let (weight, bias) = (a.find_shaped("weight", &[xs.c])?, a.find_shaped("bias", &[xs.c])?);
    let x = r.given("x", xs, x)?;
    let y = r.blank("y", xs)?;
    r.image_result("y", &y);
    if weight.is_none() && bias.is_none() {
        return plain(r, a, &x, &y, epsilon);
    }
    let (ones, zeros) = (vec![1.0; xs.c], vec![0.0; xs.c]);
    let ([w, b], [gw, gb]) = r.parameters([weight.unwrap_or(&ones), bias.unwrap_or(&zeros)])?;
    r.tape.watch(&x);
    r.tape.instance_norm_into(&x, &w, &b, epsilon, &y)?;
    gradients(r, a, &x, &y, [weight.map(|_| gw), bias.map(|_| gb)])
}

/// With `--grad`, the gradients of the input and of those parameters that were given.
fn gradients(r: &mut Recording, a: &Arguments, x: &View, y: &View, parameters: [Option<View>; 2]) -> Result<()> {
    let Some(gy) = gradient(a, y)? else { return Ok(()) };
    let gx = r.backward(y, gy)?.of(x).ok_or_else(|| Error::shape("the input got no gradient"))?;
    r.image_result("gx", &gx);
    for (name, view) in ["gw", "gb"].into_iter().zip(parameters) {
        if let Some(view) = view {
            r.result(name, &[x.shape.c], &view);
        }
    }
    Ok(())
}

fn group_norm(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (xs, x) = a.image("input")?;
    let epsilon = a.number("epsilon", "a positive number", |v| v > 0.0)? as f32;
    let (weight, bias) = (a.find_shaped("weight", &[xs.c])?, a.find_shaped("bias", &[xs.c])?);
    let x = r.given("x", xs, x)?;
    let (ones, zeros) = (vec![1.0; xs.c], vec![0.0; xs.c]);
    let ([w, b], [gw, gb]) = r.parameters([weight.unwrap_or(&ones), bias.unwrap_or(&zeros)])?;
    r.tape.watch(&x);
    let y = r.tape.group_norm(a.size("groups", 1)?, &x, &w, &b, epsilon)?;
    r.image_result("y", &y);
    gradients(r, a, &x, &y, [weight.map(|_| gw), bias.map(|_| gb)])
}

/// Without weight and bias, which the tape's operation always has: the kernels themselves.
fn plain(r: &mut Recording, a: &Arguments, x: &View, y: &View, epsilon: f32) -> Result<()> {
    let caps = r.tape.caps();
    let stats = r.blank("statistics", instance_norm::stats(x.shape))?;
    let call = instance_norm::forward(caps, x, None, &stats, y, epsilon)?;
    r.tape.push([call]);
    let Some(gy) = gradient(a, y)? else { return Ok(()) };
    let gy = r.given("the gradient of y", y.shape, gy)?;
    let sums = r.blank("sums", stats.shape)?;
    let gx = r.blank("gx", x.shape)?;
    let call = instance_norm::backward(caps, x, None, &stats, &gy, &sums, &gx, BackwardOptions::default())?;
    r.tape.push([call]);
    r.image_result("gx", &gx);
    Ok(())
}

fn max_pool2d(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (xs, x) = a.image("input")?;
    let x = r.given("x", xs, x)?;
    r.tape.watch(&x);
    let y = r.tape.max_pool2d(&x)?;
    r.image_result("y", &y);
    gradients(r, a, &x, &y, [None, None])
}
