//! Tensors as plain data: a number, a runtime NCHW shape, and views of channel ranges. Buffers come later, from the
//! planner, so that a whole network can be recorded and checked before a byte is allocated.

use std::fmt;
use std::ops::Range;

use crate::{Error, Result};

/// A tensor of a recording, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub(crate) usize);

/// Batch, channels, height, width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Batch size.
    pub n: usize,
    /// Channels.
    pub c: usize,
    /// Height in pixels.
    pub h: usize,
    /// Width in pixels.
    pub w: usize,
}

impl Shape {
    /// A shape from its four sizes.
    pub const fn new(n: usize, c: usize, h: usize, w: usize) -> Self {
        Self { n, c, h, w }
    }

    /// A vector of `len` values: one value a channel.
    pub const fn vector(len: usize) -> Self {
        Self::new(1, len, 1, 1)
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        self.n * self.c * self.h * self.w
    }

    /// No values at all.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values of one channel: `height · width`.
    pub const fn plane(&self) -> usize {
        self.h * self.w
    }

    /// Refuses sizes of zero and tensors that 32-bit indices cannot reach.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn check(&self, what: &str) -> Result<()> {
        let len = [self.n, self.c, self.h, self.w].iter().try_fold(1usize, |a, &b| a.checked_mul(b));
        match len {
            Some(len) if len > 0 && len < (1 << 31) => Ok(()),
            _ => Err(Error::shape(format!(
                "{what} is {self}; every size must be positive and all of it under 2³¹ values"
            ))),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}, {}, {}]", self.n, self.c, self.h, self.w)
    }
}

/// How a value is stored. Kernels compute in `f32` whatever they read and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Element {
    /// Single precision.
    #[default]
    F32,
    /// Half precision: 11 significant bits, up to 65,504. For adapters with [`crate::gpu::Caps::halves`].
    F16,
}

impl Element {
    /// Bytes of `values` values.
    pub const fn bytes(self, values: usize) -> u64 {
        match self {
            Self::F32 => 4 * values as u64,
            Self::F16 => 2 * values as u64,
        }
    }

    /// Its name in WGSL.
    pub(crate) const fn wgsl(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// All of a tensor, or a range of its channels. A kernel reads and writes views, so concatenation along channels is
/// writing into ranges of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    /// The tensor.
    pub tensor: TensorId,
    /// The view's shape.
    pub shape: Shape,
    /// First channel.
    pub channel: usize,
    /// Channels of the whole tensor.
    pub channels: usize,
    /// How its values are stored.
    pub element: Element,
    /// The tensor is larger than one binding: a vector of parameters, of which kernels are given the part around a view alone.
    pub windowed: bool,
}

/// Values of a vector that a window starts at a multiple of: 256 bytes, the largest alignment that any adapter may ask for.
pub(crate) const WINDOW: usize = 64;

impl View {
    /// All of tensor number `tensor`.
    pub(crate) fn whole(tensor: TensorId, shape: Shape, element: Element) -> Self {
        Self { tensor, shape, channel: 0, channels: shape.c, element, windowed: false }
    }

    /// A range of this view's channels.
    ///
    /// # Errors
    /// [`Error::Shape`] if the range is empty or does not lie inside.
    pub fn range(&self, channels: Range<usize>) -> Result<Self> {
        if channels.is_empty() || channels.end > self.shape.c {
            return Err(Error::shape(format!(
                "channels {}..{} of a view with {} channels; the range must be inside and not empty",
                channels.start, channels.end, self.shape.c
            )));
        }
        let shape = Shape { c: channels.len(), ..self.shape };
        Ok(Self { shape, channel: self.channel + channels.start, ..*self })
    }

    /// Values before the view's first one, within one sample of what a kernel is given: the tensor, or the view's window of it.
    pub fn offset(&self) -> usize {
        self.start() - self.window().start
    }

    /// Values before the view's first one, within one sample of the tensor.
    pub fn start(&self) -> usize {
        self.channel * self.shape.plane()
    }

    /// The values of the tensor that a kernel is given, with what a last vec4 may reach beyond the view; up to the tensor's end,
    /// whatever that is, if it is not windowed.
    pub(crate) fn window(&self) -> Range<usize> {
        if !self.windowed {
            return 0..usize::MAX;
        }
        let end = (self.start() + self.shape.len()).next_multiple_of(4);
        self.start() / WINDOW * WINDOW..end
    }

    /// The values of the tensor from the view's first one to its last, with those of other channels in between.
    pub(crate) fn extent(&self) -> Range<usize> {
        let last_sample = (self.shape.n - 1) * self.batch_stride();
        self.start()..last_sample + self.start() + self.shape.c * self.shape.plane()
    }

    /// The range of a vector from the first value of either view to the last: for kernels that are given one binding for both.
    pub(crate) fn around(&self, other: &Self) -> Self {
        let first = self.channel.min(other.channel);
        let end = (self.channel + self.shape.c).max(other.channel + other.shape.c);
        Self { shape: Shape { c: end - first, ..self.shape }, channel: first, ..*self }
    }

    /// As [`View::offset`], of a view inside of this one in what a kernel is given for this one.
    pub(crate) fn offset_of(&self, inner: &Self) -> usize {
        inner.start() - self.window().start
    }

    /// The view in parts of at most `values` values, none of which shares a window with another: itself if it is not windowed.
    pub(crate) fn parts(&self, values: usize) -> Vec<Self> {
        if !self.windowed {
            return vec![*self];
        }
        let step = (values / WINDOW * WINDOW).max(WINDOW);
        let part = |first: usize| {
            let shape = Shape { c: step.min(self.shape.c - first), ..self.shape };
            Self { shape, channel: self.channel + first, ..*self }
        };
        (0..self.shape.c).step_by(step).map(part).collect()
    }

    /// Values from one sample to the next.
    pub fn batch_stride(&self) -> usize {
        self.channels * self.shape.plane()
    }

    /// The view covers its tensor.
    pub fn is_whole(&self) -> bool {
        self.shape.c == self.channels
    }

    /// Bytes of the view.
    pub fn bytes(&self) -> u64 {
        self.element.bytes(self.shape.len())
    }

    /// Refuses any shape but `expected`.
    ///
    /// # Errors
    /// [`Error::Shape`] that names `what`.
    pub fn expect(&self, what: &str, expected: Shape) -> Result<()> {
        if self.shape == expected {
            return Ok(());
        }
        Err(Error::shape(format!("{what} is {}, expected {expected}", self.shape)))
    }
}
