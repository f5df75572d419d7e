//! What is timed: every kernel but convolutions, at the shapes of the networks' levels.

use cvdm::Result;
use cvdm::gpu::Caps;
use cvdm::kernels::conv2d::{self, Activation, Conv2d};
use cvdm::kernels::losses::{self, ScheduleWeights};
use cvdm::kernels::reverse_step::{self, Discretisation, Reverse};
use cvdm::kernels::{
    Call, activation, adam, elementwise, instance_norm as norm, max_pool2d, noising, pad, random, reduce, schedule,
    split_sum, ssim, statistics, velocity,
};
use cvdm::random::{Stream, state};
use cvdm::tape::Measured;
use cvdm::tensor::{Shape, View};

use super::measure::Recording;

/// One level of a U-Net: `[N, C, H, H]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level {
    pub size: usize,
    pub channels: usize,
    pub batch: usize,
}

impl Level {
    pub fn shape(self) -> Shape {
        Shape::new(self.batch, self.channels, self.size, self.size)
    }
}

type Record = Box<dyn Fn(&mut Recording) -> Result<Vec<Call>>>;

/// A shader's stem, and what the summary counts it as.
pub type Groups = &'static [(&'static str, &'static str)];

/// Names of the shaders that a case is of.
pub type Shaders = &'static [&'static str];

/// Shaders by their stems, what they work on, and the calls.
pub struct Case {
    pub shaders: &'static [&'static str],
    pub on: String,
    /// Bytes of the feature map, the unit of passes.
    pub map: usize,
    /// What the summary counts shaders as, by their stems, where that is not the shader.
    pub groups: Groups,
    pub record: Record,
}

pub fn case(
    shaders: &'static [&'static str],
    on: impl ToString,
    record: impl Fn(&mut Recording) -> Result<Vec<Call>> + 'static,
) -> Case {
    Case { shaders, on: on.to_string(), map: 0, groups: &[], record: Box::new(record) }
}

impl Case {
    /// Counted as these in the summary.
    pub fn counted_as(self, groups: Groups) -> Self {
        Self { groups, ..self }
    }
}

/// Counts passes over a map of this shape.
pub fn over(map: Shape, cases: impl IntoIterator<Item = Case>) -> Vec<Case> {
    cases.into_iter().map(|case| Case { map: 4 * map.len(), ..case }).collect()
}

/// The random state at step 250.
fn rng(r: &mut Recording) -> Result<View> {
    r.given(Shape::vector(4), state(1, 250, 0).map(f32::from_bits).to_vec())
}

/// Kernels of the U-Net at one level, on an adapter that can do so much.
pub fn network(level: Level, caps: Caps) -> Vec<Case> {
    let s = level.shape();
    let c = s.c;
    let mut cases = Vec::new();
    cases.extend([
        case(&["channel_sum"], s, move |r| {
            let (g, sums) = (r.tensor(s)?, r.tensor(Shape::vector(c))?);
            Ok(vec![split_sum::channel_sum(&g, &sums, false)?])
        }),
        case(&["instance_norm_backward", "instance_norm_affine"], s, move |r| {
            let (x, g, gx) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
            let (stats, sums) = (r.tensor(norm::stats(s))?, r.tensor(norm::stats(s))?);
            let (weight, affine) = (r.tensor(Shape::vector(c))?, r.tensor(Shape::vector(2 * c))?);
            let options = norm::BackwardOptions { accumulate: false, softplus: true };
            Ok(vec![
                norm::backward(r.tape.caps(), &x, Some(&weight), &stats, &g, &sums, &gx, options)?,
                norm::affine_gradients(&sums, &affine.range(0..c)?, &affine.range(c..2 * c)?, false)?,
            ])
        }),
        case(&["conv2d"], format!("head 1×1 of {s}"), move |r| {
            let spec = Conv2d::same(1);
            let (x, y) = (r.tensor(s)?, r.tensor(Shape { c: 1, ..s })?);
            let (weight, bias) = (r.tensor(spec.weight(c, 1))?, r.tensor(Shape::vector(1))?);
            Ok(vec![conv2d::forward(spec, &x, &weight, Some(&bias), Activation::None, &y, false)?])
        }),
        case(&["max_pool2d", "max_pool2d_backward"], s, move |r| {
            let half = max_pool2d::output(s)?;
            let (x, y, g, gx) = (r.tensor(s)?, r.tensor(half)?, r.tensor(half)?, r.tensor(s)?);
            Ok(vec![max_pool2d::forward(&x, &y)?, max_pool2d::backward(&x, &g, &gx, true)?])
        }),
        case(&["activation", "activation_backward"], s, move |r| {
            let (x, y, gx) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
            Ok(vec![activation::softplus(&x, &y)?, activation::softplus_backward(&y, &x, &gx, false)?])
        })
        .counted_as(&[("activation", "softplus"), ("activation_backward", "softplus's gradient")]),
        case(&["binary", "copy", "fill"], s, move |r| {
            let (a, b, y) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
            Ok(vec![
                elementwise::add(&a, &b, &y, false)?,
                elementwise::copy(&a, &y, true)?,
                elementwise::fill(&b, 0.5)?,
            ])
        })
        .counted_as(&[("copy", "adding a tensor to another")]),
        case(&["copy"], format!("{s}, nothing added"), move |r| {
            let (a, y) = (r.tensor(s)?, r.tensor(s)?);
            Ok(vec![elementwise::copy(&a, &y, false)?])
        })
        .counted_as(&[("copy", "a plain copy")]),
    ]);
    cases.extend(norms(s, false));
    if caps.subgroups && s.w.is_multiple_of(4) {
        cases.extend(norms(s, true));
    }
    over(s, cases)
}

