// y[c] = sum over samples and pixels of x[n, c], or added to y. A workgroup a channel or, where that would leave most of a GPU without work (the
// head's one channel), one a channel's split: partial sums y[split, c], which are added up in the same way. In a fixed tree.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    batch: u32,
    plane: u32,
    offset: u32, // of y in its buffer
    channels: u32,
    splits: u32,
    share: u32, // values of a split
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>; // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

alias Share = f32; // tree_sum.wgsl

fn value(p: Params, c: u32, i: u32, past: u32) -> f32 {
    if (i >= past) {
        return 0.0;
    }
    return x[p.x.x + quotient(i, p.plane) * p.x.y + c * p.plane + remainder(i, p.plane)];
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup);
    let c = remainder(id, p.channels);
    let split = quotient(id, p.channels);
    var sum = 0.0;
    if (split < p.splits) {
        let past = min((split + 1u) * p.share, p.batch * p.plane);
        // Four at a time: Mesa's llvmpipe ends an invocation's loops after 65,535 iterations, and says nothing.
        for (var i = split * p.share + local; i < past; i += 4u * WG) {
            sum += (value(p, c, i, past) + value(p, c, i + WG, past))
                + (value(p, c, i + 2u * WG, past) + value(p, c, i + 3u * WG, past));
        }
    }
    var whole = sum_in_first(sum, local);
    if (local == 0u && split < p.splits) {
        let at = p.offset + id;
        if (p.accumulate == 1u) {
            whole += y[at];
        }
        y[at] = whole;
    }
}
