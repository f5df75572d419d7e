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

var<workgroup> sums: array<f32, WG>;

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
    sums[local] = sum;
    for (var width = WG / 2u; width > 0u; width >>= 1u) {
        workgroupBarrier();
        if (local < width) {
            sums[local] += sums[local + width];
        }
    }
    if (local == 0u && c < p.workgroups) {
        if (p.accumulate == 1u) {
            sums[0] += y[p.offset + c];
        }
        y[p.offset + c] = sums[0];
    }
}
