// y = scale * A B, A B^T or A^T B as matmul.wgsl, for software adapters and matrices whose sides are multiples of four.
//
// There every load is a loop over lanes, from workgroup memory as from a buffer, and a quad costs as much as a value: so an
// invocation keeps 8 x 8 sums in registers and loads blocks of 4 x 4 as quads, 16 loads for 256 multiply-adds. A block that
// lies across the sum is transposed, which costs nothing.

override KIND: u32 = 1u; // 1 A B, 2 A B^T, 3 A^T B
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    a: vec2u, // offset, stride
    b: vec2u,
    y: vec2u,
    size: vec2u,  // of y: rows, columns
    depth: u32,   // of the sum
    heads: u32,   // products of a sample
    tiles: vec2u, // of 8 x 8, of y: down, across
    invocations: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;       // [N, heads, rows, depth]; A^T B: [N, heads, depth, rows]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;       // [N, heads, depth, columns]; A B^T: [N, heads, columns, depth]
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>; // [N, heads, rows, columns]

// Quad `row` of rows by quad `k` of the sum: a column of the result for each row of A.
fn block_a(p: Params, start: u32, row: u32, k: u32) -> mat4x4f {
    if (KIND == 3u) {
        let at = start + k * p.size.x + row;
        let step = p.size.x / 4u;
        return transpose(mat4x4f(a[at], a[at + step], a[at + 2u * step], a[at + 3u * step]));
    }
    let at = start + row * p.depth + k;
    let step = p.depth / 4u;
    return mat4x4f(a[at], a[at + step], a[at + 2u * step], a[at + 3u * step]);
}

// Quad `k` of the sum by quad `column` of columns: a column of the result for each row of B.
fn block_b(p: Params, start: u32, k: u32, column: u32) -> mat4x4f {
    if (KIND == 2u) {
        let at = start + column * p.depth + k;
        let step = p.depth / 4u;
        return transpose(mat4x4f(b[at], b[at + step], b[at + 2u * step], b[at + 3u * step]));
    }
    let at = start + k * p.size.y + column;
    let step = p.size.y / 4u;
    return mat4x4f(b[at], b[at + step], b[at + 2u * step], b[at + 3u * step]);
}

fn store(p: Params, start: u32, row: u32, column: u32, sums: mat4x4f) {
    if (row >= p.size.x / 4u || column >= p.size.y / 4u) {
        return;
    }
    for (var i = 0u; i < 4u; i++) {
        let into = start + (4u * row + i) * (p.size.y / 4u) + column;
        var v = p.scale * sums[i];
        if (ACCUMULATE == 1u) {
            v += y[into];
        }
        y[into] = v;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let tile = id % (p.tiles.x * p.tiles.y);
    let product = id / (p.tiles.x * p.tiles.y);
    let n = quotient(product, p.heads);
    let head = remainder(product, p.heads);
    let at_a = (p.a.x + n * p.a.y + head * p.size.x * p.depth) / 4u;
    let at_b = (p.b.x + n * p.b.y + head * p.size.y * p.depth) / 4u;
    // In quads; the second of each is loaded once more where there is none, and not stored.
    let row = quotient(tile, p.tiles.y) * 2u;
    let column = remainder(tile, p.tiles.y) * 2u;
    let next_row = min(row + 1u, p.size.x / 4u - 1u);
    let next_column = min(column + 1u, p.size.y / 4u - 1u);
    var upper_left = mat4x4f();
    var upper_right = mat4x4f();
    var lower_left = mat4x4f();
    var lower_right = mat4x4f();
    for (var k = 0u; k < p.depth / 4u; k++) {
        let upper = block_a(p, at_a, row, k);
        let lower = block_a(p, at_a, next_row, k);
        let left = block_b(p, at_b, k, column);
        let right = block_b(p, at_b, k, next_column);
        upper_left += left * upper;
        upper_right += right * upper;
        lower_left += left * lower;
        lower_right += right * lower;
    }
    let into = (p.y.x + n * p.y.y + head * p.size.x * p.size.y) / 4u;
    store(p, into, row, column, upper_left);
    store(p, into, row, column + 1u, upper_right);
    store(p, into, row + 1u, column, lower_left);
    store(p, into, row + 1u, column + 1u, lower_right);
}
