//! The moments of tiles that 3×3 convolutions leave, and the norms that merge them: `instance_norm`, `instance_norm_pool` and
//! `instance_norm_tile_scales`.

mod harness;
#[path = "harness/variants.rs"]
mod variants;

use cvdm::Error;
use cvdm::gpu::Caps;
use cvdm::kernels::conv2d::{Activation, Conv2d, Direction};
use cvdm::kernels::conv2d_3x3::{self, Output, Packing, Variant};
use cvdm::kernels::instance_norm::{self as norm, Input};
use cvdm::kernels::max_pool2d;
use cvdm::tape::Tape;
use cvdm::tensor::{Shape, View};
use harness::{Given, close, devices, given, has_subgroups, inside, random, run, wide};
use variants::{convolved, variants};

const EPS: f32 = 1e-3;

/// To be overwritten.
fn blank(shape: Shape) -> Given {
    given(shape, vec![9.0; shape.len()])
}

/// Mean and sum of squared deviations of every tile of 4 rows × 8 columns, smaller ones at the edges.
fn moments(shape: Shape, x: &[f64]) -> Vec<f64> {
    let mut all = Vec::new();
    for plane in x.chunks(shape.plane()) {
        for top in (0..shape.h).step_by(4) {
            for left in (0..shape.w).step_by(8) {
                let rows = plane.chunks(shape.w).skip(top).take(4);
                let tile: Vec<f64> = rows.flat_map(|row| row.iter().skip(left).take(8).copied()).collect();
                let mean = tile.iter().sum::<f64>() / tile.len() as f64;
                all.extend([mean, tile.iter().map(|v| (v - mean).powi(2)).sum()]);
            }
        }
    }
    all
}

/// Tiles cut off below, on the right and at both; one tile; pairs of samples, with one left over; several chunks of weights; channels
/// that fill no workgroup. Every variant that does not add up in slices leaves the same bits, into a channel range as well, and the map is what
/// it is without them.
#[test]
fn convolutions_leave_the_moments_of_their_tiles() {
    for (n, ci, co, h, w) in
        [(1, 1, 1, 1, 4), (2, 3, 5, 8, 16), (3, 7, 17, 9, 12), (2, 180, 9, 4, 8), (3, 11, 17, 5, 4), (2, 4, 33, 13, 20)]
    {
        let (xs, ys) = (Shape::new(n, ci, h, w), Shape::new(n, co, h, w));
        let spec = Conv2d::same(3);
        let tiles = norm::tiles(ys);
        assert_eq!(tiles.len(), moments(ys, &vec![0.0; ys.len()]).len());
        let tensors = [
            random(xs, 1, -1.0, 1.0),
            random(spec.weight(ci, co), 2, -1.0, 1.0),
            random(Shape::vector(co), 3, 0.0, 9.0),
            blank(Shape { c: co + 3, ..ys }),
            blank(tiles),
            blank(ys),
        ];
        let mut first: Option<Vec<f32>> = None;
        for variant in variants() {
            run(
                &tensors,
                |tape, v| {
                    let caps = tape.caps();
                    if !caps.subgroups {
                        return Ok(vec![norm::scales(
                            caps,
                            &v[5],
                            [&v[2], &v[2]],
                            &tape.persistent("unused", norm::stats(ys))?,
                            &tape.persistent("unused", norm::stats(ys))?,
                            EPS,
                        )?]);
                    }
                    let (y, softplus, bias) = (v[3].range(2..2 + co)?, Activation::Softplus, Some(&v[2]));
                    let measured = Output { y: &y, tiles: Some(&v[4]) };
                    let forward = (variant, Direction::Forward);
                    let mut calls = convolved(tape, forward, &v[0], &v[1], bias, softplus, measured)?;
                    calls.extend(convolved(tape, forward, &v[0], &v[1], bias, softplus, &v[5])?);
                    Ok(calls)
                },
                |mode, got| {
                    if !has_subgroups(mode) {
                        return;
                    }
                    let name = format!("{mode}: {variant:?}, {xs} to {co} channels");
                    let y = inside(&given(tensors[3].shape, got[3].clone()), 2, ys);
                    assert!(y == wide(&got[5]), "{name}: another map");
                    // Of the very values that were written: what is left is the rounding of two sums.
                    close(&name, &got[4], &moments(ys, &y), 1e-6, 1e-5);
                    if mode == "unchecked" && variant.slices == 1 {
                        let first = first.get_or_insert_with(|| got[4].clone());
                        assert!(*first == got[4], "{name}: other bits than the first variant");
                    }
                },
            );
        }
    }
}