/// The instance norms forward: from the map alone, or from the moments of tiles that the convolution before it leaves.
fn norms(s: Shape, of_tiles: bool) -> [Case; 3] {
    let c = s.c;
    let on = if of_tiles { format!("{s}, from tiles") } else { s.to_string() };
    let scales: &'static [&'static str] =
        if of_tiles { &["instance_norm_tile_scales"] } else { &["instance_norm_scales"] };
    let map = move |r: &mut Recording| -> Result<Measured> {
        let tiles = if of_tiles { Some(r.tensor(norm::tiles(s))?) } else { None };
        Ok(Measured { map: r.tensor(s)?, tiles })
    };
    [
        case(&["instance_norm"], &on, move |r| {
            let (x, y, stats) = (map(r)?, r.tensor(s)?, r.tensor(norm::stats(s))?);
            let (weight, bias) = (r.tensor(Shape::vector(c))?, r.tensor(Shape::vector(c))?);
            Ok(vec![norm::forward(r.tape.caps(), x.input(), Some((&weight, &bias)), &stats, &y, 1e-3)?])
        }),
        case(scales, &on, move |r| {
            let (x, stats, scales) = (map(r)?, r.tensor(norm::stats(s))?, r.tensor(norm::stats(s))?);
            let (weight, bias) = (r.tensor(Shape::vector(c))?, r.tensor(Shape::vector(c))?);
            Ok(vec![norm::scales(r.tape.caps(), x.input(), [&weight, &bias], &stats, &scales, 1e-3)?])
        }),
        case(&["instance_norm_pool"], &on, move |r| {
            let (x, y, stats) = (map(r)?, r.tensor(s)?, r.tensor(norm::stats(s))?);
            let (weight, bias) = (r.tensor(Shape::vector(c))?, r.tensor(Shape::vector(c))?);
            let pooled = r.tensor(max_pool2d::output(s)?)?;
            Ok(vec![norm::pooled(r.tape.caps(), x.input(), [&weight, &bias], &stats, [&y, &pooled], 1e-3)?])
        }),
    ]
}

