// 3x3 convolution, stride 1, padding 1, with subgroups: y = activation(conv(x, w) + bias).
//
// Work: one invocation computes 4 rows x 8 columns of one output channel in registers; the invocations of a workgroup
// take neighbouring output channels. What costs on software adapters is the number of loads (each is a loop over the
// lanes), so loads are shared: the 6 x 10 input window of the tile is read as 24 vec4, one a lane in three loads, and
// handed round by subgroupBroadcast. Per input channel that is 3 loads for the window and 3 for the nine weights against
// 288 multiply-adds. The input gradient is the same kernel on weights transposed and flipped (pack_weights.wgsl).
//
// Needs subgroups of at least 8 and a width that is a multiple of 4; conv2d.wgsl takes everything else.

override WG: u32 = 8u;
override FLIP: u32 = 0u;

struct Params {
    x: vec2u, // offset, stride
    y: vec2u, // offset, stride
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,      // width / 4
    tiles_x: u32,
    tiles_y: u32,
    blocks: u32,     // blocks of WG output channels
    workgroups: u32,
    bias_offset: u32,
    has_bias: u32,
    activation: u32,
    accumulate: u32, // add to y instead of overwriting it
    weight_start: u32, // vec4 from one output channel's weights to the next one's
    weight_step: u32,  // vec4 from one input channel's weights to the next one's
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;       // [N, C, H, W / 4]
@group(0) @binding(2) var<storage, read> weights: array<vec4f>; // [Cout, Cin, 3] or [Cin, Cout, 3]: nine taps, three zeros
@group(0) @binding(3) var<storage, read> bias: array<f32>;      // [Cout]
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>; // [N, Cout, H, W / 4]

struct Row { lo: vec4f, hi: vec4f }

// One row of weights on one input row: l, a, b, r are its 1 + 4 + 4 + 1 values.
fn tap(acc: Row, w: vec3f, l: f32, a: vec4f, b: vec4f, r: f32) -> Row {
    let lo = acc.lo + w.x * vec4f(l, a.xyz) + w.y * a + w.z * vec4f(a.yzw, b.x);
    let hi = acc.hi + w.x * vec4f(a.w, b.xyz) + w.y * b + w.z * vec4f(b.yzw, r);
    return Row(lo, hi);
}

fn put(index: u32, value: vec4f) {
    let v = activate(value, p.activation);
    if (p.accumulate == 1u) {
        y[index] = y[index] + v;
    } else {
        y[index] = v;
    }
}

fn put_row(n: u32, co: u32, row: u32, quad: u32, value: Row) {
    if (co >= p.out_channels || row >= p.height) {
        return;
    }
    let at = (p.y.x + n * p.y.y) / 4u + (co * p.height + row) * p.quads + quad;
    put(at, value.lo);
    if (quad + 1u < p.quads) {
        put(at + 1u, value.hi);
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
    let co = (id % p.blocks) * WG + local;
    id /= p.blocks;
    let quad = (id % p.tiles_x) * 2u;
    id /= p.tiles_x;
    let row = (id % p.tiles_y) * 4u;
    let n = id / p.tiles_y;

    // The lane's part of the window: of six rows two a load, of each row the quads left of, in, in and right of the tile.
    let part = lane & 7u;
    let window_quad = i32(quad + (part & 3u)) - 1;
    let window_row = i32(row + (part >> 2u)) - 1;
    let in_width = window_quad >= 0 && window_quad < i32(p.quads);
    let in0 = in_width && window_row >= 0 && window_row < i32(p.height);
    let in1 = in_width && window_row + 2 < i32(p.height);
    let in2 = in_width && window_row + 4 < i32(p.height);
    let plane = p.height * p.quads;
    let start = i32((p.x.x + n * p.x.y) / 4u) + window_row * i32(p.quads) + window_quad;
    var at0 = select(0u, u32(start), in0);
    var at1 = select(0u, u32(start + 2 * i32(p.quads)), in1);
    var at2 = select(0u, u32(start + 4 * i32(p.quads)), in2);

    var first = 0.0;
    if (p.has_bias == 1u) {
        first = bias[p.bias_offset + min(co, p.out_channels - 1u)];
    }
    var o0 = Row(vec4f(first), vec4f(first));
    var o1 = o0;
    var o2 = o0;
    var o3 = o0;
    var at_w = min(co, p.out_channels - 1u) * p.weight_start;
    for (var ci = 0u; ci < p.in_channels; ci++) {
        let v0 = select(vec4f(), x[at0], in0);
        let v1 = select(vec4f(), x[at1], in1);
        let v2 = select(vec4f(), x[at2], in2);
        let wa = weights[at_w];
        let wb = weights[at_w + 1u];
        let wc = weights[at_w + 2u];
        at0 += plane;
        at1 += plane;
        at2 += plane;
        at_w += p.weight_step;
        var k0 = wa.xyz;
        var k1 = vec3f(wa.w, wb.xy);
        var k2 = vec3f(wb.zw, wc.x);
        if (FLIP == 1u) {
            k0 = vec3f(wc.x, wb.wz);
            k1 = vec3f(wb.yx, wa.w);
            k2 = wa.zyx;
        }

        var l = subgroupBroadcast(v0.w, 0u);
        var a = subgroupBroadcast(v0, 1u);
        var b = subgroupBroadcast(v0, 2u);
        var r = subgroupBroadcast(v0.x, 3u);
        o0 = tap(o0, k0, l, a, b, r);

        l = subgroupBroadcast(v0.w, 4u);
        a = subgroupBroadcast(v0, 5u);
        b = subgroupBroadcast(v0, 6u);
        r = subgroupBroadcast(v0.x, 7u);
        o0 = tap(o0, k1, l, a, b, r);
        o1 = tap(o1, k0, l, a, b, r);

        l = subgroupBroadcast(v1.w, 0u);
        a = subgroupBroadcast(v1, 1u);
        b = subgroupBroadcast(v1, 2u);
        r = subgroupBroadcast(v1.x, 3u);
        o0 = tap(o0, k2, l, a, b, r);
        o1 = tap(o1, k1, l, a, b, r);
        o2 = tap(o2, k0, l, a, b, r);

        l = subgroupBroadcast(v1.w, 4u);
        a = subgroupBroadcast(v1, 5u);
        b = subgroupBroadcast(v1, 6u);
        r = subgroupBroadcast(v1.x, 7u);
        o1 = tap(o1, k2, l, a, b, r);
        o2 = tap(o2, k1, l, a, b, r);
        o3 = tap(o3, k0, l, a, b, r);

        l = subgroupBroadcast(v2.w, 0u);
        a = subgroupBroadcast(v2, 1u);
        b = subgroupBroadcast(v2, 2u);
        r = subgroupBroadcast(v2.x, 3u);
        o2 = tap(o2, k2, l, a, b, r);
        o3 = tap(o3, k1, l, a, b, r);

        l = subgroupBroadcast(v2.w, 4u);
        a = subgroupBroadcast(v2, 5u);
        b = subgroupBroadcast(v2, 6u);
        r = subgroupBroadcast(v2.x, 7u);
        o3 = tap(o3, k2, l, a, b, r);
    }
    put_row(n, co, row, quad, o0);
    put_row(n, co, row + 1u, quad, o1);
    put_row(n, co, row + 2u, quad, o2);
    put_row(n, co, row + 3u, quad, o3);
}
