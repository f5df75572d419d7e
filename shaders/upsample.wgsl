// y[i, j] = x[i / s, j / s]: every pixel repeated s times along both sides. One load and one store a value.

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    factor: u32,
    width: u32,  // of y
    values: u32, // of a sample of y
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [N, C, s H, s W]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = quotient(id, p.values);
    let i = remainder(id, p.values);
    // Heights of y are multiples of s: row r of all channels of y lies over row r / s of all channels of x.
    let source = quotient(quotient(i, p.width), p.factor) * quotient(p.width, p.factor) + quotient(remainder(i, p.width), p.factor);
    y[p.y.x + n * p.y.y + i] = x[p.x.x + n * p.x.y + source];
}
