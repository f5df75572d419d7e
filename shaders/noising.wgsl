// Forward process: gamma = exp(-lambda rho_n), sigma = max(1 - gamma, 1e-7), z = sqrt(gamma) y + sqrt(sigma) noise, written
// straight into the noise network's gamma and z channels. The noise is drawn here (stream 0), so it never crosses memory;
// what needs it again (backward, loss) draws it again. Reads two values and writes two for each pixel.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    y: vec2u, // offset, stride
    lambda: vec2u,
    gamma: vec2u,
    z: vec2u,
    rho: vec2u,
    items: u32, // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    sigma_floor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are y and lambda, [N, C, H, W]: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read> rng: vec4u; // seed, seed, step, first sample
@group(0) @binding(4) var<storage, read> rho: array<f32>; // [M, 3], row n is sample n's
@group(0) @binding(5) var<storage, read_write> latent: array<V>; // [N, .., H, W], gamma and z ranges of it

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    let random = rng;
    let time = rho[p.rho.x + own.n * p.rho.y];
    for (var item = own.first + local; item < own.end; item += WG) {
        let d = decay(second_at((p.lambda.x + own.n * p.lambda.y) / LANES + item) * time);
        let sigma = max(d.gone, V(p.sigma_floor));
        let value = input_at((p.y.x + own.n * p.y.y) / LANES + item);
        latent[(p.gamma.x + own.n * p.gamma.y) / LANES + item] = d.left;
        latent[(p.z.x + own.n * p.z.y) / LANES + item] = sqrt(d.left) * value + sqrt(sigma) * noise(random, 0u, own.n, item);
    }
}
