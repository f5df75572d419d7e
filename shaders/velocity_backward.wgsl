// Gradient of velocity.wgsl, from g, the gradient of the noise:
//   gv = sqrt(gamma) g,  gz = sqrt(sigma) g,  ggamma = (v / (2 sqrt(gamma)) - z / (2 sqrt(sigma))) g,
// without the term of a root that is at its floor. gamma's and z's gradients are two ranges of one tensor.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override ACCUMULATE: u32 = 0u; // 1: add to ggamma and gz instead of overwriting them

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
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    for (var item = own.first + local; item < own.end; item += WG) {
        let gamma = latent[(p.gamma.x + own.n * p.gamma.y) / LANES + item];
        let z = latent[(p.z.x + own.n * p.z.y) / LANES + item];
        let value = v[(p.v.x + own.n * p.v.y) / LANES + item];
        let gradient = g[(p.g.x + own.n * p.g.y) / LANES + item];
        let low = V(p.floor);
        let sigma = 1.0 - gamma;
        let root_gamma = sqrt(max(gamma, low));
        let root_sigma = sqrt(max(sigma, low));
        let of_gamma = select(V(), 0.5 * value / root_gamma, gamma > low);
        let of_sigma = select(V(), 0.5 * z / root_sigma, sigma > low);
        gv[(p.gv.x + own.n * p.gv.y) / LANES + item] = root_gamma * gradient;
        let at_gamma = (p.ggamma.x + own.n * p.ggamma.y) / LANES + item;
        let at_z = (p.gz.x + own.n * p.gz.y) / LANES + item;
        var ggamma = (of_gamma - of_sigma) * gradient;
        var gz = root_sigma * gradient;
        if (ACCUMULATE == 1u) {
            ggamma += glatent[at_gamma];
            gz += glatent[at_z];
        }
        glatent[at_gamma] = ggamma;
        glatent[at_z] = gz;
    }
}
