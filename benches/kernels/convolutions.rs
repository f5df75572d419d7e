//! What is timed of the convolutions, at the shapes of the networks' levels.

use cvdm::gpu::{Caps, Matrices};
use cvdm::kernels::conv2d::{self, Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{self, Input, Output, Packing, Variant};
use cvdm::kernels::{
    conv_transpose2d as up, conv2d_3x3_cooperative, conv2d_3x3_grad_weight, conv2d_3x3_portable, instance_norm as norm,
    split_sum, winograd,
};
use cvdm::tape::{Convolution, Wanted, WeightGradient};
use cvdm::tensor::Shape;

use super::cases::{Case, Groups, Level, Shaders, case, over};
use super::measure::Recording;

/// The convolutions of one level, on an adapter that can do so much.
pub fn network(level: Level, caps: Caps) -> Vec<Case> {
    let s = level.shape();
    let mut cases = Vec::new();
    // The kernels with subgroups take rows of whole quads, and the step up to a level those of the level below.
    if caps.subgroups && s.w.is_multiple_of(4) {
        // What a decoder's block reads first: the skip, and as much from below.
        let both = Shape { c: 2 * s.c, ..s };
        let plain = ThreeByThree { direction: Direction::Forward, x: s, to: s.c, how: How::Plain };
        cases.extend([
            plain.case(&[("conv2d_3x3", "3×3 convolution")]),
            ThreeByThree { direction: Direction::Backward, ..plain }.case(&[("conv2d_3x3", "3×3 input gradient")]),
            weight_gradient(GRAD_WEIGHT, s, s.c, false, &[]),
            ThreeByThree { x: both, ..plain }.case(&[("conv2d_3x3", "3×3 convolution of twice the channels")]),
            ThreeByThree { direction: Direction::Backward, to: both.c, ..plain }
                .case(&[("conv2d_3x3", "3×3 input gradient to twice the channels")]),
            weight_gradient(
                GRAD_WEIGHT,
                both,
                s.c,
                false,
                &[("conv2d_3x3_grad_weight", "3×3 weight gradient of twice the channels")],
            ),
            ThreeByThree { how: How::Normalised, ..plain }
                .case(&[("conv2d_3x3", "3×3 convolution of a map normalised on the way")]),
            weight_gradient(
                GRAD_WEIGHT,
                s,
                s.c,
                true,
                &[("conv2d_3x3_grad_weight", "3×3 weight gradient of a map normalised on the way")],
            ),
        ]);
        if caps.halves {
            let halves = ThreeByThree { how: How::Halves, ..plain };
            cases.push(halves.case(&[("conv2d_3x3", "3×3 convolution of halves")]));
        }
    }
    if winograd::suits(caps, s, s.c) {
        cases.push(by_winograd(s));
    }
    if caps.halves {
        cases.push(on_matrices(s, caps));
    }
    // Without subgroups too: all that an adapter without them has, and beside those that need them.
    if s.w.is_multiple_of(4) {
        cases.extend([
            portably(s, Direction::Forward).counted_as(&[("conv2d_3x3_portable", "3×3 convolution, portable")]),
            portably(s, Direction::Backward).counted_as(&[("conv2d_3x3_portable", "3×3 input gradient, portable")]),
            weight_gradient(
                PORTABLE_GRAD_WEIGHT,
                s,
                s.c,
                false,
                &[("conv2d_3x3_portable_grad_weight", "3×3 weight gradient, portable")],
            ),
        ]);
    }
    if s.w.is_multiple_of(8) {
        cases.extend(caps.subgroups.then(|| step_up(STEP_UP, s)));
        cases.push(step_up(PORTABLE_STEP_UP, s));
    }
    over(s, cases)
}

/// The shaders of a weight gradient with subgroups and without, and those of the step up.
const GRAD_WEIGHT: Shaders = &["conv2d_3x3_grad_weight", "sum_splits"];
const PORTABLE_GRAD_WEIGHT: Shaders = &["conv2d_3x3_portable_grad_weight", "sum_splits"];
const STEP_UP: Shaders = &["conv_transpose2d", "conv_transpose2d_grad_input", "conv_transpose2d_grad_weight"];
const PORTABLE_STEP_UP: Shaders =
    &["conv_transpose2d_portable", "conv_transpose2d_portable_grad_input", "conv_transpose2d_portable_grad_weight"];

/// A 3×3 convolution without subgroups or its input gradient, with the packing of its weights.
fn portably(x: Shape, direction: Direction) -> Case {
    let on = match direction {
        Direction::Forward => format!("3×3 of {x}"),
        Direction::Backward => format!("3×3 input gradient, {x}"),
    };
    case(&["pack_weights", "conv2d_3x3_portable"], on, move |r| {
        let (caps, c) = (r.tape.caps(), x.c);
        let forward = direction == Direction::Forward;
        let (x, y) = (r.tensor(x)?, r.tensor(x)?);
        let (weight, bias) = (r.tensor(Conv2d::same(3).weight(c, c))?, r.tensor(Shape::vector(c))?);
        let packing = Packing::portable(caps, 2, direction, [c, c]);
        let (packing, weights, mut calls) = match packing.in_place(&weight) {
            Some(in_place) => (in_place, weight, Vec::new()),
            None => {
                let packed = r.tensor(packing.shape())?;
                (packing, packed, vec![conv2d_3x3::pack(&packing, &weight, &packed)?])
            }
        };
        let (bias, activation) = if forward { (Some(&bias), Activation::Softplus) } else { (None, Activation::None) };
        calls.push(conv2d_3x3_portable::forward(caps, &packing, &x, &weights, bias, activation, &y, false)?);
        Ok(calls)
    })
}

/// A network's first convolution, from three channels to a level's.
pub fn first(level: Level, caps: Caps) -> Option<Case> {
    let s = level.shape();
    let first = ThreeByThree { direction: Direction::Forward, x: Shape { c: 3, ..s }, to: s.c, how: How::Plain };
    let case = first.case(&[("conv2d_3x3", "3×3 convolution of three channels")]);
    over(s, (caps.subgroups && s.w.is_multiple_of(4)).then_some(case)).pop()
}

/// The convolution of any size.
pub fn portable(level: Level) -> Vec<Case> {
    let s = level.shape();
    let c = s.c;
    let convolution = case(&["conv2d", "conv2d_grad_input", "conv2d_grad_weight"], format!("3×3 of {s}"), move |r| {
        let spec = Conv2d::same(3);
        let (x, y, gx) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
        let (weight, bias) = (r.tensor(spec.weight(c, c))?, r.tensor(Shape::vector(c))?);
        let gw = r.tensor(spec.weight(c, c))?;
        Ok(vec![
            conv2d::forward(spec, &x, &weight, Some(&bias), Activation::Softplus, &y, false)?,
            conv2d::grad_input(spec, &y, &weight, None, Activation::None, &gx, false)?,
            conv2d::grad_weight(spec, &x, &y, &gw, false)?,
        ])
    });
    over(s, [convolution])
}

/// A 3×3 convolution or its input gradient, with the packing of its weights.
#[derive(Clone, Copy)]
struct ThreeByThree {
    direction: Direction,
    x: Shape,
    /// Channels that come out.
    to: usize,
    how: How,
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Plain,
    /// With the scales of an instance norm before it.
    Normalised,
    /// Of maps and weights that are stored as halves.
    Halves,
}

impl ThreeByThree {
    fn on(self) -> String {
        let Self { direction, x, to, how } = self;
        let what = match direction {
            Direction::Forward => format!("3×3 of {x}"),
            Direction::Backward => format!("3×3 input gradient, {x}"),
        };
        let to = if to == x.c { String::new() } else { format!(" to {to}") };
        what + &to
            + match how {
                How::Plain => "",
                How::Normalised => ", normalised",
                How::Halves => ", halves",
            }
    }

    fn case(self, groups: Groups) -> Case {
        let Self { direction, x, to, how } = self;
        let record = case(&["pack_weights", "conv2d_3x3"], self.on(), move |r| {
            let caps = r.tape.caps();
            let y = Shape { c: to, ..x };
            let forward = direction == Direction::Forward;
            if how == How::Halves {
                // For sampling, which packs its weights once.
                r.tape.freeze();
                r.tape.store_halves()?;
            }
            // Winograd's algorithm, which a tape that recomputes does without, matrices and the kernel without subgroups have cases of their own;
            // where one of the latter is ahead, this is the fixed choice. What is measured here is another question than a network's that does
            // not recompute, and its answer another line among the kept ones.
            r.tape.recompute();
            let variant = match r.tape.convolution(Wanted { direction, x, channels: to, moments: forward })? {
                Convolution::Direct(variant) => variant,
                _ if how == How::Halves => Variant::of_halves(caps, x, to),
                _ => Variant::fixed(caps, x, to),
            };
            let stored = if how == How::Halves { Recording::halves } else { Recording::tensor };
            let scales = if how == How::Normalised { Some(r.tensor(norm::stats(x))?) } else { None };
            let (x, y) = (stored(r, x)?, stored(r, y)?);
            let (weight, bias) = (r.tensor(Conv2d::same(3).weight(x.shape.c, to))?, r.tensor(Shape::vector(to))?);
            let packing = Packing::new(caps, variant, direction, [x.shape.c, to]);
            let (packing, weights, mut calls) = match packing.in_place(&weight) {
                Some(in_place) => (in_place, weight, Vec::new()),
                None => {
                    let packed = stored(r, packing.shape())?;
                    (packing, packed, vec![conv2d_3x3::pack(&packing, &weight, &packed)?])
                }
            };
            let (bias, activation) =
                if forward { (Some(&bias), Activation::Softplus) } else { (None, Activation::None) };
            // As in the networks: with the moments for the norm behind it.
            let tiles = r.tensor(norm::tiles(y.shape))?;
            let output = Output { y: &y, tiles: forward.then_some(&tiles) };
            let input = Input { x: &x, scales: scales.as_ref() };
            calls.extend(conv2d_3x3::forward(&packing, input, &weights, bias, activation, output, false)?);
            Ok(calls)
        });
        record.counted_as(groups)
    }
}

/// A 3×3 convolution's weight gradient, of a map as it is or normalised on the way, with the sum of its splits.
fn weight_gradient(shaders: Shaders, x: Shape, to: usize, normalised: bool, groups: Groups) -> Case {
    let to_others = if to == x.c { String::new() } else { format!(" to {to}") };
    let on = format!("3×3 of {x}{to_others}{}", if normalised { ", normalised" } else { "" });
    case(shaders, on, move |r| {
        let caps = r.tape.caps();
        let fixed = WeightGradient::Subgroups(conv2d_3x3_grad_weight::Variant::fixed(caps, to));
        let how = if shaders == PORTABLE_GRAD_WEIGHT {
            WeightGradient::Portable
        } else {
            // Where the other kernel is ahead, the fixed choice of this one.
            Some(r.tape.weight_gradient(x, to)?).filter(|&how| how != WeightGradient::Portable).unwrap_or(fixed)
        };
        let parts = how.parts(caps, x, to);
        let scales = if normalised { Some(r.tensor(norm::stats(x))?) } else { None };
        let (x, g) = (r.tensor(x)?, r.tensor(Shape { c: to, ..x })?);
        let (sums, gradient) = (r.tensor(parts.shape())?, r.tensor(Shape::vector(parts.values()))?);
        let input = Input { x: &x, scales: scales.as_ref() };
        let calls = [how.record(caps, input, &g, &sums)?];
        // A single split needs no sum.
        let sum = (parts.splits > 1).then(|| split_sum::sum_splits(parts, &sums, 0, &gradient, false)).transpose()?;
        Ok(calls.into_iter().chain(sum).collect())
    })
    .counted_as(groups)
}

/// A 3×3 convolution by Winograd's algorithm, with the transform of its weights.
fn by_winograd(s: Shape) -> Case {
    let shaders = &["winograd_weights", "winograd_input", "winograd_product", "winograd_output"];
    case(shaders, format!("3×3 of {s}"), move |r| {
        let (caps, c) = (r.tape.caps(), s.c);
        let (x, y) = (r.tensor(s)?, r.tensor(s)?);
        let (weight, bias) = (r.tensor(Conv2d::same(3).weight(c, c))?, r.tensor(Shape::vector(c))?);
        let weights = r.tensor(winograd::transformed(c, c))?;
        let (input, product) = (r.tensor(winograd::windows(s, c))?, r.tensor(winograd::windows(s, c))?);
        let scratch = winograd::Scratch { weights: &weights, input: &input, product: &product };
        let transform = winograd::weights(Direction::Forward, &weight, [c, c], &weights)?;
        let softplus = Activation::Softplus;
        let convolve = winograd::convolve(caps, &x, scratch, Some(&bias), softplus, &y, false)?;
        Ok([transform].into_iter().chain(convolve).collect())
    })
}

/// A 3×3 convolution of halves on cooperative matrices, with the packing of its weights; without matrices the packing for those of
/// most GPUs.
fn on_matrices(s: Shape, caps: Caps) -> Case {
    let matrices = caps.matrices.unwrap_or(Matrices { side: 16, subgroup: 32 });
    let shaders = &["conv2d_3x3_cooperative_pack", "conv2d_3x3_cooperative"];
    let record = case(shaders, format!("3×3 of halves, {s}"), move |r| {
        let c = s.c;
        let weight = r.tensor(Conv2d::same(3).weight(c, c))?;
        let packed = r.halves(conv2d_3x3_cooperative::packed(matrices, c, c))?;
        let pack = conv2d_3x3_cooperative::pack(matrices, Direction::Forward, &weight, [c, c], &packed)?;
        if caps.matrices.is_none() {
            return Ok(vec![pack]);
        }
        let (x, y, bias) = (r.halves(s)?, r.halves(s)?, r.tensor(Shape::vector(c))?);
        let softplus = Activation::Softplus;
        let convolve = conv2d_3x3_cooperative::forward(matrices, &x, &packed, Some(&bias), softplus, &y, false)?;
        Ok(vec![pack, convolve])
    });
    record.counted_as(&[("conv2d_3x3_cooperative", "3×3 convolution on matrices")])
}

/// The transposed convolution from the level below, with twice the channels, up to this one.
fn step_up(shaders: Shaders, s: Shape) -> Case {
    let c = s.c;
    case(shaders, format!("up to {s}"), move |r| {
        let caps = Caps { subgroups: shaders == STEP_UP, ..r.tape.caps() };
        let below = Shape::new(s.n, 2 * c, s.h / 2, s.w / 2);
        let (x, gx, y) = (r.tensor(below)?, r.tensor(below)?, r.tensor(s)?);
        let (weight, bias) = (r.tensor(Shape::new(2 * c, c, 2, 2))?, r.tensor(Shape::vector(c))?);
        let parts = r.tensor(up::parts(caps, below, c).shape())?;
        Ok(vec![
            up::forward(caps, 2, &x, &weight, &bias, &y)?,
            up::grad_input(caps, 2, &y, &weight, &gx, false)?,
            up::grad_weight(caps, &x, &y, &parts)?,
        ])
    })
}
