// The three losses of the schedule and their gradients, in one pass. At each value, with a = lambda rho, gamma = exp(-a) at
// the sample's time, gamma1 = exp(-lambda rho(1)), sigma1 = max(1 - gamma1, floor):
//   r = lambda gamma (tau - rho')                 L_beta  = mean r^2 + mean gamma1^2      ((gamma(0) - 1)^2 is zero)
//   k = (gamma1 y^2 + sigma1 - ln sigma1 - 1) / 2 L_prior = mean k
//   q = (lambda^2 rho'^2 - lambda rho'') gamma    L_gamma = mean q^2
// Derivatives: dr/dlambda = gamma (tau - rho') (1 - a), dr/drho = -lambda r, dr/dtau = -dr/drho' = lambda gamma;
//   dq/dlambda = (2 lambda rho'^2 - rho'') gamma - rho q, dq/drho = -lambda q, dq/drho' = 2 lambda^2 rho' gamma,
//   dq/drho'' = -lambda gamma; with a1 = lambda rho(1): d(gamma1^2)/da1 = -2 gamma1^2,
//   dk/da1 = -gamma1 (y^2 + gamma1 / sigma1) / 2, without its second term where sigma1 is at the floor.
//
// Reads two values a pixel and writes one. A workgroup takes a share of a sample, and each of its invocations leaves eight
// partial sums (rho, rho', rho'', tau, three losses, rho(1)); sum_partials.wgsl adds those up.

override WG: u32 = 64u;

struct Params {
    y: vec2u, // offset, stride
    lambda: vec2u,
    rho: vec2u,
    tau: vec2u,
    glambda: vec2u,
    items: u32, // of a sample
    share: u32, // of a workgroup
    blocks: u32, // workgroups of a sample
    workgroups: u32,
    last: u32, // row of t = 1
    beta: f32, // weights over the number of values
    prior: f32,
    gamma: f32,
    sigma_floor: f32,
    accumulate: u32, // add to glambda
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<V>; // [N, C, H, W]
@group(0) @binding(2) var<storage, read> lambda: array<V>; // [N, C, H, W]
@group(0) @binding(3) var<storage, read> rho: array<f32>; // [N + 1, 3]
@group(0) @binding(4) var<storage, read> tau: array<f32>; // [N + 1, ..]
@group(0) @binding(5) var<storage, read_write> glambda: array<V>; // [N, C, H, W]
@group(0) @binding(6) var<storage, read_write> partials: array<f32>; // [N, 8, blocks, WG]

// ln(1 - x) for 0 <= x < 1, where `rest` is 1 - x as accurately as the caller knows it: below one half 2 atanh(-x / (2 - x)).
fn log_complement(x: V, rest: V) -> V {
    return select(log(rest), -2.0 * atanh_of_third(x / (2.0 - x)), x < V(0.5));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, p.share, p.items);
    let row = p.rho.x + own.n * p.rho.y;
    let rho0 = rho[row];
    let rho1 = rho[row + 1u];
    let rho2 = rho[row + 2u];
    let end = rho[p.rho.x + p.last * p.rho.y];
    let gap = tau[p.tau.x + own.n * p.tau.y] - rho1;
    let least = V(p.sigma_floor);
    var drho = V();
    var drho1 = V();
    var drho2 = V();
    var dtau = V();
    var dend = V();
    var loss_beta = V();
    var loss_prior = V();
    var loss_gamma = V();
    for (var item = own.first + local; item < own.end; item += WG) {
        let rate = lambda[(p.lambda.x + own.n * p.lambda.y) / LANES + item];
        let value = y[(p.y.x + own.n * p.y.y) / LANES + item];
        let gamma = exp(-rate * rho0);
        let d = decay(rate * end);
        let gamma_end = d.left;
        let free = d.gone >= least;
        let sigma = max(d.gone, least);

        let r = rate * gamma * gap;
        let q = (rate * rho1 * rho1 - rho2) * rate * gamma;
        // Each is the gradient of the weighted total to r and to q.
        let gr = 2.0 * p.beta * r;
        let gq = 2.0 * p.gamma * q;
        let square = value * value;
        let tilt = square + select(V(), gamma_end / sigma, free);
        let gend = -2.0 * p.beta * gamma_end * gamma_end - 0.5 * p.prior * gamma_end * tilt;
        let grate = gr * gamma * gap * (1.0 - rate * rho0)
            + gq * ((2.0 * rate * rho1 * rho1 - rho2) * gamma - rho0 * q)
            + gend * end;

        let to = (p.glambda.x + own.n * p.glambda.y) / LANES + item;
        if (p.accumulate == 1u) {
            glambda[to] = glambda[to] + grate;
        } else {
            glambda[to] = grate;
        }
        drho -= rate * (gr * r + gq * q);
        drho1 += rate * gamma * (2.0 * gq * rate * rho1 - gr);
        drho2 -= rate * gamma * gq;
        dtau += rate * gamma * gr;
        dend += rate * gend;
        loss_beta += r * r + gamma_end * gamma_end;
        // 1 - sigma, from gamma: for a small gamma the difference and the logarithm would lose it to rounding.
        let signal = min(gamma_end, 1.0 - least);
        loss_prior += 0.5 * (gamma_end * square - signal - log_complement(signal, sigma));
        loss_gamma += q * q;
    }
    if (own.past) {
        return;
    }
    let each = p.blocks * WG;
    let to = (own.n * 8u * p.blocks + own.index) * WG + local;
    partials[to] = total(drho);
    partials[to + each] = total(drho1);
    partials[to + 2u * each] = total(drho2);
    partials[to + 3u * each] = total(dtau);
    partials[to + 4u * each] = total(loss_beta);
    partials[to + 5u * each] = total(loss_prior);
    partials[to + 6u * each] = total(loss_gamma);
    partials[to + 7u * each] = total(dend);
}
