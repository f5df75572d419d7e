// Gradient of noising.wgsl. With a = lambda rho_n, and g and h the gradients to gamma and z:
//   da = -gamma g + h (gamma noise / sqrt(sigma) - sqrt(gamma) y) / 2,   dlambda = rho_n da,   drho_n = sum lambda da
// where the noise term is missing if sigma is at its floor. The noise is drawn again instead of being kept.
//
// A workgroup takes a share of a sample, and each of its invocations leaves one partial sum of drho; sum_partials.wgsl adds those up.

override WG: u32 = 64u;
override ACCUMULATE: u32 = 0u; // 1: add to glambda

struct Params {
    y: vec2u, // offset, stride
    lambda: vec2u,
    gamma: vec2u, // of the gradient tensor
    z: vec2u,
    rho: vec2u,
    glambda: vec2u,
    items: u32, // of a sample
    share: u32, // of a workgroup
    blocks: u32, // workgroups of a sample
    workgroups: u32,
    sigma_floor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are y, [N, C, H, W], and the latent's gradient, [N, .., H, W], gamma and z ranges of it: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read> rng: vec4u;
@group(0) @binding(4) var<storage, read> lambda: array<V>; // [N, C, H, W]
@group(0) @binding(5) var<storage, read> rho: array<f32>; // [M, 3]
@group(0) @binding(6) var<storage, read_write> glambda: array<V>; // [N, C, H, W]
@group(0) @binding(7) var<storage, read_write> partials: array<f32>; // [N, blocks, WG]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, p.share, p.items);
    let random = rng;
    let time = rho[p.rho.x + own.n * p.rho.y];
    var sum = V();
    for (var item = own.first + local; item < own.end; item += WG) {
        let rate = lambda[(p.lambda.x + own.n * p.lambda.y) / LANES + item];
        let d = decay(rate * time);
        let gamma = d.left;
        let least = V(p.sigma_floor);
        let eps = noise(random, 0u, own.n, item);
        let spread = select(V(), gamma * eps / sqrt(max(d.gone, least)), d.gone >= least);
        let value = input_at((p.y.x + own.n * p.y.y) / LANES + item);
        let g = second_at((p.gamma.x + own.n * p.gamma.y) / LANES + item);
        let h = second_at((p.z.x + own.n * p.z.y) / LANES + item);
        let da = 0.5 * h * (spread - sqrt(gamma) * value) - gamma * g;
        let to = (p.glambda.x + own.n * p.glambda.y) / LANES + item;
        if (ACCUMULATE == 1u) {
            glambda[to] = glambda[to] + time * da;
        } else {
            glambda[to] = time * da;
        }
        sum += rate * da;
    }
    if (own.past) {
        return;
    }
    partials[(own.n * p.blocks + own.index) * WG + local] = total(sum);
}
