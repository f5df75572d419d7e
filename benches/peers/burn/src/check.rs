//! Whether a loss and its gradients are right: compares them with the numbers in a file.
//!
//! The file holds `input`, `target`, `loss` and, for every parameter NAME, `weight/NAME` and `gradient_norm/NAME`.

use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::loss::{MseLoss, Reduction};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

use crate::Result;
use crate::net::UNet;

/// The relative error up to which a number counts as right.
const TOLERANCE: f64 = 1e-3;

/// How far the worst number is off, relatively, and its name.
pub struct Outcome {
    pub worst: f64,
    pub worst_of: String,
    pub loss: f64,
    pub loss_expected: f64,
}

impl Outcome {
    pub fn right(&self) -> bool {
        self.worst <= TOLERANCE
    }

    fn compare(&mut self, name: String, found: f64, expected: f64) {
        let error = (found - expected).abs() / expected.abs();
        // What is not a number is the worst of all.
        let error = if error.is_nan() { f64::INFINITY } else { error };
        if error > self.worst {
            (self.worst, self.worst_of) = (error, name);
        }
    }
}

/// Loads the numbers, computes loss and gradients on the device, and compares.
pub fn check(file: &Path, device: &Device) -> Result<Outcome> {
    let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| format!("{}: {e}", file.display()))?;
    let device = &device.clone().autodiff();
    let net = load(&file, device)?;
    let (x, y) = (tensor::<4>(&file, "input", device)?, tensor::<4>(&file, "target", device)?);
    let loss = MseLoss::new().forward(net.forward(x), y, Reduction::Mean);
    let mut norms =
        Norms { path: Vec::new(), gradients: GradientsParams::from_grads(loss.backward(), &net), norms: Vec::new() };
    net.visit(&mut norms);

    let (found, expected) = (numbers(loss.into_data())?.iter().sum(), scalar(&file, "loss")?);
    let mut outcome = Outcome { worst: 0.0, worst_of: "loss".into(), loss: found, loss_expected: expected };
    outcome.compare("loss".into(), found, expected);
    for (name, norm) in norms.norms {
        let expected = scalar(&file, &format!("gradient_norm/{name}"))?;
        outcome.compare(name, norm?, expected);
    }
    Ok(outcome)
}

fn load(file: &SafeTensors, device: &Device) -> Result<UNet> {
    let head = values(file, "weight/out.weight")?.1;
    let base = *head.get(1).ok_or("weight/out.weight: expected four dimensions")?;
    let mut loader = Loader { path: Vec::new(), file, device, problem: None };
    let net = UNet::new(base, device).map(&mut loader);
    loader.problem.map_or(Ok(net), Err)
}

/// Puts the file's numbers into a network's parameters.
struct Loader<'a> {
    path: Vec<String>,
    file: &'a SafeTensors<'a>,
    device: &'a Device,
    problem: Option<String>,
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = format!("weight/{}", parameter_name(&self.path));
        match tensor::<D>(self.file, &name, self.device) {
            Ok(tensor) if tensor.dims() == param.val().dims() => param.map(|_| tensor.require_grad()),
            Ok(tensor) => {
                let (found, expected) = (tensor.dims(), param.val().dims());
                self.problem = Some(format!("{name} is {found:?}, expected {expected:?}"));
                param
            }
            Err(e) => {
                self.problem = Some(e);
                param
            }
        }
    }
}

/// Collects the norms of all gradients, summed on the host in double precision.
struct Norms {
    path: Vec<String>,
    gradients: GradientsParams,
    norms: Vec<(String, Result<f64>)>,
}

impl ModuleVisitor for Norms {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = parameter_name(&self.path);
        let norm = match self.gradients.get::<D>(param.id) {
            Some(gradient) => numbers(gradient.into_data()).map(|g| g.iter().map(|v| v * v).sum::<f64>().sqrt()),
            None => Err(format!("{name} has no gradient")),
        };
        self.norms.push((name, norm));
    }
}

/// A parameter's name in the file: as in PyTorch, where a norm's scale and shift are `weight` and `bias`.
fn parameter_name(path: &[String]) -> String {
    let renamed = path.iter().map(|part| match part.as_str() {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    });
    renamed.collect::<Vec<_>>().join(".")
}

fn numbers(data: TensorData) -> Result<Vec<f64>> {
    let values = data.try_into_vec::<f32>().map_err(|e| format!("reading a tensor: {e:?}"))?;
    Ok(values.into_iter().map(f64::from).collect())
}

fn values(file: &SafeTensors, name: &str) -> Result<(Vec<f32>, Vec<usize>)> {
    let view = file.tensor(name).map_err(|e| format!("{name}: {e}"))?;
    if view.dtype() != Dtype::F32 {
        return Err(format!("{name} is {:?}, expected F32", view.dtype()));
    }
    let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok((values, view.shape().to_vec()))
}

fn scalar(file: &SafeTensors, name: &str) -> Result<f64> {
    match values(file, name)?.0[..] {
        [value] => Ok(f64::from(value)),
        ref other => Err(format!("{name} holds {} numbers, expected one", other.len())),
    }
}

fn tensor<const D: usize>(file: &SafeTensors, name: &str, device: &Device) -> Result<Tensor<D>> {
    let (values, shape) = values(file, name)?;
    if shape.len() != D {
        return Err(format!("{name} is {shape:?}, expected {D} dimensions"));
    }
    Ok(Tensor::from_data(TensorData::new(values, shape), device))
}
