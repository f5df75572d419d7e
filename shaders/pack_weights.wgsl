// Lays 3x3 weights out for conv2d_3x3.wgsl and conv2d_3x3_portable.wgsl, in the order in which it reads them: [chunk][block][input channel][lane][vec4].
// A chunk is a range of input channels; a block the output channels of some lanes; a lane's vec4s hold the nine taps of one of its 1, 2 or 4
// output channels after the other's, and zeros up to a whole vec4 or where there is no channel. For the input gradient input and output
// channels are exchanged; those of four outputs lie as the convolution wants them, and are packed only where they begin within a vec4, their
// channels are no multiple of four or a uniform buffer is read.
//
// Neighbouring invocations, a lane each, read neighbouring memory: the weights lie [Cout][Cin], so the input gradient goes through the
// blocks first, the forward pass through the input channels. Measured (llvmpipe, Mesa 22.3, 512 channels): 2.2 ms forward, and longer if an
// invocation packs four input channels from whole vec4s.
//
// All of it goes by parameters, in a loop that no driver unrolls: with overrides and written out, every form took 0.1 to 0.3 s to compile
// (Mesa 25.0), and a training step has four.

struct Params {
    offset: u32,       // of the weights in their buffer, [Cout, Cin, 3, 3]
    in_channels: u32,  // as the convolution sees them
    out_channels: u32,
    in_step: u32,      // pairs of channels from one input channel to the next
    out_step: u32,
    lanes: u32,
    outputs: u32,      // of a lane
    chunk: u32,        // input channels of a chunk
    blocks: u32,
    block_stride: u32, // vec4 from one block to the next
    blocks_first: u32, // 1: neighbouring invocations take the blocks of an input channel, else the input channels of a block
    invocations: u32,  // a lane of an input channel of a block of a chunk each
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is the weights: input_*.wgsl.
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<Out>>;

fn taps(p: Params, co: u32, ci: u32) -> Taps {
    if (co >= p.out_channels || ci >= p.in_channels) {
        return Taps();
    }
    return nine(p.offset + (co * p.out_step + ci * p.in_step) * 9u);
}

// The last `count` values of `rest`, and as many of the next vec4 as there is room for.
fn behind(rest: vec4f, next: vec4f, count: u32) -> vec4f {
    return select(shifted(rest, next, 4u - count), next, count == 0u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let lane = remainder(id, p.lanes);
    id = quotient(id, p.lanes);
    let inner = select(p.chunk, p.blocks, p.blocks_first == 1u);
    let a = remainder(id, inner);
    id = quotient(id, inner);
    let outer = select(p.blocks, p.chunk, p.blocks_first == 1u);
    let b = remainder(id, outer);
    let chunk = quotient(id, outer);
    let block = select(b, a, p.blocks_first == 1u);
    let within = select(a, b, p.blocks_first == 1u);
    let ci = chunk * p.chunk + within;
    let co = (block * p.lanes + lane) * p.outputs;
    let per_lane = (9u * p.outputs + 3u) / 4u;
    var at = (chunk * p.blocks + block) * p.block_stride + (within * p.lanes + lane) * per_lane;
    // Nine taps are two vec4 and one: every channel leaves one more value than the one before for the vec4 that it does not fill.
    var rest = vec4f();
    for (var output = 0u; output < p.outputs; output++) {
        let t = taps(p, co + output, ci);
        packed[at] = vec4<Out>(behind(rest, t.a, output));
        packed[at + 1u] = vec4<Out>(behind(t.a, t.b, output));
        at += 2u;
        rest = vec4f(t.b.yzw, t.c);
    }
    packed[at] = vec4<Out>(behind(rest, vec4f(), p.outputs));
}
