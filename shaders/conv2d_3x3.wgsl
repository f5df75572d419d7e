// 3x3 convolution, stride 1, padding 1, with subgroups: y = activation(conv(x, w) + bias).
//
// Work: one invocation computes a tile of 4 rows x 8 columns of 1, 2 or 4 neighbouring output channels (OUTPUTS); those of
// a workgroup take the channels after them. What costs on software adapters is the number of loads, each a loop over the
// lanes of some 30 instructions a lane, whether of a value or of a vec4. So loads are shared: the 6 x 10 input window of a
// tile is read as 24 vec4, one a lane in three loads, handed round by subgroupBroadcast, and serves all OUTPUTS channels.
// Weights are packed (pack_weights.wgsl) so that a lane reads the nine taps of its channels as few vec4 next to each other. The input
// gradient is the same kernel with channels exchanged and the taps REVERSED; four of its output channels lie next to each other in the
// weights themselves, which are then read where they lie if they begin at a whole vec4. Input and weights lie in storage buffers, or are
// images (input_*.wgsl, weights_*.wgsl), which software drivers load without a loop for a copy of 0.05 to 0.5 ms; or the weights lie in a
// uniform buffer, loaded without a loop too.
//
// Where the sums start, the activation and whether a tile's moments are kept for the norm behind it (Output::tiles) are overrides:
// software adapters compute both sides of an if, and one turn of a loop whatever its length. As parameters they took as long to compile
// once as two of these forms take together. The moments, summed row by row while it is stored, cost 1 % of a forward pass there, which the
// norms gain; on a GPU they are for the memory's sake. The outputs are stored in a loop, whose end is a parameter so that no driver writes it
// out: four epilogues took 0.4 to 0.6 s of the 1 s that the kernel then took to compile (Mesa 25.0, 4 outputs), and no less time to run.
//
// The limit is the multiply-adds: 288 OUTPUTS an input channel, of which a driver makes a multiply and an add. Counted in the code of Mesa
// 22.3 for images and 4 outputs, those are 2304 of 4300 instructions of an input channel's turn; 12 loads make some 1000, and the 128 sums, which
// no registers hold, are fetched, masked (the loop might have ended for a lane) and put back once each.
// Measured (llvmpipe, two cores with AVX-512, GFLOP/s of 32, 64, 128, 256 channels at 64, 32, 16, 8 squared, batch 4, of 135, in one run):
//               storage: 2 outputs   4 outputs     images: 1 output    2 outputs       4 outputs
//   Mesa 22.3            53 62 64 65   53 61 58 65           68 79 82 81   81  95  99 98    85 106 106 109
//   Mesa 25.0            51 56 58 59   48 61 62 63           67 78 81 80   82  97 100 99    90 106 110 109
// On software adapters the fixed choice is four outputs and images: 0.3 to 0.4 s to compile with Mesa 25.0 where two take 0.2 to 0.3, for
// a tenth less time. Uniform weights (64 to 88 on another processor) are 64 KiB a dispatch of 40 us at least, and not tried by tuning there
// (Variant::candidates); storage buffers are. With AVX2 alone images have 24 to 33 (22.3) and 28 to 40 (25.0) of some 65, storage 8 and 18. As sampled textures
// they had 18 to 28 and 19 to 27.
// Tried and dropped: 8 rows a tile (never ahead with 4 outputs), 8 outputs (half the speed), two input channels at a time,
// subgroups of 16 by 512-bit vectors; whether tiles are PAIRED as a parameter, so that one shader less is compiled: 4 % slower. An input
// gradient that reads weights where they lie is up to a tenth slower with 256 channels and more, whose weights are then not next to each
// other, and spares the packing, which took longer than that costs.
//
// On a GPU a subgroup is a tile and up to 32 channels: as long as there are some thousands of them it is filled, but 512 channels at 4 squared
// and four samples are 32. There the subgroups of a workgroup take slices of the input channels (slices.wgsl), 8 or more each on average, and add up in
// the end. Every lane has a channel before any has two. Not measured yet for want of a GPU; in the code that RADV makes for RDNA 2 and 3 an
// input channel's turn is 288 multiply-adds of 403 instructions with 1 output and 576 of 690 with 2, the window comes from scalar registers,
// and nothing is spilled (64 and 112 vector registers).
//
// With a quarter of the multiply-adds Winograd's algorithm is ahead of it where channels are many and images not small: winograd_product.wgsl.
//
// Behind a norm the input is normalised as it is loaded (scales.wgsl). Of scale and shift a lane loads those of one
// channel in eight and subgroupShuffle hands them round, since a load for every channel would be a fourth one beside the
// window's three. Measured beside the same convolution without (llvmpipe, both drivers): no difference above the noise of 2 %.
//
// Needs subgroups of at least 8 and a width that is a multiple of 4; conv2d.wgsl takes everything else.

