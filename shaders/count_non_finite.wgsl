// How many values of x are infinite or NaN, first stage: an invocation takes the items of a sample in turn and leaves one
// count; sum_partials.wgsl adds those up. Looks at the bits: comparisons with NaN are the compiler's to decide.

override WG: u32 = 64u;

struct Params {
    x: vec2u, // offset, stride
    items: u32, // of a sample
    invocations: u32, // of a sample
    blocks: u32, // workgroups of a sample
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Bits>;             // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>; // [N, invocations]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup);
    let n = quotient(id, p.blocks);
    let invocation = remainder(id, p.blocks) * WG + local;
    if (id >= p.workgroups || invocation >= p.invocations) {
        return;
    }
    const EXPONENT = Bits(0x7f800000u);
    var count = V();
    for (var item = invocation; item < p.items; item += p.invocations) {
        let bits = x[(p.x.x + n * p.x.y) / LANES + item];
        count += select(V(), V(1.0), (bits & EXPONENT) == EXPONENT);
    }
    partials[n * p.invocations + invocation] = total(count);
}
