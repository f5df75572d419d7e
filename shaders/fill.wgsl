// y = value.

override WG: u32 = 64u;

struct Params {
    y: vec2u, // offset, stride
    items: u32,  // of a sample
    blocks: u32, // workgroups of a sample
    workgroups: u32,
    value: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<V>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = linear(workgroup);
    let item = (id % p.blocks) * WG + local;
    if (id >= p.workgroups || item >= p.items) {
        return;
    }
    y[(p.y.x + (id / p.blocks) * p.y.y) / LANES + item] = V(p.value);
}
