//! Element-wise kernels, written once for quads of values and for single ones.

use super::call::{ITERATIONS, expect_whole, fewest_invocations};
use super::{Call, Span, grid};
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// Invocations of a workgroup of kernels that sum, on GPUs.
pub(super) const WORKGROUP: usize = 64;

/// Items of the [block](Call::in_blocks) that a workgroup of the other kernels takes.
pub(super) const BLOCK: usize = 256;

/// Items of a plane that an invocation of a software adapter goes over alone, however few planes there are, and the channels of which a few
/// samples give all of its threads something to do: by the channels alone, since a sample's bits must not depend on the batch.
const FEW_ITEMS: usize = 64;
const MANY_CHANNELS: usize = 16;

/// The workgroup of kernels that sum `values`, so many in an iteration: 64 invocations, or 256 where a software adapter would end their loops.
/// Also the iterations of each.
pub(super) fn summing_workgroup(values: usize, at_once: usize) -> (u32, usize) {
    let wg = if values.div_ceil(64 * at_once) < ITERATIONS { 64 } else { 256 };
    (wg, values.div_ceil(wg as usize * at_once))
}

/// A shader over quads of neighbouring values, and the same source over single values for planes (H·W) that are not a
/// multiple of four.
#[derive(Debug)]
pub struct Lanes {
    /// Over `vec4f`.
    pub quads: Shader,
    /// Over `f32`.
    pub singles: Shader,
}

/// [`Lanes`] of `shaders/NAME.wgsl` with helpers; the second shader is called `NAME.singles`. With a form after the name, `NAME.FORM`
/// and `NAME.FORM.singles`.
macro_rules! lanes {
    ($name:literal, [$($helper:literal),*]) => { lanes!(@@ $name, $name, [$($helper),*]) };
    ($name:literal, $form:literal, [$($helper:literal),*]) => {
        lanes!(@@ $name, concat!($name, ".", $form), [$($helper),*])
    };
    (@@ $file:literal, $name:expr, [$($helper:expr),*]) => {
        $crate::kernels::Lanes {
            quads: $crate::kernels::shader!(@ $file, $name, ["grid", "quads" $(, $helper)*]),
            singles: $crate::kernels::shader!(@ $file, concat!($name, ".singles"), ["grid", "singles" $(, $helper)*]),
        }
    };
}
pub(crate) use lanes;

/// A shader that reads whole maps from buffers, over quads or single values, or over quads from [images](Call::bind_image), where
/// [loads from buffers are slow](Caps::slow_buffers).
#[derive(Debug)]
pub struct Maps {
    /// From buffers.
    pub buffers: Lanes,
    /// From images.
    pub images: Shader,
}

/// [`Maps`] of `shaders/NAME.wgsl`, perhaps in a form, with helpers and what it reads: `"input"` stands for `input_storage.wgsl` or
/// `input_image.wgsl`. The third shader is called `NAME.images` or `NAME.FORM.images`.
macro_rules! maps {
    ($name:literal, $helpers:tt, $read:tt) => { maps!(@ $name, $name, $helpers, $read) };
    ($name:literal, $form:literal, $helpers:tt, $read:tt) => {
        maps!(@ $name, concat!($name, ".", $form), $helpers, $read)
    };
    (@ $file:literal, $name:expr, [$($helper:literal),*], [$($read:literal),*]) => {
        $crate::kernels::lanes::Maps {
            buffers: $crate::kernels::lanes::lanes!(@@ $file, $name, [$($helper,)* $(concat!($read, "_storage")),*]),
            images: $crate::kernels::shader!(
                @ $file,
                concat!($name, ".images"),
                ["grid", "quads", "image" $(, $helper)* $(, concat!($read, "_image"))*]
            ),
        }
    };
}
pub(crate) use maps;

/// How the values of `[N, C, H, W]` tensors are dealt out: items of one or four values, in blocks that a workgroup takes each (`block_of` in
/// `shaders/shared/grid.wgsl`), or, in kernels that sum, in a few shares, of which every invocation leaves a partial sum. Neighbouring
/// items stay together: with a sample's items dealt out by turns, processors waited for memory that nothing had fetched ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deal {
    pub shader: &'static Shader,
    /// Items of one sample.
    pub items: u32,
    /// Items of a workgroup.
    pub share: u32,
    /// Workgroups of one sample.
    pub blocks: u32,
    /// All workgroups.
    pub workgroups: u32,
    /// Invocations of a workgroup in kernels that sum, each of which leaves a partial sum; of [blocks](Call::in_blocks) any number will do.
    pub wg: Option<u32>,
    /// Iterations of the [loops](Call::loops) for an item.
    iterations: usize,
    /// The shader's form for images.
    images: Option<&'static Shader>,
}

