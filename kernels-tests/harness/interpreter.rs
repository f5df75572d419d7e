//! A tape's operations in `f64` on the CPU, one after the other: the reference of a whole network.

use std::collections::HashMap;

use cvdm::kernels::activation::Function;
use cvdm::kernels::conv_transpose2d;
use cvdm::kernels::conv2d::Conv2d;
use cvdm::tape::{Attention, Op, Pointwise, Spatial};
use cvdm::tensor::{Shape, TensorId, View};

use crate::{convolution, groups, matrices, normal, resampling, spectrum};

/// Whole tensors by number.
#[derive(Default)]
pub struct Tensors(HashMap<TensorId, Vec<f64>>);

impl Tensors {
    /// The values of a view, next to each other.
    pub fn read(&self, view: &View) -> Vec<f64> {
        let (all, len) = (&self.0[&view.tensor], view.shape.c * view.shape.plane());
        (0..view.shape.n).flat_map(|n| all[view.offset() + n * view.batch_stride()..][..len].to_vec()).collect()
    }

    /// Writes the values of a view.
    pub fn write(&mut self, view: &View, values: &[f64]) {
        let (len, whole) = (view.shape.c * view.shape.plane(), view.shape.n * view.batch_stride());
        let all = self.0.entry(view.tensor).or_insert_with(|| vec![f64::NAN; whole]);
        for (n, values) in values.chunks_exact(len).enumerate() {
            all[view.offset() + n * view.batch_stride()..][..len].copy_from_slice(values);
        }
    }

    /// Runs the operations on these tensors.
    pub fn run(&mut self, ops: &[Op]) {
        for op in ops {
            let y = self.value(op);
            self.write(op.output(), &y);
        }
    }

    fn value(&self, op: &Op) -> Vec<f64> {
        match op {
            Op::Conv2d { spec, x, weight, bias, activation, y, .. } => {
                let mut values = convolution::forward(*spec, x.shape, y.shape, &self.read(x), &self.read(weight));
                convolution::add_bias(y.shape, &mut values, &self.read(bias));
                let apply = |v: f64| activation.function().map_or(v, |f| function(f, v));
                values.into_iter().map(apply).collect()
            }
            Op::InstanceNorm { x, weight, bias, .. } => {
                groups::forward(x.shape, x.shape.c, &self.read(x), &self.read(weight), &self.read(bias))
            }
            Op::Conv2dOfNormalised { x, norm, weight, bias, activation, y } => {
                let x64 = groups::forward(
                    x.shape,
                    x.shape.c,
                    &self.read(x),
                    &self.read(&norm.weight),
                    &self.read(&norm.bias),
                );
                let mut values = convolution::forward(Conv2d::same(3), x.shape, y.shape, &x64, &self.read(weight));
                convolution::add_bias(y.shape, &mut values, &self.read(bias));
                values.into_iter().map(|v| activation.function().map_or(v, |f| function(f, v))).collect()
            }
            Op::ConvTranspose2d { kernel, x, weight, bias, y } => {
                // By its definition: the adjoint of the convolution that halves the size.
                let spec = conv_transpose2d::adjoint(*kernel).unwrap();
                let mut values = convolution::grad_input(spec, y.shape, x.shape, &self.read(x), &self.read(weight));
                convolution::add_bias(y.shape, &mut values, &self.read(bias));
                values
            }
            Op::GroupNorm { groups, x, weight, bias, .. } => {
                groups::forward(x.shape, *groups, &self.read(x), &self.read(weight), &self.read(bias))
            }
            Op::Pointwise(op) => self.pointwise(op),
            Op::Spatial(op) => self.spatial(op),
            Op::Attention(Attention::Softmax { x, .. }) => {
                self.read(x).chunks_exact(x.shape.plane()).flat_map(matrices::softmax_of).collect()
            }
            Op::Attention(Attention::Product { product, heads, scale, a, b, y }) => {
                let (rows, columns) = (y.shape.c / heads, y.shape.plane());
                let depth = a.shape.c * a.shape.plane() / heads / rows;
                matrices::product_of(*product, [rows, depth, columns], f64::from(*scale), &self.read(a), &self.read(b))
            }
            other => panic!("no reference of {other:?}"),
        }
    }

    fn pointwise(&self, op: &Pointwise) -> Vec<f64> {
        let both = |a: &View, b: &View, f: fn(f64, f64) -> f64| -> Vec<f64> {
            // A value for each channel stands for all of its pixels.
            let repeat = a.shape.plane() / b.shape.plane();
            let b = self.read(b);
            self.read(a).iter().enumerate().map(|(i, a)| f(*a, b[i / repeat])).collect()
        };
        match op {
            Pointwise::Activation { function: f, x, .. } => self.read(x).into_iter().map(|v| function(*f, v)).collect(),
            Pointwise::Add { a, b, .. } => both(a, b, |a, b| a + b),
            Pointwise::AddToPlanes { x, s, .. } => both(x, s, |x, s| x + s),
            Pointwise::Multiply { a, b, .. } => both(a, b, |a, b| a * b),
            Pointwise::ScalePlanes { x, s, .. } => both(x, s, |x, s| x * s),
            Pointwise::PlaneMean { x, .. } => {
                let plane = x.shape.plane();
                self.read(x).chunks_exact(plane).map(|p| p.iter().sum::<f64>() / plane as f64).collect()
            }
            Pointwise::Affine { .. } => panic!("the shift is not kept"),
        }
    }

    fn spatial(&self, op: &Spatial) -> Vec<f64> {
        let x = self.read(op.input());
        let (from, to) = (op.input().shape, op.output().shape);
        match op {
            Spatial::PixelShuffle { factor, .. } => gather(from, to, *factor, true, &x),
            Spatial::Upsample { factor, .. } => gather(from, to, *factor, false, &x),
            Spatial::Decimate { factor, .. } => {
                let at = |k: usize| {
                    let (plane, i, j) = (k / to.plane(), k / to.w % to.h, k % to.w);
                    x[(plane * from.h + factor * i) * from.w + factor * j]
                };
                (0..to.len()).map(at).collect()
            }
            Spatial::Resize { filter, .. } => resampling::forward(*filter, from, to, &x),
            Spatial::FourierMagnitude { of, .. } => spectrum::magnitude(*of, from, &x),
        }
    }
}

fn function(function: Function, x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match function {
        Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Function::Sigmoid => sigmoid,
        Function::Relu => x.max(0.0),
        Function::Gelu => normal::gelu(x),
        Function::Swish => x * sigmoid,
    }
}

/// A pixel shuffle, or pixels repeated.
fn gather(from: Shape, to: Shape, s: usize, shuffle: bool, x: &[f64]) -> Vec<f64> {
    let mut y = Vec::with_capacity(to.len());
    for plane in 0..to.n * to.c {
        for (i, j) in (0..to.h).flat_map(|i| (0..to.w).map(move |j| (i, j))) {
            let source = if shuffle { (plane * s + i % s) * s + j % s } else { plane };
            y.push(x[(source * from.h + i / s) * from.w + j / s]);
        }
    }
    y
}
