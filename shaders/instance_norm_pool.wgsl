// Instance norm, y as in instance_norm.wgsl, and the 2x2 max-pooling of y in the same pass: what is pooled is at hand when it
// is written, so that y is not read again for it.
//
// An invocation takes the two items of two rows under an item of the pooled map, as in max_pool2d.wgsl. The two results are,
// bit for bit, those of the two kernels one after the other, in two thirds of their time (llvmpipe, 64 to 32 squared), and in
// as much at 8 squared. The gradients are still two: the norm's would have to find each block's largest value again, twice.

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    pooled: vec2u,
    size: vec2u, // of a channel: rows, quads of each
    channels: u32,
    items: u32, // of a channel of x
    width: u32, // items of a row of the pooled map
    weight_offset: u32,
    bias_offset: u32,
    planes: u32, // of all samples
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is x, [N, C, 2H, 2W]: input_*.wgsl.
@group(0) @binding(2) var<storage, read> weight: array<f32>;        // [C]
@group(0) @binding(3) var<storage, read> bias: array<f32>;          // [C]
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>; // [N, C]: mean, 1 / sqrt(var + epsilon)
@group(0) @binding(5) var<storage, read_write> y: array<VOut>;      // [N, C, 2H, 2W]
@group(0) @binding(6) var<storage, read_write> pooled: array<VOut>; // [N, C, H, W]

const TILES = 7u; // where the moments of tiles are bound, if there are any

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = plane_of(workgroup, local);
    let id = min(number, p.planes - 1u);
    let n = quotient(id, p.channels);
    let c = remainder(id, p.channels);
    let at = (p.x.x + n * p.x.y) / LANES + c * p.items;
    let all = moments_of(p, id, at, local);
    let mean = all.y;
    let inverse = 1.0 / sqrt(all.z / all.x + p.epsilon);
    let scale = inverse * weight[p.weight_offset + c];
    let offset = bias[p.bias_offset + c];
    if (number >= p.planes) {
        return;
    }
    if (local % TEAM == 0u) {
        stats[id] = vec2f(mean, inverse);
    }
    let into = (p.y.x + n * p.y.y) / LANES + c * p.items;
    let pool = (p.pooled.x + n * p.pooled.y) / LANES + c * p.items / 4u;
    for (var i = local % TEAM; i < p.items / 4u; i += TEAM) {
        let top = 2u * (i + quotient(i, p.width) * p.width);
        let bottom = top + 2u * p.width;
        let upper_left = (input_at(at + top) - mean) * scale + offset;
        let upper_right = (input_at(at + top + 1u) - mean) * scale + offset;
        let lower_left = (input_at(at + bottom) - mean) * scale + offset;
        let lower_right = (input_at(at + bottom + 1u) - mean) * scale + offset;
        y[into + top] = VOut(upper_left);
        y[into + top + 1u] = VOut(upper_right);
        y[into + bottom] = VOut(lower_left);
        y[into + bottom + 1u] = VOut(lower_right);
        let left = max(upper_left, lower_left);
        let right = max(upper_right, lower_right);
        pooled[pool + i] = VOut(max(evens(left, right), odds(left, right)));
    }
}
