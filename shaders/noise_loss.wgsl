// Noise loss mean((noise - prediction)^2) and its gradient in one pass: g = scale (prediction - noise). Drawing the noise
// is most of the work, so both come from the same draw. A workgroup takes a share of a sample,
// and each of its invocations leaves one partial sum; sum_partials.wgsl adds those up.

override WG: u32 = 64u;

struct Params {
    prediction: vec2u, // offset, stride
    gprediction: vec2u,
    items: u32, // of a sample
    share: u32, // of a workgroup
    blocks: u32, // workgroups of a sample
    workgroups: u32,
    scale: f32, // 2 weight / number of values
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is the prediction, [N, C, H, W]: input_*.wgsl.
@group(0) @binding(2) var<storage, read> rng: vec4u;
@group(0) @binding(3) var<storage, read_write> gprediction: array<V>; // [N, C, H, W]
@group(0) @binding(4) var<storage, read_write> partials: array<f32>; // [N, blocks, WG]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let own = block_of(workgroup, p.blocks, p.workgroups, p.share, p.items);
    let random = rng;
    var sum = V();
    for (var item = own.first + local; item < own.end; item += WG) {
        let eps = noise(random, 0u, own.n, item);
        let error = input_at((p.prediction.x + own.n * p.prediction.y) / LANES + item) - eps;
        gprediction[(p.gprediction.x + own.n * p.gprediction.y) / LANES + item] = p.scale * error;
        sum += error * error;
    }
    if (own.past) {
        return;
    }
    partials[(own.n * p.blocks + own.index) * WG + local] = total(sum);
}
