//! Convolution: the description, the kernels for any size, and which kernel runs.

use bytemuck::{Pod, Zeroable};

use super::activation::Function;
use super::call::distinct;
use super::lanes::summing_workgroup;
use super::{Call, Span, grid, shader};
use crate::gpu::Shader;
use crate::tensor::{Shape, View};
use crate::{Error, Result};

pub(super) static FORWARD: Shader = shader!("conv2d", ["grid", "quads", "activation"]);
pub(super) static GRAD_INPUT: Shader = shader!("conv2d_grad_input", ["grid", "quads", "activation"]);
pub(super) static GRAD_WEIGHT: Shader = shader!("conv2d_grad_weight", ["grid", "tree_sum"]);

/// Which way a convolution goes: it decides the order of packed weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From input channels to output channels.
    Forward,
    /// From the output's gradient to the input's.
    Backward,
}

/// What follows the bias in a convolution's epilogue: a function whose gradient can be had from its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `log(1 + exp(x))`.
    Softplus,
    /// `1 / (1 + exp(−x))`.
    Sigmoid,
    /// `max(x, 0)`.
    Relu,
}

impl Activation {
    /// The function, whose gradient from the output is the epilogue's; nothing for [`Activation::None`].
    pub fn function(self) -> Option<Function> {
        match self {
            Self::None => None,
            Self::Softplus => Some(Function::Softplus),
            Self::Sigmoid => Some(Function::Sigmoid),
            Self::Relu => Some(Function::Relu),
        }
    }
}

/// Kernel size, stride and zero padding of a square convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// Taps along each side.
    pub kernel: usize,
    /// Pixels between neighbouring outputs.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
}

impl Conv2d {
    /// Stride 1, with the padding that keeps the image's size.
    pub const fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, padding: kernel / 2 }
    }

    /// The output's shape for input `x` and `channels` output channels.
    ///
    /// # Errors
    /// [`Error::Shape`] if the kernel or stride is zero, or the kernel does not fit into the padded image.
    pub fn output(&self, x: Shape, channels: usize) -> Result<Shape> {
        let Self { kernel, stride, padding } = *self;
        if kernel == 0 || stride == 0 || x.h + 2 * padding < kernel || x.w + 2 * padding < kernel {
            return Err(Error::shape(format!(
                "a {kernel}×{kernel} convolution (stride {stride}, padding {padding}) of {x}; kernel and stride must be \
                 positive and the kernel must fit into the padded image"
            )));
        }
        let size = |s: usize| (s + 2 * padding - kernel) / stride + 1;
        Ok(Shape::new(x.n, channels, size(x.h), size(x.w)))
    }

    /// The weight's shape, `[Cout, Cin, K, K]`.
    pub fn weight(&self, in_channels: usize, out_channels: usize) -> Shape {
        Shape::new(out_channels, in_channels, self.kernel, self.kernel)
    }

    /// Iterations of three loops one in the other, over so many channels, rows and columns of the kernel.
    fn iterations(&self, channels: usize) -> usize {
        channels * (2 + self.kernel * (2 + self.kernel))
    }

    /// Operations of one pass (forward, or either gradient).
    pub fn flops(&self, x: Shape, y: Shape) -> usize {
        2 * y.len() * x.c * self.kernel * self.kernel
    }
}

