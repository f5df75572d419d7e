//! Between sizes of images, and between an image and its spectrum.

use super::{Argument, Arguments, Operation, Recording};
use crate::kernels::fourier::Magnitude;
use crate::kernels::resize::Filter;
use crate::{Error, Result};

const INPUT: Argument = Argument::array("input", "x [N, C, H, W]");
const GRAD: Argument = Argument::array("grad", "gradient of y").optional();

pub(super) static PIXEL_SHUFFLE: Operation = Operation {
    name: "pixel_shuffle",
    formula: "y[n,c,s·i+a,s·j+b] = x[n,c·s²+a·s+b,i,j]",
    arguments: &[INPUT, Argument::setting("factor", "2", "s, whose square divides C"), GRAD],
    results: "y [N, C/s², s·H, s·W]; with --grad gx",
    record: pixel_shuffle,
};

pub(super) static UPSAMPLE: Operation = Operation {
    name: "upsample",
    formula: "y[n,c,i,j] = x[n,c,⌊i/s⌋,⌊j/s⌋]",
    arguments: &[INPUT, Argument::setting("factor", "2", "s"), GRAD],
    results: "y [N, C, s·H, s·W]; with --grad gx",
    record: upsample,
};

pub(super) static RESIZE: Operation = Operation {
    name: "resize",
    formula: "y[i] = Σ w(t−k) · x[b+k], b+t = (i+½)·from/to−½, along each side, the edge repeated",
    arguments: &[
        INPUT,
        Argument::setting("shape", "", "of y, N,C,H',W'").required(),
        Argument::setting("filter", "bilinear", "bilinear or bicubic (Keys, a = −½)"),
        GRAD,
    ],
    results: "y [N, C, H', W']; with --grad gx",
    record: resize,
};

pub(super) static FOURIER_MAGNITUDE: Operation = Operation {
    name: "fourier_magnitude",
    formula: "y[n,c,v+⌊H/2⌋,u+⌊W/2⌋] = (|Σ x[n,c,i,j] exp(−2πi (v·i/H + u·j/W))| + ε)^γ, indices modulo H and W",
    arguments: &[INPUT, Argument::setting("epsilon", "1e-8", "ε"), Argument::setting("power", "0.8", "γ"), GRAD],
    results: "y [N, C, H, W]; with --grad gx",
    record: fourier_magnitude,
};

fn pixel_shuffle(r: &mut Recording, a: &Arguments) -> Result<()> {
    let x = r.watched(a, "input")?;
    let y = r.tape.pixel_shuffle(a.size("factor", 1)?, &x)?;
    r.results(a, &y, &[("gx", &x)])
}

fn upsample(r: &mut Recording, a: &Arguments) -> Result<()> {
    let x = r.watched(a, "input")?;
    let y = r.tape.upsample(a.size("factor", 1)?, &x)?;
    r.results(a, &y, &[("gx", &x)])
}

fn resize(r: &mut Recording, a: &Arguments) -> Result<()> {
    let x = r.watched(a, "input")?;
    let filter = a.choice("filter", &[("bilinear", Filter::Bilinear), ("bicubic", Filter::Bicubic)])?;
    let shape = a.four_sizes("shape")?;
    if (shape.n, shape.c) != (x.shape.n, x.shape.c) {
        return Err(Error::shape(format!("--shape is {shape} for an input of {}; batch and channels stay", x.shape)));
    }
    let y = r.tape.resize(filter, [shape.h, shape.w], &x)?;
    r.results(a, &y, &[("gx", &x)])
}

fn fourier_magnitude(r: &mut Recording, a: &Arguments) -> Result<()> {
    let x = r.watched(a, "input")?;
    let number = |name, expected, accept: fn(f64) -> bool| a.number(name, expected, accept).map(|v| v as f32);
    let epsilon = number("epsilon", "a positive number", |v| v > 0.0)?;
    let of = Magnitude { epsilon, power: number("power", "a finite number", |v| (v as f32).is_finite())? };
    let y = r.tape.fourier_magnitude(of, &x)?;
    r.results(a, &y, &[("gx", &x)])
}