/// Workgroups that share a sample in kernels that sum: one for every 512 items, at most sixteen, and more only where eight invocations would
/// be at it for more than some thousand iterations (those of a loop inside are counted too, should a driver not unroll it).
fn summing(items: usize) -> usize {
    items.div_ceil(512).clamp(1, 16).max(items.div_ceil(8 * 4096))
}

/// Invocations of each: enough for a large GPU, or one subgroup of a software adapter, where each costs as much to begin as a dozen items.
fn summing_lanes(caps: Caps) -> usize {
    if caps.software { 8 } else { WORKGROUP }
}

fn items(shape: Shape, quads: bool) -> usize {
    shape.c * shape.plane() / if quads { 4 } else { 1 }
}

/// Whether every channel is a whole number of quads.
fn in_quads(shape: Shape) -> bool {
    shape.plane().is_multiple_of(4)
}

/// Partial sums that each sample of `shape` leaves in kernels that sum.
pub(super) fn partial_count(caps: Caps, shape: Shape) -> usize {
    summing_lanes(caps) * summing(items(shape, in_quads(shape)))
}

impl Lanes {
    fn in_blocks(&'static self, shape: Shape, quads: bool) -> Deal {
        Deal::in_blocks(if quads { &self.quads } else { &self.singles }, shape.n, items(shape, quads), BLOCK)
    }

    /// Each item by itself.
    pub(super) fn each(&'static self, shape: Shape) -> Deal {
        self.in_blocks(shape, in_quads(shape))
    }

    /// Each item by itself, with loops of up to so many `iterations` for each.
    pub(super) fn each_in_loops(&'static self, shape: Shape, iterations: usize) -> Deal {
        Deal { iterations, ..self.each(shape) }
    }

    /// Each item by itself, none of them across two rows; also the items of a row.
    pub(super) fn each_in_row(&'static self, shape: Shape) -> (Deal, usize) {
        let quads = shape.w.is_multiple_of(4);
        (self.in_blocks(shape, quads), shape.w / if quads { 4 } else { 1 })
    }

    /// A workgroup for each sample's channel, which on software adapters is a subgroup unless a plane is too large for it.
    /// It goes over the plane so many times.
    pub(super) fn a_plane_each(&'static self, caps: Caps, shape: Shape, passes: usize) -> Planes {
        let Teams { shader, items, planes, wg, .. } = self.teams(caps, shape, passes);
        Planes { shader, items, planes, wg, passes }
    }

    /// Teams of invocations, one for each sample's channel, which goes over it so many times.
    pub(super) fn teams(&'static self, caps: Caps, shape: Shape, passes: usize) -> Teams {
        self.teams_of(caps, shape, in_quads(shape), passes)
    }

    fn teams_of(&'static self, caps: Caps, shape: Shape, quads: bool, passes: usize) -> Teams {
        let (shader, items) = if quads { (&self.quads, shape.plane() / 4) } else { (&self.singles, shape.plane()) };
        Teams::of(caps, shader, items, [shape.n, shape.c], passes)
    }

    /// In shares of neighbouring items, a workgroup each: [`partial_count`] invocations a sample.
    pub(super) fn in_shares(&'static self, caps: Caps, shape: Shape) -> Deal {
        let quads = in_quads(shape);
        let items = items(shape, quads);
        let blocks = summing(items);
        Deal {
            shader: if quads { &self.quads } else { &self.singles },
            items: items as u32,
            share: items.div_ceil(blocks) as u32,
            blocks: blocks as u32,
            workgroups: (shape.n * blocks) as u32,
            wg: Some(summing_lanes(caps) as u32),
            iterations: 0,
            images: None,
        }
    }
}

impl Maps {
    /// As [`Lanes::each`]. The maps of this call and of those below are to be bound by [`Call::bind_map`].
    pub(super) fn each(&'static self, shape: Shape) -> Deal {
        Deal { images: self.over(in_quads(shape)), ..self.buffers.each(shape) }
    }

    /// As [`Lanes::each_in_loops`].
    pub(super) fn each_in_loops(&'static self, shape: Shape, iterations: usize) -> Deal {
        Deal { iterations, ..self.each(shape) }
    }

    /// As [`Lanes::each_in_row`].
    pub(super) fn each_in_row(&'static self, shape: Shape) -> (Deal, usize) {
        let (deal, row) = self.buffers.each_in_row(shape);
        (Deal { images: self.over(shape.w.is_multiple_of(4)), ..deal }, row)
    }

    /// As [`Lanes::in_shares`].
    pub(super) fn in_shares(&'static self, caps: Caps, shape: Shape) -> Deal {
        Deal { images: self.over(in_quads(shape)), ..self.buffers.in_shares(caps, shape) }
    }

    /// As [`Lanes::teams`].
    pub(super) fn teams(&'static self, caps: Caps, shape: Shape, passes: usize) -> Teams {
        self.teams_of(caps, shape, in_quads(shape), passes)
    }