/// Kernels of the diffusion, on single-channel images.
pub fn diffusion(level: Level) -> Vec<Case> {
    let s = Shape { c: 1, ..level.shape() };
    let both = Shape { c: 2, ..s };
    let rows = Shape::new(s.n + 1, 3, 1, 1);
    let network = Shape::vector(3 * 1024 + 3);
    let cases = [
        case(&["random"], format!("normal {s}"), move |r| {
            let (rng, y) = (rng(r)?, r.tensor(s)?);
            random::fill(&rng, &y, random::Kind::Normals, Stream::Noise)
        }),
        case(&["channel_sum"], format!("{s}, a bias"), move |r| {
            let splits = split_sum::channel_splits(r.tape.caps(), s);
            let (g, y) = (r.tensor(s)?, r.tensor(Shape::vector(1))?);
            if splits == 1 {
                return Ok(vec![split_sum::channel_sum(&g, &y, false)?]);
            }
            let sums = r.tensor(Shape::new(splits, 1, 1, 1))?;
            Ok(vec![split_sum::channel_sums(&g, &sums)?, split_sum::channel_sum(&sums, &y, false)?])
        })
        .counted_as(&[("channel_sum", "sum of the head's channel")]),
        case(&["noising"], s, move |r| {
            let (rng, y, lambda, rho, latent) = (rng(r)?, r.tensor(s)?, r.tensor(s)?, r.tensor(rows)?, r.tensor(both)?);
            noising::forward(&rng, &y, &lambda, &rho, &latent.range(0..1)?, &latent.range(1..2)?)
        }),
        case(&["noising_backward", "sum_partials"], s, move |r| {
            let (rng, y, lambda, rho) = (rng(r)?, r.tensor(s)?, r.tensor(s)?, r.tensor(rows)?);
            let (g, glambda, grho) = (r.tensor(both)?, r.tensor(s)?, r.tensor(rows)?);
            noising::backward(
                r.tape.caps(),
                &noising::Backward {
                    rng: &rng,
                    y: &y,
                    lambda: &lambda,
                    rho: &rho,
                    ggamma: &g.range(0..1)?,
                    gz: &g.range(1..2)?,
                    glambda: &glambda,
                    accumulate_lambda: true,
                    grho: &grho,
                    accumulate_rho: false,
                    partials: &r.tensor(noising::backward_partials(r.tape.caps(), s))?,
                },
            )
        }),
        case(&["noise_loss", "sum_partials"], s, move |r| {
            let (rng, prediction, g) = (rng(r)?, r.tensor(s)?, r.tensor(s)?);
            let (losses, partials) = (r.tensor(Shape::vector(4))?, r.tensor(losses::noise_partials(r.tape.caps(), s))?);
            losses::noise(r.tape.caps(), &rng, &prediction, 1.0, &g, &losses, &partials)
        }),
        case(&["schedule_losses", "sum_partials"], s, move |r| {
            let (y, lambda, glambda) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
            let (rho, tau, grho, gtau) = (r.tensor(rows)?, r.tensor(rows)?, r.tensor(rows)?, r.tensor(rows)?);
            losses::schedule(
                r.tape.caps(),
                &losses::Schedule {
                    y: &y,
                    lambda: &lambda,
                    rho: &rho,
                    tau: &tau.range(0..1)?,
                    weights: ScheduleWeights { beta: 1.0, prior: 2.0, gamma: 2e-3 },
                    glambda: &glambda,
                    accumulate_lambda: false,
                    grho: &grho,
                    accumulate_rho: false,
                    gtau: Some(&gtau),
                    accumulate_tau: false,
                    losses: &r.tensor(Shape::vector(4))?,
                    partials: &r.tensor(losses::schedule_partials(r.tape.caps(), s))?,
                },
            )
        }),
        case(&["weighted_noise_loss", "sum_partials"], s, move |r| {
            let (rng, prediction, lambda) = (rng(r)?, r.tensor(s)?, r.tensor(s)?);
            let (rho, tau, grho, gtau) = (r.tensor(rows)?, r.tensor(rows)?, r.tensor(rows)?, r.tensor(rows)?);
            losses::weighted_noise(
                r.tape.caps(),
                &losses::WeightedNoise {
                    rng: &rng,
                    prediction: &prediction,
                    lambda: &lambda,
                    rho: &rho,
                    tau: &tau.range(0..1)?,
                    weight: 1.0,
                    gprediction: &r.tensor(s)?,
                    glambda: &r.tensor(s)?,
                    grho: &grho,
                    gtau: Some(&gtau),
                    losses: &r.tensor(Shape::vector(4))?,
                    partials: &r.tensor(losses::weighted_noise_partials(r.tape.caps(), s))?,
                },
            )
        }),
        case(&["schedule", "schedule_backward"], format!("1024 units at {} times", rows.n), move |r| {
            let (parameters, gparameters) = (r.tensor(network)?, r.tensor(network)?);
            let (times, y, g) = (r.tensor(Shape::vector(rows.n))?, r.tensor(rows)?, r.tensor(rows)?);
            let mut calls = schedule::forward(&parameters, &times, &y)?;
            calls.extend(schedule::backward(&parameters, &times, &g, &gparameters, false)?);
            Ok(calls)
        }),
        reverse(s, Discretisation::Product),
        reverse(s, Discretisation::Exponential),
        case(&["velocity", "velocity_backward"], s.to_string(), move |r| {
            let (latent, glatent) = (r.tensor(both)?, r.tensor(both)?);
            let (v, y, g, gv) = (r.tensor(s)?, r.tensor(s)?, r.tensor(s)?, r.tensor(s)?);
            let [gamma, z, ggamma, gz] =
                [latent.range(0..1)?, latent.range(1..2)?, glatent.range(0..1)?, glatent.range(1..2)?];
            let backward = velocity::backward(&gamma, &z, &v, &g, &gv, &ggamma, &gz, false)?;
            Ok(vec![velocity::forward(&gamma, &z, &v, &y)?, backward])
        }),
        case(&["mean_std"], format!("8 samples of [1, 1, {0}, {0}]", s.h), move |r| {
            let one = Shape { n: 1, ..s };
            let (x, mean, std) = (r.tensor(Shape { n: 8, ..s })?, r.tensor(one)?, r.tensor(one)?);
            Ok(vec![statistics::mean_std(&x, &mean, &std)?])
        }),
        case(
            &["ssim_rows", "ssim_columns", "ssim_spread", "ssim_backward", "sum_partials"],
            format!("similarity of {s}"),
            move |r| {
                let shapes = ssim::scratch(s)?;
                ssim::dissimilarity(&ssim::Dissimilarity {
                    a: &r.tensor(s)?,
                    b: &r.tensor(s)?,
                    range: ssim::DataRange::UNIT,
                    weight: 0.1,
                    ga: &r.tensor(s)?,
                    accumulate: true,
                    loss: &r.tensor(Shape::vector(1))?,
                    scratch: ssim::Scratch {
                        moments: &r.tensor(shapes.moments)?,
                        slopes: &r.tensor(shapes.slopes)?,
                        spread: &r.tensor(shapes.spread)?,
                        partials: &r.tensor(shapes.partials)?,
                    },
                })
            },
        ),
        case(&["reflect_pad"], format!("{s}, 16 more"), move |r| {
            let (x, y) = (r.tensor(s)?, r.tensor(Shape { h: s.h + 16, w: s.w + 16, ..s })?);
            Ok(vec![pad::reflect_pad(&x, &y)?])
        }),
    ];
    over(s, cases)
}

