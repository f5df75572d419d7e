// Depth to space, y[c, s i + a, s j + b] = x[c s^2 + a s + b, i, j], or its inverse and adjoint, space to depth,
// y[c s^2 + a s + b, i, j] = x[c, s i + a, s j + b]; or added to y.
//
// A permutation: one load and one store a value, the stores in order.

override KIND: u32 = 1u; // 1 depth to space, 2 space to depth
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    factor: u32,
    height: u32, // of the small planes
    width: u32,
    values: u32, // of a sample
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// Where value i of the large planes, [C, s H, s W], lies in the small ones, [C s^2, H, W].
fn in_small(p: Params, i: u32) -> u32 {
    let wide = p.factor * p.width;
    let column = i % wide;
    let row = i / wide % (p.factor * p.height);
    let channel = i / wide / (p.factor * p.height);
    let part = (channel * p.factor + remainder(row, p.factor)) * p.factor + remainder(column, p.factor);
    return (part * p.height + quotient(row, p.factor)) * p.width + quotient(column, p.factor);
}

// And the other way round.
fn in_large(p: Params, i: u32) -> u32 {
    let column = remainder(i, p.width);
    let row = remainder(quotient(i, p.width), p.height);
    let part = quotient(quotient(i, p.width), p.height);
    let channel = part / (p.factor * p.factor);
    let y = (channel * p.height + row) * p.factor + remainder(quotient(part, p.factor), p.factor);
    return (y * p.width + column) * p.factor + remainder(part, p.factor);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = quotient(id, p.values);
    let i = remainder(id, p.values);
    var source = 0u;
    if (KIND == 1u) {
        source = in_small(p, i);
    } else {
        source = in_large(p, i);
    }
    let into = p.y.x + n * p.y.y + i;
    var v = x[p.x.x + n * p.x.y + source];
    if (ACCUMULATE == 1u) {
        v += y[into];
    }
    y[into] = v;
}
