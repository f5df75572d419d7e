// Second stage of every reduction: y[r, c] = scale * (sum of `segments` runs of `count` partial sums), one workgroup a
// value, in a fixed order: each invocation adds every WG-th partial, a tree adds the invocations. Values of the output
// past the given rows and columns become zero, or stay as they are when accumulating.

override WG: u32 = 256u;

struct Params {
    y: vec2u, // offset, stride of a row
    rows: u32,
    columns: u32,
    y_columns: u32,
    start: u32, // of the partials
    row_stride: u32,
    column_stride: u32,
    segment_stride: u32,
    segments: u32,
    count: u32,
    workgroups: u32,
    scale: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [rows or more, y_columns]

alias Share = f32; // tree_sum.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = min(linear(workgroup), p.workgroups - 1u);
    let row = quotient(id, p.y_columns);
    let column = remainder(id, p.y_columns);
    let inside = row < p.rows && column < p.columns;
    let terms = select(0u, p.segments * p.count, inside);
    let start = p.start + row * p.row_stride + column * p.column_stride;
    var sum = 0.0;
    for (var k = local; k < terms; k += WG) {
        sum += partials[start + quotient(k, p.count) * p.segment_stride + remainder(k, p.count)];
    }
    let whole = sum_in_first(sum, local);
    if (local == 0u && linear(workgroup) < p.workgroups) {
        let to = p.y.x + row * p.y.y + column;
        if (p.accumulate == 1u) {
            y[to] += p.scale * whole;
        } else {
            y[to] = p.scale * whole;
        }
    }
}
