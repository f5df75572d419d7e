// Adam (Kingma and Ba) as PyTorch computes it:
//   m += (1 - beta1) (s g - m),   v = beta2 v + (1 - beta2) (s g)^2,
//   p -= lr / (1 - beta1^k) m / (sqrt(v) / sqrt(1 - beta2^k) + eps)
// and, with average_kept.wgsl, an exponential moving average of the parameters:
//   ema += (1 - rate) (p - ema)
// One dispatch over one flat tensor, or, where it reads images (adam_images.wgsl), one for each half million parameters: four loads and three
// stores of vec4 for every four parameters, one of each more with the average. The last quad may reach into the padding of the buffers, which
// keeps its values.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // vec4 that the invocations of a workgroup take in turn

struct Params {
    len: u32,
    first: u32, // vec4 before the first, in what is written
}

@group(0) @binding(0) var<uniform> params: Params;
// (lr, 1 - beta1, 1 - beta2, eps), (1 - beta1^k, 1 - beta2^k, 1 - ema rate, s)
@group(0) @binding(1) var<storage, read> hyper: array<vec4f>;
// The others are the gradient and what is updated: adam_*.wgsl, average_*.wgsl.

struct Quad { p: vec4f, m: vec4f, v: vec4f }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let len = params.len;
    let step = hyper[0];
    let corrections = hyper[1];
    let first_quad = linear(workgroup) * BLOCK;
    let end = min(first_quad + BLOCK, (len + 3u) / 4u);
    for (var quad = first_quad + local; quad < end; quad += WG) {
        let into = params.first + quad;
        let before = before_at(quad, into);
        let g = corrections.w * gradient_at(quad, into);
        let m = before.m + step.y * (g - before.m);
        let v = (1.0 - step.z) * before.v + step.z * g * g;
        let p = before.p - step.x / corrections.x * m / (sqrt(v) / sqrt(corrections.y) + step.w);
        // What lies behind the last value is put back.
        let own = vec4u(0u, 1u, 2u, 3u) < vec4u(len - quad * 4u);
        parameters[into] = select(before.p, p, own);
        first[into] = select(before.m, m, own);
        second[into] = select(before.v, v, own);
        keep_average(quad, into, p, corrections.z, own);
    }
}
