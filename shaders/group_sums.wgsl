// First stage of group norm's gradient: sum(g) and sum(g * xn) of each sample's channel, xn = (x - mean) * inverse.
//
// A workgroup a channel, added up in a tree of fixed order. The affine gradients are these sums over the batch
// (instance_norm_affine.wgsl), the group's are theirs times the weight.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    channels: u32,
    items: u32, // of a channel
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<V>;              // [N, C, H, W]
@group(0) @binding(2) var<storage, read> g: array<V>;              // [N, C, H, W]
@group(0) @binding(3) var<storage, read> stats: array<vec2f>;      // [N, C]: mean, inverse
@group(0) @binding(4) var<storage, read_write> sums: array<vec2f>; // [N, C]: sum(g), sum(g * xn)

alias Share = vec2f; // tree_sum.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let n = quotient(id, p.channels);
    let c = remainder(id, p.channels);
    let at_x = (p.x.x + n * p.x.y) / LANES + c * p.items;
    let at_g = (p.g.x + n * p.g.y) / LANES + c * p.items;
    let mean = stats[id].x;
    let inverse = stats[id].y;
    var sum = V();
    var product = V();
    for (var i = local; i < p.items; i += WG) {
        let v = g[at_g + i];
        sum += v;
        product += v * ((x[at_x + i] - mean) * inverse);
    }
    let whole = sum_in_first(vec2f(total(sum), total(product)), local);
    if (local == 0u && number < p.workgroups) {
        sums[id] = whole;
    }
}
