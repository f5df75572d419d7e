// Instance norm: y = (x - mean) / sqrt(var + epsilon) * weight + bias, over each sample's channel; var is biased.
//
// One workgroup does a whole channel, statistics and all: the second reading of x comes from the cache, so the tensor
// crosses memory once in and once out. Every component of every invocation runs Welford's recurrence over its share, and
// the results (count, mean, sum of squared deviations) are merged by Chan's formula in a tree of fixed order, so that
// nothing cancels. All is relative to the channel's first value, or a large mean would cost the recurrence its last digits.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    channels: u32,
    items: u32, // of a channel
    weight_offset: u32,
    bias_offset: u32,
    affine: u32,
    workgroups: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<VIn>;             // [N, C, H, W]
@group(0) @binding(2) var<storage, read> weight: array<f32>;        // [C]
@group(0) @binding(3) var<storage, read> bias: array<f32>;          // [C]
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>; // [N, C]: mean, 1 / sqrt(var + epsilon)
@group(0) @binding(5) var<storage, read_write> y: array<VOut>;      // [N, C, H, W]

var<workgroup> moments: array<vec3f, WG>; // count, mean, sum of squared deviations

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let n = id / p.channels;
    let c = id % p.channels;
    let at_x = (p.x.x + n * p.x.y) / LANES + c * p.items;
    let into = (p.y.x + n * p.y.y) / LANES + c * p.items;
    let origin = first(V(x[at_x]));
    var centre = V();
    var squares = V();
    var count = 0.0;
    for (var i = local; i < p.items; i += WG) {
        let v = V(x[at_x + i]) - origin;
        let delta = v - centre;
        count += 1.0;
        centre += delta * (1.0 / count);
        squares += delta * (v - centre);
    }
    let middle = total(centre) / f32(LANES);
    let spread = centre - middle;
    moments[local] = vec3f(count * f32(LANES), middle, total(squares + count * spread * spread));
    for (var width = WG / 2u; width > 0u; width >>= 1u) {
        workgroupBarrier();
        if (local < width) {
            moments[local] = merge(moments[local], moments[local + width]);
        }
    }
    workgroupBarrier();
    let all = moments[0];
    let mean = origin + all.y;
    let inverse = 1.0 / sqrt(all.z / all.x + p.epsilon);
    var scale = inverse;
    var offset = 0.0;
    if (p.affine == 1u) {
        scale *= weight[p.weight_offset + c];
        offset = bias[p.bias_offset + c];
    }
    if (number < p.workgroups) {
        for (var i = local; i < p.items; i += WG) {
            y[into + i] = VOut((V(x[at_x + i]) - mean) * scale + offset);
        }
        if (local == 0u) {
            stats[id] = vec2f(mean, inverse);
        }
    }
}
