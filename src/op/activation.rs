//! Activations as passes of their own.

use super::elementwise::shape_of;
use super::{Argument, Arguments, Operation, Recording};
use crate::Result;
use crate::kernels::activation::Function;
use crate::kernels::{Call, activation};
use crate::tensor::View;

const FROM: Argument =
    Argument::setting("from", "output", "what the gradient is computed from: output, as networks do, or input");

pub(super) static SOFTPLUS: Operation = Operation {
    name: "softplus",
    formula: "y = log(1 + exp(x))",
    arguments: &[
        Argument::array("input", "x, up to four dimensions"),
        Argument::array("grad", "gradient of y").optional(),
        FROM,
    ],
    results: "y of the input's shape; with --grad gx",
    record: |r, a| {
        record(r, a, activation::softplus, activation::softplus_backward, activation::softplus_backward_from_input)
    },
};

pub(super) static SIGMOID: Operation = Operation {
    name: "sigmoid",
    formula: "y = 1 / (1 + exp(−x))",
    arguments: &[
        Argument::array("input", "x, up to four dimensions"),
        Argument::array("grad", "gradient of y").optional(),
        FROM,
    ],
    results: "y of the input's shape; with --grad gx",
    record: |r, a| {
        record(r, a, activation::sigmoid, activation::sigmoid_backward, activation::sigmoid_backward_from_input)
    },
};

pub(super) static RELU: Operation = Operation {
    name: "relu",
    formula: "y = max(x, 0); the gradient at 0 is 0",
    arguments: WITHOUT_CHOICE,
    results: "y of the input's shape; with --grad gx",
    record: |r, a| record_function(r, a, Function::Relu),
};

pub(super) static GELU: Operation = Operation {
    name: "gelu",
    formula: "y = x Φ(x), Φ the normal distribution function",
    arguments: WITHOUT_CHOICE,
    results: "y of the input's shape; with --grad gx",
    record: |r, a| record_function(r, a, Function::Gelu),
};

pub(super) static SWISH: Operation = Operation {
    name: "swish",
    formula: "y = x / (1 + exp(−x))",
    arguments: WITHOUT_CHOICE,
    results: "y of the input's shape; with --grad gx",
    record: |r, a| record_function(r, a, Function::Swish),
};

const WITHOUT_CHOICE: &[Argument] =
    &[Argument::array("input", "x, up to four dimensions"), Argument::array("grad", "gradient of y").optional()];

/// A function whose gradient comes from one side only.
fn record_function(r: &mut Recording, a: &Arguments, function: Function) -> Result<()> {
    let x = a.array("input")?;
    let shape = shape_of("input", &x.shape)?;
    let given = r.given("x", shape, &x.values)?;
    let y = r.blank("y", shape)?;
    r.tape.push([function.forward(&given, &y)?]);
    r.result("y", &x.shape, &y);
    if let Some(gy) = a.find_shaped("grad", &x.shape)? {
        let gy = r.given("the gradient of y", shape, gy)?;
        let gx = r.blank("gx", shape)?;
        r.tape.push([function.backward(&given, &y, &gy, &gx, false)?]);
        r.result("gx", &x.shape, &gx);
    }
    Ok(())
}

type Forward = fn(&View, &View) -> Result<Call>;
type Backward = fn(&View, &View, &View, bool) -> Result<Call>;

fn record(
    r: &mut Recording,
    a: &Arguments,
    forward: Forward,
    from_output: Backward,
    from_input: Backward,
) -> Result<()> {
    let x = a.array("input")?;
    let shape = shape_of("input", &x.shape)?;
    let uses_output = a.choice("from", &[("output", true), ("input", false)])?;
    let given = r.given("x", shape, &x.values)?;
    let y = r.blank("y", shape)?;
    r.tape.push([forward(&given, &y)?]);
    r.result("y", &x.shape, &y);
    if let Some(gy) = a.find_shaped("grad", &x.shape)? {
        let gy = r.given("the gradient of y", shape, gy)?;
        let gx = r.blank("gx", shape)?;
        r.tape.push([if uses_output {
            from_output(&y, &gy, &gx, false)?
        } else {
            from_input(&given, &gy, &gx, false)?
        }]);
        r.result("gx", &x.shape, &gx);
    }
    Ok(())
}
