//! Powers of the magnitudes of an image's Fourier transform, for Fourier channel attention; with their gradient.

use bytemuck::{Pod, Zeroable};

use super::call::{distinct, expect_whole, fewest_invocations};
use super::{Call, Span, grid, shader};
use crate::gpu::{Caps, Shader};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// `shaders/fft_rows.wgsl`.
pub static ROWS: Shader = shader!("fft_rows", ["grid", "fft"]);
/// `shaders/fft_columns.wgsl`.
pub static COLUMNS: Shader = shader!("fft_columns", ["grid", "fft"]);
/// `shaders/fft_rows_backward.wgsl`.
pub static ROWS_BACKWARD: Shader = shader!("fft_rows_backward", ["grid", "fft"]);
/// `shaders/fourier_magnitude.wgsl`.
pub static MAGNITUDE: Shader = shader!("fourier_magnitude", ["grid"]);
/// `shaders/fourier_magnitude_backward.wgsl`.
pub static MAGNITUDE_BACKWARD: Shader = shader!("fourier_magnitude_backward", ["grid"]);

/// The longest line whose transform fits into a workgroup's memory.
pub const LONGEST: usize = 1024;

/// What is made of a magnitude `m`: `(m + ε)^γ`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Magnitude {
    /// ε > 0, which keeps the slope finite at `m = 0`.
    pub epsilon: f32,
    /// γ.
    pub power: f32,
}

impl Magnitude {
    fn check(self) -> Result<()> {
        let Self { epsilon, power } = self;
        if epsilon.is_finite() && epsilon > 0.0 && power.is_finite() {
            return Ok(());
        }
        Err(Error::input(format!("(|F| + {epsilon})^{power}; ε must be positive and both finite")))
    }
}

/// The shape of the spectrum of `x`, real and imaginary parts side by side: `[N, C, H, 2 (W/2 + 1)]`.
pub fn spectrum(x: Shape) -> Shape {
    Shape { w: 2 * (x.w / 2 + 1), ..x }
}

/// Operations of the transform of one line.
fn line_flops(length: usize) -> usize {
    let stages = length.trailing_zeros() as usize;
    let rest = length >> stages;
    5 * length * stages + if rest > 1 { 8 * length * rest } else { 0 }
}

/// Refuses another spectrum than that of `x`, and lines that are too long.
fn check(x: Shape, spectrum_of_x: &View) -> Result<()> {
    if x.h > LONGEST || x.w > LONGEST {
        return Err(Error::shape(format!("a Fourier transform of {x}; height and width can be up to {LONGEST}")));
    }
    expect_whole("a spectrum", spectrum_of_x, spectrum(x))
}

