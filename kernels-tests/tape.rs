//! The tape and its planner from outside: random graphs give the same values whether memory is shared or not.

mod harness;

use std::collections::HashMap;

use cvdm::Error;
use cvdm::kernels::elementwise::{fill, scale};
use cvdm::tape::{PlanOptions, Role, Tape};
use cvdm::tensor::{Shape, View};
use harness::random;

/// Sizes that do not fit into one another's place, and both lane widths.
const SHAPES: [Shape; 3] = [Shape::new(2, 3, 4, 4), Shape::new(1, 5, 3, 7), Shape::new(3, 2, 16, 16)];

/// Values of a tensor on the CPU, beside its view.
struct Node {
    view: View,
    values: Vec<f32>,
}

/// `to = factor · from`, or added. The factor is a power of two: fused or not, it rounds alike.
fn apply(to: &mut [f32], from: &[f32], factor: f32, add: bool) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = if add { *to + factor * from } else { factor * from };
    }
}

#[test]
fn random_graphs_keep_their_values() {
    let gpu = &harness::devices()[0].1;
    let mut shared = 0;
    for case in 0..12u64 {
        let mut dice = random(Shape::vector(400), 1000 + case, 0.0, 1.0).values.into_iter();
        let mut below = |sides: usize| (dice.next().unwrap() * sides as f32) as usize;
        let mut tape = Tape::new(gpu.caps());
        let mut inputs = Vec::new();
        let mut nodes: Vec<Vec<Node>> = Vec::new();
        for (i, shape) in SHAPES.into_iter().enumerate() {
            let values = random(shape, 100 * case + i as u64, -1.0, 1.0).values;
            let view = tape.tensor("input", shape, Role::Persistent).unwrap();
            inputs.push((view, values.clone()));
            nodes.push(vec![Node { view, values }]);
        }
        for _ in 0..60 {
            let class = &mut nodes[below(SHAPES.len())];
            // Mostly recent values, now and then one from long ago.
            let back = if below(6) == 0 { class.len() } else { class.len().min(3) };
            let from = class.len() - 1 - below(back);
            let factor = [1.0, -1.0, 0.5][below(3)];
            let source = class[from].values.clone();
            match below(8) {
                // Into an older intermediate, added: its life goes on.
                0 | 1 if class.len() > 2 && from > 1 => {
                    let (x, y) = (class[from].view, &mut class[1]);
                    tape.push([scale(&x, factor, &y.view, true).unwrap()]);
                    apply(&mut y.values, &source, factor, true);
                }
                // A constant, which reads nothing.
                2 => {
                    let view = tape.intermediate("constant", class[0].view.shape).unwrap();
                    tape.push([fill(&view, factor).unwrap()]);
                    class.push(Node { view, values: vec![factor; source.len()] });
                }
                _ => {
                    let view = tape.intermediate("value", class[0].view.shape).unwrap();
                    tape.push([scale(&class[from].view, factor, &view, false).unwrap()]);
                    let mut values = source;
                    let copy = values.clone();
                    apply(&mut values, &copy, factor, false);
                    class.push(Node { view, values });
                }
            }
        }
        let mut outputs = Vec::new();
        for class in &nodes {
            for node in [class.last().unwrap(), &class[class.len() / 2]] {
                let view = tape.persistent("output", node.view.shape).unwrap();
                tape.push([scale(&node.view, 1.0, &view, false).unwrap()]);
                outputs.push((view, node.values.clone()));
            }
        }
        for keep_all in [false, true] {
            let plan = tape.plan(gpu, &HashMap::new(), PlanOptions { keep_all, ..Default::default() }).unwrap();
            for (view, values) in &inputs {
                plan.write(view, values).unwrap();
            }
            // Twice: a replay starts from the memory that the one before left.
            for replay in 0..2 {
                plan.run().unwrap();
                for (i, (view, values)) in outputs.iter().enumerate() {
                    let got = plan.read(view).unwrap();
                    assert_eq!(&got, values, "case {case}, keep_all {keep_all}, replay {replay}, output {i}");
                }
            }
        }
        let memory = tape.memory();
        assert!(memory.shared <= memory.unshared, "case {case}: {memory:?}");
        shared += memory.unshared - memory.shared;
    }
    assert!(shared > 0, "nothing was ever shared");
}

