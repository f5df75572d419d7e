// y = f(x), f softplus, sigmoid, ReLU max(x, 0), GELU x Phi(x), or swish x sigmoid(x).

override KIND: u32 = 1u; // 1 softplus, 2 sigmoid, 3 ReLU, 4 GELU, 5 swish
override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    items: u32,  // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is x: input_*.wgsl.
@group(0) @binding(2) var<storage, read_write> y: array<V>;

fn apply(v: V) -> V {
    if (KIND == 4u) {
        return gelu(v);
    }
    if (KIND == 5u) {
        return v * sigmoid(v);
    }
    return activate(v, KIND);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    for (var item = own.first + local; item < own.end; item += WG) {
        let v = input_at((p.x.x + own.n * p.x.y) / LANES + item);
        let into = (p.y.x + own.n * p.y.y) / LANES + item;
        y[into] = apply(v);
    }
}