/// The start of the reverse process and its step number 250 of 500.
fn reverse(s: Shape, discretisation: Discretisation) -> Case {
    const STEPS: usize = 500;
    let on = format!("{s}, step 250 of {STEPS}, {discretisation:?}");
    case(&["reverse_start", "reverse_step"], on, move |r| {
        let both = Shape { c: 2, ..s };
        let (rng, lambda, latent, prediction) = (rng(r)?, r.tensor(s)?, r.tensor(both)?, r.tensor(s)?);
        // As trained schedules have it; the rates below one make the largest step a fortieth.
        let values: Vec<f32> = (1..=STEPS).map(|j| 12.0 * j as f32 / STEPS as f32).collect();
        let sums = r.given(reverse_step::sums(STEPS), reverse_step::power_sums(&values))?;
        let tau = r.given(Shape::new(STEPS, 1, 1, 1), values)?;
        let (gamma, z) = (latent.range(0..1)?, latent.range(1..2)?);
        let reverse =
            Reverse { rng: &rng, lambda: &lambda, tau: &tau, sums: &sums, gamma: &gamma, z: &z, discretisation };
        let mut calls = reverse_step::start(&reverse)?;
        calls.extend(reverse_step::step(&reverse, &prediction, reverse_step::Variant::Posterior)?);
        Ok(calls)
    })
}

/// Kernels on all parameters.
pub fn optimiser(parameters: usize) -> Vec<Case> {
    let cases = [
        case(&["count_non_finite", "sum_partials"], format!("{parameters} values"), move |r| {
            let x = Shape::vector(parameters);
            let (x, partials) = (r.tensor(x)?, r.tensor(statistics::count_partials(r.tape.caps(), x))?);
            statistics::count_non_finite(r.tape.caps(), &x, &partials, &r.tensor(Shape::vector(1))?)
        }),
        case(&["sum_squares", "sum_partials"], format!("{parameters} values"), move |r| {
            let partials = r.tensor(reduce::sum_of_squares_partials(parameters))?;
            let (x, y) = (r.tensor(Shape::vector(parameters))?, r.tensor(Shape::vector(1))?);
            reduce::sum_of_squares(&x, &partials, &y)
        }),
        case(&["adam"], format!("{parameters} parameters"), move |r| {
            let (caps, hyper) = (r.tape.caps(), r.tensor(Shape::vector(8))?);
            let mut new = || r.tensor(Shape::vector(parameters));
            let (gradient, weights, first, second) = (new()?, new()?, new()?, new()?);
            adam::step(caps, &hyper, &gradient, &weights, &first, &second, None)
        }),
        case(&["adam"], format!("{parameters} parameters and their average"), move |r| {
            let (caps, hyper) = (r.tape.caps(), r.tensor(Shape::vector(8))?);
            let mut new = || r.tensor(Shape::vector(parameters));
            let (gradient, weights, first, second, average) = (new()?, new()?, new()?, new()?, new()?);
            adam::step(caps, &hyper, &gradient, &weights, &first, &second, Some(&average))
        }),
    ];
    over(Shape::vector(parameters), cases)
}
