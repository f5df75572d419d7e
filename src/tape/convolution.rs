//! Convolutions and their gradients: which kernels do them, and the norm that one may do on the way.

use super::autograd::Gradients;
use super::tune::{Convolution, Wanted};
use super::{Op, Tape};
use crate::Result;
use crate::kernels::conv2d::{self, Activation, Conv2d, Direction};
use crate::kernels::conv2d_3x3::{self, Input, Output, Packing};
use crate::kernels::split_sum::{self, Parts};
use crate::kernels::{Call, conv2d_1x1, conv2d_3x3_cooperative, conv2d_3x3_portable, instance_norm, winograd};
use crate::tensor::{Shape, View};

/// An affine instance norm that no one writes: the convolution behind it normalises what it loads.
#[derive(Debug, Clone)]
pub struct Norm {
    /// Parameter `[C]`.
    pub weight: View,
    /// Parameter `[C]`.
    pub bias: View,
    /// Mean and inverse standard deviation, `[N, C, 1, 2]`.
    pub stats: View,
    /// Scale and shift, `[N, C, 1, 2]`.
    pub scales: View,
}

/// A feature map for an instance norm and, where the kernel that wrote it could leave them, the moments of its
/// [tiles](instance_norm::tiles), which spare the norm a reading of the map.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// The map, `[N, C, H, W]`.
    pub map: View,
    /// The moments.
    pub tiles: Option<View>,
}

impl From<&View> for Measured {
    fn from(map: &View) -> Self {
        Self { map: *map, tiles: None }
    }
}

impl Measured {
    /// As the norms' kernels take it.
    pub fn input(&self) -> instance_norm::Input<'_> {
        instance_norm::Input { x: &self.map, tiles: self.tiles.as_ref() }
    }
}

/// Which kernels do a convolution and both of its gradients.
enum Kernels {
    /// [`conv2d_3x3`] and what may stand for it: with subgroups and without.
    ThreeByThree,
    /// [`conv2d_1x1`].
    OneByOne,
    /// [`conv2d`], of any size.
    AnySize,
}

impl Kernels {
    /// Those of a convolution of `x` to so many channels.
    fn of(spec: Conv2d, x: Shape, out_channels: usize) -> Self {
        if conv2d_3x3_portable::suits(spec, x) {
            Self::ThreeByThree
        } else if conv2d_1x1::suits(spec, x, out_channels) {
            Self::OneByOne
        } else {
            Self::AnySize
        }
    }
}

impl Tape {
    /// Records `activation(conv2d(x, weight) + bias)` into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes do not fit.
    pub fn conv2d(
        &mut self,
        spec: Conv2d,
        x: &View,
        weight: &View,
        bias: &View,
        activation: Activation,
    ) -> Result<View> {
        let y = self.feature_map("convolution", spec.output(x.shape, bias.shape.len())?)?;
        self.conv2d_into(spec, x, weight, bias, activation, &y)?;
        Ok(y)
    }

    /// As [`Tape::conv2d`], into a given view.
    ///
    /// # Errors
    /// As [`Tape::conv2d`].
    pub fn conv2d_into(
        &mut self,
        spec: Conv2d,
        x: &View,
        weight: &View,
        bias: &View,
        activation: Activation,
        y: &View,
    ) -> Result<()> {
        if self.suits_with_stride_1(spec, x.shape) {
            let full = self.feature_map("convolution at every pixel", Shape { c: y.shape.c, ..x.shape })?;
            self.conv2d_into(Conv2d::same(3), x, weight, bias, activation, &full)?;
            return self.decimate_into(spec.stride, &full, y);
        }
        let (forward, bias_there) = (Direction::Forward, Some(bias));
        match Kernels::of(spec, x.shape, y.shape.c) {
            Kernels::ThreeByThree => {
                self.conv2d_3x3(forward, x, weight, bias_there, activation, y, false)?;
            }
            Kernels::OneByOne => self.conv2d_1x1(forward, x, weight, bias_there, activation, y, false)?,
            Kernels::AnySize => {
                self.push([conv2d::forward(spec, x, weight, bias_there, activation, y, false)?]);
            }
        }
        self.note(Op::Conv2d { spec, x: *x, weight: *weight, bias: *bias, activation, y: *y });
        Ok(())
    }

