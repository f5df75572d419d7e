// Gradient of softplus from its output y: gx = g * (1 - exp(-y)), since sigmoid(x) = 1 - exp(-softplus(x)).

override WG: u32 = 64u;

struct Params {
    y: vec2u, // offset, stride
    g: vec2u,
    gx: vec2u,
    items: u32,  // of a sample
    blocks: u32, // workgroups of a sample
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> y: array<V>;
@group(0) @binding(2) var<storage, read> g: array<V>;
@group(0) @binding(3) var<storage, read_write> gx: array<V>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = linear(workgroup);
    let n = id / p.blocks;
    let item = (id % p.blocks) * WG + local;
    if (id >= p.workgroups || item >= p.items) {
        return;
    }
    let v = y[(p.y.x + n * p.y.y) / LANES + item];
    gx[(p.gx.x + n * p.gx.y) / LANES + item] = g[(p.g.x + n * p.g.y) / LANES + item] * -expm1_of(-v, exp(-v));
}
