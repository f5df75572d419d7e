// Noise loss under the weight that the variational bound gives it (appendix E.3), half the fall of the logarithm of the
// signal-to-noise ratio: w = -SNR' / 2 SNR = lambda tau / 2 sigma, with sigma = max(1 - exp(-lambda rho), floor). The loss is
// mean(w e^2) with e = prediction - noise, and unlike the plain one it has gradients to the schedule:
//   g = 2 w e,   dw/dlambda = tau (1 - lambda rho gamma / sigma) / 2 sigma,   dw/dtau = lambda / 2 sigma,
//   dw/drho = -tau lambda^2 gamma / 2 sigma^2, without the terms in gamma where sigma is at the floor.
// Where a = lambda rho is small the bracket, 1 - a / (exp(a) - 1), cancels: it is a series there, off by a^6 / 30240.
//
// One pass over prediction and lambda. A workgroup takes a share of a sample, and each of its invocations leaves three partial
// sums (loss, rho, tau); sum_partials.wgsl adds those up.

override WG: u32 = 64u;

struct Params {
    prediction: vec2u, // offset, stride
    lambda: vec2u,
    rho: vec2u,
    tau: vec2u,
    gprediction: vec2u,
    glambda: vec2u,
    items: u32, // of a sample
    share: u32, // of a workgroup
    blocks: u32, // workgroups of a sample
    workgroups: u32,
    scale: f32, // weight / number of values
    sigma_floor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: vec4u;
@group(0) @binding(2) var<storage, read> prediction: array<V>; // [N, C, H, W]
@group(0) @binding(3) var<storage, read> lambda: array<V>; // [N, C, H, W]
@group(0) @binding(4) var<storage, read> rho: array<f32>; // [M, 3], row n is sample n's
@group(0) @binding(5) var<storage, read> tau: array<f32>; // [M, ..]
@group(0) @binding(6) var<storage, read_write> gprediction: array<V>; // [N, C, H, W]
@group(0) @binding(7) var<storage, read_write> glambda: array<V>; // [N, C, H, W]
@group(0) @binding(8) var<storage, read_write> partials: array<f32>; // [N, 3, blocks, WG]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, p.share, p.items);
    let random = rng;
    let age = rho[p.rho.x + own.n * p.rho.y];
    let pace = tau[p.tau.x + own.n * p.tau.y];
    let least = V(p.sigma_floor);
    var loss = V();
    var drho = V();
    var dtau = V();
    for (var item = own.first + local; item < own.end; item += WG) {
        let rate = lambda[(p.lambda.x + own.n * p.lambda.y) / LANES + item];
        let a = rate * age;
        let d = decay(a);
        let sigma = max(d.gone, least);
        let free = d.gone >= least;
        let tilt = select(V(), d.left / sigma, free);
        let bracket = select(1.0 - a * tilt, a * (0.5 - a * (1.0 / 12.0 - a * a / 720.0)), (a < V(0.25)) & free);
        let eps = noise(random, 0u, own.n, item);
        let error = prediction[(p.prediction.x + own.n * p.prediction.y) / LANES + item] - eps;
        let square = error * error;
        let half = 0.5 / sigma;
        loss += half * rate * pace * square;
        gprediction[(p.gprediction.x + own.n * p.gprediction.y) / LANES + item] = 2.0 * p.scale * half * rate * pace * error;
        glambda[(p.glambda.x + own.n * p.glambda.y) / LANES + item] =
            p.scale * half * pace * square * bracket;
        drho -= half * pace * rate * rate * tilt * square;
        dtau += half * rate * square;
    }
    if (own.past) {
        return;
    }
    let each = p.blocks * WG;
    let to = (own.n * 3u * p.blocks + own.index) * WG + local;
    partials[to] = total(loss);
    partials[to + each] = total(drho);
    partials[to + 2u * each] = total(dtau);
}
