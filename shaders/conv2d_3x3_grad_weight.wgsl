// Weight and bias gradient of the 3x3 convolution (stride 1, padding 1), with subgroups:
// gw[co, ci, ky, kx] = sum over n, y, x of g[n, co, y, x] * x[n, ci, y + ky - 1, x + kx - 1];  gb[co] = sum of g.
//
// Work: a workgroup takes WG * OUTPUTS output channels, 1, 2 or 4 neighbouring ones an invocation, and 4 input channels; it
// walks over its share of the 2 x 8 tiles of all samples. A lane loads the tiles of its channels of g, 4 vec4 each, and keeps
// them for the four input channels, whose 4 x 10 windows are read as in conv2d_3x3.wgsl, one vec4 a lane in two loads, and
// handed round from lane to lane: with 2 outputs 12 loads for 1152 multiply-adds, with 1 output 8 for 576. A tile and a window are multiplied
// as the sum that they are, or by Winograd's algorithm in 64 multiply-adds instead of 144 (gradient_taps_*.wgsl).
// Behind a norm x is normalised as it is loaded (scales.wgsl): the scales of four channels are one load a sample.
// That costs the direct sum 1 % where images are large and 4 % at 4 squared (llvmpipe, Mesa 25.0).
// Each workgroup writes its own partial sums; sum_splits.wgsl adds the splits in a fixed order, so the result repeats bit for
// bit. A single split of whole rows is the gradient and goes straight there. Rows are padded to four input channels, so that all stores are of
// vec4: value by value they took a fifth longer to compile (Mesa 25.0).
//
// Measured (llvmpipe, two cores with AVX-512, images, GFLOP/s of the direct sum's operations, of 160; 32, 64, 128, 256, 512 channels at 64, 32,
// 16, 8, 4 squared, batch 4, in one run):
//               direct: 1 output     2 outputs           Winograd: 1 output    2 outputs
//   Mesa 22.3            92 95 90 68 40   97 102 95 66 40          102 101 91 63 40   103 115 104 77 44
//   Mesa 25.0            94 98 94 75 47   91 100 87 70 47          101 106 97 79 46   104 120 111 90 57
// From storage buffers the direct sum has two thirds of that. A quarter of the time goes to the loads (of an image by a call of 56
// instructions), another to fetching and putting back what no registers hold, an eighth to handing round and transforming; so Winograd gains less
// than its operations promise (samples of the program counter, 64 channels at 32 squared, Mesa 25.0). It gains most at 8 and 4 squared: all code of a workgroup, 48 kB as direct sum and 36 kB so, is larger than a first
// instruction cache, and a walk of four turns fetches it anew. At 4 squared a workgroup's 18 stores of partial sums are a quarter of its work.
// All loads come before the sums: with those of x between them it took 2 to 5 % longer. Before the walk down columns, which keeps two of
// a window's four rows, it took a third to a half longer. Tried and dropped: 8 input channels with 2 outputs, which halve the loads of g for each
// multiply-add (a fifth slower); 4 outputs with images (a twentieth slower); handing round by subgroupShuffle of lanes that no compiler knows, one
// instruction instead of two (no difference). Integers are divided as such: divided as floats (grid.wgsl) the places of a tile are no longer
// known to be the same for all lanes, and Mesa 25.0 takes a tenth longer.

override WG: u32 = 8u;
override OUTPUTS: u32 = 2u;
override PAIRED: u32 = 0u; // 1: rows are single quads, and the halves of a tile are two samples

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    scales: vec2u,
    in_channels: u32,
    out_channels: u32,
    samples: u32,
    height: u32,
    quads: u32, // width / 4
    tiles_x: u32,
    segments: u32, // of a column of tiles
    rows: u32,     // of an image in a segment, a multiple of 2
    runs: u32,     // segments of all columns of all samples
    co_blocks: u32,
    ci_blocks: u32,
    splits: u32,
    row: u32,  // values of an output channel in a part: 9 of each input channel, of four at a time
    part: u32, // values of one split: Cout rows, and Cout values of the bias
    out: u32,  // offset of the parts in their buffer
    workgroups: u32,
    outputs: u32, // OUTPUTS
    normalise: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
