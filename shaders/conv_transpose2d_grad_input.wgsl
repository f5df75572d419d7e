// Input gradient of the transposed convolution 2x2, stride 2, with subgroups:
// gx[n, ci, i, j] = sum over co, a, b of g[n, co, 2i + a, 2j + b] * w[ci, co, a, b].
//
// One invocation computes 8 pixels (2 vec4) of one channel ci. The 2 x 2 patches of g under them are 8 vec4 a channel co,
// one a lane, handed round by subgroupBroadcast: 2 loads against 32 multiply-adds. Same needs as conv_transpose2d.wgsl;
// conv2d.wgsl with stride 2 takes the rest.

override WG: u32 = 8u;

struct Params {
    g: vec2u, // offset, stride
    gx: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,  // width of gx / 4
    pairs: u32,  // ceil(height * quads / 2)
    blocks: u32, // of WG channels ci
    weight_offset: u32,
    accumulate: u32,
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;        // [N, Cout, 2H, 2W / 4]
@group(0) @binding(2) var<storage, read> weights: array<f32>;    // [Cin, Cout, 2, 2]
@group(0) @binding(3) var<storage, read_write> gx: array<vec4f>; // [N, Cin, H, W / 4]

// Four pixels of gx from the two rows of g below them.
fn gather(sum: vec4f, w: vec4f, t0: vec4f, t1: vec4f, b0: vec4f, b1: vec4f) -> vec4f {
    return sum
        + w.x * vec4f(t0.xz, t1.xz)
        + w.y * vec4f(t0.yw, t1.yw)
        + w.z * vec4f(b0.xz, b1.xz)
        + w.w * vec4f(b0.yw, b1.yw);
}

fn put(n: u32, ci: u32, quad: u32, value: vec4f) {
    if (ci >= p.in_channels || quad >= p.height * p.quads) {
        return;
    }
    let at = (p.gx.x + n * p.gx.y) / 4u + ci * p.height * p.quads + quad;
    if (p.accumulate == 1u) {
        gx[at] = gx[at] + value;
    } else {
        gx[at] = value;
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    var id = linear(workgroup);
    if (id >= p.workgroups) {
        return;
    }
    let ci = (id % p.blocks) * WG + local;
    id /= p.blocks;
    let quad = (id % p.pairs) * 2u;
    let n = id / p.pairs;

    // The lane's part of g: for each of two quads, two vec4 of the upper and two of the lower row.
    let part = lane & 7u;
    let own = min(quad + (part >> 2u), p.height * p.quads - 1u);
    let wide = p.quads * 2u;
    let own_row = (own / p.quads) * 2u + ((part >> 1u) & 1u);
    let start = (p.g.x + n * p.g.y) / 4u + own_row * wide + (own % p.quads) * 2u + (part & 1u);
    let plane = p.height * 2u * wide;
    let at_w = p.weight_offset + min(ci, p.in_channels - 1u) * p.out_channels * 4u;
    var lo = vec4f();
    var hi = vec4f();
    for (var co = 0u; co < p.out_channels; co++) {
        let v = g[start + co * plane];
        let at = at_w + co * 4u;
        let w = vec4f(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
        lo = gather(lo, w, subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u));
        hi = gather(hi, w, subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u));
    }
    put(n, ci, quad, lo);
    put(n, ci, quad + 1u, hi);
}
