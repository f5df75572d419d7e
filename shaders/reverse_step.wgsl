// One step of the reverse process, i to i - 1, per pixel and in one dispatch (algorithm 2):
//   z' = (z - beta_i / sqrt(sigma_i) prediction) / sqrt(alpha_i) + sqrt(v) noise, no noise at i = 1;
//   v = beta_i (variant 0), or beta_i sigma_{i-1} / sigma_i, the posterior's variance (variant 1);
//   deterministic (variant 2): z' = (z - sqrt(sigma_i) prediction) / sqrt(alpha_i) + sqrt(sigma_{i-1}) prediction,
//   which is sqrt(gamma_{i-1}) z0 + sqrt(sigma_{i-1}) prediction without a division by a gamma that may be zero.
// z' and gamma_{i-1} go straight into the noise network's channels; the noise is drawn here.
//
// The products gamma and sigma are made anew from the table of tau: stateless, so that no error builds up over a run. Where steps are
// small it is a series whose coefficients are a table too (reverse.wgsl), not a loop over the steps before.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override VARIANT: u32 = 0u; // of the formulas above
override EXPONENTIAL: u32 = 0u; // 1: factors exp(-beta) instead of 1 - beta (reverse.wgsl)

struct Params {
    lambda: vec2u, // offset, stride
    tau: vec2u,
    prediction: vec2u,
    gamma: vec2u,
    z: vec2u,
    items: u32, // of a sample
    blocks: u32, // of a sample, a workgroup each
    workgroups: u32,
    repeats: u32, // samples of one measurement
    steps: u32, // T
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are lambda, [N / repeats, C, H, W], and the prediction, [N, C, H, W]: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read> rng: vec4u; // the third word is i
@group(0) @binding(4) var<storage, read> tau: array<f32>; // [T], entry j - 1 at time j / T
@group(0) @binding(5) var<storage, read> sums: array<vec4f>; // [T + 1, 2], row k of the first k steps (reverse.wgsl)
@group(0) @binding(6) var<storage, read_write> latent: array<V>; // [N, .., H, W]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, BLOCK, p.items);
    let i = clamp(rng.z, 1u, p.steps);
    let random = vec4u(rng.xy, i, rng.w);
    let per_step = 1.0 / f32(p.steps);
    let tau_i = tau[p.tau.x + (i - 1u) * p.tau.y];
    let powers = power_sums(i - 1u);
    let measurement = (p.lambda.x + quotient(own.n, p.repeats) * p.lambda.y) / LANES;
    for (var item = own.first + local; item < own.end; item += WG) {
        let rate = input_at(measurement + item) * per_step;
        var before: Power;
        var b: Beta;
        if (EXPONENTIAL == 1u) {
            before = power_exponential(powers, rate);
            b = beta_exponential(tau_i, rate);
        } else {
            before = power_product(powers, p.tau.x, p.tau.y, i - 1u, rate);
            b = beta_of(tau_i, rate);
        }
        let sigma = next(before, b).sigma;
        let eps = second_at((p.prediction.x + own.n * p.prediction.y) / LANES + item);
        let at = (p.z.x + own.n * p.z.y) / LANES + item;
        let z = latent[at];
        var result: V;
        if (VARIANT == 2u) {
            result = (z - sqrt(sigma) * eps) / sqrt(b.alpha) + sqrt(before.sigma) * eps;
        } else {
            let per_spread = 1.0 / sqrt(sigma);
            result = (z - b.beta * per_spread * eps) / sqrt(b.alpha);
            if (i > 1u) {
                var spread = sqrt(b.beta);
                if (VARIANT == 1u) {
                    spread *= sqrt(before.sigma) * per_spread;
                }
                result += spread * noise(random, 3u, own.n, item);
            }
        }
        latent[at] = result;
        latent[(p.gamma.x + own.n * p.gamma.y) / LANES + item] = before.gamma;
    }
}
