// The noise from a predicted velocity v = sqrt(gamma) noise - sqrt(sigma) y:
//   noise = sqrt(sigma) z + sqrt(gamma) v,  with z = sqrt(gamma) y + sqrt(sigma) noise and sigma = 1 - gamma.
// Reads gamma and z where the noise network reads them, and v; writes the noise. One pass.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    gamma: vec2u, // offset, stride
    z: vec2u,
    v: vec2u,
    y: vec2u,
    items: u32,  // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    floor: f32, // of gamma and sigma
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> latent: array<V>; // [N, .., H, W], gamma and z ranges of it
@group(0) @binding(2) var<storage, read> v: array<V>;      // [N, C, H, W]
@group(0) @binding(3) var<storage, read_write> y: array<V>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    for (var item = own.first + local; item < own.end; item += WG) {
        let gamma = latent[(p.gamma.x + own.n * p.gamma.y) / LANES + item];
        let z = latent[(p.z.x + own.n * p.z.y) / LANES + item];
        let low = V(p.floor);
        y[(p.y.x + own.n * p.y.y) / LANES + item] =
            sqrt(max(1.0 - gamma, low)) * z + sqrt(max(gamma, low)) * v[(p.v.x + own.n * p.v.y) / LANES + item];
    }
}
