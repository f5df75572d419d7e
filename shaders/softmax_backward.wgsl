// Gradient of softmax over the pixels of each sample's channel, from its output: gx = y * (g - sum(g * y)), or added to gx.
// A workgroup a channel.

override WG: u32 = 64u;
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    y: vec2u, // offset, stride
    g: vec2u,
    gx: vec2u,
    channels: u32,
    items: u32, // of a channel
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<V>;        // [N, C, H, W]
@group(0) @binding(2) var<storage, read> g: array<V>;        // [N, C, H, W]
@group(0) @binding(3) var<storage, read_write> gx: array<V>; // [N, C, H, W]

alias Share = f32; // tree_sum.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let n = quotient(id, p.channels);
    let c = remainder(id, p.channels);
    let at_y = (p.y.x + n * p.y.y) / LANES + c * p.items;
    let at_g = (p.g.x + n * p.g.y) / LANES + c * p.items;
    let into = (p.gx.x + n * p.gx.y) / LANES + c * p.items;
    var sum = V();
    for (var i = local; i < p.items; i += WG) {
        sum += g[at_g + i] * y[at_y + i];
    }
    let middle = sum_in_all(total(sum), local);
    if (number < p.workgroups) {
        for (var i = local; i < p.items; i += WG) {
            var gradient = y[at_y + i] * (g[at_g + i] - middle);
            if (ACCUMULATE == 1u) {
                gradient += gx[into + i];
            }
            gx[into + i] = gradient;
        }
    }
}
