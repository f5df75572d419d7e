// 1x1 convolution, y = activation(w x + bias), or its input gradient, w' g: a product of matrices a sample, w packed row by row of
// the sum by conv2d_1x1_pack.wgsl.
//
// An invocation keeps 8 channels by 8 neighbouring pixels in registers: two quads of pixels and two of weights, four loads, feed
// 256 multiply-adds. Neighbouring invocations take neighbouring pixels and the same weights.
//
// Of four output channels or one, as a network's head has, the rest of the tile is left out at compile time (CHANNELS): one channel
// compiles in a fifth of the time (Mesa 25.0).
//
// Measured on llvmpipe (two cores, the 1x1 convolutions of SR3's U-Net, 16 to 256 channels): 15 GFLOP/s in both directions, where
// the kernels of any size reach 3.7 forward and 0.5 back: their gradient loads five values for four multiply-adds, and a load is a
// loop over lanes there.

override HAS_BIAS: u32 = 0u;
override ACTIVATION: u32 = 0u; // activation.wgsl
override ACCUMULATE: u32 = 0u;
override CHANNELS: u32 = 8u; // that an invocation keeps: 8, 4 or 1

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    in_channels: u32,
    out_channels: u32,
    quads: u32, // of a plane
    pairs: u32, // ceil(quads / 2)
    blocks: u32, // ceil(out_channels / 8)
    bias_offset: u32,
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are x, [N, Cin, H W], and the packed weights, [Cin, 8 blocks]: input_*.wgsl, weights_*.wgsl.
@group(0) @binding(3) var<storage, read> bias: array<f32>;          // [Cout]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<Out>>; // [N, Cout, H W]

// The products of a quad of pixels and four channels' weights: a column a channel.
fn outer(pixels: vec4f, w: vec4f) -> mat4x4f {
    return mat4x4f(pixels * w.x, pixels * w.y, pixels * w.z, pixels * w.w);
}

fn put(p: Params, n: u32, first: u32, quad: u32, sums: mat4x4f) {
    for (var i = 0u; i < min(CHANNELS, 4u); i++) {
        let channel = first + i;
        if (channel < p.out_channels) {
            var v = sums[i];
            if (HAS_BIAS == 1u) {
                v += bias[p.bias_offset + channel];
            }
            v = activate(v, ACTIVATION);
            let at = (p.y.x + n * p.y.y) / 4u + channel * p.quads + quad;
            if (ACCUMULATE == 1u) {
                v += vec4f(y[at]);
            }
            y[at] = vec4<Out>(v);
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let quad = remainder(id, p.pairs) * 2u;
    let block = remainder(quotient(id, p.pairs), p.blocks);
    let n = id / (p.pairs * p.blocks);
    // The second quad is loaded once more where there is none, and not stored.
    let next = min(quad + 1u, p.quads - 1u) - quad;
    var at = (p.x.x + n * p.x.y) / 4u + quad;
    var w = 2u * block;
    var low = mat4x4f();
    var high = mat4x4f();
    var low_next = mat4x4f();
    var high_next = mat4x4f();
    for (var k = 0u; k < p.in_channels; k++) {
        let here = input_at(at);
        let there = input_at(at + next);
        let w_low = weight_quad(w);
        low += outer(here, w_low);
        low_next += outer(there, w_low);
        if (CHANNELS == 8u) {
            let w_high = weight_quad(w + 1u);
            high += outer(here, w_high);
            high_next += outer(there, w_high);
        }
        at += p.quads;
        w += 2u * p.blocks;
    }
    put(p, n, 8u * block, quad, low);
    if (next == 1u) {
        put(p, n, 8u * block, quad + 1u, low_next);
    }
    if (CHANNELS == 8u) {
        put(p, n, 8u * block + 4u, quad, high);
        if (next == 1u) {
            put(p, n, 8u * block + 4u, quad + 1u, high_next);
        }
    }
}
