// y[c] = sum over samples and pixels of x[n, c], or added to y. A workgroup a channel, added up in a fixed tree.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    batch: u32,
    plane: u32,
    offset: u32, // of y in its buffer
    workgroups: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

alias Share = f32; // tree_sum.wgsl

fn value(p: Params, c: u32, i: u32) -> f32 {
    if (i >= p.batch * p.plane) {
        return 0.0;
    }
    return x[p.x.x + quotient(i, p.plane) * p.x.y + c * p.plane + remainder(i, p.plane)];
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let c = linear(workgroup);
    var sum = 0.0;
    if (c < p.workgroups) {
        // Four at a time: Mesa's llvmpipe ends an invocation's loops after 65,535 iterations, and says nothing.
        for (var i = local; i < p.batch * p.plane; i += 4u * WG) {
            sum += (value(p, c, i) + value(p, c, i + WG)) + (value(p, c, i + 2u * WG) + value(p, c, i + 3u * WG));
        }
    }
    var whole = sum_in_first(sum, local);
    if (local == 0u && c < p.workgroups) {
        if (p.accumulate == 1u) {
            whole += y[p.offset + c];
        }
        y[p.offset + c] = whole;
    }
}
