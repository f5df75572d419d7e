// First stage of the sum of squares of a flat tensor: every invocation takes quads in turn and leaves one partial sum.
// The last quad may reach past the values, into the padding of the buffer; those lanes count as zero.

override WG: u32 = 64u;

struct Params {
    len: u32,
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>; // [invocations]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let invocation = linear(workgroup) * WG + local;
    if (invocation >= p.invocations) {
        return;
    }
    var sum = vec4f();
    for (var quad = invocation; quad < (p.len + 3u) / 4u; quad += p.invocations) {
        let inside = vec4u(quad * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(p.len);
        let v = select(vec4f(), x[quad], inside);
        sum += v * v;
    }
    partials[invocation] = (sum.x + sum.y) + (sum.z + sum.w);
}
