//! Products of many pairs of matrices: attention, with [`super::softmax`] between two of them.
//!
//! A view `[N, C, H, W]` holds for each sample `heads` matrices of `C / heads` rows and `H·W` columns, one below the other:
//! the pixels of an image are the columns of the matrix that its channels are the rows of.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::elementwise::expect_finite;
use super::{Call, Span, grid, shader};
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/matmul.wgsl`.
pub static MATMUL: Shader = shader!("matmul", ["grid"]);

/// `shaders/matmul_quads.wgsl`.
pub static MATMUL_QUADS: Shader = shader!("matmul_quads", ["grid"]);

/// Values along each side of a workgroup's tile, and of an invocation's in the shader over quads.
const TILE: usize = 32;
const TILE_OF_QUADS: usize = 8;
/// Of the depth, what a workgroup loads at once.
const STEP: usize = 8;

/// Which of the two matrices is transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// `A B`.
    Plain = 1,
    /// `A Bᵀ`.
    RightTransposed = 2,
    /// `Aᵀ B`.
    LeftTransposed = 3,
}

impl Product {
    /// The shape of the product, `[N, heads · rows, 1, columns]`, and the length of its sums.
    ///
    /// # Errors
    /// [`Error::Shape`] if the batches differ, the heads do not divide the channels, or the sums' lengths differ.
    fn sizes(self, heads: usize, a: Shape, b: Shape) -> Result<(Shape, usize)> {
        if heads == 0 || a.n != b.n || !a.c.is_multiple_of(heads) || !b.c.is_multiple_of(heads) {
            return Err(Error::shape(format!(
                "a product of {a} and {b} in {heads} heads; the batches must agree and the heads divide the channels"
            )));
        }
        let ([a_rows, a_columns], [b_rows, b_columns]) = ([a.c / heads, a.plane()], [b.c / heads, b.plane()]);
        let (rows, depth, of_b, columns) = match self {
            Self::Plain => (a_rows, a_columns, b_rows, b_columns),
            Self::RightTransposed => (a_rows, a_columns, b_columns, b_rows),
            Self::LeftTransposed => (a_columns, a_rows, b_rows, b_columns),
        };
        if depth != of_b {
            return Err(Error::shape(format!(
                "{self:?} product of {a_rows}×{a_columns} and {b_rows}×{b_columns} matrices; sums of {depth} and {of_b} values"
            )));
        }
        Ok((Shape::new(a.n, heads * rows, 1, columns), depth))
    }

    /// The product's shape, `[N, heads · rows, 1, columns]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the batches differ, the heads do not divide the channels, or the sums' lengths differ.
    pub fn output(self, heads: usize, a: Shape, b: Shape) -> Result<Shape> {
        Ok(self.sizes(heads, a, b)?.0)
    }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    a: Span,
    b: Span,
    y: Span,
    size: [u32; 2],
    depth: u32,
    heads: u32,
    tiles: [u32; 2],
    /// Workgroups, or invocations of the shader over quads.
    count: u32,
    scale: f32,
}

/// `Y = scale · A B`, or with one of them transposed, for each sample and head; or added to `y`.
///
/// Shapes: `a`, `b` and `y` as the module says; `y` has [`Product::output`]'s batch, channels and number of pixels, in any
/// height and width.
///
/// # Errors
/// [`Error::Shape`] if the shapes do not fit or `y` lies in the tensor of another argument; [`Error::Input`] if `scale` is not
/// finite.
#[expect(clippy::too_many_arguments, reason = "every one is a part of the formula")]
pub fn matmul(
    caps: Caps,
    product: Product,
    heads: usize,
    scale: f32,
    a: &View,
    b: &View,
    y: &View,
    accumulate: bool,
) -> Result<Call> {
    let (shape, depth) = product.sizes(heads, a.shape, b.shape)?;
    if (y.shape.n, y.shape.c, y.shape.plane()) != (shape.n, shape.c, shape.plane()) {
        return Err(Error::shape(format!("a product into {}, expected {shape} in any height and width", y.shape)));
    }
    distinct("a product of matrices", &[y], &[a, b])?;
    expect_finite("a product of matrices times", scale)?;
    let (rows, columns) = (shape.c / heads, shape.w);
    let quads = caps.software
        && [rows, depth, columns].iter().all(|side| side.is_multiple_of(4))
        && [a, b, y].iter().all(|v| v.offset().is_multiple_of(4) && v.batch_stride().is_multiple_of(4));
    let (shader, tile) = if quads { (&MATMUL_QUADS, TILE_OF_QUADS) } else { (&MATMUL, TILE) };
    let tiles = [rows.div_ceil(tile), columns.div_ceil(tile)];
    let count = shape.n * heads * tiles[0] * tiles[1];
    let params = Params {
        a: a.into(),
        b: b.into(),
        y: y.into(),
        size: [rows as u32, columns as u32],
        depth: depth as u32,
        heads: heads as u32,
        tiles: tiles.map(|t| t as u32),
        count: count as u32,
        scale,
    };
    let workgroups = if quads { count.div_ceil(64) } else { count };
    // Of quads one for each of the depth; of tiles besides those that load a step of it.
    let iterations = if quads { depth / 4 } else { depth.div_ceil(STEP) * (STEP + 7) };
    let call = Call::new(shader, params, grid(workgroups))
        .loops(iterations)
        .with("KIND", product as u32)
        .bind(a)
        .bind(b)
        .bind(y);
    Ok(call.accumulates(y, accumulate).costs(2 * depth * shape.len()))
}
