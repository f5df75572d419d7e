// Transposed convolution 2x2, stride 2, with subgroups: y[n, co, 2i + a, 2j + b] = bias[co] + sum over ci of x[n, ci, i, j] * w[ci, co, a, b].
//
// Outputs do not overlap, so this is a 1x1 convolution to 4 * Cout channels with the taps written as pixels. One
// invocation computes one output channel at 8 pixels of x (2 vec4): 32 sums in registers. Its four taps are one vec4 of
// weights; the 8 pixels of 4 input channels are 8 vec4, one a lane, handed round by subgroupBroadcast: 5 loads against
// 128 multiply-adds. Needs subgroups of at least 8 and a width that is a multiple of 4; conv2d_grad_input.wgsl takes the rest.

override WG: u32 = 8u;

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,  // width of x / 4
    pairs: u32,  // ceil(height * quads / 2)
    blocks: u32,
    weight_offset: u32,
    bias_offset: u32,
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<In>>;    // [N, Cin, H, W / 4]
@group(0) @binding(2) var<storage, read> weights: array<f32>;   // [Cin, Cout, 2, 2]
@group(0) @binding(3) var<storage, read> bias: array<f32>;      // [Cout]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<Out>>; // [N, Cout, 2H, 2W / 4]

// The taps of four pixels: each a vec4 of (0,0) (0,1) (1,0) (1,1).
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

fn add(f: Four, w: vec4f, v: vec4f) -> Four {
    return Four(f.a + w * v.x, f.b + w * v.y, f.c + w * v.z, f.d + w * v.w);
}

fn weight(ci: u32, co: u32) -> vec4f {
    let at = p.weight_offset + (ci * p.out_channels + co) * 4u;
    let w = vec4f(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    return select(vec4f(), w, ci < p.in_channels);
}

fn put(n: u32, co: u32, quad: u32, f: Four) {
    if (co >= p.out_channels || quad >= p.height * p.quads) {
        return;
    }
    let row = quad / p.quads;
    let wide = p.quads * 2u;
    let at = (p.y.x + n * p.y.y) / 4u + (co * p.height * 2u + row * 2u) * wide + (quad % p.quads) * 2u;
    y[at] = vec4<Out>(vec4f(f.a.xy, f.b.xy));
    y[at + 1u] = vec4<Out>(vec4f(f.c.xy, f.d.xy));
    y[at + wide] = vec4<Out>(vec4f(f.a.zw, f.b.zw));
    y[at + wide + 1u] = vec4<Out>(vec4f(f.c.zw, f.d.zw));
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
    let co = (id % p.blocks) * WG + local;
    id /= p.blocks;
    let quad = (id % p.pairs) * 2u;
    let n = id / p.pairs;
    let plane = p.height * p.quads;
    let co_read = min(co, p.out_channels - 1u);

    // The lane's part of x: two quads of each of four channels.
    let own_quad = quad + (lane & 1u);
    let own_channel = (lane & 7u) >> 1u;
    let start = (p.x.x + n * p.x.y) / 4u + min(own_quad, plane - 1u);

    let b = vec4f(bias[p.bias_offset + co_read]);
    var lo = Four(b, b, b, b);
    var hi = lo;
    for (var ci = 0u; ci < p.in_channels; ci += 4u) {
        let v = vec4f(x[start + min(ci + own_channel, p.in_channels - 1u) * plane]);
        var w = weight(ci, co_read);
        lo = add(lo, w, subgroupBroadcast(v, 0u));
        hi = add(hi, w, subgroupBroadcast(v, 1u));
        w = weight(ci + 1u, co_read);
        lo = add(lo, w, subgroupBroadcast(v, 2u));
        hi = add(hi, w, subgroupBroadcast(v, 3u));
        w = weight(ci + 2u, co_read);
        lo = add(lo, w, subgroupBroadcast(v, 4u));
        hi = add(hi, w, subgroupBroadcast(v, 5u));
        w = weight(ci + 3u, co_read);
        lo = add(lo, w, subgroupBroadcast(v, 6u));
        hi = add(hi, w, subgroupBroadcast(v, 7u));
    }
    put(n, co, quad, lo);
    put(n, co, quad + 1u, hi);
}
