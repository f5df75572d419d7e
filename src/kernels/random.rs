//! Random numbers as a tensor. The kernels of training and sampling draw their own; this is for everything else.

use bytemuck::{Pod, Zeroable};

use super::call::distinct;
use super::lanes::{BLOCK, expect_rng};
use super::{Call, Span, grid, shader};
use crate::Result;
use crate::gpu::Shader;
use crate::random::Stream;
use crate::tensor::View;

/// `shaders/random.wgsl`.
pub static RANDOM: Shader = shader!("random", ["grid", "quads", "philox"]);

/// What [`fill`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Raw 32-bit words, bitwise.
    Words = 0,
    /// Uniform numbers inside (0, 1).
    Uniforms = 1,
    /// Standard normal numbers.
    Normals = 2,
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    y: Span,
    len: u32,
    blocks: u32,
    workgroups: u32,
    kind: u32,
    stream: u32,
}

/// Fills `y` `[N, C, H, W]` with numbers of `stream`: number `j` of sample `n` is that of value `j` in C, H, W order and of
/// sample `first_sample + n` at the step in `rng` `[1, 4, 1, 1]` (see [`crate::random::state`]).
///
/// # Errors
/// [`crate::Error::Shape`] if `rng` is not four words, or `y` lies in its tensor.
pub fn fill(rng: &View, y: &View, kind: Kind, stream: Stream) -> Result<Vec<Call>> {
    expect_rng(rng)?;
    distinct("random numbers", &[y], &[rng])?;
    let len = y.shape.c * y.shape.plane();
    let blocks = len.div_ceil(4 * BLOCK);
    let workgroups = y.shape.n * blocks;
    let params = Params {
        y: y.into(),
        len: len as u32,
        blocks: blocks as u32,
        workgroups: workgroups as u32,
        kind: kind as u32,
        stream: stream as u32,
    };
    Ok(vec![
        Call::new(&RANDOM, params, grid(workgroups))
            .in_blocks(BLOCK as u32)
            .bind(rng)
            .bind(y)
            .costs(40 * y.shape.len()),
    ])
}