override WG: u32 = 8u;
override OUTPUTS: u32 = 4u;
override PAIRED: u32 = 0u; // 1: rows are single quads, and the halves of a tile are two samples
override START: u32 = 1u; // where the sums start: 0 at zero, 1 at the bias, 2 at y
override ACTIVATION: u32 = 0u; // activation.wgsl
override MOMENTS: u32 = 0u; // 1: keep those of the tiles
override REVERSED: u32 = 0u; // 1: taps lie in reverse order

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    scales: vec2u,
    in_channels: u32, // of this dispatch
    out_channels: u32,
    samples: u32,
    height: u32,
    quads: u32,       // width / 4
    tiles_x: u32,
    tiles_y: u32,
    first_block: u32, // of WG * OUTPUTS output channels
    blocks: u32,      // of this dispatch
    workgroups: u32,
    bias_offset: u32,
    first_weight: u32, // vec4 before the first
    block_stride: u32, // vec4 from one block's weights to the next one's
    channel_stride: u32, // and from one input channel's
    normalise: u32,
    share: u32, // input channels of a slice
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are the input and the packed weights: input_*.wgsl, weights_*.wgsl.
@group(0) @binding(3) var<storage, read> bias: array<f32>;      // [Cout]
@group(0) @binding(4) var<storage, read_write> y: array<VOut>;  // [N, Cout, H, W / 4]
@group(0) @binding(5) var<storage, read> scales: array<vec2f>;  // [N, Cin]: scale, shift
// Of every tile's values in the image, for the norm behind (tile_moments.wgsl).
@group(0) @binding(6) var<storage, read_write> moments: array<vec2f>; // [N, Cout, tiles]: mean, sum of squared deviations

// A row of the window: the value left of the tile, its eight columns, and the value right of it.
struct Line { l: f32, a: vec4f, b: vec4f, r: f32 }
struct Row { lo: vec4f, hi: vec4f }

// Two rows of the window from a load: the quads left of, in, in and right of the tile, of one row and of the next.
fn upper(v: vec4f) -> Line {
    return Line(subgroupBroadcast(v.w, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v.x, 3u));
}

fn lower(v: vec4f) -> Line {
    return Line(subgroupBroadcast(v.w, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v.x, 7u));
}

fn add_line(sum: Row, w: vec3f, i: Line) -> Row {
    let right_of_a = select(i.b.x, 0.0, PAIRED == 1u);
    let left_of_b = select(i.a.w, 0.0, PAIRED == 1u);
    let lo = sum.lo + w.x * vec4f(i.l, i.a.xyz) + w.y * i.a + w.z * vec4f(i.a.yzw, right_of_a);
    let hi = sum.hi + w.x * vec4f(left_of_b, i.b.xyz) + w.y * i.b + w.z * vec4f(i.b.yzw, i.r);
    return Row(lo, hi);
}

// Where the first and the second quad of a row of the tile lie in y, and whether they lie in the image.
struct Place { at_lo: u32, at_hi: u32, lo: bool, hi: bool }

fn place(p: Params, n: u32, co: u32, row: u32, quad: u32) -> Place {
    let inside = row < p.height;
    let at = (p.y.x + n * p.y.y) / 4u + (co * p.height + row) * p.quads + quad;
    if (PAIRED == 1u) {
        return Place(at, at + p.y.y / 4u, inside, inside && n + 1u < p.samples);
    }
    return Place(at, at + 1u, inside, inside && quad + 1u < p.quads);
}

fn get_row(p: Params, n: u32, co: u32, row: u32, quad: u32) -> Row {
    let to = place(p, n, co, row, quad);
    var value = Row();
    if (to.lo) {
        value.lo = V(y[to.at_lo]);
    }
    if (to.hi) {
        value.hi = V(y[to.at_hi]);
    }
    return value;
}

// Of a channel past the last one they are the last one's.
fn first_sums(p: Params, n: u32, channel: u32, row: u32, quad: u32) -> Tile {
    let co = min(channel, p.out_channels - 1u);
    if (START == 2u) {
        return Tile(
            get_row(p, n, co, row, quad),
            get_row(p, n, co, row + 1u, quad),
            get_row(p, n, co, row + 2u, quad),
            get_row(p, n, co, row + 3u, quad),
        );
    }
    var first = 0.0;
    if (START == 1u) {
        first = bias[p.bias_offset + co];
    }
    let blank = Row(vec4f(first), vec4f(first));
    return Tile(blank, blank, blank, blank);
}

fn gathered_row(row: Row, slice: u32, local: u32) -> Row {
    let sums = gathered(Octet(row.lo, row.hi), slice, local);
    return Row(sums.a, sums.b);
}

