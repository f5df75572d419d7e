// First stage of group norm: mean and sum of squared deviations of each sample's channel.
//
// A workgroup does a channel, as in instance_norm.wgsl: Welford's recurrence in every component of every invocation, relative
// to the channel's first value, merged in a tree of fixed order. So a group is spread over as many workgroups as it has
// channels, however large it is, at the price of reading x once more in the second stage.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    channels: u32,
    items: u32, // of a channel
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<V>;                 // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> deviations: array<vec2f>; // [N, C]: mean, sum of squared deviations

var<workgroup> moments: array<vec3f, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let at = (p.x.x + id / p.channels * p.x.y) / LANES + id % p.channels * p.items;
    let origin = first(x[at]);
    var centre = V();
    var squares = V();
    var count = 0.0;
    for (var i = local; i < p.items; i += WG) {
        let v = x[at + i] - origin;
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
    if (local == 0u && number < p.workgroups) {
        deviations[id] = vec2f(origin + moments[0].y, moments[0].z);
    }
}
