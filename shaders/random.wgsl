// Fills a view with random numbers of a stream: words, uniforms in (0, 1) or normals. One invocation per Philox block of
// four values of a sample. For tests and for whoever needs the numbers themselves; the kernels draw their own.

override WG: u32 = 64u;

struct Params {
    y: vec2u, // offset, stride
    len: u32, // values of a sample
    blocks: u32, // workgroups of a sample
    workgroups: u32,
    kind: u32, // 0 words, 1 uniforms, 2 normals
    stream: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rng: vec4u;
@group(0) @binding(2) var<storage, read_write> y: array<u32>; // [N, len]: the bits

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = linear(workgroup);
    if (id >= p.workgroups) {
        return;
    }
    let n = id / p.blocks;
    let block = (id % p.blocks) * WG + local;
    let words = philox(vec4u(block, rng.w + n, rng.z, p.stream), rng.xy);
    var bits = words;
    if (p.kind == 1u) {
        bits = bitcast<vec4u>(uniforms(words));
    } else if (p.kind == 2u) {
        bits = bitcast<vec4u>(normals(words));
    }
    for (var k = 0u; k < 4u; k++) {
        if (block * 4u + k < p.len) {
            y[p.y.x + n * p.y.y + block * 4u + k] = bits[k];
        }
    }
}