    /// As [`Tape::conv2d`], for an instance norm behind it.
    ///
    /// # Errors
    /// As [`Tape::conv2d`].
    pub fn conv2d_measured(
        &mut self,
        spec: Conv2d,
        x: &View,
        weight: &View,
        bias: &View,
        activation: Activation,
    ) -> Result<Measured> {
        if !conv2d_3x3_portable::suits(spec, x.shape) {
            return Ok((&self.conv2d(spec, x, weight, bias, activation)?).into());
        }
        let y = self.feature_map("convolution", spec.output(x.shape, bias.shape.len())?)?;
        let measured = self.measured_3x3(x, weight, bias, activation, y)?;
        self.note_measured(&measured, Op::Conv2d { spec, x: *x, weight: *weight, bias: *bias, activation, y });
        Ok(measured)
    }

    /// Records an affine instance norm of `x`, with the parameters `norm` (weight and bias), and `activation(conv2d(·, weight) +
    /// bias)` of it, into a new intermediate, for an instance norm behind it. Where the 3×3 kernels suit, they normalise what they load
    /// and the normalised map is never written.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the shapes do not fit, [`crate::Error::Input`] if `epsilon` is not positive.
    pub fn conv2d_of_normalised(
        &mut self,
        spec: Conv2d,
        x: impl Into<Measured>,
        norm: [&View; 2],
        epsilon: f32,
        [weight, bias]: [&View; 2],
        activation: Activation,
    ) -> Result<Measured> {
        let measured = x.into();
        let x = measured.map;
        if !conv2d_3x3_portable::suits(spec, x.shape) {
            let normalised = self.instance_norm(measured, norm[0], norm[1], epsilon)?;
            return self.conv2d_measured(spec, &normalised, weight, bias, activation);
        }
        let stats = self.intermediate("norm statistics", instance_norm::stats(x.shape))?;
        let scales = self.intermediate("norm scales", instance_norm::stats(x.shape))?;
        self.push([instance_norm::scales(self.caps, measured.input(), norm, &stats, &scales, epsilon)?]);
        // Statistics and scales are small: kept, not computed again.
        self.note_made(Vec::new());
        let y = self.feature_map("convolution", spec.output(x.shape, bias.shape.len())?)?;
        let input = Input { x: &x, scales: Some(&scales) };
        let measured = self.measured_3x3(input, weight, bias, activation, y)?;
        let norm = Norm { weight: *norm[0], bias: *norm[1], stats, scales };
        let op = Op::Conv2dOfNormalised { x, norm, weight: *weight, bias: *bias, activation, y };
        self.note_measured(&measured, op);
        Ok(measured)
    }

