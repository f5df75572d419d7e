//! What an operation is given: arrays and settings by name, checked before anything runs.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::Operation;
use crate::tensor::Shape;
use crate::{Error, Result};

/// Values with a shape, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Sizes, the slowest dimension first; empty for a scalar.
    pub shape: Vec<usize>,
    /// As many values as the shape says.
    pub values: Vec<f32>,
}

/// What can stand for an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One array.
    Array,
    /// Two or more arrays, in order.
    Arrays,
    /// A number, a list of sizes or a word.
    Setting,
}

/// What happens without an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The operation is refused.
    Required,
    /// The operation goes without.
    Optional,
    /// This setting is taken.
    Default(&'static str),
}

/// One argument of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name, that of the program's option without the dashes.
    pub name: &'static str,
    /// What can stand for it.
    pub kind: Kind,
    /// What happens without it.
    pub need: Need,
    /// Its symbol in the formula, shape and domain.
    pub about: &'static str,
}

impl Argument {
    pub(super) const fn array(name: &'static str, about: &'static str) -> Self {
        Self { name, kind: Kind::Array, need: Need::Required, about }
    }

    pub(super) const fn arrays(name: &'static str, about: &'static str) -> Self {
        Self { name, kind: Kind::Arrays, need: Need::Required, about }
    }

    pub(super) const fn setting(name: &'static str, default: &'static str, about: &'static str) -> Self {
        Self { name, kind: Kind::Setting, need: Need::Default(default), about }
    }

    pub(super) const fn optional(self) -> Self {
        Self { need: Need::Optional, ..self }
    }

    pub(super) const fn required(self) -> Self {
        Self { need: Need::Required, ..self }
    }
}

/// What a caller gives for an argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Arrays, in order.
    Arrays(Vec<Array>),
    /// A setting, as it would be typed.
    Setting(String),
}

/// The arguments of one operation: all that are required, none that it does not take, all values finite.
pub struct Arguments {
    operation: &'static Operation,
    given: BTreeMap<&'static str, Given>,
}

impl Arguments {
    /// Checks `given` against the operation's arguments.
    ///
    /// # Errors
    /// [`Error::Input`] that names the argument: unknown, missing, given too often, of another kind, or holding NaN or
    /// infinite values; [`Error::Shape`] for an array whose values do not fill its shape.
    pub(super) fn new(operation: &'static Operation, given: Vec<(&str, Given)>) -> Result<Self> {
        let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
        operation.check_names(&names)?;
        let mut checked = BTreeMap::new();
        for argument in operation.arguments {
            let Some((_, value)) = given.iter().find(|(name, _)| *name == argument.name) else { continue };
            match (argument.kind, value) {
                (Kind::Array, Given::Arrays(arrays)) if arrays.len() == 1 => check_arrays(argument.name, arrays)?,
                (Kind::Arrays, Given::Arrays(arrays)) if arrays.len() >= 2 => check_arrays(argument.name, arrays)?,
                (Kind::Setting, Given::Setting(_)) => {}
                (kind, _) => {
                    let takes = match kind {
                        Kind::Array => "one array",
                        Kind::Arrays => "two or more arrays",
                        Kind::Setting => "one setting",
                    };
                    let name = argument.name;
                    return Err(Error::input(format!(
                        "{} takes {takes} as --{name}: {}",
                        operation.name, argument.about
                    )));
                }
            }
            checked.insert(argument.name, value.clone());
        }
        Ok(Self { operation, given: checked })
    }

    /// All arrays given for `name`; none if it was left out.
    pub(super) fn arrays(&self, name: &str) -> &[Array] {
        match self.given.get(name) {
            Some(Given::Arrays(arrays)) => arrays,
            _ => &[],
        }
    }

    /// The array given for an optional argument.
    pub(super) fn find(&self, name: &str) -> Option<&Array> {
        self.arrays(name).first()
    }

    /// The array given for a required argument.
    pub(super) fn array(&self, name: &str) -> Result<&Array> {
        self.find(name).ok_or_else(|| Error::input(format!("{} needs --{name}", self.operation.name)))
    }

    /// A required array of rank 4, `[N, C, H, W]`, and its shape.
    pub(super) fn image(&self, name: &str) -> Result<(Shape, &[f32])> {
        let array = self.array(name)?;
        let &[n, c, h, w] = array.shape.as_slice() else {
            return Err(Error::shape(format!(
                "--{name} is {:?}; {} takes rank 4: {}",
                array.shape,
                self.operation.name,
                self.about(name)
            )));
        };
        Ok((Shape::new(n, c, h, w), &array.values))
    }

