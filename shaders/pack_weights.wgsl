// Lays 3x3 weights out for conv2d_3x3.wgsl, in the order in which it reads them: [chunk][block][input channel][lane][vec4].
// A chunk is a range of input channels; a block WG * OUTPUTS output channels; a lane's vec4s hold its nine taps, those of its
// OUTPUTS output channels side by side: tap * OUTPUTS + output, and zeros up to a whole vec4 or where there is no channel.
// For the input gradient (FLIP) input and output channels change places, and the taps come in reverse order.
//
// An invocation makes all of a lane's vec4s. The input gradient's output channels lie side by side: the taps of four are nine
// whole vec4s (FOURS).
//
// Neighbouring invocations read neighbouring memory: the weights lie [Cout][Cin], so the input gradient goes through the blocks
// first, the forward pass through the input channels. Measured (llvmpipe, Mesa 22.3, 512 channels): in the forward pass's order the
// input gradient takes 4.4 ms, in its own 3.1; the forward pass takes 2.2, and longer if an invocation packs four input
// channels from whole vec4s.

override WG: u32 = 8u; // lanes
override OUTPUTS: u32 = 4u;
override FLIP: u32 = 0u;
override FOURS: u32 = 0u; // 1: FLIP with four outputs, where the weights' Cin is a multiple of four and a vec4 starts at the first

struct Params {
    offset: u32,       // of the weights in their buffer, [Cout, Cin, 3, 3]
    in_channels: u32,  // as the convolution sees them
    out_channels: u32,
    chunk: u32,        // input channels of a chunk
    blocks: u32,
    block_stride: u32, // vec4 from one block to the next
    invocations: u32,  // a lane of an input channel of a block of a chunk each
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<Out>>;

fn taps(p: Params, co: u32, ci: u32) -> Taps {
    if (co >= p.out_channels || ci >= p.in_channels) {
        return Taps();
    }
    let t = nine(p.offset + select(co * p.in_channels + ci, ci * p.out_channels + co, FLIP == 1u) * 9u);
    if (FLIP == 1u) {
        return reversed(t);
    }
    return t;
}

// The taps of four neighbours, the first one's starting a vec4.
struct Four { t0: Taps, t1: Taps, t2: Taps, t3: Taps }

fn four(p: Params, first: u32, inside: bool) -> Four {
    if (!inside) {
        return Four();
    }
    let at = (p.offset + first * 9u) / 4u;
    let a = weights[at];
    let b = weights[at + 1u];
    let c = weights[at + 2u];
    let d = weights[at + 3u];
    let e = weights[at + 4u];
    let f = weights[at + 5u];
    let g = weights[at + 6u];
    let h = weights[at + 7u];
    let i = weights[at + 8u];
    return Four(
        Taps(a, b, c.x),
        Taps(vec4f(c.yzw, d.x), vec4f(d.yzw, e.x), e.y),
        Taps(vec4f(e.zw, f.xy), vec4f(f.zw, g.xy), g.z),
        Taps(vec4f(g.w, h.xyz), vec4f(h.w, i.xyz), i.w),
    );
}

// A lane's vec4s of four output channels.
fn put_four(at: u32, t: Taps, u: Taps, v: Taps, w: Taps) {
    packed[at] = vec4<Out>(vec4f(t.a.x, u.a.x, v.a.x, w.a.x));
    packed[at + 1u] = vec4<Out>(vec4f(t.a.y, u.a.y, v.a.y, w.a.y));
    packed[at + 2u] = vec4<Out>(vec4f(t.a.z, u.a.z, v.a.z, w.a.z));
    packed[at + 3u] = vec4<Out>(vec4f(t.a.w, u.a.w, v.a.w, w.a.w));
    packed[at + 4u] = vec4<Out>(vec4f(t.b.x, u.b.x, v.b.x, w.b.x));
    packed[at + 5u] = vec4<Out>(vec4f(t.b.y, u.b.y, v.b.y, w.b.y));
    packed[at + 6u] = vec4<Out>(vec4f(t.b.z, u.b.z, v.b.z, w.b.z));
    packed[at + 7u] = vec4<Out>(vec4f(t.b.w, u.b.w, v.b.w, w.b.w));
    packed[at + 8u] = vec4<Out>(vec4f(t.c, u.c, v.c, w.c));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let lane = id % WG;
    id /= WG;
    var chunk: u32;
    var block: u32;
    var within: u32;
    if (FLIP == 1u) {
        block = remainder(id, p.blocks);
        id = quotient(id, p.blocks);
        within = remainder(id, p.chunk);
        chunk = quotient(id, p.chunk);
    } else {
        within = remainder(id, p.chunk);
        id = quotient(id, p.chunk);
        block = remainder(id, p.blocks);
        chunk = quotient(id, p.blocks);
    }
    let ci = chunk * p.chunk + within;
    let co = (block * WG + lane) * OUTPUTS;
    let per_lane = (9u * OUTPUTS + 3u) / 4u;
    let at = (chunk * p.blocks + block) * p.block_stride + (within * WG + lane) * per_lane;
    if (FOURS == 1u) {
        let all = four(p, ci * p.out_channels + co, ci < p.in_channels && co < p.out_channels);
        put_four(at, reversed(all.t0), reversed(all.t1), reversed(all.t2), reversed(all.t3));
        return;
    }
    let t = taps(p, co, ci);
    if (OUTPUTS == 1u) {
        packed[at] = vec4<Out>(t.a);
        packed[at + 1u] = vec4<Out>(t.b);
        packed[at + 2u] = vec4<Out>(vec4f(t.c, 0.0, 0.0, 0.0));
        return;
    }
    let u = taps(p, co + 1u, ci);
    if (OUTPUTS == 2u) {
        packed[at] = vec4<Out>(vec4f(t.a.x, u.a.x, t.a.y, u.a.y));
        packed[at + 1u] = vec4<Out>(vec4f(t.a.z, u.a.z, t.a.w, u.a.w));
        packed[at + 2u] = vec4<Out>(vec4f(t.b.x, u.b.x, t.b.y, u.b.y));
        packed[at + 3u] = vec4<Out>(vec4f(t.b.z, u.b.z, t.b.w, u.b.w));
        packed[at + 4u] = vec4<Out>(vec4f(t.c, u.c, 0.0, 0.0));
        return;
    }
    let v = taps(p, co + 2u, ci);
    let w = taps(p, co + 3u, ci);
    put_four(at, t, u, v, w);
}
