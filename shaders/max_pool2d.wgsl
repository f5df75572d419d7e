// Max-pooling 2x2, stride 2: an item of y comes from two neighbouring items of each of two rows of x.
//
// Since heights are even, row r of all channels of y lies under rows 2r and 2r + 1 of all channels of x.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    items: u32,  // of a sample of y
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    width: u32, // items of a row of y
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<VIn>;     // [N, C, 2H, 2W]
@group(0) @binding(2) var<storage, read_write> y: array<VOut>; // [N, C, H, W]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    for (var item = own.first + local; item < own.end; item += WG) {
        let top = (p.x.x + own.n * p.x.y) / LANES + 2u * (item + quotient(item, p.width) * p.width);
        let bottom = top + 2u * p.width;
        let a = max(V(x[top]), V(x[bottom]));
        let b = max(V(x[top + 1u]), V(x[bottom + 1u]));
        y[(p.y.x + own.n * p.y.y) / LANES + item] = VOut(max(evens(a, b), odds(a, b)));
    }
}