/// Refuses a parameter view of another number of values.
pub(super) fn expect_values(what: &str, view: &View, shape: Shape) -> Result<()> {
    if view.shape.len() == shape.len() {
        return Ok(());
    }
    Err(Error::shape(format!("{what} holds {} values, expected {} ({shape})", view.shape.len(), shape.len())))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Forward {
    x: Span,
    y: Span,
    in_channels: u32,
    out_channels: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
    kernel: u32,
    stride: u32,
    padding: u32,
    weight_offset: u32,
    bias_offset: u32,
    has_bias: u32,
    activation: u32,
    accumulate: u32,
    quads: u32,
    blocks: u32,
    invocations: u32,
}

/// `y = activation(conv2d(x, weight) + bias)`, or added to `y` with `accumulate`.
///
/// Shapes: `x [N, Cin, H, W]`, `weight [Cout, Cin, K, K]`, `bias [Cout]`, `y` as [`Conv2d::output`] says.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or the output lies in the tensor of another argument.
pub fn forward(
    spec: Conv2d,
    x: &View,
    weight: &View,
    bias: Option<&View>,
    activation: Activation,
    y: &View,
    accumulate: bool,
) -> Result<Call> {
    y.expect("the convolution's output", spec.output(x.shape, y.shape.c)?)?;
    expect_values("the convolution's weight", weight, spec.weight(x.shape.c, y.shape.c))?;
    if let Some(bias) = bias {
        expect_values("the convolution's bias", bias, Shape::vector(y.shape.c))?;
    }
    distinct("the convolution", &[y], &[x, weight, bias.unwrap_or(weight)])?;
    let quads = y.shape.w.div_ceil(4);
    let blocks = y.shape.c.div_ceil(4);
    let invocations = y.shape.n * blocks * y.shape.h * quads;
    let params = Forward {
        x: x.into(),
        y: y.into(),
        in_channels: x.shape.c as u32,
        out_channels: y.shape.c as u32,
        in_size: [x.shape.h as u32, x.shape.w as u32],
        out_size: [y.shape.h as u32, y.shape.w as u32],
        kernel: spec.kernel as u32,
        stride: spec.stride as u32,
        padding: spec.padding as u32,
        weight_offset: weight.offset() as u32,
        bias_offset: bias.map_or(0, |b| b.offset() as u32),
        has_bias: u32::from(bias.is_some()),
        activation: activation as u32,
        accumulate: u32::from(accumulate),
        quads: quads as u32,
        blocks: blocks as u32,
        invocations: invocations as u32,
    };
    Ok(Call::new(&FORWARD, params, grid(invocations.div_ceil(64)))
        .loops(spec.iterations(x.shape.c))
        .bind(x)
        .bind(weight)
        .bind_or(bias, weight)
        .bind(y)
        .adds_to(y, accumulate)
        .stored(x, y)
        .costs(spec.flops(x.shape, y.shape)))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct GradInput {
    g: Span,
    gx: Span,
    in_channels: u32,
    out_channels: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
    kernel: u32,
    stride: u32,
    padding: u32,
    weight_offset: u32,
    bias_offset: u32,
    has_bias: u32,
    activation: u32,
    accumulate: u32,
    blocks: u32,
    invocations: u32,
}

/// The adjoint of [`forward`] in `x`: `gx = conv2d_adjoint(g, weight) + bias`, then `activation`. With neither bias nor
/// activation it is the input gradient; with them, the forward of a transposed convolution.
///
/// Shapes: `g [N, Cout, Ho, Wo]`, `weight [Cout, Cin, K, K]`, `bias [Cin]`, `gx [N, Cin, H, W]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or the output lies in the tensor of another argument.
pub fn grad_input(
    spec: Conv2d,
    g: &View,
    weight: &View,
    bias: Option<&View>,
    activation: Activation,
    gx: &View,
    accumulate: bool,
) -> Result<Call> {
    g.expect("the convolution's output gradient", spec.output(gx.shape, g.shape.c)?)?;
    expect_values("the convolution's weight", weight, spec.weight(gx.shape.c, g.shape.c))?;
    if let Some(bias) = bias {
        expect_values("the transposed convolution's bias", bias, Shape::vector(gx.shape.c))?;
    }
    distinct("the convolution's input gradient", &[gx], &[g, weight, bias.unwrap_or(weight)])?;
    let blocks = gx.shape.c.div_ceil(4);
    let invocations = gx.shape.n * blocks * gx.shape.plane();
    let params = GradInput {
        g: g.into(),
        gx: gx.into(),
        in_channels: gx.shape.c as u32,
        out_channels: g.shape.c as u32,
        in_size: [gx.shape.h as u32, gx.shape.w as u32],
        out_size: [g.shape.h as u32, g.shape.w as u32],
        kernel: spec.kernel as u32,
        stride: spec.stride as u32,
        padding: spec.padding as u32,
        weight_offset: weight.offset() as u32,
        bias_offset: bias.map_or(0, |b| b.offset() as u32),
        has_bias: u32::from(bias.is_some()),
        activation: activation as u32,
        accumulate: u32::from(accumulate),
        blocks: blocks as u32,
        invocations: invocations as u32,
    };
    Ok(Call::new(&GRAD_INPUT, params, grid(invocations.div_ceil(64)))
        .loops(spec.iterations(g.shape.c))
        .bind(g)
        .bind(weight)
        .bind_or(bias, weight)
        .bind(gx)
        .adds_to(gx, accumulate)
        .stored(g, gx)
        .costs(spec.flops(gx.shape, g.shape)))
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct GradWeight {
    x: Span,
    g: Span,
    in_channels: u32,
    out_channels: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
    kernel: u32,
    stride: u32,
    padding: u32,
    weight_offset: u32,
    accumulate: u32,
    batch: u32,
    workgroups: u32,
}

/// The weight gradient: `gw[co, ci, ky, kx] = Σ g · x` over samples and pixels.
///
/// Shapes: `x [N, Cin, H, W]`, `g [N, Cout, Ho, Wo]`, `gw [Cout, Cin, K, K]`.
///
/// # Errors
/// [`Error::Shape`] if a shape is another or the output lies in the tensor of another argument.
pub fn grad_weight(spec: Conv2d, x: &View, g: &View, gw: &View, accumulate: bool) -> Result<Call> {
    g.expect("the convolution's output gradient", spec.output(x.shape, g.shape.c)?)?;
    let weight = spec.weight(x.shape.c, g.shape.c);
    expect_values("the convolution's weight gradient", gw, weight)?;
    distinct("the convolution's weight gradient", &[gw], &[x, g])?;
    let params = GradWeight {
        x: x.into(),
        g: g.into(),
        in_channels: x.shape.c as u32,
        out_channels: g.shape.c as u32,
        in_size: [x.shape.h as u32, x.shape.w as u32],
        out_size: [g.shape.h as u32, g.shape.w as u32],
        kernel: spec.kernel as u32,
        stride: spec.stride as u32,
        padding: spec.padding as u32,
        weight_offset: gw.offset() as u32,
        accumulate: u32::from(accumulate),
        batch: x.shape.n as u32,
        workgroups: weight.len() as u32,
    };
    let (wg, iterations) = summing_workgroup(g.shape.n * g.shape.plane(), 2);
    let call = Call::new(&GRAD_WEIGHT, params, grid(weight.len())).with("WG", wg).loops(iterations);
    Ok(call.bind(x).bind(g).bind(gw).adds_to(gw, accumulate).costs(spec.flops(x.shape, g.shape)))
}
