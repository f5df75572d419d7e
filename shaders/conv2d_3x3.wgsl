// 3x3 convolution, stride 1, padding 1, with subgroups: y = activation(conv(x, w) + bias).
//
// Work: one invocation computes 4 rows x 8 columns of one output channel in registers, or two such halves one above the
// other (HALVES); the invocations of a workgroup take neighbouring output channels. What costs on software adapters is the
// number of loads (each is a loop over the lanes), so loads are shared: the 6 x 10 input window of a half is read as 24
// vec4, one a lane in three loads, and handed round by subgroupBroadcast. Per input channel that is 3 loads for the window
// and 3 for the nine weights against 288 multiply-adds; two halves need 5 and 3 against 576. The input gradient is the same
// kernel, reading the same packed weights with input and output channels exchanged (weight_start, weight_step) and the
// taps in reverse order (FLIP).
//
// Measured (llvmpipe, two cores, 35 convolutions of a U-Net's training step, 12 GFLOP): Mesa 22.3 takes 414 ms with one
// half, 390 ms with two; Mesa 25.0 275 and 297 ms. Left out to see what costs, on one half: the window's loads 232 ms of the
// 414 (25.0: 154 of 280), the weights' 263 (126), the broadcasts 110 (115): loads still decide, and two halves save fewer
// than they should because 64 sums do not fit the registers. Tried and dropped: two input channels at a time (25.0: 342 ms);
// subgroups of 16 by 512-bit vectors (22.3: 517 against 541 ms under load; 25.0 four times slower).
//
// Needs subgroups of at least 8 and a width that is a multiple of 4; conv2d.wgsl takes everything else.

override WG: u32 = 8u;
override FLIP: u32 = 0u;
override HALVES: u32 = 1u; // 4 or 8 rows a tile

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
struct Half { r0: Row, r1: Row, r2: Row, r3: Row }
struct Taps { top: vec3f, middle: vec3f, bottom: vec3f }

// One row of weights on one input row: l, a, b, r are its 1 + 4 + 4 + 1 values.
fn tap(acc: Row, w: vec3f, l: f32, a: vec4f, b: vec4f, r: f32) -> Row {
    let lo = acc.lo + w.x * vec4f(l, a.xyz) + w.y * a + w.z * vec4f(a.yzw, b.x);
    let hi = acc.hi + w.x * vec4f(a.w, b.xyz) + w.y * b + w.z * vec4f(b.yzw, r);
    return Row(lo, hi);
}

// Four rows of the tile from the six rows of the window around them, two in each of v0, v1, v2.
fn add_channel(acc: Half, w: Taps, v0: vec4f, v1: vec4f, v2: vec4f) -> Half {
    var o = acc;
    var l = subgroupBroadcast(v0.w, 0u);
    var a = subgroupBroadcast(v0, 1u);
    var b = subgroupBroadcast(v0, 2u);
    var r = subgroupBroadcast(v0.x, 3u);
    o.r0 = tap(o.r0, w.top, l, a, b, r);

    l = subgroupBroadcast(v0.w, 4u);
    a = subgroupBroadcast(v0, 5u);
    b = subgroupBroadcast(v0, 6u);
    r = subgroupBroadcast(v0.x, 7u);
    o.r0 = tap(o.r0, w.middle, l, a, b, r);
    o.r1 = tap(o.r1, w.top, l, a, b, r);

    l = subgroupBroadcast(v1.w, 0u);
    a = subgroupBroadcast(v1, 1u);
    b = subgroupBroadcast(v1, 2u);
    r = subgroupBroadcast(v1.x, 3u);
    o.r0 = tap(o.r0, w.bottom, l, a, b, r);
    o.r1 = tap(o.r1, w.middle, l, a, b, r);
    o.r2 = tap(o.r2, w.top, l, a, b, r);

    l = subgroupBroadcast(v1.w, 4u);
    a = subgroupBroadcast(v1, 5u);
    b = subgroupBroadcast(v1, 6u);
    r = subgroupBroadcast(v1.x, 7u);
    o.r1 = tap(o.r1, w.bottom, l, a, b, r);
    o.r2 = tap(o.r2, w.middle, l, a, b, r);
    o.r3 = tap(o.r3, w.top, l, a, b, r);

    l = subgroupBroadcast(v2.w, 0u);
    a = subgroupBroadcast(v2, 1u);
    b = subgroupBroadcast(v2, 2u);
    r = subgroupBroadcast(v2.x, 3u);
    o.r2 = tap(o.r2, w.bottom, l, a, b, r);
    o.r3 = tap(o.r3, w.middle, l, a, b, r);

    l = subgroupBroadcast(v2.w, 4u);
    a = subgroupBroadcast(v2, 5u);
    b = subgroupBroadcast(v2, 6u);
    r = subgroupBroadcast(v2.x, 7u);
    o.r3 = tap(o.r3, w.bottom, l, a, b, r);
    return o;
}