// The sums of all slices, in the first one.
fn gathered_tile(tile: Tile, slice: u32, local: u32) -> Tile {
    let r0 = gathered_row(tile.r0, slice, local);
    let r1 = gathered_row(tile.r1, slice, local);
    let r2 = gathered_row(tile.r2, slice, local);
    let r3 = gathered_row(tile.r3, slice, local);
    return Tile(r0, r1, r2, r3);
}

fn put_row(p: Params, n: u32, co: u32, row: u32, quad: u32, value: Row) {
    let to = place(p, n, co, row, quad);
    if (to.lo) {
        y[to.at_lo] = VOut(value.lo);
    }
    if (to.hi) {
        y[to.at_hi] = VOut(value.hi);
    }
}

fn activated(row: Row) -> Row {
    return Row(activate(row.lo, ACTIVATION), activate(row.hi, ACTIVATION));
}

// Sums over a tile's values in the image, relative to one of them, so that the squares' sum is at most 33 times the squared deviations'.
struct Sums { lo: vec4f, hi: vec4f, lo_squares: vec4f, hi_squares: vec4f }

fn added(s: Sums, row: Row, origin: vec2f, inside: bool) -> Sums {
    let lo = select(vec4f(), row.lo - origin.x, inside);
    let hi = select(vec4f(), row.hi - origin.y, inside);
    return Sums(s.lo + lo, s.hi + hi, s.lo_squares + lo * lo, s.hi_squares + hi * hi);
}

// Mean and sum of squared deviations: of both halves of the tile together or, of a pair, of each.
fn put_moments(p: Params, n: u32, co: u32, row: u32, quad: u32, s: Sums, origin: vec2f) {
    var sum = vec2f(total(s.lo), total(s.hi));
    var squares = vec2f(total(s.lo_squares), total(s.hi_squares));
    var count = f32(4u * min(p.height - row, 4u));
    if (PAIRED == 0u) {
        let wide = select(0.0, 1.0, quad + 1u < p.quads);
        sum = vec2f(sum.x + wide * sum.y);
        squares = vec2f(squares.x + wide * squares.y);
        count += wide * count;
    }
    let mean = sum / count;
    let both = vec4f(origin + mean, max(squares - sum * mean, vec2f()));
    let tiles = p.tiles_x * p.tiles_y;
    let at = (n * p.out_channels + co) * tiles + (row / 4u) * p.tiles_x + quad / 2u;
    moments[at] = both.xz;
    if (PAIRED == 1u && n + 1u < p.samples) {
        moments[at + p.out_channels * tiles] = both.yw;
    }
}

