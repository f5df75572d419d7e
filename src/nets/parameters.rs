//! Parameters by name, laid out one after the other in one flat tensor.
//!
//! What has two axes or more, a convolution's weight, begins at a whole `vec4`, so that kernels may read and write it as such. What has one
//! follows without a gap: a bias its weight, a time network's parameters each other.

use std::ops::Range;

use crate::random::{Random, Stream};
use crate::tensor::{Shape, View};
use crate::{Error, Result};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Every value the same.
    Constant(f32),
    /// Uniform in `low..high`.
    Uniform(f32, f32),
    /// Glorot uniform: `±sqrt(6 / (fan_in + fan_out))`.
    Glorot {
        /// Inputs a value depends on.
        fan_in: usize,
        /// Outputs a value reaches.
        fan_out: usize,
    },
}

/// One named parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name, unique: `noise.enc0.conv1.weight`.
    pub name: String,
    /// The shape, in the field's usual order (PyTorch's).
    pub shape: Vec<usize>,
    /// Where it lies in the flat tensor.
    pub range: Range<usize>,
    /// How it starts.
    pub init: Init,
}

/// All parameters of a model, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    entries: Vec<Parameter>,
}

impl Parameters {
    /// Adds a parameter and returns where it lies.
    pub fn add(&mut self, name: String, shape: &[usize], init: Init) -> Range<usize> {
        let start = self.len().next_multiple_of(if shape.len() > 1 { 4 } else { 1 });
        let range = start..start + shape.iter().product::<usize>();
        self.entries.push(Parameter { name, shape: shape.to_vec(), range: range.clone(), init });
        range
    }

    /// Every parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.entries.iter()
    }

    /// Values of the flat tensor: those of all parameters, and the few between them.
    pub fn len(&self) -> usize {
        self.entries.last().map_or(0, |p| p.range.end)
    }

    /// Values of all parameters together, the usual size of a network.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|p| p.range.len()).sum()
    }

    /// No parameters at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The shape of the flat tensor.
    pub fn shape(&self) -> Shape {
        Shape::vector(self.len())
    }

    /// Starting values. Parameter number `i` draws from sample `i` of the seed's stream, so that adding one at the end does
    /// not change the others. Between parameters there are zeros.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; self.len()];
        for (i, p) in self.entries.iter().enumerate() {
            let (low, high) = match p.init {
                Init::Constant(v) => (v, v),
                Init::Uniform(low, high) => (low, high),
                Init::Glorot { fan_in, fan_out } => {
                    let limit = (6.0 / (fan_in + fan_out) as f32).sqrt();
                    (-limit, limit)
                }
            };
            let random = Random { seed, stream: Stream::Init, step: 0, sample: i as u32 };
            for (j, value) in values[p.range.clone()].iter_mut().enumerate() {
                *value = low + (high - low) * random.uniform(j as u32);
            }
        }
        values
    }

    /// The flat values from named ones, which must be exactly these parameters.
    ///
    /// # Errors
    /// [`Error::Input`] that names the first parameter that is missing, has another shape, or is not known here.
    pub fn gather<'a>(&self, named: impl IntoIterator<Item = (&'a str, &'a [usize], Vec<f32>)>) -> Result<Vec<f32>> {
        let mut values = vec![0.0; self.len()];
        let mut found = vec![false; self.entries.len()];
        for (name, shape, data) in named {
            let Some(i) = self.entries.iter().position(|p| p.name == name) else {
                return Err(Error::input(format!(
                    "the weights hold \"{name}\", which this network does not have: they belong to another architecture"
                )));
            };
            let p = &self.entries[i];
            if p.shape != shape || data.len() != p.range.len() {
                return Err(Error::input(format!(
                    "\"{name}\" has shape {shape:?} in the weights and {:?} in this network: they belong to another \
                     architecture",
                    p.shape
                )));
            }
            if let Some(bad) = data.iter().find(|v| !v.is_finite()) {
                return Err(Error::input(format!("\"{name}\" holds {bad}; weights must be finite numbers")));
            }
            values[p.range.clone()].copy_from_slice(&data);
            found[i] = true;
        }
        match self.entries.iter().zip(found).find(|(_, f)| !f) {
            Some((p, _)) => Err(Error::input(format!(
                "the weights lack \"{}\" {:?}: the file is incomplete or belongs to another architecture",
                p.name, p.shape
            ))),
            None => Ok(values),
        }
    }
}

/// The view of a parameter's range in the flat tensor.
pub(super) fn view(flat: &View, range: &Range<usize>) -> Result<View> {
    flat.range(range.clone())
}
