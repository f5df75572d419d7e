// instance_norm_scales.wgsl from the moments of tiles that the convolution before left: of the map itself nothing is read.

struct Params {
    size: vec2u, // of a channel: rows, quads of each
    channels: u32,
    weight_offset: u32,
    bias_offset: u32,
    planes: u32, // of all samples
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weight: array<f32>;         // [C]
@group(0) @binding(3) var<storage, read> bias: array<f32>;           // [C]
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;  // [N, C]: mean, 1 / sqrt(var + epsilon)
@group(0) @binding(5) var<storage, read_write> scales: array<vec2f>; // [N, C]: scale, shift

const TILES = 1u; // where the moments of tiles are bound (tile_moments.wgsl)

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = plane_of(workgroup, local);
    let id = min(number, p.planes - 1u);
    let c = remainder(id, p.channels);
    let all = merged_tiles(id, p.size, local);
    if (local % TEAM == 0u && number < p.planes) {
        let inverse = 1.0 / sqrt(all.z / all.x + p.epsilon);
        let scale = inverse * weight[p.weight_offset + c];
        stats[id] = vec2f(all.y, inverse);
        scales[id] = vec2f(scale, bias[p.bias_offset + c] - all.y * scale);
    }
}
