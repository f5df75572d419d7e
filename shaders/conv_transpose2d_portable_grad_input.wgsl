// Input gradient of the transposed convolution 2x2, stride 2, without subgroups:
// gx[n, ci, i, j] = sum over co, a, b of g[n, co, 2i + a, 2j + b] * w[ci, co, a, b].
//
// One invocation computes 4 pixels of eight neighbouring channels ci: 4 loads of g and 8 of weights against 128 multiply-adds (16 where the
// weights lie at no multiple of four values, SHIFT). Same needs as conv_transpose2d_portable.wgsl; conv2d.wgsl with stride 2 takes the rest.

override WG: u32 = 64u;
override SHIFT: u32 = 0u; // of the first weight in its vec4
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    g: vec2u, // offset, stride
    gx: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32, // width of gx / 4
    blocks: u32, // of 8 channels ci
    first_weight: u32, // the vec4 that it lies in
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are g and the weights, [Cin, Cout, 2, 2]: input_storage.wgsl, weights_storage.wgsl.
@group(0) @binding(3) var<storage, read_write> gx: array<vec4f>; // [N, Cin, H, W / 4]

fn put(p: Params, n: u32, ci: u32, place: u32, value: vec4f) {
    if (ci >= p.in_channels) {
        return;
    }
    let at = (p.gx.x + n * p.gx.y) / 4u + ci * p.height * p.quads + place;
    if (ACCUMULATE == 1u) {
        gx[at] = gx[at] + value;
    } else {
        gx[at] = value;
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var id = linear(workgroup) * WG + local;
    if (id >= p.invocations) {
        return;
    }
    let plane = p.height * p.quads;
    let place = remainder(id, plane);
    id = quotient(id, plane);
    let ci = remainder(id, p.blocks) * 8u;
    let n = quotient(id, p.blocks);
    let row = quotient(place, p.quads);
    let wide = p.quads * 2u;
    var at = (p.g.x + n * p.g.y) / 4u + row * 2u * wide + (place - row * p.quads) * 2u;

    // Channels past the end read the last one's weights; their sums are not written.
    let last = p.in_channels - 1u;
    let w0 = p.first_weight + ci * p.out_channels;
    let w1 = p.first_weight + min(ci + 1u, last) * p.out_channels;
    let w2 = p.first_weight + min(ci + 2u, last) * p.out_channels;
    let w3 = p.first_weight + min(ci + 3u, last) * p.out_channels;
    let w4 = p.first_weight + min(ci + 4u, last) * p.out_channels;
    let w5 = p.first_weight + min(ci + 5u, last) * p.out_channels;
    let w6 = p.first_weight + min(ci + 6u, last) * p.out_channels;
    let w7 = p.first_weight + min(ci + 7u, last) * p.out_channels;
    var s0 = vec4f();
    var s1 = vec4f();
    var s2 = vec4f();
    var s3 = vec4f();
    var s4 = vec4f();
    var s5 = vec4f();
    var s6 = vec4f();
    var s7 = vec4f();
    for (var co = 0u; co < p.out_channels; co++) {
        let v = by_tap(input_at(at), input_at(at + 1u), input_at(at + wide), input_at(at + wide + 1u));
        s0 += v * weight(w0 + co);
        s1 += v * weight(w1 + co);
        s2 += v * weight(w2 + co);
        s3 += v * weight(w3 + co);
        s4 += v * weight(w4 + co);
        s5 += v * weight(w5 + co);
        s6 += v * weight(w6 + co);
        s7 += v * weight(w7 + co);
        at += plane * 4u;
    }
    put(p, n, ci, place, s0);
    put(p, n, ci + 1u, place, s1);
    put(p, n, ci + 2u, place, s2);
    put(p, n, ci + 3u, place, s3);
    put(p, n, ci + 4u, place, s4);
    put(p, n, ci + 5u, place, s5);
    put(p, n, ci + 6u, place, s6);
    put(p, n, ci + 7u, place, s7);
}