    /// A required array of rank 1.
    pub(super) fn vector(&self, name: &str) -> Result<&[f32]> {
        let array = self.array(name)?;
        if array.shape.len() != 1 {
            let about = self.about(name);
            return Err(Error::shape(format!("--{name} is {:?}; expected a vector: {about}", array.shape)));
        }
        Ok(&array.values)
    }

    /// The values of an optional array, which must have exactly this shape.
    pub(super) fn find_shaped(&self, name: &str, shape: &[usize]) -> Result<Option<&[f32]>> {
        match self.find(name) {
            None => Ok(None),
            Some(array) if array.shape == shape => Ok(Some(&array.values)),
            Some(array) => {
                let about = self.about(name);
                Err(Error::shape(format!("--{name} is {:?}, expected {shape:?} here: {about}", array.shape)))
            }
        }
    }

    /// The values of a required array, which must have exactly this shape.
    pub(super) fn shaped(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        self.array(name)?;
        Ok(self.find_shaped(name, shape)?.unwrap_or_default())
    }

    fn about(&self, name: &str) -> &'static str {
        self.operation.arguments.iter().find(|a| a.name == name).map_or("", |a| a.about)
    }

    fn text(&self, name: &str) -> Result<&str> {
        let argument = self.operation.arguments.iter().find(|a| a.name == name);
        match (self.given.get(name), argument.map(|a| a.need)) {
            (Some(Given::Setting(text)), _) => Ok(text),
            (_, Some(Need::Default(text))) => Ok(text),
            _ => Err(Error::input(format!("{} needs --{name}", self.operation.name))),
        }
    }

    fn parse<T: FromStr>(&self, name: &str, expected: &str, accept: impl Fn(&T) -> bool) -> Result<T> {
        let text = self.text(name)?;
        text.trim()
            .parse()
            .ok()
            .filter(accept)
            .ok_or_else(|| Error::input(format!("--{name} is \"{text}\"; expected {expected} ({})", self.about(name))))
    }

    /// A whole number from `low` to 65,535: sizes and counts of pixels.
    pub(super) fn size(&self, name: &str, low: usize) -> Result<usize> {
        self.parse(name, &format!("a whole number from {low} to 65535"), |v| (low..=65_535).contains(v))
    }

    /// A count from 1 on.
    pub(super) fn count(&self, name: &str) -> Result<u32> {
        self.parse(name, &format!("a whole number from 1 to {}", u32::MAX), |v| *v >= 1)
    }

    /// A whole number of this type.
    pub(super) fn whole<T: FromStr>(&self, name: &str) -> Result<T> {
        let bits = 8 * size_of::<T>();
        self.parse(name, &format!("a whole number of at most {bits} bits"), |_| true)
    }

    /// A finite number that `accept` takes; `expected` says which those are.
    pub(super) fn number(&self, name: &str, expected: &str, accept: impl Fn(f64) -> bool) -> Result<f64> {
        self.parse(name, expected, |v: &f64| v.is_finite() && accept(*v))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T> {
        let text = self.text(name)?;
        choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            Error::input(format!("--{name} is \"{text}\"; expected {}", words.join(", ")))
        })
    }

    /// Four sizes separated by commas.
    pub(super) fn four_sizes(&self, name: &str) -> Result<Shape> {
        let text = self.text(name)?;
        let sizes: Option<Vec<usize>> = text.split(',').map(|s| s.trim().parse().ok()).collect();
        match sizes.as_deref() {
            Some(&[n, c, h, w]) => Ok(Shape::new(n, c, h, w)),
            _ => Err(Error::input(format!("--{name} is \"{text}\"; expected four sizes such as 1,3,64,64"))),
        }
    }
}

fn check_arrays(name: &str, arrays: &[Array]) -> Result<()> {
    for (i, array) in arrays.iter().enumerate() {
        let which = if arrays.len() > 1 { format!("--{name} (number {})", i + 1) } else { format!("--{name}") };
        let len = array.shape.iter().try_fold(1usize, |a, &b| a.checked_mul(b));
        if len != Some(array.values.len()) || array.values.is_empty() {
            return Err(Error::shape(format!(
                "{which} holds {} values of shape {:?}; every size must be positive",
                array.values.len(),
                array.shape
            )));
        }
        let count = array.values.iter().filter(|v| !v.is_finite()).count();
        if let Some(first) = array.values.iter().position(|v| !v.is_finite()) {
            return Err(Error::input(format!(
                "{which} holds {count} values that are NaN or infinite, the first ({}) at index {:?}",
                array.values[first],
                index(&array.shape, first)
            )));
        }
    }
    Ok(())
}

/// The index along each dimension of the value at this position.
fn index(shape: &[usize], position: usize) -> Vec<usize> {
    let mut rest = position;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let i = rest % size;
            rest /= size;
            i
        })
        .collect();
    index.reverse();
    index
}
