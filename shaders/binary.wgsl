// y = a + b or y = a * b, or added to y.

override KIND: u32 = 1u; // 1 sum, 2 product
override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    a: vec2u, // offset, stride
    b: vec2u,
    y: vec2u,
    items: u32,  // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are a and b: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read_write> y: array<V>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    for (var item = own.first + local; item < own.end; item += WG) {
        let into = (p.y.x + own.n * p.y.y) / LANES + item;
        var v = input_at((p.a.x + own.n * p.a.y) / LANES + item);
        if (KIND == 1u) {
            v += second_at((p.b.x + own.n * p.b.y) / LANES + item);
        } else {
            v *= second_at((p.b.x + own.n * p.b.y) / LANES + item);
        }
        if (ACCUMULATE == 1u) {
            v += y[into];
        }
        y[into] = v;
    }
}
