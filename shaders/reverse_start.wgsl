// Start of sampling: z_T from the standard normal distribution (stream 2, step 0) and gamma_T = prod (1 - tau_j lambda / T),
// written into the noise network's z and gamma channels. See reverse_step.wgsl.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override EXPONENTIAL: u32 = 0u; // 1: factors exp(-beta) instead of 1 - beta (reverse.wgsl)

struct Params {
    lambda: vec2u, // offset, stride
    tau: vec2u,
    gamma: vec2u,
    z: vec2u,
    items: u32, // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    repeats: u32, // samples of one measurement
    steps: u32, // T
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: vec4u;
@group(0) @binding(2) var<storage, read> lambda: array<V>; // [N / repeats, C, H, W]
@group(0) @binding(3) var<storage, read> tau: array<f32>; // [T], entry j - 1 at time j / T
@group(0) @binding(4) var<storage, read> sums: array<vec4f>; // [T + 1, 2], row k of the first k steps (reverse.wgsl)
@group(0) @binding(5) var<storage, read_write> latent: array<V>; // [N, .., H, W]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    let random = vec4u(rng.xy, 0u, rng.w);
    let per_step = 1.0 / f32(p.steps);
    let powers = power_sums(p.steps);
    let measurement = (p.lambda.x + quotient(own.n, p.repeats) * p.lambda.y) / LANES;
    for (var item = own.first + local; item < own.end; item += WG) {
        let rate = lambda[measurement + item] * per_step;
        var power: Power;
        if (EXPONENTIAL == 1u) {
            power = power_exponential(powers, rate);
        } else {
            power = power_product(powers, p.tau.x, p.tau.y, p.steps, rate);
        }
        latent[(p.gamma.x + own.n * p.gamma.y) / LANES + item] = power.gamma;
        latent[(p.z.x + own.n * p.z.y) / LANES + item] = noise(random, 2u, own.n, item);
    }
}
