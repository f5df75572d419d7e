// y = x + s, x * s or factor * s, s[n, c] constant in a channel; or added to y.

override KIND: u32 = 1u; // 1 sum, 2 product, 3 s alone
override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    x: vec2u, // offset, stride
    s: vec2u,
    y: vec2u,
    items: u32,  // of a sample
    plane: u32,  // items of a channel
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    factor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<V>;       // [N, C, H, W]
@group(0) @binding(2) var<storage, read> s: array<f32>;     // [N, C, 1, 1]
@group(0) @binding(3) var<storage, read_write> y: array<V>; // [N, C, H, W]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    for (var item = own.first + local; item < own.end; item += WG) {
        let of_channel = s[p.s.x + own.n * p.s.y + quotient(item, p.plane)];
        let at = (p.x.x + own.n * p.x.y) / LANES + item;
        let into = (p.y.x + own.n * p.y.y) / LANES + item;
        var v = V(p.factor * of_channel);
        if (KIND == 1u) {
            v = x[at] + of_channel;
        } else if (KIND == 2u) {
            v = x[at] * of_channel;
        }
        if (ACCUMULATE == 1u) {
            v += y[into];
        }
        y[into] = v;
    }
}
