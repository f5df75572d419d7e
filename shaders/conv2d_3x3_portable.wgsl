// 3x3 convolution, stride 1, padding 1, without subgroups: y = activation(conv(x, w) + bias).
//
// Work: one invocation computes a tile of 4 rows x 4 columns of 4 or 8 neighbouring output channels (GROUPS of four). Of an input channel its
// window is 6 quads and the values beside them, and it reads all weights itself: 27 or 36 loads for 576 or 1152 multiply-adds, where
// conv2d.wgsl has 8 for 16. A team of neighbouring invocations has neighbouring tiles of the same channels, so that on a GPU loads of the
// window are whole lines and a weight is one value for all of them. The teams of a workgroup, one unless there are fewer tiles than
// invocations, have neighbouring channels.
//
// Weights are packed as for conv2d_3x3.wgsl, four outputs a lane, of GROUPS lanes (pack_weights.wgsl); for the input gradient they are read
// where they lie, if they can be. Sums are added up in the same order as there.
//
// Measured on SwiftShader (subgroups of 4; a U-Net's training step of base 16 on 1 x 64 squared, two cores of a Xeon): all 3x3 convolutions and
// input gradients 122 ms, a quarter of the adapter's multiply-adds, and the transposed ones 7, where conv2d.wgsl and conv2d_grad_input.wgsl took
// 846 for all of them. Eight output channels are ahead of four nearly everywhere. On a GPU it is not measured yet.
//
// Needs a width that is a multiple of 4; conv2d.wgsl takes everything else.

override WG: u32 = 64u;
override TEAM: u32 = 64u; // divides WG
override GROUPS: u32 = 2u; // of four output channels: 1 or 2
override START: u32 = 1u; // where the sums start: 0 at zero, 1 at the bias, 2 at y
override ACTIVATION: u32 = 0u; // activation.wgsl
override REVERSED: u32 = 0u; // 1: taps lie in reverse order

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    scales: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32,       // width / 4
    tiles_y: u32,     // of an image
    tiles: u32,       // of all samples
    blocks: u32,      // of 4 GROUPS output channels
    team_blocks: u32, // of as many blocks as a workgroup has teams
    bias_offset: u32,
    first_weight: u32, // vec4 before the first
    block_stride: u32, // vec4 from one block's weights to the next one's
    channel_stride: u32, // and from one input channel's
    normalise: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are the input and the packed weights: input_storage.wgsl, weights_storage.wgsl.
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [Cout]
@group(0) @binding(4) var<storage, read_write> y: array<VOut>; // [N, Cout, H, W / 4]
@group(0) @binding(5) var<storage, read> scales: array<vec2f>; // [N, Cin]: scale, shift

alias Row = vec4f;
struct Four { a: Tile, b: Tile, c: Tile, d: Tile } // tiles of four output channels

fn add_line(sum: Row, w: vec3f, i: Line) -> Row {
    return sum + w.x * vec4f(i.l, i.a.xyz) + w.y * i.a + w.z * vec4f(i.a.yzw, i.r);
}

// Adds an input channel to four output channels, whose taps lie in nine vec4.
fn add_four(sum: Four, at: u32, v: Window) -> Four {
    let a = weight_quad(at);
    let b = weight_quad(at + 1u);
    let c = weight_quad(at + 2u);
    let d = weight_quad(at + 3u);
    let e = weight_quad(at + 4u);
    let f = weight_quad(at + 5u);
    let g = weight_quad(at + 6u);
    let h = weight_quad(at + 7u);
    let i = weight_quad(at + 8u);
    return Four(
        add_channel(sum.a, taps(a.xyz, vec3f(a.w, b.xy), vec3f(b.zw, c.x)), v),
        add_channel(sum.b, taps(c.yzw, d.xyz, vec3f(d.w, e.xy)), v),
        add_channel(sum.c, taps(vec3f(e.zw, f.x), f.yzw, g.xyz), v),
        add_channel(sum.d, taps(vec3f(g.w, h.xy), vec3f(h.zw, i.x), i.yzw), v),
    );
}

// Where a row of a channel's tile lies in y.
fn place(p: Params, n: u32, co: u32, row: u32, quad: u32) -> u32 {
    return (p.y.x + n * p.y.y) / 4u + (co * p.height + row) * p.quads + quad;
}