// Bindings 1 and 2 are the input and the output's gradient: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read_write> parts: array<vec4f>; // [splits, part / 4]
@group(0) @binding(4) var<storage, read> scales: array<vec2f>;     // [N, Cin]: scale, shift

struct Row { lo: vec4f, hi: vec4f }
struct Tile { r0: Row, r1: Row }

// How a tile of g is multiplied by a window of x, with the types Factor, Window and Sum: gradient_taps_*.wgsl.

// The sums of an input channel with each of the output channels, as many of them as OUTPUTS, and the channels' tiles.
struct Sums { o0: Sum, o1: Sum, o2: Sum, o3: Sum }
struct Factors { o0: Factor, o1: Factor, o2: Factor, o3: Factor }

// The lane's part of two rows of the window.
fn load_part(at: u32, inside: bool, channel: u32, scale: vec2f) -> vec4f {
    return select(vec4f(), scaled(input_at(at + channel), scale), inside);
}

// The next output channel's sums in the first one's place.
fn following(s: Sums) -> Sums {
    return Sums(s.o1, s.o2, s.o3, s.o3);
}

fn add_tiles(sums: Sums, g: Factors, x: Window) -> Sums {
    var s = sums;
    s.o0 = add_tile(s.o0, g.o0, x);
    if (OUTPUTS >= 2u) {
        s.o1 = add_tile(s.o1, g.o1, x);
    }
    if (OUTPUTS == 4u) {
        s.o2 = add_tile(s.o2, g.o2, x);
        s.o3 = add_tile(s.o3, g.o3, x);
    }
    return s;
}

// `next` is how far the second quad lies behind the first, and nothing where there is none.
fn load_row(at: u32, row: u32, next: u32, alive: bool) -> Row {
    let in_lo = alive && row < p.height;
    let in_hi = in_lo && next > 0u;
    let index = at + row * p.quads;
    return Row(
        select(vec4f(), second_at(select(0u, index, in_lo)), in_lo),
        select(vec4f(), second_at(select(0u, index + next, in_hi)), in_hi),
    );
}

fn load_tile(n: u32, co: u32, row: u32, quad: u32) -> Tile {
    let alive = co < p.out_channels;
    let at = (p.g.x + n * p.g.y) / 4u + co * p.height * p.quads + quad;
    var next = select(0u, 1u, quad + 1u < p.quads);
    if (PAIRED == 1u) {
        next = select(0u, p.g.y / 4u, n + 1u < p.samples);
    }
    return Tile(load_row(at, row, next, alive), load_row(at, row + 1u, next, alive));
}

// The scale of channel number `channel` of four: `next` wants the second sample's.
fn scale_of(eight: vec2f, channel: u32, next: bool) -> vec2f {
    let own = subgroupShuffle(eight, channel);
    if (PAIRED == 1u) {
        return select(own, subgroupShuffle(eight, channel + 4u), next);
    }
    return own;
}

