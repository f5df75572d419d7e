// Mean and inverse standard deviation of each sample's channel: stats[n, c] = (mean, 1 / sqrt(var + epsilon)), var biased.
//
// One pass of loads would do with sums of squares, but those cancel where the mean is large against the deviation. The
// values are shifted by the channel's first one instead: exact for constant channels, and as stable as two passes for the
// rest. One workgroup a channel; its invocations stride over vec4 and add up in a fixed tree.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    channels: u32,
    plane: u32, // values of a channel
    epsilon: f32,
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> stats: array<vec2f>; // [N, C]

var<workgroup> sums: array<vec2f, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = min(linear(workgroup), p.workgroups - 1u);
    let start = p.x.x + (id / p.channels) * p.x.y + (id % p.channels) * p.plane;
    let shift = x[start];
    var sum = vec2f();
    for (var i = local; i < p.plane; i += WG) {
        let v = x[start + i] - shift;
        sum += vec2f(v, v * v);
    }
    sums[local] = sum;
    for (var width = WG / 2u; width > 0u; width >>= 1u) {
        workgroupBarrier();
        if (local < width) {
            sums[local] += sums[local + width];
        }
    }
    if (local == 0u) {
        let total = sums[0] / f32(p.plane);
        let variance = max(total.y - total.x * total.x, 0.0);
        stats[id] = vec2f(shift + total.x, inverseSqrt(variance + p.epsilon));
    }
}
