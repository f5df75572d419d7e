// Instance norm: y = (x - mean) / sqrt(var + epsilon) * weight + bias, over each sample's channel; var is biased.
//
// A team of invocations (shared/teams.wgsl) does a whole channel, statistics and all: the second reading of x comes from the cache,
// so the tensor crosses memory once in and once out. How the statistics are summed: shared/channel_moments.wgsl. Behind a convolution that
// has left the moments of its tiles these are merged instead (shared/tile_moments.wgsl), and x is read once.

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    size: vec2u, // of a channel: rows, quads of each
    channels: u32,
    items: u32, // of a channel
    weight_offset: u32,
    bias_offset: u32,
    affine: u32,
    planes: u32, // of all samples
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is x, [N, C, H, W]: input_*.wgsl.
@group(0) @binding(2) var<storage, read> weight: array<f32>;        // [C]
@group(0) @binding(3) var<storage, read> bias: array<f32>;          // [C]
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>; // [N, C]: mean, 1 / sqrt(var + epsilon)
@group(0) @binding(5) var<storage, read_write> y: array<VOut>;      // [N, C, H, W]

const TILES = 6u; // where the moments of tiles are bound, if there are any

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = plane_of(workgroup, local);
    let id = min(number, p.planes - 1u);
    let n = quotient(id, p.channels);
    let c = remainder(id, p.channels);
    let at_x = (p.x.x + n * p.x.y) / LANES + c * p.items;
    let into = (p.y.x + n * p.y.y) / LANES + c * p.items;
    let all = moments_of(p, id, at_x, local);
    let mean = all.y;
    let inverse = 1.0 / sqrt(all.z / all.x + p.epsilon);
    var scale = inverse;
    var offset = 0.0;
    if (p.affine == 1u) {
        scale *= weight[p.weight_offset + c];
        offset = bias[p.bias_offset + c];
    }
    if (number < p.planes) {
        for (var i = local % TEAM; i < p.items; i += TEAM) {
            y[into + i] = VOut((input_at(at_x + i) - mean) * scale + offset);
        }
        if (local % TEAM == 0u) {
            stats[id] = vec2f(mean, inverse);
        }
    }
}
