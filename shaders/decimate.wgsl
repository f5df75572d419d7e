// Every s-th pixel along both sides, y[i, j] = x[s i, s j], or its adjoint: y[i, j] = x[i / s, j / s] where s divides both, else zero.
// A value an invocation.

override KIND: u32 = 1u; // 1 every s-th, 2 the adjoint
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    factor: u32,
    width: u32,  // of y
    values: u32, // of a sample of y
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<In>;        // 1: [N, C, s H, s W], 2: [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<Out>; // the other

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = quotient(id, p.values);
    let i = remainder(id, p.values);
    let column = remainder(i, p.width);
    // Rows of all channels together: a channel's height is a multiple of s where that matters.
    let row = quotient(i, p.width);
    var v = 0.0;
    if (KIND == 1u) {
        v = f32(x[p.x.x + n * p.x.y + row * p.factor * p.width * p.factor + column * p.factor]);
    } else if (remainder(row, p.factor) == 0u && remainder(column, p.factor) == 0u) {
        v = f32(x[p.x.x + n * p.x.y + quotient(row, p.factor) * quotient(p.width, p.factor) + quotient(column, p.factor)]);
    }
    let into = p.y.x + n * p.y.y + i;
    if (ACCUMULATE == 1u) {
        v += f32(y[into]);
    }
    y[into] = Out(v);
}
