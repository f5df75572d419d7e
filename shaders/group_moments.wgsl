// First stage of group norm: mean and sum of squared deviations of each sample's channel.
//
// A team of invocations does a channel, as in instance_norm.wgsl. So a group is spread over as many teams as it has channels, however
// large it is, at the price of reading x once more in the second stage.

struct Params {
    x: vec2u, // offset, stride
    channels: u32,
    items: u32, // of a channel
    planes: u32, // of all samples
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is x, [N, C, H, W]: input_storage.wgsl.
@group(0) @binding(2) var<storage, read_write> deviations: array<vec2f>; // [N, C]: mean, sum of squared deviations

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = plane_of(workgroup, local);
    let id = min(number, p.planes - 1u);
    let at = (p.x.x + quotient(id, p.channels) * p.x.y) / LANES + remainder(id, p.channels) * p.items;
    let all = channel_moments(at, p.items, local);
    if (local % TEAM == 0u && number < p.planes) {
        deviations[id] = all.yz;
    }
}
