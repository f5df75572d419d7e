// Softmax over the pixels of each sample's channel: y = exp(x - max x) / sum of exp(x - max x).
//
// A workgroup a channel. The exponentials are written, summed in a tree of fixed order, and divided where they lie: each
// invocation reads again only what it wrote.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    channels: u32,
    items: u32, // of a channel
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<V>;       // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<V>; // [N, C, H, W]

alias Share = f32; // tree_sum.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let n = quotient(id, p.channels);
    let c = remainder(id, p.channels);
    let at = (p.x.x + n * p.x.y) / LANES + c * p.items;
    let into = (p.y.x + n * p.y.y) / LANES + c * p.items;
    // Past the last workgroup and for idle invocations nothing changes: the first item is looked at once more.
    var highest = x[at];
    for (var i = local; i < p.items; i += WG) {
        highest = max(highest, x[at + i]);
    }
    shares[local] = largest(highest);
    for (var width = WG / 2u; width > 0u; width >>= 1u) {
        workgroupBarrier();
        if (local < width) {
            shares[local] = max(shares[local], shares[local + width]);
        }
    }
    workgroupBarrier();
    let top = shares[0];
    workgroupBarrier();
    let mine = select(0u, p.items, number < p.workgroups);
    var sum = V();
    for (var i = local; i < mine; i += WG) {
        let e = exp(x[at + i] - top);
        y[into + i] = e;
        sum += e;
    }
    let share = 1.0 / sum_in_all(total(sum), local);
    for (var i = local; i < mine; i += WG) {
        y[into + i] *= share;
    }
}