/// A call of `shader` that transforms so many lines of this length, a workgroup each.
fn lines<P: bytemuck::NoUninit>(caps: Caps, shader: &'static Shader, length: usize, count: usize, params: P) -> Call {
    // Every value is loaded, stored, goes through the stages and is a sum over the odd rest, in parts.
    let (stages, rest) = (length.trailing_zeros() as usize, length >> length.trailing_zeros());
    let iterations = |wg: usize| length.div_ceil(wg) * (4 + stages + rest + 2 * rest.div_ceil(32));
    let wg =
        if caps.software { fewest_invocations(iterations) } else { (length / 2).next_power_of_two().clamp(32, 256) };
    let call = Call::new(shader, params, grid(count)).loops(iterations(wg));
    let call = call.with("LENGTH", length as u32).with("STAGES", length.trailing_zeros()).with("WG", wg as u32);
    call.costs(count * line_flops(length))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Rows {
    x: Span,
    rows: u32,
    half: u32,
    workgroups: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Columns {
    columns: u32,
    workgroups: u32,
    sign: f32,
}

fn columns(caps: Caps, x: Shape, spectrum: &View, sign: f32) -> Call {
    let half = x.w / 2 + 1;
    let count = x.n * x.c * half;
    let params = Columns { columns: half as u32, workgroups: count as u32, sign };
    lines(caps, &COLUMNS, x.h, count, params).bind(spectrum).adds_to(spectrum, true)
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    y: Span,
    size: [u32; 2],
    values: u32,
    invocations: u32,
    epsilon: f32,
    power: f32,
}

/// `y = (|F| + ε)^γ` with `F[v, u] = Σ x[i, j] exp(−2πi (v i / H + u j / W))` of each channel, frequency zero at
/// `(H/2, W/2)`. Keeps the spectrum for [`magnitude_backward`].
///
/// Any height and width up to [`LONGEST`]; those with a large odd factor cost the most, see `shaders/shared/fft.wgsl`.
/// Magnitudes below 1e-19 count as zero.
///
/// Shapes: `x, y [N, C, H, W]`, `spectrum` as [`spectrum`] says.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or an output lies in the tensor of another argument; [`Error::Input`] unless ε is
/// positive.
pub fn magnitude(caps: Caps, of: Magnitude, x: &View, spectrum: &View, y: &View) -> Result<[Call; 3]> {
    let s = x.shape;
    y.expect("a magnitude's output", s)?;
    check(s, spectrum)?;
    of.check()?;
    distinct("a Fourier transform", &[spectrum, y], &[x])?;
    let rows = Rows {
        x: x.into(),
        rows: (s.c * s.h) as u32,
        half: (s.w / 2 + 1) as u32,
        workgroups: (s.n * s.c * s.h) as u32,
    };
    let forward = Forward {
        y: y.into(),
        size: [s.h as u32, s.w as u32],
        values: (s.c * s.plane()) as u32,
        invocations: s.len() as u32,
        epsilon: of.epsilon,
        power: of.power,
    };
    Ok([
        lines(caps, &ROWS, s.w, s.n * s.c * s.h, rows).bind(x).bind(spectrum),
        columns(caps, s, spectrum, -1.0),
        Call::new(&MAGNITUDE, forward, grid(s.len().div_ceil(64))).bind(spectrum).bind(y).costs(10 * s.len()),
    ])
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Backward {
    g: Span,
    size: [u32; 2],
    planes: u32,
    invocations: u32,
    epsilon: f32,
    power: f32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct RowsBackward {
    gx: Span,
    rows: u32,
    half: u32,
    workgroups: u32,
    accumulate: u32,
}

/// The gradient of [`magnitude`]: `gx = Σ g γ (|F| + ε)^(γ−1) · Re(F exp(2πi (v i / H + u j / W))) / |F|` over all
/// frequencies, or added to `gx`; those with `F = 0` give nothing. `gspectrum` is scratch.
///
/// Shapes: `g, gx [N, C, H, W]`, both spectra as [`spectrum`] says.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or an output lies in the tensor of another argument; [`Error::Input`] unless ε is
/// positive.
pub fn magnitude_backward(
    caps: Caps,
    of: Magnitude,
    spectrum: &View,
    g: &View,
    gspectrum: &View,
    gx: &View,
    accumulate: bool,
) -> Result<[Call; 3]> {
    let s = gx.shape;
    g.expect("a magnitude's output gradient", s)?;
    check(s, spectrum)?;
    check(s, gspectrum)?;
    of.check()?;
    distinct("a Fourier transform's gradient", &[gspectrum, gx], &[spectrum, g])?;
    let half = s.w / 2 + 1;
    let values = s.n * s.c * s.h * half;
    let backward = Backward {
        g: g.into(),
        size: [s.h as u32, s.w as u32],
        planes: s.c as u32,
        invocations: values as u32,
        epsilon: of.epsilon,
        power: of.power,
    };
    let rows = RowsBackward {
        gx: gx.into(),
        rows: (s.c * s.h) as u32,
        half: half as u32,
        workgroups: (s.n * s.c * s.h) as u32,
        accumulate: accumulate.into(),
    };
    let first = Call::new(&MAGNITUDE_BACKWARD, backward, grid(values.div_ceil(64)));
    let last = lines(caps, &ROWS_BACKWARD, s.w, s.n * s.c * s.h, rows).bind(gspectrum).bind(gx);
    Ok([
        first.bind(spectrum).bind(g).bind(gspectrum).costs(16 * values),
        columns(caps, s, gspectrum, 1.0),
        last.adds_to(gx, accumulate),
    ])
}
