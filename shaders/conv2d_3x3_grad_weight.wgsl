// Weight and bias gradient of the 3x3 convolution (stride 1, padding 1), with subgroups:
// gw[co, ci, ky, kx] = sum over n, y, x of g[n, co, y, x] * x[n, ci, y + ky - 1, x + kx - 1];  gb[co] = sum of g.
//
// Work: a workgroup takes WG output channels, one an invocation, and 4 input channels; it walks over its share of the
// 4 x 8 tiles of all samples. A tile of g is loaded once (8 vec4) and stays in registers for the four input channels,
// whose 6 x 10 windows are read as in conv2d_3x3.wgsl, one vec4 a lane in three loads, and handed round by
// subgroupBroadcast: 20 loads against 1152 multiply-adds. Each workgroup writes its own partial sums; sum_splits.wgsl
// adds the splits in a fixed order, so the result repeats bit for bit. A single split is the gradient and goes straight there.

override WG: u32 = 8u;

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32, // width / 4
    tiles_x: u32,
    tiles_y: u32,
    tiles: u32, // of all samples
    co_blocks: u32,
    ci_blocks: u32,
    splits: u32,
    part: u32,  // values of one split: Cout * Cin * 9 + Cout
    out: u32,   // offset of the parts in their buffer
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;          // [N, Cin, H, W / 4]
@group(0) @binding(2) var<storage, read> g: array<vec4f>;          // [N, Cout, H, W / 4]
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;  // [splits, Cout * Cin * 9 + Cout]

struct Row { lo: vec4f, hi: vec4f }
struct Tile { r0: Row, r1: Row, r2: Row, r3: Row }
struct Taps { top: vec3f, middle: vec3f, bottom: vec3f }

// Where a lane's parts of the window lie, and whether they lie inside the image.
struct Window { at0: u32, at1: u32, at2: u32, in0: bool, in1: bool, in2: bool }

// One row of g on one row of the window, for the three horizontal taps.
fn taps(t: vec3f, g: Row, l: f32, a: vec4f, b: vec4f, r: f32) -> vec3f {
    return t + vec3f(
        dot(g.lo, vec4f(l, a.xyz)) + dot(g.hi, vec4f(a.w, b.xyz)),
        dot(g.lo, a) + dot(g.hi, b),
        dot(g.lo, vec4f(a.yzw, b.x)) + dot(g.hi, vec4f(b.yzw, r)),
    );
}

fn add_channel(t: Taps, tile: Tile, window: Window, channel: u32) -> Taps {
    let v0 = select(vec4f(), x[window.at0 + channel], window.in0);
    let v1 = select(vec4f(), x[window.at1 + channel], window.in1);
    let v2 = select(vec4f(), x[window.at2 + channel], window.in2);
    var top = t.top;
    var middle = t.middle;
    var bottom = t.bottom;

    var l = subgroupBroadcast(v0.w, 0u);
    var a = subgroupBroadcast(v0, 1u);
    var b = subgroupBroadcast(v0, 2u);
    var r = subgroupBroadcast(v0.x, 3u);
    top = taps(top, tile.r0, l, a, b, r);

    l = subgroupBroadcast(v0.w, 4u);
    a = subgroupBroadcast(v0, 5u);
    b = subgroupBroadcast(v0, 6u);
    r = subgroupBroadcast(v0.x, 7u);
    top = taps(top, tile.r1, l, a, b, r);
    middle = taps(middle, tile.r0, l, a, b, r);

    l = subgroupBroadcast(v1.w, 0u);
    a = subgroupBroadcast(v1, 1u);
    b = subgroupBroadcast(v1, 2u);
    r = subgroupBroadcast(v1.x, 3u);
    top = taps(top, tile.r2, l, a, b, r);
    middle = taps(middle, tile.r1, l, a, b, r);
    bottom = taps(bottom, tile.r0, l, a, b, r);

    l = subgroupBroadcast(v1.w, 4u);
    a = subgroupBroadcast(v1, 5u);
    b = subgroupBroadcast(v1, 6u);
    r = subgroupBroadcast(v1.x, 7u);
    top = taps(top, tile.r3, l, a, b, r);
    middle = taps(middle, tile.r2, l, a, b, r);
    bottom = taps(bottom, tile.r1, l, a, b, r);

    l = subgroupBroadcast(v2.w, 0u);
    a = subgroupBroadcast(v2, 1u);
    b = subgroupBroadcast(v2, 2u);
    r = subgroupBroadcast(v2.x, 3u);
    middle = taps(middle, tile.r3, l, a, b, r);
    bottom = taps(bottom, tile.r2, l, a, b, r);

    l = subgroupBroadcast(v2.w, 4u);
    a = subgroupBroadcast(v2, 5u);
    b = subgroupBroadcast(v2, 6u);
    r = subgroupBroadcast(v2.x, 7u);
    bottom = taps(bottom, tile.r3, l, a, b, r);
    return Taps(top, middle, bottom);
}

