// Lays 3x3 weights out for conv2d_3x3.wgsl, in the order in which it reads them: [chunk][block][input channel][lane][vec4].
// A chunk is a range of input channels; a block WG * OUTPUTS output channels; a lane's vec4s hold the nine taps of one of its OUTPUTS
// channels after the other's, and zeros up to a whole vec4 or where there is no channel. For the input gradient input and output channels
// are EXCHANGED; with four outputs such weights need no packing.
//
// Neighbouring invocations, a lane each, read neighbouring memory: the weights lie [Cout][Cin], so the input gradient goes through the
// blocks first, the forward pass through the input channels. Measured (llvmpipe, Mesa 22.3, 512 channels): 2.2 ms forward, and longer if an
// invocation packs four input channels from whole vec4s.

override WG: u32 = 8u; // lanes
override OUTPUTS: u32 = 4u;
override EXCHANGED: u32 = 0u;

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
    return nine(p.offset + select(co * p.in_channels + ci, ci * p.out_channels + co, EXCHANGED == 1u) * 9u);
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
    if (EXCHANGED == 1u) {
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
    let t = taps(p, co, ci);
    packed[at] = vec4<Out>(t.a);
    packed[at + 1u] = vec4<Out>(t.b);
    if (OUTPUTS == 1u) {
        packed[at + 2u] = vec4<Out>(vec4f(t.c, 0.0, 0.0, 0.0));
        return;
    }
    let u = taps(p, co + 1u, ci);
    packed[at + 2u] = vec4<Out>(vec4f(t.c, u.a.xyz));
    packed[at + 3u] = vec4<Out>(vec4f(u.a.w, u.b.xyz));
    if (OUTPUTS == 2u) {
        packed[at + 4u] = vec4<Out>(vec4f(u.b.w, u.c, 0.0, 0.0));
        return;
    }
    let v = taps(p, co + 2u, ci);
    packed[at + 4u] = vec4<Out>(vec4f(u.b.w, u.c, v.a.xy));
    packed[at + 5u] = vec4<Out>(vec4f(v.a.zw, v.b.xy));
    let w = taps(p, co + 3u, ci);
    packed[at + 6u] = vec4<Out>(vec4f(v.b.zw, v.c, w.a.x));
    packed[at + 7u] = vec4<Out>(vec4f(w.a.yzw, w.b.x));
    packed[at + 8u] = vec4<Out>(vec4f(w.b.yzw, w.c));
}
