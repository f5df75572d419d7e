// Noise loss mean((noise - prediction)^2) and its gradient in one pass: g = scale (prediction - noise). Drawing the noise
// is most of the work, so both come from the same draw. An invocation takes the items of a sample in turn and leaves one
// partial sum; sum_partials.wgsl adds those up.

override WG: u32 = 64u;

struct Params {
    prediction: vec2u, // offset, stride
    gprediction: vec2u,
    items: u32, // of a sample
    invocations: u32, // of a sample
    blocks: u32, // workgroups of a sample
    workgroups: u32,
    scale: f32, // 2 weight / number of values
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: vec4u;
@group(0) @binding(2) var<storage, read> prediction: array<V>; // [N, C, H, W]
@group(0) @binding(3) var<storage, read_write> gprediction: array<V>; // [N, C, H, W]
@group(0) @binding(4) var<storage, read_write> partials: array<f32>; // [N, invocations]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup);
    let n = quotient(id, p.blocks);
    let invocation = remainder(id, p.blocks) * WG + local;
    if (id >= p.workgroups || invocation >= p.invocations) {
        return;
    }
    let random = rng;
    var sum = V();
    for (var item = invocation; item < p.items; item += p.invocations) {
        let eps = noise(random, 0u, n, item);
        let error = prediction[(p.prediction.x + n * p.prediction.y) / LANES + item] - eps;
        gprediction[(p.gprediction.x + n * p.gprediction.y) / LANES + item] = p.scale * error;
        sum += error * error;
    }
    partials[n * p.invocations + invocation] = total(sum);
}
