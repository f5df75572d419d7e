// Fills a view with random numbers of a stream: words, uniforms in (0, 1) or normals. One invocation per Philox block of
// four values of a sample. For tests and for whoever needs the numbers themselves; the kernels draw their own.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    y: vec2u, // offset, stride
    len: u32, // values of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    kind: u32, // 0 words, 1 uniforms, 2 normals
    stream: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: vec4u;
@group(0) @binding(2) var<storage, read_write> y: array<u32>; // [N, len]: the bits

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, (p.len + 3u) / 4u);
    let random = rng;
    for (var block = own.first + local; block < own.end; block += WG) {
        let words = philox(vec4u(block, random.w + own.n, random.z, p.stream), random.xy);
        var bits = words;
        if (p.kind == 1u) {
            bits = bitcast<vec4u>(uniforms(words));
        } else if (p.kind == 2u) {
            bits = bitcast<vec4u>(normals(words));
        }
        for (var k = 0u; k < 4u; k++) {
            if (block * 4u + k < p.len) {
                y[p.y.x + own.n * p.y.y + block * 4u + k] = bits[k];
            }
        }
    }
}
