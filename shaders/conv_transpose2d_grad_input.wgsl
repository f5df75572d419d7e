// Input gradient of the transposed convolution 2x2, stride 2, with subgroups:
// gx[n, ci, i, j] = sum over co, a, b of g[n, co, 2i + a, 2j + b] * w[ci, co, a, b].
//
// One invocation computes 16 pixels (4 vec4) of two neighbouring channels ci. The 2 x 2 patches of g under them are 16 vec4 a
// channel co, one a lane in two loads, handed round by subgroupBroadcast: 4 loads (6 where the weights lie at no multiple of four
// values, SHIFT) against 128 multiply-adds. Same needs as conv_transpose2d.wgsl, and as there slices on GPUs, of the
// output channels; conv2d.wgsl with stride 2 takes the rest.

override WG: u32 = 8u;
override SHIFT: u32 = 0u; // of the first weight in its vec4
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    g: vec2u, // offset, stride
    gx: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,  // width of gx / 4
    groups: u32, // ceil(height * quads / 4)
    blocks: u32, // of 2 WG channels ci
    first_weight: u32, // the vec4 that it lies in
    workgroups: u32,
    share: u32, // output channels of a slice
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are g and the weights, [Cin, Cout, 2, 2]: input_*.wgsl, weights_*.wgsl.
@group(0) @binding(3) var<storage, read_write> gx: array<vec4f>; // [N, Cin, H, W / 4]

// Four pixels of gx from the two rows of g below them.
fn gather(sum: vec4f, w: vec4f, t0: vec4f, t1: vec4f, b0: vec4f, b1: vec4f) -> vec4f {
    return sum
        + w.x * vec4f(t0.xz, t1.xz)
        + w.y * vec4f(t0.yw, t1.yw)
        + w.z * vec4f(b0.xz, b1.xz)
        + w.w * vec4f(b0.yw, b1.yw);
}

fn put(p: Params, n: u32, ci: u32, quad: u32, value: vec4f) {
    if (ci >= p.in_channels || quad >= p.height * p.quads) {
        return;
    }
    let at = (p.gx.x + n * p.gx.y) / 4u + ci * p.height * p.quads + quad;
    if (ACCUMULATE == 1u) {
        gx[at] = gx[at] + value;
    } else {
        gx[at] = value;
    }
}

@compute @workgroup_size(WG * SLICES)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let p = params;
    var id = linear(workgroup);
    if (id >= p.workgroups) {
        return;
    }
    let slice = slice_of(invocation);
    let local = invocation - slice * WG;
    let first = slice * p.share;
    let past = min(first + p.share, p.out_channels);
    let ci = (remainder(id, p.blocks) * WG + local) * 2u;
    id = quotient(id, p.blocks);
    let quad = remainder(id, p.groups) * 4u;
    let n = quotient(id, p.groups);

    // The lane's part of g: for each of two quads, and of two more, two vec4 of the upper and two of the lower row.
    let part = lane & 7u;
    let wide = p.quads * 2u;
    let plane = p.height * 2u * wide;
    let image = (p.g.x + n * p.g.y) / 4u + first * plane + (part & 1u);
    let last_quad = p.height * p.quads - 1u;
    let own = min(quad + (part >> 2u), last_quad);
    let own_next = min(quad + 2u + (part >> 2u), last_quad);
    let lower = (part >> 1u) & 1u;
    var at = image + (quotient(own, p.quads) * 2u + lower) * wide + remainder(own, p.quads) * 2u;
    var at_next = image + (quotient(own_next, p.quads) * 2u + lower) * wide + remainder(own_next, p.quads) * 2u;
    let last_channel = p.in_channels - 1u;
    var at_w = p.first_weight + min(ci, last_channel) * p.out_channels + first;
    var at_v = p.first_weight + min(ci + 1u, last_channel) * p.out_channels + first;
    var w0 = vec4f();
    var w1 = vec4f();
    var w2 = vec4f();
    var w3 = vec4f();
    var v0 = vec4f();
    var v1 = vec4f();
    var v2 = vec4f();
    var v3 = vec4f();
    for (var co = first; co < past; co++) {
        let w = weight(at_w);
        let v = weight(at_v);
        let a = input_at(at);
        let a0 = subgroupBroadcast(a, 0u);
        let a1 = subgroupBroadcast(a, 1u);
        let a2 = subgroupBroadcast(a, 2u);
        let a3 = subgroupBroadcast(a, 3u);
        w0 = gather(w0, w, a0, a1, a2, a3);
        v0 = gather(v0, v, a0, a1, a2, a3);
        let a4 = subgroupBroadcast(a, 4u);
        let a5 = subgroupBroadcast(a, 5u);
        let a6 = subgroupBroadcast(a, 6u);
        let a7 = subgroupBroadcast(a, 7u);
        w1 = gather(w1, w, a4, a5, a6, a7);
        v1 = gather(v1, v, a4, a5, a6, a7);
        let b = input_at(at_next);
        let b0 = subgroupBroadcast(b, 0u);
        let b1 = subgroupBroadcast(b, 1u);
        let b2 = subgroupBroadcast(b, 2u);
        let b3 = subgroupBroadcast(b, 3u);
        w2 = gather(w2, w, b0, b1, b2, b3);
        v2 = gather(v2, v, b0, b1, b2, b3);
        let b4 = subgroupBroadcast(b, 4u);
        let b5 = subgroupBroadcast(b, 5u);
        let b6 = subgroupBroadcast(b, 6u);
        let b7 = subgroupBroadcast(b, 7u);
        w3 = gather(w3, w, b4, b5, b6, b7);
        v3 = gather(v3, v, b4, b5, b6, b7);
        at += plane;
        at_next += plane;
        at_w++;
        at_v++;
    }
    let w01 = gathered(Octet(w0, w1), slice, local);
    let w23 = gathered(Octet(w2, w3), slice, local);
    let v01 = gathered(Octet(v0, v1), slice, local);
    let v23 = gathered(Octet(v2, v3), slice, local);
    if (slice > 0u) {
        return;
    }
    put(p, n, ci, quad, w01.a);
    put(p, n, ci, quad + 1u, w01.b);
    put(p, n, ci, quad + 2u, w23.a);
    put(p, n, ci, quad + 3u, w23.b);
    put(p, n, ci + 1u, quad, v01.a);
    put(p, n, ci + 1u, quad + 1u, v01.b);
    put(p, n, ci + 1u, quad + 2u, v23.a);
    put(p, n, ci + 1u, quad + 3u, v23.b);
}
