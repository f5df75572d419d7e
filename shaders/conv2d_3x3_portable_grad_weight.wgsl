// Weight and bias gradient of the 3x3 convolution (stride 1, padding 1), without subgroups:
// gw[co, ci, ky, kx] = sum over n, y, x of g[n, co, y, x] * x[n, ci, y + ky - 1, x + kx - 1];  gb[co] = sum of g.
//
// Work: an invocation takes four output channels and four input channels and walks over its share of the tiles, 2 rows x 4 columns, of all
// samples, one after the other: 8 loads of g and 48 of x for 1152 multiply-adds, where conv2d_grad_weight.wgsl has two loads, and a dozen
// divisions, for one. Neighbouring invocations have the next output channels, so that on a GPU a load of x is one value for several of them. Partial sums
// are added by sum_splits.wgsl in a fixed order; their rows are padded to four input channels.
//
// Measured on SwiftShader (as conv2d_3x3_portable.wgsl): 81 ms in a training step where conv2d_grad_weight.wgsl took 49 s.
//
// Needs a width that is a multiple of 4; conv2d_grad_weight.wgsl takes everything else.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    scales: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,   // width / 4
    tiles_y: u32, // of an image
    tiles: u32,   // of all samples
    share: u32,   // of them in a split
    co_blocks: u32,
    ci_blocks: u32,
    row: u32,  // values of an output channel in a part: 9 of each input channel, of four at a time
    part: u32, // values of one split: Cout rows, and Cout values of the bias
    out: u32,  // offset of the parts in their buffer
    invocations: u32,
    normalise: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
// Bindings 1 and 2 are the input and the output's gradient: input_storage.wgsl, second_storage.wgsl.
@group(0) @binding(3) var<storage, read_write> parts: array<vec4f>; // [splits, part / 4]
@group(0) @binding(4) var<storage, read> scales: array<vec2f>;     // [N, Cin]: scale, shift

struct Tile { r0: vec4f, r1: vec4f }
struct Tiles { a: Tile, b: Tile, c: Tile, d: Tile } // of four output channels
struct Window { i0: Line, i1: Line, i2: Line, i3: Line }
struct Sums { a: Taps, b: Taps, c: Taps, d: Taps } // of an input channel with four output channels

// One row of g on one row of the window, for the three horizontal taps.
fn row_taps(g: vec4f, i: Line) -> vec3f {
    return vec3f(dot(g, vec4f(i.l, i.a.xyz)), dot(g, i.a), dot(g, vec4f(i.a.yzw, i.r)));
}

fn add_tile(s: Taps, g: Tile, x: Window) -> Taps {
    return Taps(
        s.top + row_taps(g.r0, x.i0) + row_taps(g.r1, x.i1),
        s.middle + row_taps(g.r0, x.i1) + row_taps(g.r1, x.i2),
        s.bottom + row_taps(g.r0, x.i2) + row_taps(g.r1, x.i3),
    );
}

// Where a tile is, and what of its window is in the image.
struct Place { n: u32, row: u32, quad: u32 }

fn after(t: Place) -> Place {
    if (t.quad + 1u < p.quads) {
        return Place(t.n, t.row, t.quad + 1u);
    }
    if (t.row + 2u < p.height) {
        return Place(t.n, t.row + 2u, 0u);
    }
    return Place(t.n + 1u, 0u, 0u);
}

// Channels past the end are the last one; their sums are padding or not written.
fn load_tile(t: Place, co: u32) -> Tile {
    let below = min(t.row + 1u, p.height - 1u);
    let at = (p.g.x + t.n * p.g.y) / 4u + min(co, p.out_channels - 1u) * p.height * p.quads + t.quad;
    return Tile(
        second_at(at + t.row * p.quads),
        select(vec4f(), second_at(at + below * p.quads), below > t.row),
    );
}

fn add_channel(s: Sums, t: Place, ci: u32, g: Tiles) -> Sums {
    let channel = min(ci, p.in_channels - 1u);
    let scale = load_scale((p.scales.x + t.n * p.scales.y) / 2u + channel, p.normalise);
    let at = (p.x.x + t.n * p.x.y) / 4u + channel * p.height * p.quads + t.quad;
    let left = select(0u, 1u, t.quad > 0u);
    let right = select(0u, 1u, t.quad + 1u < p.quads);
    let last = p.height - 1u;
    let v = Window(
        line(at + (max(t.row, 1u) - 1u) * p.quads, left, right, t.row > 0u, scale),
        line(at + t.row * p.quads, left, right, true, scale),
        line(at + min(t.row + 1u, last) * p.quads, left, right, t.row < last, scale),
        line(at + min(t.row + 2u, last) * p.quads, left, right, t.row + 1u < last, scale),
    );
    return Sums(add_tile(s.a, g.a, v), add_tile(s.b, g.b, v), add_tile(s.c, g.c, v), add_tile(s.d, g.d, v));
}

fn sum(t: Tile) -> f32 {
    return total(t.r0 + t.r1);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    var id = linear(workgroup) * WG + local;
    if (id >= p.invocations) {
        return;
    }
    let co = remainder(id, p.co_blocks) * 4u;
    id = quotient(id, p.co_blocks);
    let ci = remainder(id, p.ci_blocks) * 4u;
    let split = quotient(id, p.ci_blocks);

    let first = split * p.share;
    let end = min(first + p.share, p.tiles);
    let column = quotient(first, p.quads);
    var t = Place(quotient(column, p.tiles_y), remainder(column, p.tiles_y) * 2u, remainder(first, p.quads));
    var s0 = Sums();
    var s1 = Sums();
    var s2 = Sums();
    var s3 = Sums();
    var bias = vec4f();
    for (var number = first; number < end; number++) {
        let g = Tiles(load_tile(t, co), load_tile(t, co + 1u), load_tile(t, co + 2u), load_tile(t, co + 3u));
        bias += vec4f(sum(g.a), sum(g.b), sum(g.c), sum(g.d));
        s0 = add_channel(s0, t, ci, g);
        s1 = add_channel(s1, t, ci + 1u, g);
        s2 = add_channel(s2, t, ci + 2u, g);
        s3 = add_channel(s3, t, ci + 3u, g);
        t = after(t);
    }
    let out = p.out + split * p.part;
    // A loop whose end is not known to the compiler, which would write it out.
    let past = min(co + 4u, p.out_channels);
    for (var channel = co; channel < past; channel++) {
        put_taps((out + channel * p.row + ci * 9u) / 4u, s0.a, s1.a, s2.a, s3.a);
        s0 = Sums(s0.b, s0.c, s0.d, s0.d);
        s1 = Sums(s1.b, s1.c, s1.d, s1.d);
        s2 = Sums(s2.b, s2.c, s2.d, s2.d);
        s3 = Sums(s3.b, s3.c, s3.d, s3.d);
    }
    if (ci == 0u) {
        parts[(out + p.out_channels * p.row + co) / 4u] = bias;
    }
}
