// First pass of structural similarity: weighted moments of a and b in the 11 pixels of a row that a window spans. With weights
// w of sum 1: mean = sum w v, spread = sum w (v - mean)(v' - mean'). Moments about the row's own mean, which the next pass merges:
// a difference of squares would lose the variance of bright, smooth places, where it decides.
//
// Separable, so that a window costs 22 places instead of 121. Rows are short of a multiple of four by the window's reach, so
// values are taken one by one; next to the networks around it this is one channel.

struct Params {
    a: vec2u, // offset, stride
    b: vec2u,
    width: u32,   // of a row of a and b
    columns: u32, // of windows
    items: u32,   // windows' rows of a sample: C H columns
    invocations: u32,
    black: f32,   // is taken off a and b
    weights: array<vec4f, 3>, // eleven and a zero
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>; // [N, C, H, W]
@group(0) @binding(2) var<storage, read> b: array<f32>; // [N, C, H, W]
@group(0) @binding(3) var<storage, read_write> moments: array<f32>; // [N, 5 C, H, W - 10]: means of a, b, spreads aa, bb, ab

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = quotient(id, p.items);
    let i = remainder(id, p.items);
    let at = quotient(i, p.columns) * p.width + remainder(i, p.columns);
    var values: array<vec2f, 11>;
    var mean = vec2f();
    for (var k = 0u; k < 11u; k++) {
        let v = vec2f(a[p.a.x + n * p.a.y + at + k], b[p.b.x + n * p.b.y + at + k]) - p.black;
        values[k] = v;
        mean += p.weights[k / 4u][k % 4u] * v;
    }
    var spread = vec3f();
    for (var k = 0u; k < 11u; k++) {
        let d = values[k] - mean;
        spread += p.weights[k / 4u][k % 4u] * vec3f(d * d, d.x * d.y);
    }
    let to = n * 5u * p.items + i;
    moments[to] = mean.x;
    moments[to + p.items] = mean.y;
    moments[to + 2u * p.items] = spread.x;
    moments[to + 3u * p.items] = spread.y;
    moments[to + 4u * p.items] = spread.z;
}
