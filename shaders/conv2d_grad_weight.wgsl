// Weight gradient of a convolution of any kernel size, stride and padding:
// gw[co, ci, ky, kx] = sum over n, oy, ox of g[n, co, oy, ox] * x[n, ci, oy * stride - padding + ky, ox * stride - padding + kx].
//
// The kernel for any size: a workgroup a weight. Its invocations stride over the pixels of all samples and add up in a fixed
// tree, so the result repeats bit for bit.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
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
    accumulate: u32,
    batch: u32,
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [N, Cin, H, W]
@group(0) @binding(2) var<storage, read> g: array<f32>;        // [N, Cout, Ho, Wo]
@group(0) @binding(3) var<storage, read_write> gw: array<f32>; // [Cout, Cin, K, K]

alias Share = f32; // tree_sum.wgsl

// The weight's product at output pixel `i` of all samples.
fn product(p: Params, co: u32, ci: u32, ky: u32, kx: u32, i: u32) -> f32 {
    let plane = p.out_height * p.out_width;
    let n = i / plane;
    let oy = quotient(i % plane, p.out_width);
    let ox = remainder(i, p.out_width);
    let iy = i32(oy * p.stride + ky) - i32(p.padding);
    let ix = i32(ox * p.stride + kx) - i32(p.padding);
    if (n >= p.batch || iy < 0 || iy >= i32(p.in_height) || ix < 0 || ix >= i32(p.in_width)) {
        return 0.0;
    }
    let at = p.x.x + n * p.x.y + (ci * p.in_height + u32(iy)) * p.in_width + u32(ix);
    return g[p.g.x + n * p.g.y + co * plane + i % plane] * x[at];
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let weight = linear(workgroup);
    let taps = p.kernel * p.kernel;
    let kx = remainder(weight, p.kernel);
    let ky = remainder(quotient(weight, p.kernel), p.kernel);
    let ci = remainder(weight / taps, p.in_channels);
    let co = weight / (taps * p.in_channels);
    let pixels = p.batch * p.out_height * p.out_width;
    var sum = 0.0;
    if (weight < p.workgroups) {
        // Two at a time: Mesa's llvmpipe ends an invocation's loops after 65,535 iterations, and says nothing.
        for (var i = local; i < pixels; i += 2u * WG) {
            sum += product(p, co, ci, ky, kx, i) + product(p, co, ci, ky, kx, i + WG);
        }
    }
    let whole = sum_in_first(sum, local);
    if (local == 0u && weight < p.workgroups) {
        let at = p.weight_offset + weight;
        if (p.accumulate == 1u) {
            gw[at] = gw[at] + whole;
        } else {
            gw[at] = whole;
        }
    }
}
