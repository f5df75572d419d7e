// Second stage of group norm: y = (x - mean) / sqrt(var + epsilon) * weight[c] + bias[c], mean and biased var over each
// sample's group of `members` neighbouring channels and their pixels.
//
// A workgroup does a channel. It merges the moments of its group's channels by itself, in a tree of fixed order: a few
// values, read by as many workgroups as the group has channels, instead of a dispatch that would only wait. What it finds is
// written once a channel, so that the gradients read it as instance norm's do.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    channels: u32,
    items: u32,   // of a channel
    members: u32, // channels of a group
    weight_offset: u32,
    bias_offset: u32,
    workgroups: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<V>;              // [N, C, H, W]
@group(0) @binding(2) var<storage, read> deviations: array<vec2f>; // [N, C]: mean, sum of squared deviations
@group(0) @binding(3) var<storage, read> weight: array<f32>;       // [C]
@group(0) @binding(4) var<storage, read> bias: array<f32>;         // [C]
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>; // [N, C]: the group's mean, 1 / sqrt(var + epsilon)
@group(0) @binding(6) var<storage, read_write> y: array<V>;        // [N, C, H, W]

var<workgroup> moments: array<vec3f, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let n = quotient(id, p.channels);
    let c = remainder(id, p.channels);
    let group = id - remainder(c, p.members);
    var mine = vec3f();
    for (var i = local; i < p.members; i += WG) {
        mine = merge(mine, vec3f(f32(p.items * LANES), deviations[group + i]));
    }
    moments[local] = mine;
    for (var width = WG / 2u; width > 0u; width >>= 1u) {
        workgroupBarrier();
        if (local < width) {
            moments[local] = merge(moments[local], moments[local + width]);
        }
    }
    workgroupBarrier();
    let all = moments[0];
    let inverse = 1.0 / sqrt(all.z / all.x + p.epsilon);
    let scale = inverse * weight[p.weight_offset + c];
    let offset = bias[p.bias_offset + c];
    if (number < p.workgroups) {
        let at = (p.x.x + n * p.x.y) / LANES + c * p.items;
        let into = (p.y.x + n * p.y.y) / LANES + c * p.items;
        for (var i = local; i < p.items; i += WG) {
            y[into + i] = (x[at + i] - all.y) * scale + offset;
        }
        if (local == 0u) {
            stats[id] = vec2f(all.y, inverse);
        }
    }
}
