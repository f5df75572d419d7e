// Max-pooling 2x2, stride 2. Widths are even, so the two neighbours of a row are one vec2f: 2 loads a pixel of y.

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    width: u32,  // of y
    values: u32, // of a sample of y
    invocations: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec2f>;     // [N, C, 2H, 2W / 2]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [N, C, H, W]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = id / p.values;
    let i = id % p.values;
    let at = (p.x.x + n * p.x.y) / 2u + (i / p.width) * 2u * p.width + i % p.width;
    let v = max(x[at], x[at + p.width]);
    y[p.y.x + n * p.y.y + i] = max(v.x, v.y);
}
