// y[n, c] = factor * sum over pixels of a[n, c], or of a[n, c] * b[n, c]; or added to y. The mean over pixels, and the
// gradients of what is constant in a channel.
//
// A workgroup a channel, added up in a tree of fixed order.

override KIND: u32 = 1u; // 1 sum, 2 sum of products
override WG: u32 = 64u;
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    a: vec2u, // offset, stride
    b: vec2u,
    y: vec2u,
    channels: u32,
    items: u32, // of a channel
    workgroups: u32,
    factor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<V>;         // [N, C, H, W]
@group(0) @binding(2) var<storage, read> b: array<V>;         // [N, C, H, W]
@group(0) @binding(3) var<storage, read_write> y: array<f32>; // [N, C, 1, 1]

alias Share = f32; // tree_sum.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let n = quotient(id, p.channels);
    let c = remainder(id, p.channels);
    let at_a = (p.a.x + n * p.a.y) / LANES + c * p.items;
    let at_b = (p.b.x + n * p.b.y) / LANES + c * p.items;
    var sum = V();
    for (var i = local; i < p.items; i += WG) {
        if (KIND == 1u) {
            sum += a[at_a + i];
        } else {
            sum += a[at_a + i] * b[at_b + i];
        }
    }
    let whole = sum_in_first(total(sum), local);
    if (local == 0u && number < p.workgroups) {
        let into = p.y.x + n * p.y.y + c;
        var value = p.factor * whole;
        if (ACCUMULATE == 1u) {
            value += y[into];
        }
        y[into] = value;
    }
}
