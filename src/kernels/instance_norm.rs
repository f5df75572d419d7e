//! Instance norm over each sample's channel, with its gradients.

use bytemuck::{Pod, Zeroable};

use super::call::{distinct, expect_whole};
use super::lanes::{Maps, Teams, maps};
use super::{Call, Span, grid, max_pool2d, shader};
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/instance_norm.wgsl`.
pub static FORWARD: Maps =
    maps!("instance_norm", ["teams", "moments", "team_moments", "channel_moments", "moments_of_map"], ["input"]);
/// The same from [tiles].
pub static FORWARD_OF_TILES: Maps = maps!(
    "instance_norm",
    "tiles",
    ["teams", "moments", "team_moments", "tile_moments", "moments_of_tiles"],
    ["input"]
);
/// `shaders/instance_norm_scales.wgsl`.
pub static SCALES: Maps =
    maps!("instance_norm_scales", ["teams", "moments", "team_moments", "channel_moments"], ["input"]);
/// `shaders/instance_norm_tile_scales.wgsl`.
pub static SCALES_OF_TILES: Shader =
    shader!("instance_norm_tile_scales", ["grid", "teams", "moments", "team_moments", "tile_moments"]);
/// `shaders/instance_norm_pool.wgsl`.
pub static POOL: Maps =
    maps!("instance_norm_pool", ["teams", "moments", "team_moments", "channel_moments", "moments_of_map"], ["input"]);
/// The same from [tiles].
pub static POOL_OF_TILES: Maps = maps!(
    "instance_norm_pool",
    "tiles",
    ["teams", "moments", "team_moments", "tile_moments", "moments_of_tiles"],
    ["input"]
);
/// `shaders/instance_norm_backward.wgsl`.
pub static BACKWARD: Maps = maps!("instance_norm_backward", ["teams", "series"], ["input", "second"]);
/// `shaders/instance_norm_affine.wgsl`.
pub static AFFINE: Shader = shader!("instance_norm_affine", ["grid"]);

/// Shape of the statistics of `x`, of its scales, and of the sums of its gradient: `[N, C, 1, 2]`.
pub fn stats(x: Shape) -> Shape {
    Shape::new(x.n, x.c, 1, 2)
}

/// Shape of the moments (mean, sum of squared deviations) of `x`'s tiles of 4 × 8 pixels, smaller ones at the edges, in rows:
/// `[N, C, tiles, 2]`.
pub fn tiles(x: Shape) -> Shape {
    Shape::new(x.n, x.c, x.h.div_ceil(4) * x.w.div_ceil(8), 2)
}

/// What a norm reads: a feature map and, if the convolution that wrote it left them, the moments of its [tiles]. From these the
/// channels' statistics are merged; without, the map is read once more for them.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The map, `[N, C, H, W]`.
    pub x: &'a View,
    /// The moments, for a `W` that is a multiple of four.
    pub tiles: Option<&'a View>,
}

impl<'a> From<&'a View> for Input<'a> {
    fn from(x: &'a View) -> Self {
        Self { x, tiles: None }
    }
}

impl<'a> Input<'a> {
    /// Rows of a channel, and quads of a row, as the shaders merge tiles by.
    fn size(&self) -> [u32; 2] {
        [self.x.shape.h as u32, self.x.shape.w as u32 / 4]
    }

    fn check(&self) -> Result<()> {
        self.tiles.map_or(Ok(()), |moments| expect_tiles(self.x.shape, moments))
    }

    /// Of two forms of a kernel the one that reads this.
    fn form(&self, of_map: &'static Maps, of_tiles: &'static Maps) -> &'static Maps {
        if self.tiles.is_some() { of_tiles } else { of_map }
    }

    /// Binds the moments, if there are any.
    fn bind_tiles(&self, call: Call) -> Call {
        self.tiles.map_or(call.clone(), |tiles| call.bind(tiles))
    }

    /// All that is read, with these.
    fn and<'b>(&self, others: &[&'b View]) -> Vec<&'b View>
    where
        'a: 'b,
    {
        self.tiles.iter().chain([&self.x]).chain(others).copied().collect()
    }
}

pub(super) fn expect_affine(x: Shape, view: &View, what: &str) -> Result<()> {
    if view.shape.len() == x.c && (view.shape.n == 1 || view.is_whole()) {
        return Ok(());
    }
    Err(Error::shape(format!(
        "{what} holds {} values, expected one for each of {} channels, next to each other",
        view.shape.len(),
        x.c
    )))
}

/// Statistics and sums are tensors of their own: the shaders know no range of them.
pub(super) fn expect_stats(x: Shape, view: &View, what: &str) -> Result<()> {
    expect_whole(what, view, stats(x))
}

/// Refuses moments of tiles that are not those of a map of this shape.
pub(super) fn expect_tiles(x: Shape, moments: &View) -> Result<()> {
    moments.expect("the moments of tiles", tiles(x))?;
    if moments.is_whole() && x.w.is_multiple_of(4) {
        return Ok(());
    }
    Err(Error::shape("the moments of tiles must be a whole tensor, of a map whose width is a multiple of four"))
}

fn expect_epsilon(epsilon: f32) -> Result<()> {
    if epsilon.is_finite() && epsilon > 0.0 {
        return Ok(());
    }
    Err(Error::input(format!("instance norm's epsilon is {epsilon}, expected a positive number")))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    size: [u32; 2],
    channels: u32,
    items: u32,
    weight_offset: u32,
    bias_offset: u32,
    affine: u32,
    planes: u32,
    epsilon: f32,
}

/// `y = (x − mean) / sqrt(var + ε) · weight + bias` over each channel of each sample, `var` biased; without `affine` the
/// weight is 1 and the bias 0. Keeps the statistics for [`backward`].
///
/// Shapes: `x, y [N, C, H, W]`, `weight, bias [C]`, `stats [N, C, 1, 2]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or an output lies in the tensor of another argument, [`Error::Input`] if
/// `epsilon` is not positive: a constant channel would divide by zero.
pub fn forward<'a>(
    caps: Caps,
    input: impl Into<Input<'a>>,
    affine: Option<(&View, &View)>,
    statistics: &View,
    y: &View,
    epsilon: f32,
) -> Result<Call> {
    let input = input.into();
    let x = input.x;
    input.check()?;
    y.expect("instance norm's output", x.shape)?;
    expect_stats(x.shape, statistics, "instance norm's statistics")?;
    if let Some((weight, bias)) = affine {
        expect_affine(x.shape, weight, "instance norm's weight")?;
        expect_affine(x.shape, bias, "instance norm's bias")?;
    }
    expect_epsilon(epsilon)?;
    let (weight, bias) = affine.unzip();
    distinct("instance norm", &[statistics, y], &input.and(&[weight.unwrap_or(x), bias.unwrap_or(x)]))?;
    let teams = input.form(&FORWARD, &FORWARD_OF_TILES).teams(caps, x.shape, 2);
    let params = Forward {
        x: x.into(),
        y: y.into(),
        size: input.size(),
        channels: x.shape.c as u32,
        items: teams.items,
        weight_offset: weight.map_or(0, |w| w.offset() as u32),
        bias_offset: bias.map_or(0, |b| b.offset() as u32),
        affine: u32::from(affine.is_some()),
        planes: teams.planes,
        epsilon,
    };
    let call = teams.call(params).bind_map(x).bind_or(weight, x).bind_or(bias, x).bind(statistics).bind(y);
    Ok(input.bind_tiles(call).stored(x, y).costs(10 * x.shape.len()))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Scales {
    x: Span,
    channels: u32,
    items: u32,
    weight_offset: u32,
    bias_offset: u32,
    planes: u32,
    epsilon: f32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct ScalesOfTiles {
    size: [u32; 2],
    channels: u32,
    weight_offset: u32,
    bias_offset: u32,
    planes: u32,
    epsilon: f32,
}

/// The norm as scale and shift of each channel of each sample, for a kernel that normalises `x` as it loads it:
/// `scale = weight / sqrt(var + ε)`, `shift = bias − mean · scale`. Keeps the statistics for [`backward`].
///
/// Shapes: `x [N, C, H, W]`, `weight, bias [C]`, `statistics, scales [N, C, 1, 2]`.
///
/// # Errors
/// As [`forward`].
pub fn scales<'a>(
    caps: Caps,
    input: impl Into<Input<'a>>,
    [weight, bias]: [&View; 2],
    statistics: &View,
    scales: &View,
    epsilon: f32,
) -> Result<Call> {
    let input = input.into();
    let x = input.x;
    input.check()?;
    expect_stats(x.shape, statistics, "instance norm's statistics")?;
    expect_stats(x.shape, scales, "instance norm's scales")?;
    expect_affine(x.shape, weight, "instance norm's weight")?;
    expect_affine(x.shape, bias, "instance norm's bias")?;
    expect_epsilon(epsilon)?;
    distinct("instance norm", &[statistics, scales], &input.and(&[weight, bias]))?;
    if let Some(tiles) = input.tiles {
        let teams = Teams::of(caps, &SCALES_OF_TILES, tiles.shape.h, [x.shape.n, x.shape.c], 1);
        let params = ScalesOfTiles {
            size: input.size(),
            channels: x.shape.c as u32,
            weight_offset: weight.offset() as u32,
            bias_offset: bias.offset() as u32,
            planes: teams.planes,
            epsilon,
        };
        let call = teams.call(params).bind(tiles).bind(weight).bind(bias).bind(statistics).bind(scales);
        return Ok(call.costs(8 * tiles.shape.len()));
    }
    let teams = SCALES.teams(caps, x.shape, 1);
    let params = Scales {
        x: x.into(),
        channels: x.shape.c as u32,
        items: teams.items,
        weight_offset: weight.offset() as u32,
        bias_offset: bias.offset() as u32,
        planes: teams.planes,
        epsilon,
    };
    let call = teams.call(params);
    Ok(call
        .bind_map(x)
        .bind(weight)
        .bind(bias)
        .bind(statistics)
        .bind(scales)
        .stored(x, scales)
        .costs(8 * x.shape.len()))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Pooled {
    x: Span,
    y: Span,
    pooled: Span,
    size: [u32; 2],
    channels: u32,
    items: u32,
    width: u32,
    weight_offset: u32,
    bias_offset: u32,
    planes: u32,
    epsilon: f32,
}

/// The norm as in [`forward`], and its output's 2×2 max-pooling as in [`max_pool2d::forward`], in one pass.
///
/// Shapes: `x, y [N, C, 2H, 2W]`, `weight, bias [C]`, `statistics [N, C, 1, 2]`, `pooled [N, C, H, W]`.
///
/// # Errors
/// As [`forward`], and [`Error::Shape`] if height or width is odd.
pub fn pooled<'a>(
    caps: Caps,
    input: impl Into<Input<'a>>,
    [weight, bias]: [&View; 2],
    statistics: &View,
    [y, pooled]: [&View; 2],
    epsilon: f32,
) -> Result<Call> {
    let input = input.into();
    let x = input.x;
    input.check()?;
    y.expect("instance norm's output", x.shape)?;
    pooled.expect("the pooled norm", max_pool2d::output(x.shape)?)?;
    expect_stats(x.shape, statistics, "instance norm's statistics")?;
    expect_affine(x.shape, weight, "instance norm's weight")?;
    expect_affine(x.shape, bias, "instance norm's bias")?;
    expect_epsilon(epsilon)?;
    distinct("instance norm with pooling", &[statistics, y, pooled], &input.and(&[weight, bias]))?;
    let teams = input.form(&POOL, &POOL_OF_TILES).teams_of_pairs(caps, x.shape, 2);
    let params = Pooled {
        x: x.into(),
        y: y.into(),
        pooled: pooled.into(),
        size: input.size(),
        channels: x.shape.c as u32,
        items: teams.items,
        width: teams.items / x.shape.h as u32 / 2,
        weight_offset: weight.offset() as u32,
        bias_offset: bias.offset() as u32,
        planes: teams.planes,
        epsilon,
    };
    let call = teams.call(params).bind_map(x).bind(weight).bind(bias).bind(statistics).bind(y).bind(pooled);
    Ok(input.bind_tiles(call).stored(x, y).costs(10 * x.shape.len() + 3 * pooled.shape.len()))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    x: Span,
    g: Span,
    gx: Span,
    channels: u32,
    items: u32,
    weight_offset: u32,
    affine: u32,
    planes: u32,
}

/// Which form of the gradient [`backward`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackwardOptions {
    /// Add to `gx` instead of overwriting it.
    pub accumulate: bool,
    /// `x` is `softplus(before)`: write the gradient of `before`, in the same pass.
    pub softplus: bool,
}