fn put_tile(p: Params, n: u32, co: u32, row: u32, quad: u32, sums: Tile) {
    let r0 = activated(sums.r0);
    put_row(p, n, co, row, quad, r0);
    let origin = vec2f(r0.lo.x, select(r0.lo.x, r0.hi.x, PAIRED == 1u));
    var s = added(Sums(), r0, origin, true);
    let rows = min(p.height - row, 4u);
    let r1 = activated(sums.r1);
    put_row(p, n, co, row + 1u, quad, r1);
    s = added(s, r1, origin, rows > 1u);
    let r2 = activated(sums.r2);
    put_row(p, n, co, row + 2u, quad, r2);
    s = added(s, r2, origin, rows > 2u);
    let r3 = activated(sums.r3);
    put_row(p, n, co, row + 3u, quad, r3);
    s = added(s, r3, origin, rows > 3u);
    if (MOMENTS == 1u) {
        put_moments(p, n, co, row, quad, s, origin);
    }
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
    let block = remainder(id, p.blocks);
    let co = ((p.first_block + block) * WG + local) * OUTPUTS;
    id = quotient(id, p.blocks);
    let quad = remainder(id, p.tiles_x) * 2u;
    id = quotient(id, p.tiles_x);
    let row = remainder(id, p.tiles_y) * 4u;
    let n = quotient(id, p.tiles_y) * (1u + PAIRED);

    // The lane's part of the window: of its rows two a load, of each row the quads left of, in, in and right of the tile. Of a
    // pair of samples there are but the two in the tile.
    let part = lane & 7u;
    let side = part & 3u;
    let next = PAIRED == 1u && side == 2u && n + 1u < p.samples;
    let sample = select(n, n + 1u, next);
    let window_quad = select(i32(quad + side) - 1, 0, PAIRED == 1u);
    let window_row = i32(row + (part >> 2u)) - 1;
    let in_width = select(window_quad >= 0 && window_quad < i32(p.quads), side == 1u || next, PAIRED == 1u);
    let in0 = in_width && window_row >= 0 && window_row < i32(p.height);
    let in1 = in_width && window_row + 2 < i32(p.height);
    let in2 = in_width && window_row + 4 < i32(p.height);
    let plane = p.height * p.quads;
    let start = i32((p.x.x + sample * p.x.y) / 4u + first * plane) + window_row * i32(p.quads) + window_quad;
    var at0 = select(0u, u32(start), in0);
    var at1 = select(0u, u32(start + 2 * i32(p.quads)), in1);
    var at2 = select(0u, u32(start + 4 * i32(p.quads)), in2);

    var t0 = Tile();
    var t1 = Tile();
    var t2 = Tile();
    var t3 = Tile();
    if (slice == 0u) {
        t0 = first_sums(p, n, co, row, quad);
        if (OUTPUTS >= 2u) {
            t1 = first_sums(p, n, co + 1u, row, quad);
        }
        if (OUTPUTS == 4u) {
            t2 = first_sums(p, n, co + 2u, row, quad);
            t3 = first_sums(p, n, co + 3u, row, quad);
        }
    }
    // Lanes past the last channel read its weights.
    let own = min(local, (p.out_channels - 1u) / OUTPUTS - (p.first_block + block) * WG);
    var at = p.first_weight + block * p.block_stride + first * p.channel_stride + own * ((9u * OUTPUTS + 3u) / 4u);
    let first_scale = (p.scales.x + n * p.scales.y) / 2u;
    let first_scale_next = (p.scales.x + min(n + 1u, p.samples - 1u) * p.scales.y) / 2u;
    var scales_of_eight = vec2f();
    var scales_next = vec2f();
    for (var ci = first; ci < past; ci++) {
        let turn = (ci - first) % 8u;
        if (turn == 0u) {
            let channel = min(ci + part, p.in_channels - 1u);
            scales_of_eight = load_scale(first_scale + channel, p.normalise);
            if (PAIRED == 1u) {
                scales_next = load_scale(first_scale_next + channel, p.normalise);
            }
        }
        var scale = subgroupShuffle(scales_of_eight, turn);
        if (PAIRED == 1u) {
            scale = select(scale, subgroupShuffle(scales_next, turn), side == 2u);
        }
        let v0 = select(vec4f(), scaled(input_at(at0), scale), in0);
        let v1 = select(vec4f(), scaled(input_at(at1), scale), in1);
        let v2 = select(vec4f(), scaled(input_at(at2), scale), in2);
        let v = Window(upper(v0), lower(v0), upper(v1), lower(v1), upper(v2), lower(v2));
        // All loads before the sums: among them Mesa 25.0 takes a quarter longer.
        let a = weight_quad(at);
        let b = weight_quad(at + 1u);
        let c = weight_quad(at + 2u);
        if (OUTPUTS == 1u) {
            t0 = add_channel(t0, taps(a.xyz, vec3f(a.w, b.xy), vec3f(b.zw, c.x)), v);
        } else {
            let d = weight_quad(at + 3u);
            let e = weight_quad(at + 4u);
            if (OUTPUTS == 2u) {
                t0 = add_channel(t0, taps(a.xyz, vec3f(a.w, b.xy), vec3f(b.zw, c.x)), v);
                t1 = add_channel(t1, taps(c.yzw, d.xyz, vec3f(d.w, e.xy)), v);
            } else {
                let f = weight_quad(at + 5u);
                let g = weight_quad(at + 6u);
                let h = weight_quad(at + 7u);
                let i = weight_quad(at + 8u);
                t0 = add_channel(t0, taps(a.xyz, vec3f(a.w, b.xy), vec3f(b.zw, c.x)), v);
                t1 = add_channel(t1, taps(c.yzw, d.xyz, vec3f(d.w, e.xy)), v);
                t2 = add_channel(t2, taps(vec3f(e.zw, f.x), f.yzw, g.xyz), v);
                t3 = add_channel(t3, taps(vec3f(g.w, h.xy), vec3f(h.zw, i.x), i.yzw), v);
            }
        }
        at0 += plane;
        at1 += plane;
        at2 += plane;
        at += p.channel_stride;
    }
    t0 = gathered_tile(t0, slice, local);
    if (OUTPUTS >= 2u) {
        t1 = gathered_tile(t1, slice, local);
    }
    if (OUTPUTS == 4u) {
        t2 = gathered_tile(t2, slice, local);
        t3 = gathered_tile(t3, slice, local);
    }
    if (slice > 0u) {
        return;
    }
    // A loop whose end is not known to the compiler, which would write it out.
    let end = min(co + OUTPUTS, p.out_channels);
    for (var channel = co; channel < end; channel++) {
        put_tile(p, n, channel, row, quad, t0);
        t0 = t1;
        t1 = t2;
        t2 = t3;
    }
}
