// Gradient of 2x2 max-pooling: it goes to the first of the block's largest values, in row-major order, the others get zero.
// The place is found again from x, so nothing is stored going forward. Items as in max_pool2d.wgsl.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    gx: vec2u,
    items: u32,  // of a sample of g
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    width: u32, // items of a row of g
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are x, [N, C, 2H, 2W], and g, [N, C, H, W]: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read_write> gx: array<V>; // [N, C, 2H, 2W]

fn put(index: u32, even: V, odd: V) {
    var a = former(even, odd);
    var b = latter(even, odd);
    if (ACCUMULATE == 1u) {
        a += gx[index];
        b += gx[index + 1u];
    }
    gx[index] = a;
    gx[index + 1u] = b;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    for (var item = own.first + local; item < own.end; item += WG) {
        let block = 2u * (item + quotient(item, p.width) * p.width);
        let top = (p.x.x + own.n * p.x.y) / LANES + block;
        let bottom = top + 2u * p.width;
        let top_a = input_at(top);
        let top_b = input_at(top + 1u);
        let bottom_a = input_at(bottom);
        let bottom_b = input_at(bottom + 1u);
        let upper_left = evens(top_a, top_b);
        let upper_right = odds(top_a, top_b);
        let lower_left = evens(bottom_a, bottom_b);
        let lower_right = odds(bottom_a, bottom_b);
        let largest = max(max(upper_left, upper_right), max(lower_left, lower_right));
        // What one pixel takes is gone for those after it.
        let whole = second_at((p.g.x + own.n * p.g.y) / LANES + item);
        let at_first = upper_left == largest;
        let at_second = upper_right == largest;
        let at_third = lower_left == largest;
        let after_first = select(whole, V(), at_first);
        let after_second = select(after_first, V(), at_second);
        let after_third = select(after_second, V(), at_third);
        let into = (p.gx.x + own.n * p.gx.y) / LANES + block;
        put(into, select(V(), whole, at_first), select(V(), after_first, at_second));
        put(into + 2u * p.width, select(V(), after_second, at_third), after_third);
    }
}
