// Weight and bias gradient of the transposed convolution 2x2, stride 2, without subgroups:
// gw[ci, co, a, b] = sum over n, i, j of x[n, ci, i, j] * g[n, co, 2i + a, 2j + b];  gb[co] = sum of g.
//
// An invocation takes four channels ci and four channels co and walks over its share of the quads of all samples, one after the other: 4 loads
// of x and 16 of g against 256 multiply-adds. Partial sums are added by sum_splits.wgsl in a fixed order. Needs a width that is a multiple
// of 4.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    in_channels: u32,
    out_channels: u32,
    plane: u32, // quads of x
    quads: u32, // width of x / 4
    total: u32, // quads of all samples
    share: u32, // of them in a split
    co_blocks: u32,
    ci_blocks: u32,
    part: u32, // values of one split: Cin * Cout * 4 + Cout, padded to a multiple of four
    out: u32,  // offset of the parts in their buffer
    invocations: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
// Bindings 1 and 2 are x and g: input_storage.wgsl, second_storage.wgsl.
@group(0) @binding(3) var<storage, read_write> parts: array<vec4f>; // [splits, part / 4]

// Of a channel ci with four channels co, by tap.
struct Sums { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

// The patches of g of a channel under a quad, its values by tap: g's vec4 at `place` and those beside and below it.
fn patches(place: u32, co: u32) -> mat4x4f {
    let wide = p.quads * 2u;
    let at = place + min(co, p.out_channels - 1u) * p.plane * 4u;
    return by_tap(second_at(at), second_at(at + 1u), second_at(at + wide), second_at(at + wide + 1u));
}

fn add_channel(s: Sums, at: u32, ci: u32, g0: mat4x4f, g1: mat4x4f, g2: mat4x4f, g3: mat4x4f) -> Sums {
    let v = input_at(at + min(ci, p.in_channels - 1u) * p.plane);
    return Sums(s.a + v * g0, s.b + v * g1, s.c + v * g2, s.d + v * g3);
}

fn put(out: u32, ci: u32, co: u32, value: vec4f) {
    if (ci < p.in_channels && co < p.out_channels) {
        parts[out / 4u + ci * p.out_channels + co] = value;
    }
}

fn put_channel(out: u32, ci: u32, co: u32, s: Sums) {
    put(out, ci, co, s.a);
    put(out, ci, co + 1u, s.b);
    put(out, ci, co + 2u, s.c);
    put(out, ci, co + 3u, s.d);
}

fn sum_of(g: mat4x4f) -> f32 {
    return total(g[0] + g[1] + g[2] + g[3]);
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
    let end = min(first + p.share, p.total);
    var n = quotient(first, p.plane);
    var place = first - n * p.plane;
    var row = quotient(place, p.quads);
    var quad = place - row * p.quads;
    var s0 = Sums();
    var s1 = Sums();
    var s2 = Sums();
    var s3 = Sums();
    var bias = vec4f();
    for (var number = first; number < end; number++) {
        let at_g = (p.g.x + n * p.g.y) / 4u + row * p.quads * 4u + quad * 2u;
        let g0 = patches(at_g, co);
        let g1 = patches(at_g, co + 1u);
        let g2 = patches(at_g, co + 2u);
        let g3 = patches(at_g, co + 3u);
        bias += vec4f(sum_of(g0), sum_of(g1), sum_of(g2), sum_of(g3));
        let at = (p.x.x + n * p.x.y) / 4u + place;
        s0 = add_channel(s0, at, ci, g0, g1, g2, g3);
        s1 = add_channel(s1, at, ci + 1u, g0, g1, g2, g3);
        s2 = add_channel(s2, at, ci + 2u, g0, g1, g2, g3);
        s3 = add_channel(s3, at, ci + 3u, g0, g1, g2, g3);
        place++;
        quad++;
        if (quad == p.quads) {
            quad = 0u;
            row++;
        }
        if (place == p.plane) {
            place = 0u;
            row = 0u;
            n++;
        }
    }
    let out = p.out + split * p.part;
    put_channel(out, ci, co, s0);
    put_channel(out, ci + 1u, co, s1);
    put_channel(out, ci + 2u, co, s2);
    put_channel(out, ci + 3u, co, s3);
    if (ci == 0u) {
        parts[out / 4u + p.in_channels * p.out_channels + co / 4u] = bias;
    }
}
