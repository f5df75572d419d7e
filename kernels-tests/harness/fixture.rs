//! Fixtures written by `fixtures/torch_reference.py`.

#![allow(dead_code, reason = "each test program uses its own part")]

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

/// A fixture file in memory.
pub struct Fixture(Vec<u8>);

/// Reads `kernels-tests/fixtures/NAME.safetensors`.
pub fn read(name: &str) -> Fixture {
    let path = format!("{}/kernels-tests/fixtures/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    Fixture(std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}")))
}

impl Fixture {
    /// The values of a tensor, `float64` ones rounded.
    pub fn values(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        match tensor.dtype() {
            Dtype::F32 => bytemuck::pod_collect_to_vec(tensor.data()),
            Dtype::F64 => {
                bytemuck::pod_collect_to_vec::<u8, f64>(tensor.data()).into_iter().map(|v| v as f32).collect()
            }
            other => panic!("{name} is {other:?}"),
        }
    }

    /// The metadata's `config`, JSON text.
    pub fn config(&self) -> String {
        let (_, header) = SafeTensors::read_metadata(&self.0).unwrap();
        header.metadata().as_ref().unwrap()["config"].clone()
    }
}
