// First stage of group norm: mean and sum of squared deviations of each sample's channel.
//
// A workgroup does a channel, as in instance_norm.wgsl. So a group is spread over as many workgroups as it has channels,
// however large it is, at the price of reading x once more in the second stage.

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

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let at = (p.x.x + id / p.channels * p.x.y) / LANES + id % p.channels * p.items;
    let all = channel_moments(at, p.items, local);
    if (local == 0u && number < p.workgroups) {
        deviations[id] = all.yz;
    }
}