/// `gx = weight · inverse · (g − Σg/P − x̂ · Σ(g x̂)/P)` with `P = H·W`, and the sums `(Σg, Σ g x̂)` of each channel.
///
/// Shapes: `x, g, gx [N, C, H, W]`, `weight [C]`, `statistics, sums [N, C, 1, 2]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or an output lies in the tensor of another argument.
#[expect(clippy::too_many_arguments, reason = "every one is a tensor of the formula")]
pub fn backward(
    caps: Caps,
    x: &View,
    weight: Option<&View>,
    statistics: &View,
    g: &View,
    sums: &View,
    gx: &View,
    options: BackwardOptions,
) -> Result<Call> {
    g.expect("instance norm's output gradient", x.shape)?;
    gx.expect("instance norm's input gradient", x.shape)?;
    expect_stats(x.shape, statistics, "instance norm's statistics")?;
    expect_stats(x.shape, sums, "instance norm's sums")?;
    if let Some(weight) = weight {
        expect_affine(x.shape, weight, "instance norm's weight")?;
    }
    distinct("instance norm's gradient", &[sums, gx], &[x, weight.unwrap_or(x), statistics, g])?;
    let teams = BACKWARD.teams(caps, x.shape, 2);
    let params = Backward {
        x: x.into(),
        g: g.into(),
        gx: gx.into(),
        channels: x.shape.c as u32,
        items: teams.items,
        weight_offset: weight.map_or(0, |w| w.offset() as u32),
        affine: u32::from(weight.is_some()),
        planes: teams.planes,
    };
    let call = teams.call(params);
    let call = call.bind_map(x).bind_map(g).bind_or(weight, x).bind(statistics).bind(sums).bind(gx);
    let call = call.accumulates(gx, options.accumulate).with("SOFTPLUS", options.softplus.into());
    Ok(call.costs(12 * x.shape.len()))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Affine {
    batch: u32,
    channels: u32,
    weight_offset: u32,
    bias_offset: u32,
    accumulate: u32,
}

/// The affine gradients from the sums of [`backward`]: `gweight = Σ_n Σ g x̂`, `gbias = Σ_n Σ g`, two ranges of one tensor.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or the two lie in different tensors.
pub fn affine_gradients(sums: &View, gweight: &View, gbias: &View, accumulate: bool) -> Result<Call> {
    expect_stats(sums.shape, sums, "instance norm's sums")?;
    expect_affine(sums.shape, gweight, "instance norm's weight gradient")?;
    expect_affine(sums.shape, gbias, "instance norm's bias gradient")?;
    distinct("instance norm's affine gradients", &[gweight], &[sums])?;
    if gweight.tensor != gbias.tensor {
        return Err(Error::shape("instance norm's affine gradients must be ranges of one tensor"));
    }
    let both = gweight.around(gbias);
    let params = Affine {
        batch: sums.shape.n as u32,
        channels: sums.shape.c as u32,
        weight_offset: both.offset_of(gweight) as u32,
        bias_offset: both.offset_of(gbias) as u32,
        accumulate: accumulate.into(),
    };
    let mut call =
        Call::new(&AFFINE, params, grid(sums.shape.c.div_ceil(64))).loops(sums.shape.n).bind(sums).bind_unread(&both);
    call.bytes += gweight.bytes() + gbias.bytes();
    Ok(call.adds_to(gweight, accumulate).adds_to(gbias, accumulate).costs(sums.shape.len()))
}