/// Statistics, norm, pooling, and scale and shift from tiles are those of the map. Uneven tiles, one tile, more tiles than a team takes;
/// and values far from zero, whose rounding is all that may be lost.
#[test]
fn norms_merge_the_moments_of_tiles() {
    for (case, (&[n, c, h, w], offset)) in
        [[2, 3, 4, 4], [3, 2, 6, 12], [1, 65, 8, 8], [2, 5, 10, 20], [1, 2, 64, 64], [1, 3, 34, 132]]
            .iter()
            .flat_map(|shape| [(shape, 0.0f32), (shape, 1000.0)])
            .enumerate()
    {
        let shape = Shape::new(n, c, h, w);
        let outer = Shape { c: c + 2, ..shape };
        let half = max_pool2d::output(shape).unwrap();
        let mut x = random(outer, case as u64, 0.0, 3.0);
        x.values.iter_mut().for_each(|v| *v += offset);
        let [weight, bias] = [1, 2].map(|i| random(Shape::vector(c), 100 + i, -2.0, 2.0));
        let values = inside(&x, 1, shape);
        let tiles: Vec<f32> = moments(shape, &values).iter().map(|&v| v as f32).collect();
        let mut stats = Vec::new();
        let mut want = Vec::new();
        for (k, plane) in values.chunks(shape.plane()).enumerate() {
            let mean = plane.iter().sum::<f64>() / plane.len() as f64;
            let variance = plane.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / plane.len() as f64;
            let inverse = (variance + f64::from(EPS)).sqrt().recip();
            let (w, b) = (f64::from(weight.values[k % c]), f64::from(bias.values[k % c]));
            stats.extend([mean, inverse]);
            want.extend(plane.iter().map(|v| (v - mean) * inverse * w + b));
        }
        let [s1, s2, s3] = [0; 3].map(|_| blank(norm::stats(shape)));
        let tensors = [
            x,
            given(norm::tiles(shape), tiles),
            weight,
            bias,
            s1,
            blank(shape),
            s2,
            blank(shape),
            blank(half),
            s3,
            blank(norm::stats(shape)),
            blank(half),
        ];
        for software in [true, false] {
            run(
                &tensors,
                |tape, v| {
                    let caps = Caps { software, ..tape.caps() };
                    let map = v[0].range(1..1 + c)?;
                    let input = Input { x: &map, tiles: Some(&v[1]) };
                    Ok(vec![
                        norm::forward(caps, input, Some((&v[2], &v[3])), &v[4], &v[5], EPS)?,
                        norm::pooled(caps, input, [&v[2], &v[3]], &v[6], [&v[7], &v[8]], EPS)?,
                        norm::scales(caps, input, [&v[2], &v[3]], &v[9], &v[10], EPS)?,
                        max_pool2d::forward(&v[7], &v[11])?,
                    ])
                },
                |mode, got| {
                    let name = format!("{mode}, software {software}, {shape} about {offset}");
                    let rounding = f64::from(f32::EPSILON);
                    let large = 4.0 + f64::from(offset);
                    for (kernel, at) in [("norm", 4), ("pooled norm", 6), ("scales", 9)] {
                        let name = format!("{name}, statistics of {kernel}");
                        // A tile's mean is stored with half of this as its rounding, as every value of the map is.
                        close(&name, &got[at], &stats, rounding * large, 8.0 * rounding);
                    }
                    close(&format!("{name}, norm"), &got[5], &want, 8.0 * rounding * large, 8.0 * rounding);
                    close(&format!("{name}, pooled norm"), &got[7], &want, 8.0 * rounding * large, 8.0 * rounding);
                    assert_eq!(got[8], got[11], "{name}: pooling");
                    // Scale and shift may be off together, by what cancels in the normalised value.
                    let of_plane = |(i, v): (usize, &f64)| {
                        let at = i / shape.plane() * 2;
                        (*v * f64::from(got[10][at]) + f64::from(got[10][at + 1])) as f32
                    };
                    let scaled: Vec<f32> = values.iter().enumerate().map(of_plane).collect();
                    close(
                        &format!("{name}, x · scale + shift"),
                        &scaled,
                        &want,
                        8.0 * rounding * large,
                        8.0 * rounding,
                    );
                },
            );
        }
    }
}

