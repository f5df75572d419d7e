// decimate.wgsl for every second pixel, where rows of the smaller image are whole quads: y[i, j] = x[2 i, 2 j], or its adjoint, with zeros
// between the pixels. An item is a quad of the smaller image, and the two quads of two rows under it.

override KIND: u32 = 1u; // 1 every second, 2 the adjoint
override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    width: u32,  // quads of a row of the smaller image
    items: u32,  // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<VIn>;        // 1: [N, C, 2 H, 2 W], 2: [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<VOut>; // the other

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    let source = (p.x.x + own.n * p.x.y) / 4u;
    let into = (p.y.x + own.n * p.y.y) / 4u;
    for (var item = own.first + local; item < own.end; item += WG) {
        // Rows of all channels together: where row i of the smaller image ends, so does row 2 i + 1 of the larger.
        let row = quotient(item, p.width);
        let upper = 4u * row * p.width + 2u * (item - row * p.width);
        if (KIND == 1u) {
            var v = vec4f(V(x[source + upper]).xz, V(x[source + upper + 1u]).xz);
            if (ACCUMULATE == 1u) {
                v += V(y[into + item]);
            }
            y[into + item] = VOut(v);
            continue;
        }
        let v = V(x[source + item]);
        var left = vec4f(v.x, 0.0, v.y, 0.0);
        var right = vec4f(v.z, 0.0, v.w, 0.0);
        if (ACCUMULATE == 1u) {
            left += V(y[into + upper]);
            right += V(y[into + upper + 1u]);
        } else {
            y[into + upper + 2u * p.width] = VOut();
            y[into + upper + 2u * p.width + 1u] = VOut();
        }
        y[into + upper] = VOut(left);
        y[into + upper + 1u] = VOut(right);
    }
}
