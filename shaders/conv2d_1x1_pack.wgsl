// Weights of a 1x1 convolution as conv2d_1x1.wgsl reads them: packed[k][m] = w[k step.x + m step.y], the channels m that there are
// not zero. A value an invocation.

struct Params {
    step: vec2u,
    weight_offset: u32,
    channels: u32, // m
    row: u32,      // of packed: channels up to a multiple of 8
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;      // [Cout, Cin]
@group(0) @binding(2) var<storage, read_write> packed: array<Out>; // [K, row]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let m = remainder(id, p.row);
    let at = p.weight_offset + quotient(id, p.row) * p.step.x + min(m, p.channels - 1u) * p.step.y;
    packed[id] = Out(select(0.0, weights[at], m < p.channels));
}
