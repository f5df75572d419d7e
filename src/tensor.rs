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
}

impl View {
    /// All of tensor number `tensor`.
    pub(crate) fn whole(tensor: TensorId, shape: Shape, element: Element) -> Self {
        Self { tensor, shape, channel: 0, channels: shape.c, element }
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

    /// Values before the view's first one, within one sample.
    pub fn offset(&self) -> usize {
        self.channel * self.shape.plane()
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
