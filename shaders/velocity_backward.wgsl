// Gradient of velocity.wgsl, from g, the gradient of the noise:
//   gv = sqrt(gamma) g,  gz = sqrt(sigma) g,  ggamma = (v / (2 sqrt(gamma)) - z / (2 sqrt(sigma))) g,
// without the term of a root that is at its floor. gamma's and z's gradients are two ranges of one tensor.
//
// Parameters are read where they are used: read at once, Mesa 22.3 would compile this shader anew for every dispatch (ARCHITECTURE.md).

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    gamma: vec2u, // offset, stride
    z: vec2u,
    v: vec2u,
    g: vec2u,
    gv: vec2u,
    ggamma: vec2u,
    gz: vec2u,
    items: u32,  // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    accumulate: u32, // add to ggamma and gz instead of overwriting them
    floor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> latent: array<V>; // [N, .., H, W]
@group(0) @binding(2) var<storage, read> v: array<V>;      // [N, C, H, W]
@group(0) @binding(3) var<storage, read> g: array<V>;      // [N, C, H, W]
@group(0) @binding(4) var<storage, read_write> gv: array<V>;
@group(0) @binding(5) var<storage, read_write> glatent: array<V>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let id = linear(workgroup);
    if (id >= params.workgroups) {
        return;
    }
    let n = quotient(id, params.blocks);
    let first = remainder(id, params.blocks) * BLOCK;
    let end = min(first + BLOCK, params.items);
    for (var item = first + local; item < end; item += WG) {
        let gamma = latent[(params.gamma.x + n * params.gamma.y) / LANES + item];
        let z = latent[(params.z.x + n * params.z.y) / LANES + item];
        let value = v[(params.v.x + n * params.v.y) / LANES + item];
        let gradient = g[(params.g.x + n * params.g.y) / LANES + item];
        let low = V(params.floor);
        let sigma = 1.0 - gamma;
        let root_gamma = sqrt(max(gamma, low));
        let root_sigma = sqrt(max(sigma, low));
        let of_gamma = select(V(), 0.5 * value / root_gamma, gamma > low);
        let of_sigma = select(V(), 0.5 * z / root_sigma, sigma > low);
        gv[(params.gv.x + n * params.gv.y) / LANES + item] = root_gamma * gradient;
        let at_gamma = (params.ggamma.x + n * params.ggamma.y) / LANES + item;
        let at_z = (params.gz.x + n * params.gz.y) / LANES + item;
        var ggamma = (of_gamma - of_sigma) * gradient;
        var gz = root_sigma * gradient;
        if (params.accumulate == 1u) {
            ggamma += glatent[at_gamma];
            gz += glatent[at_z];
        }
        glatent[at_gamma] = ggamma;
        glatent[at_z] = gz;
    }
}
