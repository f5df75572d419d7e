// Convolution of any kernel size, stride and padding: y = activation(conv(x, w) + bias).
//
// The kernel for any size: no subgroups, no alignment. One invocation computes 4 neighbouring pixels of 4 output channels in
// registers: per tap 4 pixel loads and 4 weight loads against 16 multiply-adds. It also computes the input gradient of a
// transposed convolution, whose weights are stored the other way round.

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    in_channels: u32,
    out_channels: u32,
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
    quads: u32,      // ceil(out_width / 4)
    blocks: u32,     // ceil(out_channels / 4)
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<In>;        // [N, Cin, H, W]
@group(0) @binding(2) var<storage, read> weights: array<f32>; // [Cout, Cin, K, K]
@group(0) @binding(3) var<storage, read> bias: array<f32>;    // [Cout]
@group(0) @binding(4) var<storage, read_write> y: array<Out>; // [N, Cout, Ho, Wo]

fn pixel(p: Params, at: u32, column: i32) -> f32 {
    if (column < 0 || column >= i32(p.in_width)) {
        return 0.0;
    }
    return f32(x[at + u32(column)]);
}

fn first_value(p: Params, co: u32) -> vec4f {
    if (p.has_bias == 1u && co < p.out_channels) {
        return vec4f(bias[p.bias_offset + co]);
    }
    return vec4f();
}

fn put(p: Params, n: u32, co: u32, row: u32, column: u32, value: vec4f) {
    if (co >= p.out_channels) {
        return;
    }
    let v = activate(value, p.activation);
    let at = p.y.x + n * p.y.y + (co * p.out_height + row) * p.out_width + column;
    for (var i = 0u; i < min(4u, p.out_width - column); i++) {
        if (p.accumulate == 1u) {
            y[at + i] = Out(f32(y[at + i]) + v[i]);
        } else {
            y[at + i] = Out(v[i]);
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    var id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let column = remainder(id, p.quads) * 4u;
    id = quotient(id, p.quads);
    let row = remainder(id, p.out_height);
    id = quotient(id, p.out_height);
    let co = remainder(id, p.blocks) * 4u;
    let n = quotient(id, p.blocks);

    let taps = p.kernel * p.kernel;
    let channel_weights = p.in_channels * taps;
    // Channels past the end read the last one's weights; their sums are not written.
    let w0 = p.weight_offset + co * channel_weights;
    let w1 = p.weight_offset + min(co + 1u, p.out_channels - 1u) * channel_weights;
    let w2 = p.weight_offset + min(co + 2u, p.out_channels - 1u) * channel_weights;
    let w3 = p.weight_offset + min(co + 3u, p.out_channels - 1u) * channel_weights;
    var o0 = first_value(p, co);
    var o1 = first_value(p, co + 1u);
    var o2 = first_value(p, co + 2u);
    var o3 = first_value(p, co + 3u);
    let s = i32(p.stride);
    for (var ci = 0u; ci < p.in_channels; ci++) {
        let channel = p.x.x + n * p.x.y + ci * p.in_height * p.in_width;
        for (var ky = 0u; ky < p.kernel; ky++) {
            let in_row = i32(row * p.stride + ky) - i32(p.padding);
            if (in_row >= 0 && in_row < i32(p.in_height)) {
                let at = channel + u32(in_row) * p.in_width;
                for (var kx = 0u; kx < p.kernel; kx++) {
                    let c = i32(column * p.stride + kx) - i32(p.padding);
                    let v = vec4f(pixel(p, at, c), pixel(p, at, c + s), pixel(p, at, c + 2 * s), pixel(p, at, c + 3 * s));
                    let tap = ci * taps + ky * p.kernel + kx;
                    o0 += weights[w0 + tap] * v;
                    o1 += weights[w1 + tap] * v;
                    o2 += weights[w2 + tap] * v;
                    o3 += weights[w3 + tap] * v;
                }
            }
        }
    }
    put(p, n, co, row, column, o0);
    put(p, n, co + 1u, row, column, o1);
    put(p, n, co + 2u, row, column, o2);
    put(p, n, co + 3u, row, column, o3);
}
