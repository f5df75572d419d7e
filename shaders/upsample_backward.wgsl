// Adjoint of upsample.wgsl: gx[i, j] = sum of g over the s x s block of pixel (i, j), row by row; or added to gx.

override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    g: vec2u, // offset, stride
    gx: vec2u,
    factor: u32,
    width: u32,  // of gx
    values: u32, // of a sample of gx
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;        // [N, C, s H, s W]
@group(0) @binding(2) var<storage, read_write> gx: array<f32>; // [N, C, H, W]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = quotient(id, p.values);
    let i = remainder(id, p.values);
    let wide = p.width * p.factor;
    let corner = p.g.x + n * p.g.y + quotient(i, p.width) * p.factor * wide + remainder(i, p.width) * p.factor;
    var sum = 0.0;
    for (var row = 0u; row < p.factor; row++) {
        for (var column = 0u; column < p.factor; column++) {
            sum += g[corner + row * wide + column];
        }
    }
    let into = p.gx.x + n * p.gx.y + i;
    if (ACCUMULATE == 1u) {
        sum += gx[into];
    }
    gx[into] = sum;
}
