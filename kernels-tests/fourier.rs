//! `fft_rows`, `fft_columns`, `fft_rows_backward`, `fourier_magnitude` and `fourier_magnitude_backward`, against the sums of
//! the definition.

mod harness;
#[path = "harness/spectrum.rs"]
mod spectrum;

use std::f64::consts::TAU;

use cvdm::Error;
use cvdm::gpu::Caps;
use cvdm::kernels::fourier::{self, Magnitude};
use cvdm::tape::Tape;
use cvdm::tensor::Shape;
use harness::{close, dot, given, inside, placed, random, run, slopes, wide};
use spectrum::{magnitude, shifted, spectrum};

const OF: Magnitude = Magnitude { epsilon: 1e-8, power: 0.8 };
const ROUNDING: f64 = f32::EPSILON as f64;

/// Single pixels, powers of two, odd and prime lengths, products of both, more than a workgroup.
const TABLE: &[[usize; 4]] = &[
    [1, 1, 1, 1],
    [1, 2, 1, 2],
    [2, 3, 4, 8],
    [1, 2, 3, 5],
    [2, 2, 6, 10],
    [1, 1, 13, 12],
    [1, 2, 32, 16],
    [1, 1, 20, 37],
    [1, 1, 2, 128],
    [1, 1, 24, 64],
    [1, 1, 96, 2],
    [1, 1, 12, 13],
    // Sums over odd rests that eight invocations would not end.
    [1, 1, 1001, 2],
    [1, 1, 2, 1021],
];

/// `Σ h Re(F exp(2πi …)) / |F|`, with `h = g γ (|F| + ε)^(γ−1)`: for a real image the real part of the transform of the
/// conjugate.
fn gradient(shape: Shape, x: &[f64], g: &[f64]) -> Vec<f64> {
    let Shape { h, w, .. } = shape;
    let mut gx = vec![0.0; x.len()];
    for (k, [re, im]) in spectrum(shape, x).into_iter().enumerate() {
        let (plane, k) = (k / (h * w) * h * w, k % (h * w));
        let m = re.hypot(im);
        if m == 0.0 {
            continue;
        }
        let power = f64::from(OF.power);
        let slope = g[plane + shifted(shape, k)] * power * (m + f64::from(OF.epsilon)).powf(power - 1.0) / m;
        for i in 0..h * w {
            let turns = (k / w * (i / w)) as f64 / h as f64 + (k % w * (i % w)) as f64 / w as f64;
            let (s, c) = (TAU * turns.fract()).sin_cos();
            gx[plane + i] += slope * (re * c - im * s);
        }
    }
    gx
}

#[test]
fn forward_and_gradient() {
    for (case, &[n, c, h, w]) in TABLE.iter().enumerate() {
        let (shape, outer) = (Shape::new(n, c, h, w), Shape::new(n, c + 3, h, w));
        let mut seeds = 10 * case as u64..;
        let mut new = || random(outer, seeds.next().unwrap(), -1.0, 1.0);
        let (x, g, y, gx, added) = (new(), new(), new(), new(), new());
        let (x64, g64) = (inside(&x, 2, shape), inside(&g, 1, shape));
        let full = spectrum(shape, &x64);
        let half: Vec<f64> = full.chunks_exact(w).flat_map(|row| row[..w / 2 + 1].concat()).collect();
        let of_x = gradient(shape, &x64, &g64);
        // A small magnitude turns its direction by its own rounding: errors of the spectrum are magnified by slope / m.
        let smallest = full.iter().map(|[re, im]| re.hypot(*im)).fold(f64::MAX, f64::min);
        let want = [
            placed(&y, 3, shape, &magnitude(OF, shape, &x64), false),
            placed(&gx, 1, shape, &of_x, false),
            placed(&added, 1, shape, &of_x, true),
        ];
        let s = fourier::spectrum(shape);
        let blank = || given(s, vec![9.0; s.len()]);
        let tensors = [x, g, y, gx, added, blank(), blank()];
        // Workgroups of both kinds of adapter, in turn: every length is a pipeline of its own.
        let software = case % 2 == 0;
        run(
            &tensors,
            |tape, v| {
                let caps = Caps { software, ..tape.caps() };
                let (x, g, y) = (v[0].range(2..2 + c)?, v[1].range(1..1 + c)?, v[2].range(3..3 + c)?);
                let mut calls = fourier::magnitude(caps, OF, &x, &v[5], &y)?.to_vec();
                for (to, add) in [(3, false), (4, true)] {
                    let gx = v[to].range(1..1 + c)?;
                    calls.extend(fourier::magnitude_backward(caps, OF, &v[5], &g, &v[6], &gx, add)?);
                }
                Ok(calls)
            },
            |mode, got| {
                let name = |what: &str| format!("{mode}, software {software}, {shape}, {what}");
                // The values of a spectrum are near the root of the number of pixels, and so are their errors.
                let size = (shape.plane() as f64).sqrt();
                let of_spectrum = 4.0 * ROUNDING * size;
                close(&name("spectrum"), &got[5], &half, of_spectrum, 4.0 * ROUNDING);
                let turned = of_spectrum / smallest * smallest.powf(-0.2);
                close(&name("y"), &got[2], &want[0], of_spectrum * smallest.powf(-0.2), 16.0 * ROUNDING);
                for (to, what) in [(3, "gx"), (4, "gx added")] {
                    close(&name(what), &got[to], &want[to - 2], size * 4.0 * ROUNDING + turned, 16.0 * ROUNDING);
                }
            },
        );
    }
}