    /// Records a 3×3 convolution forward into `y`, with the moments of its tiles where its kernel leaves them.
    fn measured_3x3<'a>(
        &mut self,
        input: impl Into<Input<'a>>,
        weight: &View,
        bias: &View,
        activation: Activation,
        y: View,
    ) -> Result<Measured> {
        let tiles = self.intermediate("moments of tiles", instance_norm::tiles(y.shape))?;
        let output = Output { y: &y, tiles: Some(&tiles) };
        let left = self.conv2d_3x3(Direction::Forward, input, weight, Some(bias), activation, output, false)?;
        Ok(Measured { map: y, tiles: left.then_some(tiles) })
    }

    /// Notes an operation whose calls have written a map and the moments of its tiles.
    fn note_measured(&mut self, measured: &Measured, op: Op) {
        self.note_made([Some(measured.map), measured.tiles].iter().flatten().map(|view| view.tensor).collect());
        self.note_operation(op);
    }

    /// Records a convolution by the 3×3 kernels, which [suit](conv2d_3x3_portable::suits), with the packing of its weights. Whether it leaves
    /// the moments of its tiles, if there is where to: the direct sums do.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn conv2d_3x3<'i, 'o>(
        &mut self,
        direction: Direction,
        input: impl Into<Input<'i>>,
        weight: &View,
        bias: Option<&View>,
        activation: Activation,
        output: impl Into<Output<'o>>,
        accumulate: bool,
    ) -> Result<bool> {
        let (input, output) = (input.into(), output.into());
        let y = output.y;
        let x = input.x.shape;
        let channels = [x.c, y.shape.c];
        let wanted = Wanted { direction, x, channels: y.shape.c, moments: output.tiles.is_some() };
        match self.convolution(wanted)? {
            Convolution::Direct(variant) => {
                let packing = Packing::new(self.caps, variant, direction, channels);
                let (packing, weights) = self.packed(packing, &format!("{variant:?}, {direction:?}"), weight)?;
                self.push(conv2d_3x3::forward(&packing, input, &weights, bias, activation, output, accumulate)?);
                return Ok(output.tiles.is_some());
            }
            Convolution::Portable { groups } => {
                let packing = Packing::portable(self.caps, groups, direction, channels);
                let (packing, weights) = self.packed(packing, &format!("{groups} fours, {direction:?}"), weight)?;
                let caps = self.caps;
                self.push([conv2d_3x3_portable::forward(
                    caps, &packing, input, &weights, bias, activation, y, accumulate,
                )?]);
            }
            Convolution::Winograd => {
                let record = |to: &View| winograd::weights(direction, weight, channels, to);
                let label = format!("weight transformed, {direction:?}");
                let weights = self.derived(&label, weight, winograd::transformed(x.c, y.shape.c), record)?;
                let input_windows = self.intermediate("windows of a convolution", winograd::windows(x, x.c))?;
                let product = self.intermediate("product of a convolution", winograd::windows(x, y.shape.c))?;
                let scratch = winograd::Scratch { weights: &weights, input: &input_windows, product: &product };
                self.push(winograd::convolve(self.caps, input, scratch, bias, activation, y, accumulate)?);
            }
            Convolution::Matrices(matrices) => {
                let shape = conv2d_3x3_cooperative::packed(matrices, x.c, y.shape.c);
                let record = |to: &View| conv2d_3x3_cooperative::pack(matrices, direction, weight, channels, to);
                let weights =
                    self.derived(&format!("weight packed in matrices, {direction:?}"), weight, shape, record)?;
                let call = conv2d_3x3_cooperative::forward(matrices, input, &weights, bias, activation, y, accumulate)?;
                self.push([call]);
            }
        }
        Ok(false)
    }

    /// The weights of a direct sum where they lie, if it can read them there, or packed. Frozen ones are packed once, and then lie next to each
    /// other. `how` tells packings apart: micro-batches of other sizes may want another.
    fn packed(&mut self, packing: Packing, how: &str, weight: &View) -> Result<(Packing, View)> {
        if let Some(in_place) = packing.in_place(weight).filter(|_| !self.frozen) {
            return Ok((in_place, *weight));
        }
        let record = |packed: &View| conv2d_3x3::pack(&packing, weight, packed);
        Ok((packing, self.derived(&format!("weight packed by {how}"), weight, packing.shape(), record)?))
    }

    /// Whether a 3×3 convolution with a stride is faster as one at every pixel, of which most are left out: the kernels for stride 1
    /// do stride²'s work at ten times the speed of those of any size and more, in all three directions.
    fn suits_with_stride_1(&self, spec: Conv2d, x: Shape) -> bool {
        let Conv2d { kernel, stride, padding } = spec;
        (kernel, stride, padding) == (3, 2, 1)
            && x.h.is_multiple_of(stride)
            && x.w.is_multiple_of(stride)
            && conv2d_3x3_portable::suits(Conv2d::same(3), x)
    }

    /// Records a 1×1 convolution or its input gradient, with the packing of its weights.
    #[allow(clippy::too_many_arguments)]
    fn conv2d_1x1(
        &mut self,
        direction: Direction,
        x: &View,
        weight: &View,
        bias: Option<&View>,
        activation: Activation,
        y: &View,
        accumulate: bool,
    ) -> Result<()> {
        let channels = [x.shape.c, y.shape.c];
        let record = |packed: &View| conv2d_1x1::pack(direction, weight, channels, packed);
        let label = format!("weight packed for 1×1, {direction:?}");
        let packed = self.derived(&label, weight, conv2d_1x1::packed(channels[0], channels[1]), record)?;
        self.push([conv2d_1x1::forward(x, &packed, bias, activation, y, accumulate)?]);
        Ok(())
    }

    /// The gradient before the activation of a convolution's epilogue, from `g` behind it.
    pub(super) fn before_epilogue(
        &mut self,
        activation: Activation,
        y: &View,
        g: View,
        gradients: &Gradients,
    ) -> Result<View> {
        match activation.function() {
            Some(function) if !gradients.are_before_activation(y) => {
                let before = self.intermediate("gradient before an activation", y.shape)?;
                // From the output: the epilogue leaves no input.
                self.push([function.backward(y, y, &g, &before, false)?]);
                Ok(before)
            }
            _ => Ok(g),
        }
    }

    /// Records the gradients of a convolution's weight and bias. Only the 3×3 kernels take an input that they normalise.
    pub(super) fn conv2d_parameters(
        &mut self,
        spec: Conv2d,
        input: Input<'_>,
        [weight, bias]: [&View; 2],
        g: &View,
    ) -> Result<()> {
        let (gw, add_w) = self.parameter_gradient(weight)?;
        let (gb, add_b) = self.parameter_gradient(bias)?;
        let (caps, x) = (self.caps, input.x.shape);
        match Kernels::of(spec, x, g.shape.c) {
            Kernels::ThreeByThree => {
                let how = self.weight_gradient(x, g.shape.c)?;
                let record = |to: &View| how.record(caps, input, g, to);
                return self.split_gradient(how.parts(caps, x, g.shape.c), [&gw, &gb], [add_w, add_b], record);
            }
            Kernels::OneByOne => {
                let parts = conv2d_1x1::parts(x, g.shape.c);
                let sums = self.intermediate("partial sums", parts.shape())?;
                self.push([conv2d_1x1::grad_weight(input.x, g, &sums)?]);
                self.push([split_sum::sum_splits(parts, &sums, 0, &gw, add_w)?]);
            }
            Kernels::AnySize => self.push([conv2d::grad_weight(spec, input.x, g, &gw, add_w)?]),
        }
        self.bias_gradient(g, &gb, add_b)
    }

    /// Records the sums of a gradient's channels, which are that of a bias.
    pub(super) fn bias_gradient(&mut self, g: &View, gb: &View, add: bool) -> Result<()> {
        let splits = split_sum::channel_splits(self.caps, g.shape);
        if splits == 1 {
            self.push([split_sum::channel_sum(g, gb, add)?]);
            return Ok(());
        }
        let sums = self.intermediate("partial sums", Shape::new(splits, g.shape.c, 1, 1))?;
        self.push([split_sum::channel_sums(g, &sums)?, split_sum::channel_sum(&sums, gb, add)?]);
        Ok(())
    }

    /// Records the gradient of what a convolution read.
    pub(super) fn conv2d_input(&mut self, spec: Conv2d, g: &View, weight: &View, gx: &View, add: bool) -> Result<()> {
        let (backward, nothing) = (Direction::Backward, Activation::None);
        match Kernels::of(spec, gx.shape, g.shape.c) {
            Kernels::ThreeByThree => {
                self.conv2d_3x3(backward, g, weight, None, nothing, gx, add)?;
            }
            Kernels::OneByOne => self.conv2d_1x1(backward, g, weight, None, nothing, gx, add)?,
            Kernels::AnySize => self.push([conv2d::grad_input(spec, g, weight, None, nothing, gx, add)?]),
        }
        Ok(())
    }

    /// Records a weight gradient that is computed in splits. Parameters that lie next to each other are summed in one dispatch, and a
    /// single split that lies as they do needs no sum: it is written where the gradient belongs.
    pub(super) fn split_gradient(
        &mut self,
        parts: Parts,
        [gw, gb]: [&View; 2],
        [add_w, add_b]: [bool; 2],
        record: impl FnOnce(&View) -> Result<Call>,
    ) -> Result<()> {
        let neighbours = gw.tensor == gb.tensor && gb.start() == gw.start() + gw.shape.len() && add_w == add_b;
        let both = View { shape: Shape::vector(parts.values()), ..*gw };
        if neighbours && parts.are(&both) && !add_w {
            let call = record(&both)?;
            self.push([call]);
            return Ok(());
        }
        let sums = self.intermediate("partial sums", parts.shape())?;
        let call = record(&sums)?;
        self.push([call]);
        if neighbours {
            self.push([split_sum::sum_splits(parts, &sums, 0, &both, add_w)?]);
        } else {
            self.push([split_sum::sum_splits(parts, &sums, 0, gw, add_w)?]);
            self.push([split_sum::sum_splits(parts, &sums, gw.shape.len(), gb, add_b)?]);
        }
        Ok(())
    }
}