#[test]
fn an_intermediate_cannot_be_read_and_an_empty_recording_not_be_planned() {
    let gpu = &harness::devices()[0].1;
    let mut tape = Tape::new(gpu.caps());
    assert!(tape.plan(gpu, &HashMap::new(), PlanOptions::default()).is_err());
    let passing = tape.intermediate("passing", SHAPES[0]).unwrap();
    let kept = tape.persistent("kept", SHAPES[0]).unwrap();
    tape.push([fill(&passing, 2.0).unwrap(), scale(&passing, 3.0, &kept, false).unwrap()]);
    let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default()).unwrap();
    plan.run().unwrap();
    assert!(plan.read(&passing).unwrap_err().to_string().contains("passing"));
    assert!(plan.read(&kept).unwrap().iter().all(|&v| v == 6.0));
    assert!(plan.write(&kept, &[0.0f32; 3]).unwrap_err().to_string().contains("kept"));
}

/// Views and calls of another tape: none of them panics.
#[test]
fn what_belongs_to_another_tape_is_refused() {
    let gpu = &harness::devices()[0].1;
    let mut tape = Tape::new(gpu.caps());
    let [x, y] = ["x", "y"].map(|n| tape.persistent(n, SHAPES[0]).unwrap());
    tape.push([scale(&x, 2.0, &y, false).unwrap()]);
    let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default()).unwrap();

    let mut other = Tape::new(gpu.caps());
    // One with the number of a smaller tensor, and two that came later than all of the first tape's.
    let [larger, _, later, last] =
        [SHAPES[2], SHAPES[0], SHAPES[0], SHAPES[0]].map(|s| other.persistent("other", s).unwrap());
    for view in [&larger, &later] {
        let values = vec![0.0f32; view.shape.len()];
        for refused in [plan.write(view, &values).unwrap_err(), plan.read(view).unwrap_err()] {
            assert!(matches!(&refused, Error::Shape(m) if m.contains("tape")), "{refused}");
        }
    }
    let late = tape.persistent("after the plan", SHAPES[0]).unwrap();
    assert!(matches!(plan.read(&late), Err(Error::Shape(_))));

    // Its calls.
    let mut small = Tape::new(gpu.caps());
    small.intermediate("alone", SHAPES[0]).unwrap();
    small.push([scale(&later, 2.0, &last, false).unwrap()]);
    let told = |result: cvdm::Result<()>| match result {
        Err(Error::Shape(m)) => assert!(m.contains("copy") && m.contains("tensor 2"), "{m}"),
        other => panic!("{other:?}"),
    };
    told(small.check_limits());
    told(small.plan(gpu, &HashMap::new(), PlanOptions::default()).map(|_| ()));
    assert_eq!(small.memory().total(), 0);
}

/// Work that is too long for one submission takes several, with the same result.
#[test]
fn long_work_is_submitted_in_parts() {
    let gpu = &harness::devices()[0].1;
    let mut tape = Tape::new(gpu.caps());
    let [a, b, c] = ["a", "b", "c"].map(|name| tape.persistent(name, SHAPES[0]).unwrap());
    let mut calls = [fill(&a, 2.0), scale(&a, 3.0, &b, false), scale(&b, 5.0, &c, false), scale(&a, 1.0, &c, true)]
        .map(Result::unwrap);
    calls.iter_mut().for_each(|call| call.flops = 1 << 40);
    tape.push(calls);
    let plan = tape.plan(gpu, &HashMap::new(), PlanOptions::default()).unwrap();
    for _ in 0..2 {
        let last = plan.run().unwrap();
        gpu.wait_for(&last).unwrap();
        assert!(plan.read(&c).unwrap().iter().all(|&v| v == 32.0));
    }
}
