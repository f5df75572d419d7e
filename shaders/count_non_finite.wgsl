// How many values of x are infinite or NaN, first stage: a workgroup takes a share of a sample, and each of its
// invocations leaves one count; sum_partials.wgsl adds those up. Looks at the bits: comparisons with NaN are the compiler's to decide.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    items: u32, // of a sample
    share: u32, // of a workgroup
    blocks: u32, // workgroups of a sample
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Bits>;             // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>; // [N, blocks, WG]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, p.share, p.items);
    const EXPONENT = Bits(0x7f800000u);
    var count = V();
    for (var item = own.first + local; item < own.end; item += WG) {
        let bits = x[(p.x.x + own.n * p.x.y) / LANES + item];
        count += select(V(), V(1.0), (bits & EXPONENT) == EXPONENT);
    }
    if (own.past) {
        return;
    }
    partials[(own.n * p.blocks + own.index) * WG + local] = total(count);
}
