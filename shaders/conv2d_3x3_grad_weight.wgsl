// Weight and bias gradient of the 3x3 convolution (stride 1, padding 1), with subgroups:
// gw[co, ci, ky, kx] = sum over n, y, x of g[n, co, y, x] * x[n, ci, y + ky - 1, x + kx - 1];  gb[co] = sum of g.
//
// Work: a workgroup takes WG * OUTPUTS output channels, 1, 2 or 4 neighbouring ones an invocation, and 4 input channels; it
// walks over its share of the 2 x 8 tiles of all samples. A lane loads the tiles of its channels of g, 4 vec4 each, and keeps
// them for the four input channels, whose 4 x 10 windows are read as in conv2d_3x3.wgsl, one vec4 a lane in two loads, and
// handed round by subgroupBroadcast: with 4 outputs 24 loads for 2304 multiply-adds, with 1 output 12 for 576.
// Behind a norm x is normalised as it is loaded (scales.wgsl): the scales of four channels are one load a sample.
// That costs 1 % where images are large and 4 % at 4 squared (llvmpipe, Mesa 25.0).
// Each workgroup writes its own partial sums; sum_splits.wgsl adds the splits in a fixed order, so the result repeats bit for
// bit. A single split is the gradient and goes straight there.
//
// Measured (llvmpipe, two cores, GFLOP/s of 64 channels at 128 squared, 32 at 64, 128 at 16, batch 4; compilation):
//   Mesa 22.3   1 output, tiles of 4 rows 41 44 27, 0.4 s   2 outputs 51 40 38, 0.4 s   4 outputs 46 41 40, 0.7 s
//   Mesa 25.0   1 output, tiles of 4 rows 32 27 23, 1.4 s   2 outputs 36 39 39, 1.1 s   4 outputs 47  -  45, 3.0 s
// 4 outputs and 4 rows, or 2 outputs and 8 input channels, gain little more and take Mesa 25.0 six seconds to compile. What
// is left are the loads of g, which every lane does for itself: nearly half of the time.

override WG: u32 = 8u;
override OUTPUTS: u32 = 2u;

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    scales: vec2u,
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
    normalise: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;          // [N, Cin, H, W / 4]
@group(0) @binding(2) var<storage, read> g: array<vec4f>;          // [N, Cout, H, W / 4]
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;  // [splits, Cout * Cin * 9 + Cout]
@group(0) @binding(4) var<storage, read> scales: array<vec2f>;     // [N, Cin]: scale, shift

// A row of the window: the value left of the tile, its eight columns, and the value right of it.
struct Line { l: f32, a: vec4f, b: vec4f, r: f32 }
struct Window { i0: Line, i1: Line, i2: Line, i3: Line }
struct Row { lo: vec4f, hi: vec4f }
struct Tile { r0: Row, r1: Row }
struct Taps { top: vec3f, middle: vec3f, bottom: vec3f }

// The sums of an input channel with each of the output channels, as many of them as OUTPUTS.
struct Sums { o0: Taps, o1: Taps, o2: Taps, o3: Taps }
struct Tiles { o0: Tile, o1: Tile, o2: Tile, o3: Tile }

// Where a lane's parts of the window lie, and whether they lie inside the image.
struct Places { at0: u32, at1: u32, in0: bool, in1: bool }

// Two rows of the window from a load: the quads left of, in, in and right of the tile, of one row and of the next.
fn upper(v: vec4f) -> Line {
    return Line(subgroupBroadcast(v.w, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v.x, 3u));
}

fn lower(v: vec4f) -> Line {
    return Line(subgroupBroadcast(v.w, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v.x, 7u));
}

fn load_window(w: Places, channel: u32, scale: vec2f) -> Window {
    let v0 = select(vec4f(), scaled(x[w.at0 + channel], scale), w.in0);
    let v1 = select(vec4f(), scaled(x[w.at1 + channel], scale), w.in1);
    return Window(upper(v0), lower(v0), upper(v1), lower(v1));
}

// One row of g on one row of the window, for the three horizontal taps.
fn row_taps(g: Row, i: Line) -> vec3f {
    return vec3f(
        dot(g.lo, vec4f(i.l, i.a.xyz)) + dot(g.hi, vec4f(i.a.w, i.b.xyz)),
        dot(g.lo, i.a) + dot(g.hi, i.b),
        dot(g.lo, vec4f(i.a.yzw, i.b.x)) + dot(g.hi, vec4f(i.b.yzw, i.r)),
    );
}

fn add_tile(t: Taps, g: Tile, v: Window) -> Taps {
    return Taps(
        t.top + row_taps(g.r0, v.i0) + row_taps(g.r1, v.i1),
        t.middle + row_taps(g.r0, v.i1) + row_taps(g.r1, v.i2),
        t.bottom + row_taps(g.r0, v.i2) + row_taps(g.r1, v.i3),
    );
}

