// y[i] = sum over splits of parts[split, start + i], in order, or added to y: the second stage of a split sum. A split holds a weight row by
// row, each padded to whole vec4, and a bias behind the last one; i counts without the padding.

struct Params {
    start: u32,
    rows: u32,
    row: u32,     // values of a row
    padding: u32, // values between two rows
    part: u32,    // values of a split
    splits: u32,
    offset: u32,  // of y in its buffer
    len: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let i = linear(workgroup) * 64u + local;
    if (i >= p.len) {
        return;
    }
    // What lies behind the last row has all of their padding before it.
    var at = p.start + i;
    at += min(quotient(at, p.row), p.rows) * p.padding;
    var sum = 0.0;
    for (var split = 0u; split < p.splits; split++) {
        sum += parts[at];
        at += p.part;
    }
    if (p.accumulate == 1u) {
        sum += y[p.offset + i];
    }
    y[p.offset + i] = sum;
}
