//! `shared/grid.wgsl`: division of integers by way of floats, which every kernel's addresses rest on.

mod harness;

use cvdm::gpu::{Needs, Shader};
use cvdm::kernels::{Call, grid};
use cvdm::tensor::Shape;
use harness::{given, run};

/// Each invocation counts where quotient and remainder differ from the integers' own: random numbers of all sizes, and products with what
/// lies next to them, where a rounding would show.
static DIVISIONS: Shader = Shader {
    name: "divisions",
    sources: &[
        include_str!("../shaders/shared/grid.wgsl"),
        "
struct Params { rounds: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> wrong: array<f32>;

fn hash(x: u32) -> u32 {
    var h = x * 747796405u + 2891336453u;
    h = ((h >> ((h >> 28u) + 4u)) ^ h) * 277803737u;
    return (h >> 22u) ^ h;
}

fn is_wrong(a: u32, b: u32) -> f32 {
    return select(0.0, 1.0, quotient(a, b) != a / b || remainder(a, b) != a % b);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    var count = is_wrong(0x7fffffffu, 1u) + is_wrong(0x7fffffffu, 0x7fffffffu) + is_wrong(0u, 7u);
    for (var round = 0u; round < params.rounds; round++) {
        let random = hash(id.x * params.rounds + round);
        let b = max((hash(random) & 0x7fffffffu) >> (random % 31u), 1u);
        let a = (hash(random + 1u) & 0x7fffffffu) >> ((random >> 8u) % 31u);
        let near = (0x7ffffffeu / b) * b;
        let whole = (a / b) * b;
        count += is_wrong(a, b) + is_wrong(whole, b) + is_wrong(whole + 1u, b) + is_wrong(near, b) + is_wrong(near - 1u, b);
        if (whole > 0u) {
            count += is_wrong(whole - 1u, b);
        }
    }
    wrong[id.x] = count;
}
",
    ],
    needs: Needs::Nothing,
};

#[test]
fn quotients_and_remainders_are_exact() {
    let invocations = 1024;
    run(
        &[given(Shape::vector(invocations), vec![9.0; invocations])],
        |_, v| Ok(vec![Call::new(&DIVISIONS, 200u32, grid(invocations / 64)).bind(&v[0])]),
        |mode, got| {
            let wrong: f32 = got[0].iter().sum();
            assert!(wrong == 0.0, "{mode}: {wrong} of {} divisions are wrong", invocations * 1200);
        },
    );
}