fn load_row(at: u32, row: u32, quad: u32, alive: bool) -> Row {
    let in_lo = alive && row < p.height;
    let in_hi = in_lo && quad + 1u < p.quads;
    let index = at + row * p.quads + quad;
    return Row(
        select(vec4f(), g[select(0u, index, in_lo)], in_lo),
        select(vec4f(), g[select(0u, index + 1u, in_hi)], in_hi),
    );
}

fn put(at: u32, co: u32, ci: u32, t: Taps) {
    if (co >= p.out_channels || ci >= p.in_channels) {
        return;
    }
    let index = at + (co * p.in_channels + ci) * 9u;
    parts[index] = t.top.x;
    parts[index + 1u] = t.top.y;
    parts[index + 2u] = t.top.z;
    parts[index + 3u] = t.middle.x;
    parts[index + 4u] = t.middle.y;
    parts[index + 5u] = t.middle.z;
    parts[index + 6u] = t.bottom.x;
    parts[index + 7u] = t.bottom.y;
    parts[index + 8u] = t.bottom.z;
}

fn row_sum(r: Row) -> f32 {
    return dot(r.lo + r.hi, vec4f(1.0));
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
    let ci = (id % p.ci_blocks) * 4u;
    id /= p.ci_blocks;
    let co = (id % p.co_blocks) * WG + local;
    let split = id / p.co_blocks;
    let alive = co < p.out_channels;
    let plane = p.height * p.quads;

    // Channels past the end read the last one; their sums are not written.
    let c0 = ci * plane;
    let c1 = min(ci + 1u, p.in_channels - 1u) * plane;
    let c2 = min(ci + 2u, p.in_channels - 1u) * plane;
    let c3 = min(ci + 3u, p.in_channels - 1u) * plane;
    let part = lane & 7u;
    var t0 = Taps();
    var t1 = Taps();
    var t2 = Taps();
    var t3 = Taps();
    var sum = 0.0;
    for (var number = split; number < p.tiles; number += p.splits) {
        let quad = (number % p.tiles_x) * 2u;
        let row = ((number / p.tiles_x) % p.tiles_y) * 4u;
        let n = number / (p.tiles_x * p.tiles_y);

        let window_quad = i32(quad + (part & 3u)) - 1;
        let window_row = i32(row + (part >> 2u)) - 1;
        let in_width = window_quad >= 0 && window_quad < i32(p.quads);
        let in0 = in_width && window_row >= 0 && window_row < i32(p.height);
        let in1 = in_width && window_row + 2 < i32(p.height);
        let in2 = in_width && window_row + 4 < i32(p.height);
        let start = i32((p.x.x + n * p.x.y) / 4u) + window_row * i32(p.quads) + window_quad;
        let window = Window(
            select(0u, u32(start), in0),
            select(0u, u32(start + 2 * i32(p.quads)), in1),
            select(0u, u32(start + 4 * i32(p.quads)), in2),
            in0, in1, in2,
        );
        let at = (p.g.x + n * p.g.y) / 4u + min(co, p.out_channels - 1u) * plane;
        let tile = Tile(
            load_row(at, row, quad, alive),
            load_row(at, row + 1u, quad, alive),
            load_row(at, row + 2u, quad, alive),
            load_row(at, row + 3u, quad, alive),
        );
        t0 = add_channel(t0, tile, window, c0);
        t1 = add_channel(t1, tile, window, c1);
        t2 = add_channel(t2, tile, window, c2);
        t3 = add_channel(t3, tile, window, c3);
        sum += row_sum(tile.r0) + row_sum(tile.r1) + row_sum(tile.r2) + row_sum(tile.r3);
    }
    let out = p.out + split * p.part;
    put(out, co, ci, t0);
    put(out, co, ci + 1u, t1);
    put(out, co, ci + 2u, t2);
    put(out, co, ci + 3u, t3);
    if (alive && ci == 0u) {
        parts[out + p.out_channels * p.in_channels * 9u + co] = sum;
    }
}