#[test]
fn gradients_are_central_differences() {
    for [h, w] in [[4, 6], [5, 3]] {
        let shape = Shape::new(2, 1, h, w);
        // Away from zero, where the magnitude has an edge.
        let (x, g) = (random(shape, 5, 0.0, 2.0), random(shape, 6, -1.0, 1.0));
        let (x64, g64) = (wide(&x.values), wide(&g.values));
        let want = slopes(&x64, |x| dot(&magnitude(OF, shape, x), &g64));
        let s = fourier::spectrum(shape);
        let blank = |shape: Shape| given(shape, vec![9.0; shape.len()]);
        run(
            &[x, g, blank(shape), blank(shape), blank(s), blank(s)],
            |tape, v| {
                let mut calls = fourier::magnitude(tape.caps(), OF, &v[0], &v[4], &v[2])?.to_vec();
                calls.extend(fourier::magnitude_backward(tape.caps(), OF, &v[4], &v[1], &v[5], &v[3], false)?);
                Ok(calls)
            },
            |mode, got| close(&format!("{mode}, {h}×{w}"), &got[3], &want, 1e-5, 1e-5),
        );
    }
}

/// An empty image has magnitude zero everywhere and no gradient; a constant one has all of it in the middle.
#[test]
fn zero_and_constant_images() {
    let shape = Shape::new(1, 2, 4, 8);
    let x = given(shape, (0..64).map(|i| if i < 32 { 0.0 } else { 0.5 }).collect());
    let s = fourier::spectrum(shape);
    let blank = |shape: Shape| given(shape, vec![9.0; shape.len()]);
    run(
        &[x, given(shape, vec![1.0; 64]), blank(shape), blank(shape), blank(s), blank(s)],
        |tape, v| {
            let mut calls = fourier::magnitude(tape.caps(), OF, &v[0], &v[4], &v[2])?.to_vec();
            calls.extend(fourier::magnitude_backward(tape.caps(), OF, &v[4], &v[1], &v[5], &v[3], false)?);
            Ok(calls)
        },
        |mode, got| {
            let floor = 1e-8f64.powf(0.8);
            let want: Vec<f64> = (0..64).map(|i| if i == 32 + 2 * 8 + 4 { 16f64.powf(0.8) } else { floor }).collect();
            close(&format!("{mode}, y"), &got[2], &want, 0.0, 4e-6);
            assert!(got[3][..32].iter().all(|&v| v == 0.0), "{mode}: a gradient at zero");
            let slope = 0.8 * 16f64.powf(-0.2);
            close(&format!("{mode}, gx"), &got[3][32..], &[slope; 32], 0.0, 1e-6);
        },
    );
}

#[test]
fn wrong_arguments_are_refused() {
    let (_, gpu) = &harness::devices()[0];
    let mut tape = Tape::new(gpu.caps());
    let mut new = |shape| tape.persistent("tensor", shape).unwrap();
    let (shape, long) = (Shape::new(1, 2, 4, 6), Shape::new(1, 1, 2, 1025));
    let (x, y, s) = (new(shape), new(shape), new(fourier::spectrum(shape)));
    let (long_x, long_y, long_s) = (new(long), new(long), new(fourier::spectrum(long)));
    let caps = gpu.caps();
    assert!(fourier::magnitude(caps, OF, &x, &s, &y).is_ok());
    assert!(matches!(fourier::magnitude(caps, OF, &x, &s, &x), Err(Error::Shape(_))));
    assert!(matches!(fourier::magnitude(caps, OF, &x, &y, &y), Err(Error::Shape(_))));
    assert!(matches!(fourier::magnitude(caps, OF, &long_x, &long_s, &long_y), Err(Error::Shape(_))));
    let without = Magnitude { epsilon: 0.0, power: 0.8 };
    assert!(matches!(fourier::magnitude(caps, without, &x, &s, &y), Err(Error::Input(_))));
    assert!(matches!(fourier::magnitude_backward(caps, OF, &s, &x, &s, &y, false), Err(Error::Shape(_))));
}
