// Transposed convolution 2x2, stride 2, with subgroups: y[n, co, 2i + a, 2j + b] = bias[co] + sum over ci of x[n, ci, i, j] * w[ci, co, a, b].
//
// Outputs do not overlap, so this is a 1x1 convolution to 4 * Cout channels with the taps written as pixels. One
// invocation computes one output channel at 16 pixels of x (4 vec4): 64 sums in registers. Its four taps are one vec4 of
// weights, or two where the weights lie at no multiple of four values (SHIFT); the 16 pixels of 4 input channels are 16 vec4, one a
// lane in two loads, handed round by subgroupBroadcast: 6 loads against 256 multiply-adds. Needs subgroups of at least 8 and a width
// that is a multiple of 4; conv2d_grad_input.wgsl takes the rest. GPUs deal the input channels of small images out in slices (slices.wgsl):
// 512 channels to 256 at 4 squared would be 32 subgroups of four samples.

override WG: u32 = 8u;
override SHIFT: u32 = 0u; // of the first weight in its vec4

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,  // width of x / 4
    groups: u32, // ceil(height * quads / 4)
    blocks: u32,
    first_weight: u32, // the vec4 that it lies in
    bias_offset: u32,
    workgroups: u32,
    share: u32, // input channels of a slice, a multiple of 4
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are x and the weights, [Cin, Cout, 2, 2]: input_*.wgsl, weights_*.wgsl.
@group(0) @binding(3) var<storage, read> bias: array<f32>;      // [Cout]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<Out>>; // [N, Cout, 2H, 2W / 4]

// The taps of four pixels: each a vec4 of (0,0) (0,1) (1,0) (1,1).
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

// Adds a quad of pixels of four channels, each times its weights.
fn add(f: Four, w: mat4x4f, p0: vec4f, p1: vec4f, p2: vec4f, p3: vec4f) -> Four {
    return Four(
        f.a + w[0] * p0.x + w[1] * p1.x + w[2] * p2.x + w[3] * p3.x,
        f.b + w[0] * p0.y + w[1] * p1.y + w[2] * p2.y + w[3] * p3.y,
        f.c + w[0] * p0.z + w[1] * p1.z + w[2] * p2.z + w[3] * p3.z,
        f.d + w[0] * p0.w + w[1] * p1.w + w[2] * p2.w + w[3] * p3.w,
    );
}

// Those of a channel past the last one are zeros.
fn weight_of(p: Params, ci: u32, co: u32) -> vec4f {
    let w = weight(p.first_weight + min(ci, p.in_channels - 1u) * p.out_channels + co);
    return select(vec4f(), w, ci < p.in_channels);
}

// The sums of all slices, in the first one.
fn gathered_four(f: Four, slice: u32, local: u32) -> Four {
    let ab = gathered(Octet(f.a, f.b), slice, local);
    let cd = gathered(Octet(f.c, f.d), slice, local);
    return Four(ab.a, ab.b, cd.a, cd.b);
}

fn put(p: Params, n: u32, co: u32, quad: u32, f: Four) {
    if (co >= p.out_channels || quad >= p.height * p.quads) {
        return;
    }
    let row = quotient(quad, p.quads);
    let wide = p.quads * 2u;
    let at = (p.y.x + n * p.y.y) / 4u + (co * p.height * 2u + row * 2u) * wide + remainder(quad, p.quads) * 2u;
    y[at] = vec4<Out>(vec4f(f.a.xy, f.b.xy));
    y[at + 1u] = vec4<Out>(vec4f(f.c.xy, f.d.xy));
    y[at + wide] = vec4<Out>(vec4f(f.a.zw, f.b.zw));
    y[at + wide + 1u] = vec4<Out>(vec4f(f.c.zw, f.d.zw));
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
    let past = min(first + p.share, p.in_channels);
    let co = remainder(id, p.blocks) * WG + local;
    id = quotient(id, p.blocks);
    let quad = remainder(id, p.groups) * 4u;
    let n = quotient(id, p.groups);
    let plane = p.height * p.quads;
    let co_read = min(co, p.out_channels - 1u);

    // The lane's part of x: four quads of each of two channels, and of two more.
    let own_quad = quad + (lane & 3u);
    let own_channel = (lane & 7u) >> 2u;
    let last_channel = p.in_channels - 1u;
    let start = (p.x.x + n * p.x.y) / 4u + min(own_quad, plane - 1u);

    let b = select(vec4f(), vec4f(bias[p.bias_offset + co_read]), slice == 0u);
    var f0 = Four(b, b, b, b);
    var f1 = f0;
    var f2 = f0;
    var f3 = f0;
    for (var ci = first; ci < past; ci += 4u) {
        let v = input_at(start + min(ci + own_channel, last_channel) * plane);
        let u = input_at(start + min(ci + 2u + own_channel, last_channel) * plane);
        let w = mat4x4f(weight_of(p, ci, co_read), weight_of(p, ci + 1u, co_read), weight_of(p, ci + 2u, co_read), weight_of(p, ci + 3u, co_read));
        // All channels of a quad in turn: a sum is fetched and put back once for four multiply-adds.
        f0 = add(f0, w, subgroupBroadcast(v, 0u), subgroupBroadcast(v, 4u), subgroupBroadcast(u, 0u), subgroupBroadcast(u, 4u));
        f1 = add(f1, w, subgroupBroadcast(v, 1u), subgroupBroadcast(v, 5u), subgroupBroadcast(u, 1u), subgroupBroadcast(u, 5u));
        f2 = add(f2, w, subgroupBroadcast(v, 2u), subgroupBroadcast(v, 6u), subgroupBroadcast(u, 2u), subgroupBroadcast(u, 6u));
        f3 = add(f3, w, subgroupBroadcast(v, 3u), subgroupBroadcast(v, 7u), subgroupBroadcast(u, 3u), subgroupBroadcast(u, 7u));
    }
    f0 = gathered_four(f0, slice, local);
    f1 = gathered_four(f1, slice, local);
    f2 = gathered_four(f2, slice, local);
    f3 = gathered_four(f3, slice, local);
    if (slice > 0u) {
        return;
    }
    put(p, n, co, quad, f0);
    put(p, n, co, quad + 1u, f1);
    put(p, n, co, quad + 2u, f2);
    put(p, n, co, quad + 3u, f3);
}