    /// The same with items in pairs, none of them across two rows: for what pools them.
    pub(super) fn teams_of_pairs(&'static self, caps: Caps, shape: Shape, passes: usize) -> Teams {
        self.teams_of(caps, shape, shape.w.is_multiple_of(8), passes)
    }

    fn teams_of(&'static self, caps: Caps, shape: Shape, quads: bool, passes: usize) -> Teams {
        Teams { images: self.over(quads), ..self.buffers.teams_of(caps, shape, quads, passes) }
    }

    /// The form for images, of items that are quads.
    fn over(&'static self, quads: bool) -> Option<&'static Shader> {
        quads.then_some(&self.images)
    }
}

/// How the planes of a tensor are dealt out to workgroups, one each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    shader: &'static Shader,
    /// Items of a plane.
    pub items: u32,
    /// Planes of all samples.
    pub planes: u32,
    wg: u32,
    passes: usize,
}

impl Planes {
    /// A call over this grid.
    pub fn call<P: bytemuck::NoUninit>(&self, params: P) -> Call {
        let call = Call::new(self.shader, params, grid(self.planes as usize)).with("WG", self.wg);
        call.loops(self.passes * self.items.div_ceil(self.wg) as usize)
    }
}

/// How the planes of a tensor are dealt out to teams of invocations (`shaders/shared/teams.wgsl`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Teams {
    pub shader: &'static Shader,
    /// Items of a plane.
    pub items: u32,
    /// Planes of all samples.
    pub planes: u32,
    /// Invocations of a workgroup.
    wg: u32,
    /// Invocations of a team, which divide them.
    team: u32,
    /// How often a team goes over its plane.
    passes: usize,
    /// The shader's form for images.
    images: Option<&'static Shader>,
}

impl Teams {
    /// Teams for the planes of so many samples and channels, each of so many items, over which it goes so many times.
    pub fn of(
        caps: Caps,
        shader: &'static Shader,
        items: usize,
        [samples, channels]: [usize; 2],
        passes: usize,
    ) -> Self {
        let iterations = |invocations: usize| passes * items.div_ceil(invocations);
        let wg = match items {
            _ if caps.software => fewest_invocations(iterations),
            0..256 => 64,
            _ => 256,
        };
        // There a barrier costs as much as dozens of items, and eight lanes load from eight planes as fast as from one.
        let alone = caps.software && iterations(1) <= ITERATIONS && (items <= FEW_ITEMS || channels >= MANY_CHANNELS);
        let team = if alone { 1 } else { items.next_power_of_two().min(wg) };
        let planes = (samples * channels) as u32;
        Self { shader, items: items as u32, planes, wg: wg as u32, team: team as u32, passes, images: None }
    }

    /// A call over this grid.
    pub fn call<P: bytemuck::NoUninit>(&self, params: P) -> Call {
        let workgroups = self.planes.div_ceil(self.wg / self.team);
        let call = Call::new(self.shader, params, grid(workgroups as usize)).with_images(self.images);
        let call = call.with("WG", self.wg).with("TEAM", self.team);
        call.loops(self.passes * self.items.div_ceil(self.team) as usize)
    }
}

impl Deal {
    /// Each of so many samples' items by itself, in blocks of so many.
    pub fn in_blocks(shader: &'static Shader, samples: usize, items: usize, block: usize) -> Self {
        let blocks = items.div_ceil(block);
        Self {
            shader,
            items: items as u32,
            share: block as u32,
            blocks: blocks as u32,
            workgroups: (samples * blocks) as u32,
            wg: None,
            iterations: 0,
            images: None,
        }
    }

    /// A call over this grid.
    pub fn call<P: bytemuck::NoUninit>(&self, params: P) -> Call {
        let call = Call::new(self.shader, params, grid(self.workgroups as usize)).with_images(self.images);
        match self.wg {
            Some(wg) => call.with("WG", wg),
            None => call.in_blocks(self.share).loops(self.iterations),
        }
    }
}

/// The spans of the γ and z channels, which must lie in one tensor and not overlap: a kernel writes both of them, and a
/// tensor that is written may be bound once only.
pub(super) fn channels_of_one(what: &str, gamma: &View, z: &View, expected: Shape) -> Result<(Span, Span)> {
    gamma.expect(&format!("the γ channels of {what}"), expected)?;
    z.expect(&format!("the z channels of {what}"), expected)?;
    let apart = gamma.channel + expected.c <= z.channel || z.channel + expected.c <= gamma.channel;
    if gamma.tensor != z.tensor || !apart {
        return Err(Error::shape(format!(
            "γ and z of {what} must be separate channel ranges of one tensor (γ from channel {}, z from channel {})",
            gamma.channel, z.channel
        )));
    }
    Ok((gamma.into(), z.into()))
}

/// Refuses an `rng` tensor that is not four words.
pub(super) fn expect_rng(rng: &View) -> Result<()> {
    expect_whole("the random state", rng, Shape::vector(4))
}
