// Third pass of structural similarity, towards its gradient: every row gathers, along its column, the slopes of the windows that it
// lies in, y[r] = sum over k of w[k] slopes[r - k] where there is such a window. Gathered, not scattered: no atomics.

struct Params {
    columns: u32, // of windows
    rows: u32,    // of y: H
    invocations: u32,
    weights: array<vec4f, 3>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> slopes: array<f32>;   // [N, 3 C, H - 10, W - 10]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [N, 3 C, H, W - 10]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let row = remainder(quotient(id, p.columns), p.rows);
    let plane = id / (p.columns * p.rows);
    let windows = p.rows - 10u;
    var sum = 0.0;
    for (var k = 0u; k < 11u; k++) {
        let inside = row >= k && row - k < windows;
        let window = select(0u, row - k, inside);
        let slope = slopes[(plane * windows + window) * p.columns + remainder(id, p.columns)];
        sum += select(0.0, p.weights[k / 4u][k % 4u] * slope, inside);
    }
    y[id] = sum;
}
