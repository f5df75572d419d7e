// Weight and bias gradient of the transposed convolution 2x2, stride 2, with subgroups:
// gw[ci, co, a, b] = sum over n, i, j of x[n, ci, i, j] * g[n, co, 2i + a, 2j + b];  gb[co] = sum of g.
//
// A workgroup takes WG channels co, one an invocation, and 8 channels ci; it walks over its share of the pairs of quads of all samples, one
// after the other, so that no place has to be divided out of a number. The invocation's own 2 x 2 patches of g are 8 vec4; the 8 pixels of 8
// channels of x are 16 vec4, one a lane in two loads, handed round by subgroupBroadcast: 10 loads (of g as vec4) against 256 multiply-adds.
// Partial sums are added by sum_splits.wgsl in a fixed order; a single split is the gradient and goes straight there where its bias is a whole
// number of vec4. Every part starts at a whole vec4, of four taps each.

override WG: u32 = 8u;

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    quads: u32, // width of x / 4
    pairs: u32, // ceil(height * quads / 2)
    total: u32, // pairs of all samples
    share: u32, // of them in a split
    co_blocks: u32,
    ci_blocks: u32,
    part: u32, // values of one split: Cin * Cout * 4 + Cout, padded to a multiple of four
    out: u32,  // offset of the parts in their buffer
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
// Bindings 1 and 2 are x and g: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read_write> parts: array<vec4f>; // [splits, part / 4]

struct Quad { row: u32, column: u32 }

fn after(quad: Quad, quads: u32) -> Quad {
    let ends = quad.column + 1u == quads;
    return Quad(quad.row + select(0u, 1u, ends), select(quad.column + 1u, 0u, ends));
}

// g under four pixels, by tap.
struct Patch { t00: vec4f, t01: vec4f, t10: vec4f, t11: vec4f }

// Patches of a channel of g that starts at a place, in rows of so many vec4; those of a quad below the image are zeros.
fn load_patch(channel: u32, wide: u32, quad: Quad, inside: bool) -> Patch {
    let at = channel + select(0u, quad.row * 2u * wide + quad.column * 2u, inside);
    let t0 = select(vec4f(), second_at(at), inside);
    let t1 = select(vec4f(), second_at(at + 1u), inside);
    let b0 = select(vec4f(), second_at(at + wide), inside);
    let b1 = select(vec4f(), second_at(at + wide + 1u), inside);
    return Patch(vec4f(t0.xz, t1.xz), vec4f(t0.yw, t1.yw), vec4f(b0.xz, b1.xz), vec4f(b0.yw, b1.yw));
}

fn taps(sum: vec4f, lo: vec4f, hi: vec4f, a: Patch, b: Patch) -> vec4f {
    return sum + vec4f(
        dot(lo, a.t00) + dot(hi, b.t00),
        dot(lo, a.t01) + dot(hi, b.t01),
        dot(lo, a.t10) + dot(hi, b.t10),
        dot(lo, a.t11) + dot(hi, b.t11),
    );
}

fn put(out: u32, ci: u32, co: u32, value: vec4f) {
    if (ci < p.in_channels && co < p.out_channels) {
        parts[out / 4u + ci * p.out_channels + co] = value;
    }
}

fn sum_of(a: Patch) -> f32 {
    return dot(a.t00 + a.t01 + a.t10 + a.t11, vec4f(1.0));
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
    let ci = (id % p.ci_blocks) * 8u;
    id /= p.ci_blocks;
    let co = (id % p.co_blocks) * WG + local;
    let split = id / p.co_blocks;
    let alive = co < p.out_channels;
    let plane = p.height * p.quads;

    let own_quad = lane & 1u;
    let own_channel = (lane & 7u) >> 1u;
    let channel0 = min(ci + own_channel, p.in_channels - 1u) * plane;
    let channel1 = min(ci + 4u + own_channel, p.in_channels - 1u) * plane;
    var s0 = vec4f();
    var s1 = vec4f();
    var s2 = vec4f();
    var s3 = vec4f();
    var s4 = vec4f();
    var s5 = vec4f();
    var s6 = vec4f();
    var s7 = vec4f();
    var sum = 0.0;
    let wide = p.quads * 2u;
    let own_gradient = min(co, p.out_channels - 1u) * p.height * 2u * wide;
    let first = split * p.share;
    let end = min(first + p.share, p.total);
    var pair = first % p.pairs;
    var n = first / p.pairs;
    var quad = Quad(pair * 2u / p.quads, pair * 2u % p.quads);
    for (var number = first; number < end; number++) {
        let next = after(quad, p.quads);
        let channel = (p.g.x + n * p.g.y) / 4u + own_gradient;
        let a = load_patch(channel, wide, quad, alive);
        let b = load_patch(channel, wide, next, alive && next.row < p.height);
        // A quad past the end meets a patch of zeros.
        let start = (p.x.x + n * p.x.y) / 4u + min(pair * 2u + own_quad, plane - 1u);
        pair++;
        quad = after(next, p.quads);
        if (pair == p.pairs) {
            pair = 0u;
            n++;
            quad = Quad();
        }
        let v = input_at(start + channel0);
        s0 = taps(s0, subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), a, b);
        s1 = taps(s1, subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u), a, b);
        s2 = taps(s2, subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), a, b);
        s3 = taps(s3, subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u), a, b);
        let u = input_at(start + channel1);
        s4 = taps(s4, subgroupBroadcast(u, 0u), subgroupBroadcast(u, 1u), a, b);
        s5 = taps(s5, subgroupBroadcast(u, 2u), subgroupBroadcast(u, 3u), a, b);
        s6 = taps(s6, subgroupBroadcast(u, 4u), subgroupBroadcast(u, 5u), a, b);
        s7 = taps(s7, subgroupBroadcast(u, 6u), subgroupBroadcast(u, 7u), a, b);
        sum += sum_of(a) + sum_of(b);
    }
    let sums = of_four(sum, lane); // before lanes go different ways
    let out = p.out + split * p.part;
    put(out, ci, co, s0);
    put(out, ci + 1u, co, s1);
    put(out, ci + 2u, co, s2);
    put(out, ci + 3u, co, s3);
    put(out, ci + 4u, co, s4);
    put(out, ci + 5u, co, s5);
    put(out, ci + 6u, co, s6);
    put(out, ci + 7u, co, s7);
    if (alive && ci == 0u && co % 4u == 0u) {
        parts[out / 4u + p.in_channels * p.out_channels + co / 4u] = sums;
    }
}
