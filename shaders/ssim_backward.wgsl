// Last pass of structural similarity: the gradient. Every pixel gathers along its row what ssim_spread.wgsl has gathered along
// columns, E = sum w e and so on, and ga = scale (E + F a + G b), or added to ga.

struct Params {
    a: vec2u, // offset, stride
    b: vec2u,
    ga: vec2u,
    width: u32,
    columns: u32, // of windows
    items: u32,   // of a sample: C H W
    invocations: u32,
    black: f32,
    scale: f32,
    accumulate: u32,
    weights: array<vec4f, 3>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>; // [N, C, H, W]
@group(0) @binding(2) var<storage, read> b: array<f32>; // [N, C, H, W]
@group(0) @binding(3) var<storage, read> spread: array<f32>; // [N, 3 C, H, W - 10]
@group(0) @binding(4) var<storage, read_write> ga: array<f32>; // [N, C, H, W]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = quotient(id, p.items);
    let i = remainder(id, p.items);
    let x = remainder(i, p.width);
    let next = quotient(p.items, p.width) * p.columns; // from one slope to the next
    let row = n * 3u * next + quotient(i, p.width) * p.columns;
    var sum = vec3f();
    for (var k = 0u; k < 11u; k++) {
        let inside = x >= k && x - k < p.columns;
        let window = row + select(0u, x - k, inside);
        let slopes = vec3f(spread[window], spread[window + next], spread[window + 2u * next]);
        sum += select(vec3f(), p.weights[k / 4u][k % 4u] * slopes, inside);
    }
    let values = vec2f(a[p.a.x + n * p.a.y + i], b[p.b.x + n * p.b.y + i]) - p.black;
    var g = p.scale * (sum.x + sum.y * values.x + sum.z * values.y);
    let to = p.ga.x + n * p.ga.y + i;
    if (p.accumulate == 1u) {
        g += ga[to];
    }
    ga[to] = g;
}
