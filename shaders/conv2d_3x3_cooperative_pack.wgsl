// Lays 3x3 weights out for conv2d_3x3_cooperative.wgsl: [Cout / TILE, Cin / TILE, tap, TILE, TILE], in each matrix output channels
// by input channels; zeros where there is no channel. For the input gradient (FLIP) input and output channels change places,
// and the taps come in reverse order.
//
// An invocation makes one value; weights are packed once for a sampling run of thousands of convolutions.

override TILE: u32 = 16u;
override FLIP: u32 = 0u;

struct Params {
    offset: u32,       // of the weights in their buffer, [Cout, Cin, 3, 3]
    in_channels: u32,  // as the convolution sees them
    out_channels: u32,
    in_tiles: u32,
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<f16>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let index = linear(workgroup) * 64u + local;
    if (index >= p.invocations) {
        return;
    }
    let within = index % (TILE * TILE);
    let matrix = index / (TILE * TILE);
    let tap = matrix % 9u;
    let ci = remainder(matrix / 9u, p.in_tiles) * TILE + within % TILE;
    let co = quotient(matrix / 9u, p.in_tiles) * TILE + within / TILE;
    var value = 0.0;
    if (ci < p.in_channels && co < p.out_channels) {
        if (FLIP == 1u) {
            value = weights[p.offset + (ci * p.out_channels + co) * 9u + 8u - tap];
        } else {
            value = weights[p.offset + (co * p.in_channels + ci) * 9u + tap];
        }
    }
    packed[index] = f16(value);
}
