// Every s-th pixel along both sides, y[i, j] = x[s i, s j], or its adjoint: y[i, j] = x[i / s, j / s] where s divides both, else zero.
// A value an invocation.
//
// Parameters are read where they are used: read at once, Mesa 22.3 would compile this shader anew for every dispatch (ARCHITECTURE.md).

override KIND: u32 = 1u; // 1 every s-th, 2 the adjoint

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    factor: u32,
    width: u32,  // of y
    values: u32, // of a sample of y
    invocations: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<In>;        // 1: [N, C, s H, s W], 2: [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<Out>; // the other

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = linear(workgroup) * 64u + local;
    if (id >= params.invocations) {
        return;
    }
    let n = quotient(id, params.values);
    let i = remainder(id, params.values);
    let column = remainder(i, params.width);
    // Rows of all channels together: a channel's height is a multiple of s where that matters.
    let row = quotient(i, params.width);
    var v = 0.0;
    if (KIND == 1u) {
        v = f32(x[params.x.x + n * params.x.y + row * params.factor * params.width * params.factor + column * params.factor]);
    } else if (remainder(row, params.factor) == 0u && remainder(column, params.factor) == 0u) {
        v = f32(x[params.x.x + n * params.x.y + quotient(row, params.factor) * quotient(params.width, params.factor) + quotient(column, params.factor)]);
    }
    let into = params.y.x + n * params.y.y + i;
    if (params.accumulate == 1u) {
        v += f32(y[into]);
    }
    y[into] = Out(v);
}
