// Gradients of instance norm's weight and bias from each channel's sums: gweight[c] = sum over n of sum(g * xn),
// gbias[c] = sum over n of sum(g). The two lie next to each other in one tensor.

struct Params {
    batch: u32,
    channels: u32,
    weight_offset: u32,
    bias_offset: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<vec2f>;          // [N, C]
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let c = linear(workgroup) * 64u + local;
    if (c >= p.channels) {
        return;
    }
    var sum = vec2f();
    for (var n = 0u; n < p.batch; n++) {
        sum += sums[n * p.channels + c];
    }
    if (p.accumulate == 1u) {
        sum += vec2f(gradient[p.bias_offset + c], gradient[p.weight_offset + c]);
    }
    gradient[p.weight_offset + c] = sum.y;
    gradient[p.bias_offset + c] = sum.x;
}