// Of a row past the last one it is the last one.
fn get_row(p: Params, n: u32, co: u32, row: u32, quad: u32) -> Row {
    return V(y[place(p, n, co, min(row, p.height - 1u), quad)]);
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
    var first = vec4f();
    if (START == 1u) {
        first = vec4f(bias[p.bias_offset + co]);
    }
    return Tile(first, first, first, first);
}

fn first_four(p: Params, n: u32, co: u32, row: u32, quad: u32) -> Four {
    return Four(
        first_sums(p, n, co, row, quad),
        first_sums(p, n, co + 1u, row, quad),
        first_sums(p, n, co + 2u, row, quad),
        first_sums(p, n, co + 3u, row, quad),
    );
}

fn put_row(p: Params, n: u32, co: u32, row: u32, quad: u32, value: Row) {
    if (row < p.height) {
        y[place(p, n, co, row, quad)] = VOut(activate(value, ACTIVATION));
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup);
    let team = quotient(id, p.team_blocks);
    var block = id - team * p.team_blocks;
    var tile = team * WG + local;
    if (TEAM < WG) {
        block = block * (WG / TEAM) + local / TEAM;
        tile = team * TEAM + local % TEAM;
    }
    if (tile >= p.tiles || block >= p.blocks) {
        return;
    }
    let co = block * 4u * GROUPS;
    let quad = remainder(tile, p.quads);
    let place_y = quotient(tile, p.quads);
    let row = remainder(place_y, p.tiles_y) * 4u;
    let n = quotient(place_y, p.tiles_y);

    // Lines of the window, those outside of the image at its edge; the second is in it always.
    let last = p.height - 1u;
    let in0 = row > 0u;
    let in2 = row < last;
    let in3 = row + 1u < last;
    let in4 = row + 2u < last;
    let in5 = row + 3u < last;
    let at0 = (max(row, 1u) - 1u) * p.quads;
    let at1 = row * p.quads;
    let at2 = min(row + 1u, last) * p.quads;
    let at3 = min(row + 2u, last) * p.quads;
    let at4 = min(row + 3u, last) * p.quads;
    let at5 = min(row + 4u, last) * p.quads;
    let left = select(0u, 1u, quad > 0u);
    let right = select(0u, 1u, quad + 1u < p.quads);

    var lower = first_four(p, n, co, row, quad);
    var upper = Four();
    // Of a block whose second group has no channels that is the first once more.
    let second = select(0u, 9u, co + 4u < p.out_channels);
    if (GROUPS == 2u) {
        upper = first_four(p, n, co + 4u, row, quad);
    }
    let plane = p.height * p.quads;
    let first_scale = (p.scales.x + n * p.scales.y) / 2u;
    var image = (p.x.x + n * p.x.y) / 4u + quad;
    var at = p.first_weight + block * p.block_stride;
    for (var ci = 0u; ci < p.in_channels; ci++) {
        let scale = load_scale(first_scale + ci, p.normalise);
        let v = Window(
            line(image + at0, left, right, in0, scale),
            line(image + at1, left, right, true, scale),
            line(image + at2, left, right, in2, scale),
            line(image + at3, left, right, in3, scale),
            line(image + at4, left, right, in4, scale),
            line(image + at5, left, right, in5, scale),
        );
        lower = add_four(lower, at, v);
        if (GROUPS == 2u) {
            upper = add_four(upper, at + second, v);
        }
        image += plane;
        at += p.channel_stride;
    }
    // A loop whose end is not known to the compiler, which would write it out.
    let end = min(co + 4u * GROUPS, p.out_channels);
    for (var channel = co; channel < end; channel++) {
        put_row(p, n, channel, row, quad, lower.a.r0);
        put_row(p, n, channel, row + 1u, quad, lower.a.r1);
        put_row(p, n, channel, row + 2u, quad, lower.a.r2);
        put_row(p, n, channel, row + 3u, quad, lower.a.r3);
        lower = Four(lower.b, lower.c, lower.d, upper.a);
        upper = Four(upper.b, upper.c, upper.d, upper.d);
    }
}
