// The most that the adapter moves: y = x, over more than any cache holds, a block of vec4f a workgroup; from a buffer or, where these are slow,
// from an image, whose filling counts as time and not as bytes.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    items: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
// Binding 1 is x: input_*.wgsl in shaders/shared.
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let first = (workgroup.x + workgroup.y * 65535u) * BLOCK;
    let end = min(first + BLOCK, p.items);
    for (var i = first + local; i < end; i += WG) {
        y[i] = input_at(i);
    }
}
