// Second stage of group norm's gradient. With xn = (x - mean) * inverse and M values a group:
// gx = inverse * (weight * g - sum(weight * g) / M - xn * sum(weight * g * xn) / M), or added to gx.
//
// A workgroup does a channel and adds up its group's sums by itself, in a tree of fixed order (group_norm.wgsl).

override WG: u32 = 64u;
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    gx: vec2u,
    channels: u32,
    items: u32,   // of a channel
    members: u32, // channels of a group
    weight_offset: u32,
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<V>;         // [N, C, H, W]
@group(0) @binding(2) var<storage, read> g: array<V>;         // [N, C, H, W]
@group(0) @binding(3) var<storage, read> weight: array<f32>;  // [C]
@group(0) @binding(4) var<storage, read> stats: array<vec2f>; // [N, C]: mean, inverse
@group(0) @binding(5) var<storage, read> sums: array<vec2f>;  // [N, C]: sum(g), sum(g * xn)
@group(0) @binding(6) var<storage, read_write> gx: array<V>;  // [N, C, H, W]

alias Share = vec2f; // tree_sum.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let n = quotient(id, p.channels);
    let c = remainder(id, p.channels);
    let group = c - remainder(c, p.members);
    var mine = vec2f();
    for (var i = local; i < p.members; i += WG) {
        mine += weight[p.weight_offset + group + i] * sums[n * p.channels + group + i];
    }
    let means = sum_in_all(mine, local) / (f32(p.members) * f32(p.items * LANES));
    let mean = stats[id].x;
    let inverse = stats[id].y;
    let scale = weight[p.weight_offset + c];
    if (number < p.workgroups) {
        let at_x = (p.x.x + n * p.x.y) / LANES + c * p.items;
        let at_g = (p.g.x + n * p.g.y) / LANES + c * p.items;
        let into = (p.gx.x + n * p.gx.y) / LANES + c * p.items;
        for (var i = local; i < p.items; i += WG) {
            var gradient = inverse * (scale * g[at_g + i] - means.x - (x[at_x + i] - mean) * inverse * means.y);
            if (ACCUMULATE == 1u) {
                gradient += gx[into + i];
            }
            gx[into + i] = gradient;
        }
    }
}
