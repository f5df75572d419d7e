// Adam (Kingma and Ba) as PyTorch computes it:
//   m += (1 - beta1) (s g - m),   v = beta2 v + (1 - beta2) (s g)^2,
//   p -= lr / (1 - beta1^k) m / (sqrt(v) / sqrt(1 - beta2^k) + eps)
// and, with average_kept.wgsl, an exponential moving average of the parameters:
//   ema += (1 - rate) (p - ema)
// One dispatch over one flat tensor: four loads and three stores of vec4 for every four parameters, one of each more with the
// average. The last quad may reach into the padding of the buffers, which is read but not written.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // vec4 that the invocations of a workgroup take in turn

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// (lr, 1 - beta1, 1 - beta2, eps), (1 - beta1^k, 1 - beta2^k, 1 - ema rate, s)
@group(0) @binding(1) var<storage, read> hyper: array<vec4f>;
@group(0) @binding(2) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> first: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> second: array<vec4f>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let len = params.len;
    let step = hyper[0];
    let corrections = hyper[1];
    let first_quad = linear(workgroup) * BLOCK;
    let end = min(first_quad + BLOCK, (len + 3u) / 4u);
    for (var quad = first_quad + local; quad < end; quad += WG) {
        let g = corrections.w * gradient[quad];
        var m = first[quad];
        m += step.y * (g - m);
        let v = (1.0 - step.z) * second[quad] + step.z * g * g;
        let p = parameters[quad] - step.x / corrections.x * m / (sqrt(v) / sqrt(corrections.y) + step.w);
        let ema = averaged(quad, p, corrections.z);
        if (quad * 4u + 4u <= len) {
            first[quad] = m;
            second[quad] = v;
            parameters[quad] = p;
            keep_average(quad, ema);
        } else {
            for (var k = 0u; k < len % 4u; k++) {
                first[quad][k] = m[k];
                second[quad][k] = v[k];
                parameters[quad][k] = p[k];
                keep_average_of(quad, k, ema[k]);
            }
        }
    }
}
