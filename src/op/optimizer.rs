//! The optimiser.

use super::{Argument, Arguments, Operation, Recording};
use crate::kernels::adam::{Hyper, step};
use crate::tensor::Shape;
use crate::{Error, Result};

pub(super) static ADAM: Operation = Operation {
    name: "adam",
    formula: "m = β₁ m + (1 − β₁) g, v = β₂ v + (1 − β₂) g², y = x − lr · m/(1 − β₁ᵏ) / (sqrt(v/(1 − β₂ᵏ)) + ε), \
              average = r · average + (1 − r) · y",
    arguments: &[
        Argument::array("input", "x, the parameters, of any shape"),
        Argument::array("grad", "g, the loss's gradient in x"),
        Argument::array("moment1", "m before the step, zero without").optional(),
        Argument::array("moment2", "v before the step, zero without; not negative").optional(),
        Argument::array("average", "average before the step, x without").optional(),
        Argument::setting("step", "1", "k, counted from 1"),
        Argument::setting("learning-rate", "1e-4", "lr"),
        Argument::setting("beta1", "0.9", "β₁, in [0, 1)"),
        Argument::setting("beta2", "0.999", "β₂, in [0, 1)"),
        Argument::setting("epsilon", "1e-8", "ε"),
        Argument::setting("ema-rate", "0", "r, in [0, 1]"),
    ],
    results: "y, moment1, moment2, average, all of the shape of x",
    record: adam,
};

fn adam(r: &mut Recording, a: &Arguments) -> Result<()> {
    let x = a.array("input")?;
    let gradient = a.shaped("grad", &x.shape)?;
    let decay = |name| a.number(name, "a number in [0, 1)", |v| (0.0..1.0).contains(&v));
    let hyper = Hyper {
        learning_rate: a
            .number("learning-rate", "a number that single precision holds", |v| v.abs() <= f64::from(f32::MAX))?,
        beta1: decay("beta1")?,
        beta2: decay("beta2")?,
        epsilon: a.number("epsilon", "a number that is not negative", |v| v >= 0.0)?,
        ema_rate: a.number("ema-rate", "a number in [0, 1]", |v| (0.0..=1.0).contains(&v))?,
    };
    let k = a.count("step")?;
    let zeros = vec![0.0; x.values.len()];
    let shape = Shape::vector(x.values.len());
    let settings = r.given("settings", Shape::vector(8), &hyper.values(k, 1.0))?;
    let gradient = r.given("gradient", shape, gradient)?;
    let parameters = r.given("parameters", shape, &x.values)?;
    let mut moment = |name: &str, start: &[f32]| {
        let values = a.find_shaped(name, &x.shape)?.unwrap_or(start);
        r.given(name, shape, values)
    };
    if let Some(bad) = a.find_shaped("moment2", &x.shape)?.and_then(|values| values.iter().find(|&&v| v < 0.0)) {
        return Err(Error::input(format!("moment2 holds {bad}; the mean of squares is not negative")));
    }
    let (first, second) = (moment("moment1", &zeros)?, moment("moment2", &zeros)?);
    let average = moment("average", &x.values)?;
    r.tape.push(step(r.tape.caps(), &settings, &gradient, &parameters, &first, &second, Some(&average))?);
    for (name, view) in [("y", &parameters), ("moment1", &first), ("moment2", &second), ("average", &average)] {
        r.result(name, &x.shape, view);
    }
    Ok(())
}
