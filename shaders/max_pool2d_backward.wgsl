// Gradient of 2x2 max-pooling: it goes to the first of the block's largest values, in row-major order, the others get zero.
// The place is found again from x, so nothing is stored going forward.

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    gx: vec2u,
    width: u32,  // of g
    values: u32, // of a sample of g
    accumulate: u32,
    invocations: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec2f>;        // [N, C, 2H, 2W / 2]
@group(0) @binding(2) var<storage, read> g: array<f32>;          // [N, C, H, W]
@group(0) @binding(3) var<storage, read_write> gx: array<vec2f>; // [N, C, 2H, 2W / 2]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = id / p.values;
    let i = id % p.values;
    let block = (i / p.width) * 2u * p.width + i % p.width;
    let at = (p.x.x + n * p.x.y) / 2u + block;
    let a = x[at];
    let b = x[at + p.width];
    let largest = max(max(a.x, a.y), max(b.x, b.y));
    let v = g[p.g.x + n * p.g.y + i];
    var top = vec2f();
    var bottom = vec2f();
    if (a.x == largest) {
        top.x = v;
    } else if (a.y == largest) {
        top.y = v;
    } else if (b.x == largest) {
        bottom.x = v;
    } else {
        bottom.y = v;
    }
    let into = (p.gx.x + n * p.gx.y) / 2u + block;
    if (p.accumulate == 1u) {
        top += gx[into];
        bottom += gx[into + p.width];
    }
    gx[into] = top;
    gx[into + p.width] = bottom;
}