fn load_taps(at: u32) -> Taps {
    let a = weights[at];
    let b = weights[at + 1u];
    let c = weights[at + 2u];
    if (FLIP == 1u) {
        return Taps(vec3f(c.x, b.wz), vec3f(b.yx, a.w), a.zyx);
    }
    return Taps(a.xyz, vec3f(a.w, b.xy), vec3f(b.zw, c.x));
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

fn put_half(n: u32, co: u32, row: u32, quad: u32, value: Half) {
    put_row(n, co, row, quad, value.r0);
    put_row(n, co, row + 1u, quad, value.r1);
    put_row(n, co, row + 2u, quad, value.r2);
    put_row(n, co, row + 3u, quad, value.r3);
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
    let row = (id % p.tiles_y) * 4u * HALVES;
    let n = id / p.tiles_y;

    // The lane's part of the window: of its rows two a load, of each row the quads left of, in, in and right of the tile.
    let part = lane & 7u;
    let window_quad = i32(quad + (part & 3u)) - 1;
    let window_row = i32(row + (part >> 2u)) - 1;
    let in_width = window_quad >= 0 && window_quad < i32(p.quads);
    let in0 = in_width && window_row >= 0 && window_row < i32(p.height);
    let in1 = in_width && window_row + 2 < i32(p.height);
    let in2 = in_width && window_row + 4 < i32(p.height);
    let in3 = in_width && window_row + 6 < i32(p.height);
    let in4 = in_width && window_row + 8 < i32(p.height);
    let plane = p.height * p.quads;
    let start = i32((p.x.x + n * p.x.y) / 4u) + window_row * i32(p.quads) + window_quad;
    var at0 = select(0u, u32(start), in0);
    var at1 = select(0u, u32(start + 2 * i32(p.quads)), in1);
    var at2 = select(0u, u32(start + 4 * i32(p.quads)), in2);
    var at3 = select(0u, u32(start + 6 * i32(p.quads)), in3);
    var at4 = select(0u, u32(start + 8 * i32(p.quads)), in4);

    var first = 0.0;
    if (p.has_bias == 1u) {
        first = bias[p.bias_offset + min(co, p.out_channels - 1u)];
    }
    let blank = Row(vec4f(first), vec4f(first));
    var upper = Half(blank, blank, blank, blank);
    var lower = upper;
    var at_w = min(co, p.out_channels - 1u) * p.weight_start;
    for (var ci = 0u; ci < p.in_channels; ci++) {
        let w = load_taps(at_w);
        let v0 = select(vec4f(), x[at0], in0);
        let v1 = select(vec4f(), x[at1], in1);
        let v2 = select(vec4f(), x[at2], in2);
        upper = add_channel(upper, w, v0, v1, v2);
        if (HALVES == 2u) {
            let v3 = select(vec4f(), x[at3], in3);
            let v4 = select(vec4f(), x[at4], in4);
            lower = add_channel(lower, w, v2, v3, v4);
        }
        at0 += plane;
        at1 += plane;
        at2 += plane;
        at3 += plane;
        at4 += plane;
        at_w += p.weight_step;
    }
    put_half(n, co, row, quad, upper);
    if (HALVES == 2u) {
        put_half(n, co, row + 4u, quad, lower);
    }
}
