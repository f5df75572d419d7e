// The most that the adapter moves: y = x, a vec4f an invocation, over more than any cache holds.

struct Params {
    items: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let i = (workgroup.x + workgroup.y * 65535u) * 64u + local;
    if (i < p.items) {
        y[i] = x[i];
    }
}
