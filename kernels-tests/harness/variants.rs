//! The 3×3 convolution by each of its variants.

#![allow(dead_code, reason = "each test program uses its own part")]

use cvdm::kernels::Call;
use cvdm::kernels::conv2d::{Activation, Direction};
use cvdm::kernels::conv2d_3x3::{self, Input, Output, Packing, Reads, Variant};
use cvdm::kernels::conv2d_3x3_portable;
use cvdm::tape::{Role, Tape};
use cvdm::tensor::View;

/// Every variant that gives the same bits, and some that add up in slices, in another order.
pub fn variants() -> impl Iterator<Item = Variant> {
    let sliced = [(1, 4), (2, 3), (4, 2)].map(|(outputs, slices)| Variant { outputs, reads: Reads::Storage, slices });
    Variant::WHOLE.into_iter().chain(sliced)
}

/// The convolution by one of them, or its input gradient, with the packing of its weights, stored as the input is. Adds to the output if
/// there is no bias.
pub fn convolved<'i, 'o>(
    tape: &mut Tape,
    (variant, direction): (Variant, Direction),
    input: impl Into<Input<'i>>,
    weight: &View,
    bias: Option<&View>,
    activation: Activation,
    output: impl Into<Output<'o>>,
) -> cvdm::Result<Vec<Call>> {
    let (input, output) = (input.into(), output.into());
    let packing = Packing::new(tape.caps(), variant, direction, [input.x.shape.c, output.y.shape.c]);
    let packed = tape.stored("packed", packing.shape(), Role::Persistent, input.x.element)?;
    let mut calls = vec![conv2d_3x3::pack(&packing, weight, &packed)?];
    calls.extend(conv2d_3x3::forward(&packing, input, &packed, bias, activation, output, bias.is_none())?);
    Ok(calls)
}

/// The same without subgroups, with so many groups of four output channels an invocation.
pub fn portably<'a>(
    tape: &mut Tape,
    (groups, direction): (usize, Direction),
    input: impl Into<Input<'a>>,
    weight: &View,
    bias: Option<&View>,
    activation: Activation,
    y: &View,
) -> cvdm::Result<Vec<Call>> {
    let (caps, input) = (tape.caps(), input.into());
    let packing = Packing::portable(caps, groups, direction, [input.x.shape.c, y.shape.c]);
    let packed = tape.stored("packed", packing.shape(), Role::Persistent, input.x.element)?;
    let pack = conv2d_3x3::pack(&packing, weight, &packed)?;
    let add = bias.is_none();
    Ok(vec![pack, conv2d_3x3_portable::forward(caps, &packing, input, &packed, bias, activation, y, add)?])
}
