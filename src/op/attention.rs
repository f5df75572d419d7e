//! Products of matrices, softmax, and self-attention over pixels.

use super::{Argument, Arguments, Operation, Recording};
use crate::kernels::matmul::Product;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

const GRAD: Argument = Argument::array("grad", "gradient of y").optional();
const HEADS: Argument = Argument::setting("heads", "1", "G, which divides the channels");

pub(super) static MATMUL: Operation = Operation {
    name: "matmul",
    formula: "Y = f · A B, A Bᵀ or Aᵀ B, for each of the G matrices of C/G rows and H·W columns that a sample holds",
    arguments: &[
        Argument::arrays("input", "A [N, C, H, W] and B [N, C', H', W']"),
        HEADS,
        Argument::setting("transposed", "none", "none, left or right"),
        Argument::setting("factor", "1", "f"),
        GRAD,
    ],
    results: "y [N, G · rows, 1, columns]; with --grad gx1, gx2",
    record: matmul,
};

pub(super) static SOFTMAX: Operation = Operation {
    name: "softmax",
    formula: "y[n,c,i,j] = exp(x[n,c,i,j]) / Σ exp(x[n,c,·,·])",
    arguments: &[Argument::array("input", "x [N, C, H, W]"), GRAD],
    results: "y [N, C, H, W]; with --grad gx",
    record: softmax,
};

pub(super) static ATTENTION: Operation = Operation {
    name: "attention",
    formula: "y[·,i] = Σ_j softmax_j(q[·,i]·k[·,j] / √(C/G)) v[·,j] over pixels i, j, for each of G heads",
    arguments: &[Argument::arrays("input", "q, k and v, all [N, C, H, W]"), HEADS, GRAD],
    results: "y [N, C, H, W]; with --grad gx1, gx2, gx3",
    record: attention,
};

/// The inputs, as many as the operation takes.
fn inputs<const K: usize>(r: &mut Recording, a: &Arguments) -> Result<[View; K]> {
    let mut views = Vec::new();
    for (i, x) in a.arrays("input").iter().enumerate() {
        let &[n, c, h, w] = x.shape.as_slice() else {
            return Err(Error::shape(format!("--input number {} is {:?}; expected rank 4", i + 1, x.shape)));
        };
        let view = r.given(&format!("x{}", i + 1), Shape::new(n, c, h, w), &x.values)?;
        r.tape.watch(&view);
        views.push(view);
    }
    let count = views.len();
    views.try_into().map_err(|_| Error::input(format!("expected {K} arrays as --input, {count} were given")))
}

fn matmul(r: &mut Recording, a: &Arguments) -> Result<()> {
    let [left, right] = inputs(r, a)?;
    let products = [("none", Product::Plain), ("left", Product::LeftTransposed), ("right", Product::RightTransposed)];
    let product = a.choice("transposed", &products)?;
    let heads = a.size("heads", 1)?;
    let factor = a.number("factor", "a finite number", |v| (v as f32).is_finite())? as f32;
    let y = r.blank("y", product.output(heads, left.shape, right.shape)?)?;
    r.tape.matmul_into(product, heads, factor, &left, &right, &y)?;
    r.results(a, &y, &[("gx1", &left), ("gx2", &right)])
}

fn softmax(r: &mut Recording, a: &Arguments) -> Result<()> {
    let x = r.watched(a, "input")?;
    let y = r.tape.softmax(&x)?;
    r.results(a, &y, &[("gx", &x)])
}

fn attention(r: &mut Recording, a: &Arguments) -> Result<()> {
    let [q, k, v] = inputs(r, a)?;
    let y = r.tape.attention(a.size("heads", 1)?, &q, &k, &v)?;
    r.results(a, &y, &[("gx1", &q), ("gx2", &k), ("gx3", &v)])
}
