// Lays 3x3 weights out for conv2d_3x3.wgsl: [Cout, Cin, 12], nine taps and three zeros, so that they load as three vec4.

struct Params {
    offset: u32, // of the weights in their buffer
    pairs: u32,  // Cout * Cin
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = linear(workgroup);
    let pair = id * 64u + local;
    if (id >= p.workgroups || pair >= p.pairs) {
        return;
    }
    var w: array<f32, 9>;
    let at = p.offset + pair * 9u;
    for (var i = 0u; i < 9u; i++) {
        w[i] = weights[at + i];
    }
    packed[pair * 3u] = vec4f(w[0], w[1], w[2], w[3]);
    packed[pair * 3u + 1u] = vec4f(w[4], w[5], w[6], w[7]);
    packed[pair * 3u + 2u] = vec4f(w[8], 0.0, 0.0, 0.0);
}
