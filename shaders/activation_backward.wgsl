// Gradient of an activation, from the output v = f(x) or from the input v = x: gx = g * f'(x), or added to gx.
//
// softplus' = sigmoid(x) = 1 - exp(-softplus(x)); sigmoid' = v (1 - v) = sigmoid(x) sigmoid(-x). ReLU' = 1 where
// v > 0, output and input alike, 0 elsewhere. GELU and swish' = sigmoid(x) (1 + x sigmoid(-x)) need the input.

// 1, 2 softplus from output, input; 3, 4 sigmoid from output, input; 5 ReLU; 6, 7 GELU, swish from input.
override KIND: u32 = 1u;
override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    v: vec2u, // offset, stride
    g: vec2u,
    gx: vec2u,
    items: u32,  // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are v and g: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read_write> gx: array<V>;

fn slope(v: V) -> V {
    if (KIND == 1u) {
        return softplus_slope(v);
    }
    if (KIND == 2u) {
        return sigmoid(v);
    }
    if (KIND == 3u) {
        return v * (1.0 - v);
    }
    if (KIND == 4u) {
        return sigmoid(v) * sigmoid(-v);
    }
    if (KIND == 5u) {
        return select(V(), V(1.0), v > V());
    }
    if (KIND == 6u) {
        return gelu_slope(v);
    }
    return sigmoid(v) * (1.0 + v * sigmoid(-v));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    for (var item = own.first + local; item < own.end; item += WG) {
        let into = (p.gx.x + own.n * p.gx.y) / LANES + item;
        let v = input_at((p.v.x + own.n * p.v.y) / LANES + item);
        var gradient = second_at((p.g.x + own.n * p.g.y) / LANES + item) * slope(v);
        if (ACCUMULATE == 1u) {
            gradient += gx[into];
        }
        gx[into] = gradient;
    }
}
