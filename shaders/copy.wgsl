// y = factor * x + shift, or added to y; a batch of one is handed to every sample.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    x: vec2u, // offset, stride (0 for a batch of one)
    y: vec2u,
    items: u32,  // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    factor: f32,
    shift: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is x: input_*.wgsl.
@group(0) @binding(2) var<storage, read_write> y: array<V>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    for (var item = own.first + local; item < own.end; item += WG) {
        let into = (p.y.x + own.n * p.y.y) / LANES + item;
        var v = p.factor * input_at((p.x.x + own.n * p.x.y) / LANES + item) + p.shift;
        if (ACCUMULATE == 1u) {
            v += y[into];
        }
        y[into] = v;
    }
}
