//! Convolutions, through the tape: the fast kernels run where they suit.

use super::{Argument, Arguments, Operation, Recording};
use crate::kernels::conv_transpose2d;
use crate::kernels::conv2d::{Activation, Conv2d};
use crate::tape::Gradients;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

pub(super) static CONV2D: Operation = Operation {
    name: "conv2d",
    formula: "y[n,o,i,j] = activation(b[o] + Σ w[o,c,u,v] · x[n,c,s·i+u−p,s·j+v−p])",
    arguments: &[
        Argument::array("input", "x [N, Cin, H, W]"),
        Argument::array("weight", "w [Cout, Cin, K, K]"),
        Argument::array("bias", "b [Cout], zero without").optional(),
        Argument::array("grad", "gradient of y").optional(),
        Argument::setting("stride", "1", "s, pixels between neighbouring outputs"),
        Argument::setting("padding", "0", "p, zeros around the image"),
        Argument::setting("activation", "none", "none, softplus, sigmoid or relu"),
    ],
    results: "y [N, Cout, (H+2p−K)/s+1, (W+2p−K)/s+1]; with --grad gx, gw, gb",
    record: conv2d,
};

pub(super) static CONV_TRANSPOSE2D: Operation = Operation {
    name: "conv_transpose2d",
    formula: "y[n,o,2i+u−p,2j+v−p] = b[o] + Σ x[n,c,i,j] · w[c,o,u,v], stride 2, p = 0 for K = 2, p = 1 for K = 3 \
              (and output padding 1)",
    arguments: &[
        Argument::array("input", "x [N, Cin, H, W]"),
        Argument::array("weight", "w [Cin, Cout, K, K], K = 2 or 3"),
        Argument::array("bias", "b [Cout], zero without").optional(),
        Argument::array("grad", "gradient of y").optional(),
    ],
    results: "y [N, Cout, 2H, 2W]; with --grad gx, gw, gb",
    record: conv_transpose2d,
};

/// The weight, its shape and its kernel size; `channels` of the input stand in its dimension `axis`.
fn weight(a: &Arguments, channels: usize, axis: usize) -> Result<(Shape, &[f32])> {
    let (shape, values) = a.image("weight")?;
    if shape.h != shape.w {
        return Err(Error::shape(format!("--weight is {shape}; kernels are square")));
    }
    let has = [shape.n, shape.c][axis];
    if has != channels {
        return Err(Error::shape(format!(
            "--weight is {shape}, for {has} input channels (dimension {axis}); --input has {channels} channels"
        )));
    }
    Ok((shape, values))
}

/// Asks for `y`, and with `--grad` for the gradients, of an operation with weight and bias.
fn results(r: &mut Recording, a: &Arguments, x: &View, w: Shape, y: &View, gradients: [View; 2]) -> Result<()> {
    r.image_result("y", y);
    let Some(gy) = a.find_shaped("grad", &[y.shape.n, y.shape.c, y.shape.h, y.shape.w])? else { return Ok(()) };
    let of: Gradients = r.backward(y, gy)?;
    let gx = of.of(x).ok_or_else(|| Error::shape("the input got no gradient"))?;
    r.image_result("gx", &gx);
    r.result("gw", &[w.n, w.c, w.h, w.w], &gradients[0]);
    if a.find("bias").is_some() {
        r.result("gb", &[y.shape.c], &gradients[1]);
    }
    Ok(())
}

fn conv2d(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (xs, x) = a.image("input")?;
    let (ws, w) = weight(a, xs.c, 1)?;
    let spec = Conv2d { kernel: ws.h, stride: a.size("stride", 1)?, padding: a.size("padding", 0)? };
    let activations = [
        ("none", Activation::None),
        ("softplus", Activation::Softplus),
        ("sigmoid", Activation::Sigmoid),
        ("relu", Activation::Relu),
    ];
    let activation = a.choice("activation", &activations)?;
    let zeros = vec![0.0; ws.n];
    let bias = a.find_shaped("bias", &[ws.n])?.unwrap_or(&zeros);
    let x = r.given("x", xs, x)?;
    let ([w, b], gradients) = r.parameters([w, bias])?;
    let y = r.blank("y", spec.output(xs, ws.n)?)?;
    r.tape.watch(&x);
    r.tape.conv2d_into(spec, &x, &w, &b, activation, &y)?;
    results(r, a, &x, ws, &y, gradients)
}

fn conv_transpose2d(r: &mut Recording, a: &Arguments) -> Result<()> {
    let (xs, x) = a.image("input")?;
    let (ws, w) = weight(a, xs.c, 0)?;
    conv_transpose2d::adjoint(ws.h)?;
    let zeros = vec![0.0; ws.c];
    let bias = a.find_shaped("bias", &[ws.c])?.unwrap_or(&zeros);
    let x = r.given("x", xs, x)?;
    let ([w, b], gradients) = r.parameters([w, bias])?;
    let y = r.blank("y", conv_transpose2d::output(xs, ws.c))?;
    r.tape.watch(&x);
    r.tape.conv_transpose2d_into(ws.h, &x, &w, &b, &y)?;
    results(r, a, &x, ws, &y, gradients)
}
