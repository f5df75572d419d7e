// Instance norm without its output: scale and shift of each sample's channel, with which what reads x next normalises it by
// itself, (x - mean) / sqrt(var + epsilon) * weight + bias = x * scale + shift.
//
// A team of invocations (shared/teams.wgsl) does a whole channel, as in instance_norm.wgsl, and reads it once: a second reading and
// the writing of a map are saved, and the memory that it would lie in. On llvmpipe it takes half as long as instance_norm.wgsl.

struct Params {
    x: vec2u, // offset, stride
    channels: u32,
    items: u32, // of a channel
    weight_offset: u32,
    bias_offset: u32,
    planes: u32, // of all samples
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is x, [N, C, H, W]: input_*.wgsl.
@group(0) @binding(2) var<storage, read> weight: array<f32>;         // [C]
@group(0) @binding(3) var<storage, read> bias: array<f32>;           // [C]
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;  // [N, C]: mean, 1 / sqrt(var + epsilon)
@group(0) @binding(5) var<storage, read_write> scales: array<vec2f>; // [N, C]: scale, shift

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = plane_of(workgroup, local);
    let id = min(number, p.planes - 1u);
    let c = remainder(id, p.channels);
    let all = channel_moments((p.x.x + quotient(id, p.channels) * p.x.y) / LANES + c * p.items, p.items, local);
    if (local % TEAM == 0u && number < p.planes) {
        let inverse = 1.0 / sqrt(all.z / all.x + p.epsilon);
        let scale = inverse * weight[p.weight_offset + c];
        stats[id] = vec2f(all.y, inverse);
        scales[id] = vec2f(scale, bias[p.bias_offset + c] - all.y * scale);
    }
}