/// A measured convolution and its norm, as networks record them, are the two without moments up to rounding; the map is read once
/// less, and without subgroups nothing is measured.
#[test]
fn the_tape_measures_where_it_can() {
    let (shape, spec) = (Shape::new(2, 3, 8, 16), Conv2d::same(3));
    for (mode, gpu) in devices() {
        let results = [true, false].map(|measure| {
            let mut tape = Tape::new(gpu.caps());
            let x = tape.persistent("x", shape).unwrap();
            let weight = tape.persistent("weight", spec.weight(3, 5)).unwrap();
            let [bias, scale, shift] =
                ["bias", "scale", "shift"].map(|n| tape.persistent(n, Shape::vector(5)).unwrap());
            let y = tape.persistent("y", Shape { c: 5, ..shape }).unwrap();
            let activation = Activation::Softplus;
            let map = if measure {
                tape.conv2d_measured(spec, &x, &weight, &bias, activation).unwrap()
            } else {
                (&tape.conv2d(spec, &x, &weight, &bias, activation).unwrap()).into()
            };
            assert_eq!(map.tiles.is_some(), measure && gpu.caps().subgroups, "{mode}");
            tape.instance_norm_into(map, &scale, &shift, EPS, &y).unwrap();
            let plan = tape.plan(gpu, &Default::default(), Default::default()).unwrap();
            for (i, view) in [x, weight, bias, scale, shift].iter().enumerate() {
                plan.write(view, &random(view.shape, i as u64, -1.0, 1.0).values).unwrap();
            }
            plan.run().unwrap();
            plan.read(&y).unwrap()
        });
        close(mode, &results[0], &wide(&results[1]), 2e-6, 2e-6);
    }
}

#[test]
fn wrong_moments_are_refused() {
    let (_, gpu) = &devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let shape = Shape::new(2, 4, 8, 8);
    let mut new = |shape| -> View { tape.persistent("tensor", shape).unwrap() };
    let (x, y, stats, affine) = (new(shape), new(shape), new(norm::stats(shape)), new(Shape::vector(4)));
    let (good, few) = (new(norm::tiles(shape)), new(Shape { h: 1, ..norm::tiles(shape) }));
    let part = new(Shape { c: 6, ..norm::tiles(shape) }).range(0..4).unwrap();
    let forward = |x: &View, y: &View, stats: &View, tiles: &View| {
        norm::forward(gpu.caps(), Input { x, tiles: Some(tiles) }, Some((&affine, &affine)), stats, y, EPS)
    };
    assert!(forward(&x, &y, &stats, &good).is_ok());
    for tiles in [&few, &part, &stats] {
        assert!(matches!(forward(&x, &y, &stats, tiles), Err(Error::Shape(_))), "{tiles:?}");
    }
    // Rows that are no whole quads have no such tiles.
    let odd = Shape::new(2, 4, 8, 6);
    let (x6, y6, tiles6) = (new(odd), new(odd), new(norm::tiles(odd)));
    assert!(matches!(forward(&x6, &y6, &stats, &tiles6), Err(Error::Shape(_))));

    let packing = Packing::new(gpu.caps(), Variant::fixed(gpu.caps(), x.shape, 4), Direction::Forward, [4, 4]);
    let packed = new(packing.shape());
    let convolve = |tiles: &View| {
        let output = Output { y: &y, tiles: Some(tiles) };
        conv2d_3x3::forward(&packing, &x, &packed, None, Activation::None, output, false)
    };
    assert!(convolve(&good).is_ok());
    for tiles in [&few, &part, &x] {
        assert!(matches!(convolve(tiles), Err(Error::Shape(_))), "{tiles:?}");
    }
}
