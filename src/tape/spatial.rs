//! Operations between sizes of images, and between an image and its spectrum; and their gradients.

use super::{Gradients, Op, Tape};
use crate::Result;
use crate::kernels::fourier::{self, Magnitude};
use crate::kernels::resize::{self, Filter};
use crate::kernels::upsample;
use crate::tensor::{Shape, View};

/// A recorded operation between sizes of images, as plain data.
#[derive(Debug, Clone)]
pub enum Spatial {
    /// Depth to space.
    PixelShuffle {
        /// How much larger along each side.
        factor: usize,
        /// Input.
        x: View,
        /// Output.
        y: View,
    },
    /// Every pixel repeated along both sides.
    Upsample {
        /// How often.
        factor: usize,
        /// Input.
        x: View,
        /// Output.
        y: View,
    },
    /// Every so many pixels along both sides.
    Decimate {
        /// How many.
        factor: usize,
        /// Input.
        x: View,
        /// Output.
        y: View,
    },
    /// Bilinear or bicubic resampling.
    Resize {
        /// Which of the two.
        filter: Filter,
        /// Input.
        x: View,
        /// Output.
        y: View,
    },
    /// `y = (|F| + ε)^γ`, F the Fourier transform, frequency zero in the middle.
    FourierMagnitude {
        /// ε and γ.
        of: Magnitude,
        /// Input.
        x: View,
        /// F.
        spectrum: View,
        /// Output.
        y: View,
    },
}

impl Spatial {
    /// The input.
    pub fn input(&self) -> &View {
        match self {
            Self::PixelShuffle { x, .. }
            | Self::Upsample { x, .. }
            | Self::Decimate { x, .. }
            | Self::Resize { x, .. }
            | Self::FourierMagnitude { x, .. } => x,
        }
    }

    /// The output.
    pub fn output(&self) -> &View {
        match self {
            Self::PixelShuffle { y, .. }
            | Self::Upsample { y, .. }
            | Self::Decimate { y, .. }
            | Self::Resize { y, .. }
            | Self::FourierMagnitude { y, .. } => y,
        }
    }

    /// Every view.
    pub(super) fn views_mut(&mut self) -> Vec<&mut View> {
        match self {
            Self::PixelShuffle { x, y, .. }
            | Self::Upsample { x, y, .. }
            | Self::Decimate { x, y, .. }
            | Self::Resize { x, y, .. } => vec![x, y],
            Self::FourierMagnitude { x, spectrum, y, .. } => vec![x, spectrum, y],
        }
    }
}

impl Tape {
    /// Records a pixel shuffle (depth to space), `[N, C s², H, W]` to `[N, C, s H, s W]`, into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the square of the factor does not divide the channels.
    pub fn pixel_shuffle(&mut self, factor: usize, x: &View) -> Result<View> {
        let y = self.intermediate("pixel shuffle", upsample::shuffled(x.shape, factor)?)?;
        self.push([upsample::pixel_shuffle(factor, x, &y, false)?]);
        self.note(Op::Spatial(Spatial::PixelShuffle { factor, x: *x, y }));
        Ok(y)
    }

    /// Records `x` with every pixel repeated `factor` times along both sides into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the factor is zero.
    pub fn upsample(&mut self, factor: usize, x: &View) -> Result<View> {
        let y = self.intermediate("upsampled", upsample::enlarged(x.shape, factor))?;
        self.push([upsample::nearest(factor, x, &y)?]);
        self.note(Op::Spatial(Spatial::Upsample { factor, x: *x, y }));
        Ok(y)
    }

    /// Records every `factor`-th pixel of `x` along both sides into a given view.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the factor does not divide height and width, or the view has another shape.
    pub fn decimate_into(&mut self, factor: usize, x: &View, y: &View) -> Result<()> {
        self.push([upsample::decimate(factor, x, y, false)?]);
        self.note(Op::Spatial(Spatial::Decimate { factor, x: *x, y: *y }));
        Ok(())
    }

    /// Records `x` resampled to `height` and `width` into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if a size is zero or too large.
    pub fn resize(&mut self, filter: Filter, [height, width]: [usize; 2], x: &View) -> Result<View> {
        let y = self.intermediate("resized", Shape { h: height, w: width, ..x.shape })?;
        let between = self.intermediate("resized in width", resize::scratch(x.shape, y.shape))?;
        self.push(resize::forward(filter, x, &between, &y)?);
        self.note(Op::Spatial(Spatial::Resize { filter, x: *x, y }));
        Ok(y)
    }

    /// Records `(|F| + ε)^γ` of each channel's Fourier transform, frequency zero in the middle, into a new intermediate.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if an image is larger than [`fourier::LONGEST`], [`crate::Error::Input`] unless ε is positive.
    pub fn fourier_magnitude(&mut self, of: Magnitude, x: &View) -> Result<View> {
        let spectrum = self.intermediate("spectrum", fourier::spectrum(x.shape))?;
        let y = self.intermediate("magnitudes", x.shape)?;
        let calls = fourier::magnitude(self.caps, of, x, &spectrum, &y)?;
        self.push(calls);
        self.note(Op::Spatial(Spatial::FourierMagnitude { of, x: *x, spectrum, y }));
        Ok(y)
    }

    /// Records the gradient of `op` from that of its output.
    pub(super) fn backward_spatial(&mut self, op: &Spatial, g: &View, gradients: &mut Gradients) -> Result<()> {
        match op {
            Spatial::PixelShuffle { factor, x, .. } => {
                self.pass_on(x, gradients, |_, gx, add| Ok([upsample::pixel_unshuffle(*factor, g, gx, add)?]))
            }
            Spatial::Decimate { factor, x, .. } => {
                self.pass_on(x, gradients, |_, gx, add| Ok([upsample::decimate_backward(*factor, g, gx, add)?]))
            }
            Spatial::Upsample { factor, x, .. } => {
                self.pass_on(x, gradients, |_, gx, add| Ok([upsample::nearest_backward(*factor, g, gx, add)?]))
            }
            Spatial::Resize { filter, x, .. } => self.pass_on(x, gradients, |tape, gx, add| {
                let between = tape.intermediate("gradient between sizes", resize::scratch(x.shape, g.shape))?;
                resize::backward(*filter, g, &between, gx, add)
            }),
            Spatial::FourierMagnitude { of, x, spectrum, .. } => self.pass_on(x, gradients, |tape, gx, add| {
                let gspectrum = tape.intermediate("gradient of a spectrum", spectrum.shape)?;
                fourier::magnitude_backward(tape.caps, *of, spectrum, g, &gspectrum, gx, add)
            }),
        }
    }
}
