//! A whole U-Net, forward and backward, against PyTorch (`fixtures/unet.safetensors`).

#[path = "harness/fixture.rs"]
mod fixture;
mod harness;

use std::collections::HashMap;

use cvdm::kernels::conv2d::Activation;
use cvdm::nets::{Parameters, UNet, UNetConfig};
use cvdm::tape::{PlanOptions, Tape};
use cvdm::tensor::Shape;
use harness::{close, devices, wide};

const SMALL: UNetConfig =
    UNetConfig { in_channels: 3, out_channels: 1, base: 4, scales: 3, up_kernel: 2, head: Activation::None };

/// Relative to each tensor's largest value: what `float32` leaves of `float64`, as fixtures/README.md measured it.
fn close_to_largest(what: &str, got: &[f32], want: &[f32], tolerance: f64) {
    let largest = want.iter().fold(0.0f64, |m, &v| m.max(f64::from(v).abs()));
    close(what, got, &wide(want), tolerance * largest, 0.0);
}

#[test]
fn output_and_all_gradients_are_pytorchs() {
    let file = fixture::read("unet");
    for (mode, gpu) in devices() {
        for keep_all in [false, true] {
            let mut parameters = Parameters::default();
            let net = UNet::new(SMALL, &mut parameters, "net").unwrap();
            let named = parameters.iter().map(|p| {
                let name = p.name.strip_prefix("net.").unwrap();
                (p.name.as_str(), p.shape.as_slice(), file.values(&format!("param.{name}")))
            });
            let flat = parameters.gather(named.collect::<Vec<_>>()).unwrap();

            let mut tape = Tape::new(gpu.caps());
            let shape = Shape::new(2, 3, 16, 24);
            let theta = tape.persistent("parameters", parameters.shape()).unwrap();
            let gradient = tape.persistent("gradient", parameters.shape()).unwrap();
            let x = tape.persistent("x", shape).unwrap();
            let gy = tape.persistent("gy", Shape { c: 1, ..shape }).unwrap();
            let y = tape.persistent("y", Shape { c: 1, ..shape }).unwrap();
            let gx = tape.persistent("gx", shape).unwrap();
            tape.parameters(&theta, &gradient).unwrap();
            tape.watch(&x);
            net.record_into(&mut tape, &theta, &x, &y).unwrap();
            let gradients = tape.backward(&[(y, gy)]).unwrap();
            let of_x = gradients.of(&x).unwrap();
            tape.push([cvdm::kernels::elementwise::copy(&of_x, &gx, false).unwrap()]);
            assert!(parameters.iter().all(|p| tape.has_gradient(&p.range)));

            let memory = tape.memory();
            assert!(memory.shared < memory.unshared * 2 / 3, "memory is shared: {memory:?}");
            let plan = tape.plan(gpu, &HashMap::new(), PlanOptions { keep_all, guards: keep_all }).unwrap();
            plan.write(&theta, &flat).unwrap();
            plan.write(&x, &file.values("input")).unwrap();
            plan.write(&gy, &file.values("grad.output")).unwrap();
            plan.run().unwrap();
            gpu.wait().unwrap();
            plan.check_guards().unwrap();
            close_to_largest(&format!("{mode}: output"), &plan.read(&y).unwrap(), &file.values("output"), 1e-5);
            close_to_largest(&format!("{mode}: gx"), &plan.read(&gx).unwrap(), &file.values("grad.input"), 5e-5);
            let got = plan.read(&gradient).unwrap();
            for p in parameters.iter() {
                let name = p.name.strip_prefix("net.").unwrap();
                let want = file.values(&format!("grad.{name}"));
                close_to_largest(&format!("{mode}: gradient of {name}"), &got[p.range.clone()], &want, 5e-5);
            }
            let first = plan.read(&gradient).unwrap();
            plan.run().unwrap();
            assert_eq!(first, plan.read(&gradient).unwrap(), "{mode}: a replay repeats bit for bit");
        }
    }
}

#[test]
fn a_parameter_without_a_gradient_is_found() {
    let (_, gpu) = &devices()[0];
    let mut parameters = Parameters::default();
    let net = UNet::new(SMALL, &mut parameters, "net").unwrap();
    let unused = parameters.add("unused".into(), &[5], cvdm::nets::Init::Constant(0.0));
    let mut tape = Tape::new(gpu.caps());
    let theta = tape.persistent("parameters", parameters.shape()).unwrap();
    let gradient = tape.persistent("gradient", parameters.shape()).unwrap();
    let x = tape.persistent("x", Shape::new(1, 3, 8, 8)).unwrap();
    let gy = tape.persistent("gy", Shape::new(1, 1, 8, 8)).unwrap();
    tape.parameters(&theta, &gradient).unwrap();
    let y = net.record(&mut tape, &theta, &x).unwrap();
    tape.backward(&[(y, gy)]).unwrap();
    let without: Vec<_> = parameters.iter().filter(|p| !tape.has_gradient(&p.range)).map(|p| &p.range).collect();
    assert_eq!(without, [&unused]);
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let (_, gpu) = &devices()[0];
    let mut parameters = Parameters::default();
    let net = UNet::new(SMALL, &mut parameters, "net").unwrap();
    let mut tape = Tape::new(gpu.caps());
    let theta = tape.persistent("parameters", parameters.shape()).unwrap();
    for shape in [Shape::new(1, 2, 8, 8), Shape::new(1, 3, 10, 8)] {
        let x = tape.persistent("x", shape).unwrap();
        assert!(net.record(&mut tape, &theta, &x).unwrap_err().to_string().contains("multiples of 4"));
    }
    assert!(UNet::new(UNetConfig { scales: 0, ..SMALL }, &mut parameters, "bad").is_err());
    assert!(UNet::new(UNetConfig { up_kernel: 4, ..SMALL }, &mut parameters, "bad").is_err());
}