fn sum(t: Tile) -> f32 {
    return dot((t.r0.lo + t.r0.hi) + (t.r1.lo + t.r1.hi), vec4f(1.0));
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

    // Channels past the end read the last one; their sums are padding.
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
    for (var number = split; number < p.runs; number += p.splits) {
        let column = number / p.segments;
        let quad = (column % p.tiles_x) * 2u;
        let n = column / p.tiles_x * (1u + PAIRED);
        let first_row = (number % p.segments) * p.rows;
        let end_row = min(first_row + p.rows, p.height);

        // Of a pair of samples the second one's scales lie in the upper lanes.
        let side = part & 3u;
        let next = PAIRED == 1u && side == 2u && n + 1u < p.samples;
        let sample_of_scales = min(n + PAIRED * (part >> 2u), p.samples - 1u);
        let own_scale = (p.scales.x + sample_of_scales * p.scales.y) / 2u + min(ci + side, p.in_channels - 1u);
        let eight_scales = load_scale(own_scale, p.normalise);
        let q0 = scale_of(eight_scales, 0u, next);
        let q1 = scale_of(eight_scales, 1u, next);
        let q2 = scale_of(eight_scales, 2u, next);
        let q3 = scale_of(eight_scales, 3u, next);
        let window_quad = select(i32(quad + side) - 1, 0, PAIRED == 1u);
        let in_width = select(window_quad >= 0 && window_quad < i32(p.quads), side == 1u || next, PAIRED == 1u);
        let image = i32((p.x.x + select(n, n + 1u, next) * p.x.y) / 4u) + window_quad;
        // The upper two rows of the first window; those of the others are the lower two of the one before.
        var row = i32(first_row + (part >> 2u)) - 1;
        var inside = in_width && row >= 0 && row < i32(p.height);
        var at = select(0u, u32(image + row * i32(p.quads)), inside);
        var u0 = load_part(at, inside, c0, q0);
        var u1 = load_part(at, inside, c1, q1);
        var u2 = load_part(at, inside, c2, q2);
        var u3 = load_part(at, inside, c3, q3);
        for (var top = first_row; top < end_row; top += 2u) {
            var factors = Factors();
            let g0 = load_tile(n, co, top, quad);
            factors.o0 = factor(g0);
            bias.x += sum(g0);
            if (OUTPUTS >= 2u) {
                let g1 = load_tile(n, co + 1u, top, quad);
                factors.o1 = factor(g1);
                bias.y += sum(g1);
            }
            if (OUTPUTS == 4u) {
                let g2 = load_tile(n, co + 2u, top, quad);
                let g3 = load_tile(n, co + 3u, top, quad);
                factors.o2 = factor(g2);
                factors.o3 = factor(g3);
                bias.z += sum(g2);
                bias.w += sum(g3);
            }
            row += 2;
            inside = in_width && row < i32(p.height);
            at = select(0u, u32(image + row * i32(p.quads)), inside);
            let v0 = load_part(at, inside, c0, q0);
            let v1 = load_part(at, inside, c1, q1);
            let v2 = load_part(at, inside, c2, q2);
            let v3 = load_part(at, inside, c3, q3);
            s0 = add_tiles(s0, factors, window(u0, v0, lane));
            u0 = v0;
            s1 = add_tiles(s1, factors, window(u1, v1, lane));
            u1 = v1;
            s2 = add_tiles(s2, factors, window(u2, v2, lane));
            u2 = v2;
            s3 = add_tiles(s3, factors, window(u3, v3, lane));
            u3 = v3;
        }
    }
    // Of four channels the sums of g, by the lane that has the first of them: before lanes go different ways.
    if (OUTPUTS == 1u) {
        bias = of_four(bias.x, lane);
    } else if (OUTPUTS == 2u) {
        bias = of_two(bias.xy, lane);
    }
    let out = p.out + split * p.part;
    // A loop whose end is not known to the compiler, which would write it out, and the same for all lanes.
    for (var channel = co; channel < co + p.outputs; channel++) {
        if (channel < p.out_channels) {
            let to = (out + channel * p.row + ci * 9u) / 4u;
            put_taps(to, taps_of(s0.o0), taps_of(s1.o0), taps_of(s2.o0), taps_of(s3.o0));
        }
        s0 = following(s0);
        s1 = following(s1);
        s2 = following(s2);
        s3 = following(s3);
    }
    if (ci == 0u && co % 4u == 0u && co < p.out_channels) {
        parts[(out + p.out_channels * p.row + co) / 4u] = bias;
    }
}
