// Weight gradient of a 1x1 convolution in splits: parts[s, co, ci] = sum of g[n, co, p] x[n, ci, p] over the samples and those quads of
// pixels whose number leaves s when divided by the number of splits. sum_splits.wgsl adds the splits up, in their order.
//
// An invocation keeps 8 x 8 weights in registers: 16 loads of quads feed 256 multiply-adds. Without splits the deepest sums
// would belong to the smallest outputs, and a 16 x 16 weight over 4096 pixels keep four invocations busy. Neighbouring
// invocations read neighbouring quads.
//
// Measured on llvmpipe as conv2d_1x1.wgsl: 11 GFLOP/s, the kernel of any size 0.25: a workgroup a weight, two loads a multiply-add.

override CHANNELS: u32 = 8u; // output channels that an invocation keeps: 8, 4 or 1

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    in_channels: u32,
    row: u32, // in_channels, padded to a multiple of four
    out_channels: u32,
    quads: u32, // of a plane
    batch: u32,
    splits: u32,
    across: u32, // tiles of 8 input channels
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are x, [N, Cin, H W], and g, [N, Cout, H W]: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read_write> parts: array<vec4f>; // [splits, Cout, row / 4]

// The quads of four channels from `first` on, of the last one where there are none.
fn of_x(p: Params, start: u32, first: u32) -> mat4x4f {
    let c = min(first + vec4u(0u, 1u, 2u, 3u), vec4u(p.in_channels - 1u)) * p.quads + start;
    return mat4x4f(input_at(c.x), input_at(c.y), input_at(c.z), input_at(c.w));
}

fn of_g(p: Params, start: u32, first: u32) -> mat4x4f {
    if (CHANNELS == 1u) {
        return mat4x4f(second_at(first * p.quads + start), vec4f(), vec4f(), vec4f());
    }
    let c = min(first + vec4u(0u, 1u, 2u, 3u), vec4u(p.out_channels - 1u)) * p.quads + start;
    return mat4x4f(second_at(c.x), second_at(c.y), second_at(c.z), second_at(c.w));
}

fn put(p: Params, split: u32, row: u32, column: u32, sums: mat4x4f) {
    for (var i = 0u; i < min(CHANNELS, 4u); i++) {
        if (row + i < p.out_channels && column < p.in_channels) {
            parts[((split * p.out_channels + row + i) * p.row + column) / 4u] = sums[i];
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
    let split = remainder(id, p.splits);
    let tile = quotient(id, p.splits);
    let row = quotient(tile, p.across) * 8u;
    let column = remainder(tile, p.across) * 8u;
    var upper_left = mat4x4f();
    var upper_right = mat4x4f();
    var lower_left = mat4x4f();
    var lower_right = mat4x4f();
    for (var n = 0u; n < p.batch; n++) {
        let at_x = (p.x.x + n * p.x.y) / 4u;
        let at_g = (p.g.x + n * p.g.y) / 4u;
        for (var quad = split; quad < p.quads; quad += p.splits) {
            let left = transpose(of_x(p, at_x + quad, column));
            let right = transpose(of_x(p, at_x + quad, column + 4u));
            let upper = of_g(p, at_g + quad, row);
            upper_left += left * upper;
            upper_right += right * upper;
            if (CHANNELS == 8u) {
                let lower = of_g(p, at_g + quad, row + 4u);
                lower_left += left * lower;
                lower_right += right * lower;
            }
        }
    }
    put(p, split, row, column, upper_left);
    put(p, split, row, column + 4u, upper_right);
    if (CHANNELS == 8u) {
        put(p, split, row + 4u, column, lower_left);
        put(p, split, row + 4u, column + 4u, lower_right);
    }
}
