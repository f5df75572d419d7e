// Transposed convolution 2x2, stride 2, without subgroups: y[n, co, 2i + a, 2j + b] = bias[co] + sum over ci of x[n, ci, i, j] * w[ci, co, a, b].
//
// One invocation computes four neighbouring output channels at 4 pixels of x: 64 sums, 5 loads against 64 multiply-adds (9 where the weights
// lie at no multiple of four values, SHIFT). Needs a width that is a multiple of 4; conv2d_grad_input.wgsl takes the rest.

override WG: u32 = 64u;
override SHIFT: u32 = 0u; // of the first weight in its vec4

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32, // width of x / 4
    blocks: u32, // of 4 output channels
    first_weight: u32, // the vec4 that it lies in
    bias_offset: u32,
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are x and the weights, [Cin, Cout, 2, 2]: input_storage.wgsl, weights_storage.wgsl.
@group(0) @binding(3) var<storage, read> bias: array<f32>;          // [Cout]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<Out>>; // [N, Cout, 2H, 2W / 4]

// Two quads of each of two rows.
struct Patch { t0: vec4f, t1: vec4f, b0: vec4f, b1: vec4f }

// Adds a quad of pixels, each times its four taps.
fn add(s: Patch, w: vec4f, v: vec4f) -> Patch {
    let lo = v.xxyy;
    let hi = v.zzww;
    return Patch(s.t0 + lo * w.xyxy, s.t1 + hi * w.xyxy, s.b0 + lo * w.zwzw, s.b1 + hi * w.zwzw);
}

fn first_sums(p: Params, co: u32) -> Patch {
    let b = vec4f(bias[p.bias_offset + min(co, p.out_channels - 1u)]);
    return Patch(b, b, b, b);
}

fn put(p: Params, n: u32, co: u32, row: u32, quad: u32, s: Patch) {
    if (co >= p.out_channels) {
        return;
    }
    let wide = p.quads * 2u;
    let at = (p.y.x + n * p.y.y) / 4u + (co * p.height * 2u + row * 2u) * wide + quad * 2u;
    y[at] = vec4<Out>(s.t0);
    y[at + 1u] = vec4<Out>(s.t1);
    y[at + wide] = vec4<Out>(s.b0);
    y[at + wide + 1u] = vec4<Out>(s.b1);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var id = linear(workgroup) * WG + local;
    if (id >= p.invocations) {
        return;
    }
    let quad = remainder(id, p.quads);
    id = quotient(id, p.quads);
    let row = remainder(id, p.height);
    id = quotient(id, p.height);
    let co = remainder(id, p.blocks) * 4u;
    let n = quotient(id, p.blocks);

    // Channels past the end read the last one's weights; their sums are not written.
    let last = p.out_channels - 1u - co;
    var a = first_sums(p, co);
    var b = first_sums(p, co + 1u);
    var c = first_sums(p, co + 2u);
    var d = first_sums(p, co + 3u);
    let plane = p.height * p.quads;
    var image = (p.x.x + n * p.x.y) / 4u + row * p.quads + quad;
    var at = p.first_weight + co;
    for (var ci = 0u; ci < p.in_channels; ci++) {
        let v = input_at(image);
        a = add(a, weight(at), v);
        b = add(b, weight(at + min(1u, last)), v);
        c = add(c, weight(at + min(2u, last)), v);
        d = add(d, weight(at + min(3u, last)), v);
        image += plane;
        at += p.out_channels;
    }
    put(p, n, co, row, quad, a);
    put(p, n, co + 1u, row, quad, b);
    put(p, n, co + 2u, row, quad, c);
    put(p, n, co + 3u, row, quad, d);
}