fn add_tiles(sums: Sums, g: Tiles, v: Window) -> Sums {
    var s = sums;
    s.o0 = add_tile(s.o0, g.o0, v);
    if (OUTPUTS >= 2u) {
        s.o1 = add_tile(s.o1, g.o1, v);
    }
    if (OUTPUTS == 4u) {
        s.o2 = add_tile(s.o2, g.o2, v);
        s.o3 = add_tile(s.o3, g.o3, v);
    }
    return s;
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

fn load_tile(n: u32, co: u32, row: u32, quad: u32) -> Tile {
    let alive = co < p.out_channels;
    let at = (p.g.x + n * p.g.y) / 4u + co * p.height * p.quads;
    return Tile(load_row(at, row, quad, alive), load_row(at, row + 1u, quad, alive));
}

fn sum(t: Tile) -> f32 {
    return dot((t.r0.lo + t.r0.hi) + (t.r1.lo + t.r1.hi), vec4f(1.0));
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

fn put_all(at: u32, co: u32, ci: u32, s: Sums) {
    put(at, co, ci, s.o0);
    if (OUTPUTS >= 2u) {
        put(at, co + 1u, ci, s.o1);
    }
    if (OUTPUTS == 4u) {
        put(at, co + 2u, ci, s.o2);
        put(at, co + 3u, ci, s.o3);
    }
}

fn put_bias(at: u32, co: u32, value: f32) {
    if (co < p.out_channels) {
        parts[at + p.out_channels * p.in_channels * 9u + co] = value;
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
    let ci = (id % p.ci_blocks) * 4u;
    id /= p.ci_blocks;
    let co = ((id % p.co_blocks) * WG + local) * OUTPUTS;
    let split = id / p.co_blocks;
    let plane = p.height * p.quads;

    // Channels past the end read the last one; their sums are not written.
    let c0 = ci * plane;
    let c1 = min(ci + 1u, p.in_channels - 1u) * plane;
    let c2 = min(ci + 2u, p.in_channels - 1u) * plane;
    let c3 = min(ci + 3u, p.in_channels - 1u) * plane;
    let part = lane & 7u;
    var s0 = Sums();
    var s1 = Sums();
    var s2 = Sums();
    var s3 = Sums();
    var bias = vec4f();
    var scales_of_four = vec2f();
    var scaled_sample = p.tiles;
    for (var number = split; number < p.tiles; number += p.splits) {
        let quad = (number % p.tiles_x) * 2u;
        let row = ((number / p.tiles_x) % p.tiles_y) * 2u;
        let n = number / (p.tiles_x * p.tiles_y);
        if (n != scaled_sample) {
            scaled_sample = n;
            let channel = min(ci + (part & 3u), p.in_channels - 1u);
            scales_of_four = load_scale((p.scales.x + n * p.scales.y) / 2u + channel);
        }

        let window_quad = i32(quad + (part & 3u)) - 1;
        let window_row = i32(row + (part >> 2u)) - 1;
        let in_width = window_quad >= 0 && window_quad < i32(p.quads);
        let in0 = in_width && window_row >= 0 && window_row < i32(p.height);
        let in1 = in_width && window_row + 2 < i32(p.height);
        let start = i32((p.x.x + n * p.x.y) / 4u) + window_row * i32(p.quads) + window_quad;
        let places = Places(select(0u, u32(start), in0), select(0u, u32(start + 2 * i32(p.quads)), in1), in0, in1);

        var tiles = Tiles();
        tiles.o0 = load_tile(n, co, row, quad);
        bias.x += sum(tiles.o0);
        if (OUTPUTS >= 2u) {
            tiles.o1 = load_tile(n, co + 1u, row, quad);
            bias.y += sum(tiles.o1);
        }
        if (OUTPUTS == 4u) {
            tiles.o2 = load_tile(n, co + 2u, row, quad);
            tiles.o3 = load_tile(n, co + 3u, row, quad);
            bias.z += sum(tiles.o2);
            bias.w += sum(tiles.o3);
        }
        s0 = add_tiles(s0, tiles, load_window(places, c0, subgroupBroadcast(scales_of_four, 0u)));
        s1 = add_tiles(s1, tiles, load_window(places, c1, subgroupBroadcast(scales_of_four, 1u)));
        s2 = add_tiles(s2, tiles, load_window(places, c2, subgroupBroadcast(scales_of_four, 2u)));
        s3 = add_tiles(s3, tiles, load_window(places, c3, subgroupBroadcast(scales_of_four, 3u)));
    }
    let out = p.out + split * p.part;
    put_all(out, co, ci, s0);
    put_all(out, co, ci + 1u, s1);
    put_all(out, co, ci + 2u, s2);
    put_all(out, co, ci + 3u, s3);
    if (ci == 0u) {
        put_bias(out, co, bias.x);
        if (OUTPUTS >= 2u) {
            put_bias(out, co + 1u, bias.y);
        }
        if (OUTPUTS == 4u) {
            put_bias(out, co + 2u, bias.z);
            put_bias(out, co + 3u, bias.w);
        }
    }
}
