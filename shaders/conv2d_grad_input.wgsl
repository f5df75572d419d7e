// Input gradient of a convolution of any kernel size, stride and padding; also the forward of a transposed convolution:
// gx[n, ci, iy, ix] = bias[ci] + sum over co, ky, kx of g[n, co, oy, ox] * w[co, ci, ky, kx]
//     where oy * stride - padding + ky = iy, and ox alike.
//
// The kernel for any size: one invocation gathers one pixel of 4 channels, so nothing is scattered and no atomics are needed.

struct Params {
    g: vec2u,  // offset, stride
    gx: vec2u,
    in_channels: u32,  // of gx
    out_channels: u32, // of g
    in_height: u32,
    in_width: u32,
    out_height: u32,
    out_width: u32,
    kernel: u32,
    stride: u32,
    padding: u32,
    weight_offset: u32,
    bias_offset: u32,
    has_bias: u32,
    activation: u32,
    accumulate: u32,
    blocks: u32, // ceil(in_channels / 4)
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<In>;         // [N, Cout, Ho, Wo]
@group(0) @binding(2) var<storage, read> weights: array<f32>;  // [Cout, Cin, K, K]
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [Cin], of a transposed convolution
@group(0) @binding(4) var<storage, read_write> gx: array<Out>; // [N, Cin, H, W]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let column = remainder(id, p.in_width);
    id = quotient(id, p.in_width);
    let row = remainder(id, p.in_height);
    id = quotient(id, p.in_height);
    let ci = remainder(id, p.blocks) * 4u;
    let n = quotient(id, p.blocks);

    let taps = p.kernel * p.kernel;
    // Channels past the end read the last one's weights; their sums are not written.
    let last = p.in_channels - 1u;
    let lane = vec4u(ci, min(ci + 1u, last), min(ci + 2u, last), min(ci + 3u, last));
    var sum = vec4f();
    if (p.has_bias == 1u) {
        let at = p.bias_offset + lane;
        sum = vec4f(bias[at.x], bias[at.y], bias[at.z], bias[at.w]);
    }
    for (var co = 0u; co < p.out_channels; co++) {
        let channel = p.g.x + n * p.g.y + co * p.out_height * p.out_width;
        for (var ky = 0u; ky < p.kernel; ky++) {
            let ty = i32(row + p.padding) - i32(ky);
            let oy = ty / i32(p.stride);
            if (ty >= 0 && ty % i32(p.stride) == 0 && oy < i32(p.out_height)) {
                for (var kx = 0u; kx < p.kernel; kx++) {
                    let tx = i32(column + p.padding) - i32(kx);
                    let ox = tx / i32(p.stride);
                    if (tx >= 0 && tx % i32(p.stride) == 0 && ox < i32(p.out_width)) {
                        let w = p.weight_offset + (co * p.in_channels + lane) * taps + ky * p.kernel + kx;
                        let v = f32(g[channel + u32(oy) * p.out_width + u32(ox)]);
                        sum += v * vec4f(weights[w.x], weights[w.y], weights[w.z], weights[w.w]);
                    }
                }
            }
        }
    }
    sum = activate(sum, p.activation);
    for (var i = 0u; i < min(4u, p.in_channels - ci); i++) {
        let at = p.gx.x + n * p.gx.y + ((ci + i) * p.in_height + row) * p.in_width + column;
        if (p.accumulate == 1u) {
            gx[at] = Out(f32(gx[at]) + sum[i]);
        } else {
            gx[at] = Out(sum[i]);
        }
    }
}
