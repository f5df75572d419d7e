// Lays 3x3 weights out for conv2d_3x3.wgsl, in the order in which it reads them: [chunk][block][input channel][lane][vec4].
// A chunk is a range of input channels; a block WG * OUTPUTS output channels; a lane's vec4s hold its nine taps, those of its
// OUTPUTS output channels side by side: tap * OUTPUTS + output, and zeros up to a whole vec4 or where there is no channel.
// For the input gradient (FLIP) input and output channels change places, and the taps come in reverse order.
//
// An invocation makes one vec4 from four scattered values. What it divides by is an override wherever it can be: a division
// by a number that the compiler does not know is, on a software adapter, a scalar one for every lane (81 ms of a training
// step before, 15 of it now).

override WG: u32 = 8u; // lanes
override OUTPUTS: u32 = 4u;
override FLIP: u32 = 0u;

struct Params {
    offset: u32,       // of the weights in their buffer, [Cout, Cin, 3, 3]
    in_channels: u32,  // as the convolution sees them
    out_channels: u32,
    chunk: u32,        // input channels of a chunk
    blocks: u32,
    block_stride: u32, // vec4 from one block to the next
    quads: u32,        // vec4 of all blocks of all chunks
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<Out>>;

// Value number `flat` of a lane with output channels from `first` on.
fn tap(first: u32, ci: u32, flat: u32) -> f32 {
    let co = first + flat % OUTPUTS;
    let number = flat / OUTPUTS;
    if (number >= 9u || co >= p.out_channels || ci >= p.in_channels) {
        return 0.0;
    }
    if (FLIP == 1u) {
        return weights[p.offset + (ci * p.out_channels + co) * 9u + 8u - number];
    }
    return weights[p.offset + (co * p.in_channels + ci) * 9u + number];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = linear(workgroup) * 64u + local;
    if (linear(workgroup) >= p.workgroups || id >= p.quads) {
        return;
    }
    let block = id / p.block_stride;
    let within = id % p.block_stride;
    let per_lane = (9u * OUTPUTS + 3u) / 4u;
    let ci = within / (WG * per_lane);
    let lane = (within / per_lane) % WG;
    let at = 4u * (within % per_lane);
    let co = ((block % p.blocks) * WG + lane) * OUTPUTS;
    // Past the chunk there is only the space up to the next block.
    let channel = select(p.in_channels, (block / p.blocks) * p.chunk + ci, ci < p.chunk);
    packed[id] = vec4<Out>(vec4f(
        tap(co, channel, at),
        tap(co, channel, at + 1u),
        tap(co, channel, at + 2u),
        tap(co, channel, at + 3u),
    ));
}
