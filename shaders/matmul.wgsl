// y = scale * A B, A B^T or A^T B for many pairs of row-major matrices, or added to y.
//
// A workgroup of 8 x 8 does 32 x 32 values of one product, 4 x 4 an invocation, in steps of 8 along the sum: both matrices'
// parts lie in workgroup memory as quads, so that 16 fused multiply-adds cost two loads. Where a tile reaches past the matrix,
// zeros are loaded.

override KIND: u32 = 1u; // 1 A B, 2 A B^T, 3 A^T B
override ACCUMULATE: u32 = 0u; // 1: add to what is there

const STEP = 8u;

struct Params {
    a: vec2u, // offset, stride
    b: vec2u,
    y: vec2u,
    size: vec2u,  // of y: rows, columns
    depth: u32,   // of the sum
    heads: u32,   // products of a sample
    tiles: vec2u, // of y: down, across
    workgroups: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;       // [N, heads, rows, depth]; A^T B: [N, heads, depth, rows]
@group(0) @binding(2) var<storage, read> b: array<f32>;       // [N, heads, depth, columns]; A B^T: [N, heads, columns, depth]
@group(0) @binding(3) var<storage, read_write> y: array<f32>; // [N, heads, rows, columns]

var<workgroup> left: array<vec4f, 64>;  // [STEP, 8 quads of rows]
var<workgroup> right: array<vec4f, 64>; // [STEP, 8 quads of columns]

fn a_at(p: Params, start: u32, row: u32, k: u32) -> f32 {
    if (row >= p.size.x || k >= p.depth) {
        return 0.0;
    }
    return a[start + select(row * p.depth + k, k * p.size.x + row, KIND == 3u)];
}

fn b_at(p: Params, start: u32, k: u32, column: u32) -> f32 {
    if (column >= p.size.y || k >= p.depth) {
        return 0.0;
    }
    return b[start + select(k * p.size.y + column, column * p.depth + k, KIND == 2u)];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let tile = id % (p.tiles.x * p.tiles.y);
    let product = id / (p.tiles.x * p.tiles.y);
    let n = quotient(product, p.heads);
    let head = remainder(product, p.heads);
    let at_a = p.a.x + n * p.a.y + head * p.size.x * p.depth;
    let at_b = p.b.x + n * p.b.y + head * p.size.y * p.depth;
    let top = quotient(tile, p.tiles.y) * 32u;
    let side = remainder(tile, p.tiles.y) * 32u;
    // What the invocation loads, and the rows and columns of y that it computes.
    let k = local / 8u;
    let row = top + local % 8u * 4u;
    let column = side + local % 8u * 4u;
    var sums: array<vec4f, 4>;
    for (var start = 0u; start < p.depth; start += STEP) {
        let at = start + k;
        // Whole: Direct3D's old compiler stores no component whose number is a variable.
        left[local] = vec4f(a_at(p, at_a, row, at), a_at(p, at_a, row + 1u, at), a_at(p, at_a, row + 2u, at), a_at(p, at_a, row + 3u, at));
        right[local] = vec4f(
            b_at(p, at_b, at, column),
            b_at(p, at_b, at, column + 1u),
            b_at(p, at_b, at, column + 2u),
            b_at(p, at_b, at, column + 3u),
        );
        workgroupBarrier();
        for (var i = 0u; i < STEP; i++) {
            let l = left[i * 8u + local / 8u];
            let r = right[i * 8u + local % 8u];
            sums[0] += l.x * r;
            sums[1] += l.y * r;
            sums[2] += l.z * r;
            sums[3] += l.w * r;
        }
        workgroupBarrier();
    }
    if (number >= p.workgroups) {
        return;
    }
    let first = top + local / 8u * 4u;
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            if (first + i < p.size.x && column + j < p.size.y) {
                let into = p.y.x + n * p.y.y + (head * p.size.x + first + i) * p.size.y + column + j;
                var v = p.scale * sums[i][j];
                if (ACCUMULATE == 1u) {
                    v += y[into];
                }
                y[into] = v;
            }
        }
    }
}
