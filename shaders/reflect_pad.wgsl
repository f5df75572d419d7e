// y[i, j] = x[r(i), r(j)]: x continued to the right and below by reflection at its last row and column, and on by
// reflection again, without repeating the edge; where y is the smaller one, a crop. One scalar load and store a value:
// it runs once an image, before and after a network.

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    x_height: u32,
    x_width: u32,
    y_height: u32,
    y_width: u32,
    values: u32, // of a sample of y
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [N, C, H', W']

fn reflected(i: u32, size: u32) -> u32 {
    let period = max(2u * (size - 1u), 1u);
    let at = i % period;
    return select(period - at, at, at < size);
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
    let row = quotient(i, p.y_width);
    let source = quotient(row, p.y_height) * p.x_height + reflected(remainder(row, p.y_height), p.x_height);
    y[p.y.x + n * p.y.y + i] = x[p.x.x + n * p.x.y + source * p.x_width + reflected(remainder(i, p.y_width), p.x_width)];
}
