// Mean and unbiased standard deviation over the samples of every value, by Welford's recurrence: one load a value, and
// nothing cancels. A single sample has the deviation 0.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    x: vec2u, // offset, stride
    mean: u32,      // offset
    deviation: u32, // offset
    batch: u32,
    items: u32, // of a sample
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<V>;               // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> mean: array<V>;      // [1, C, H, W]
@group(0) @binding(3) var<storage, read_write> deviation: array<V>; // [1, C, H, W]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let first = linear(workgroup) * BLOCK;
    let end = min(first + BLOCK, p.items);
    for (var item = first + local; item < end; item += WG) {
        // Relative to the first sample, or a large mean would cost the recurrence its last digits.
        let origin = x[p.x.x / LANES + item];
        var centre = V();
        var squares = V();
        for (var n = 1u; n < p.batch; n++) {
            let value = x[(p.x.x + n * p.x.y) / LANES + item] - origin;
            let delta = value - centre;
            centre += delta * (1.0 / f32(n + 1u));
            squares += delta * (value - centre);
        }
        mean[p.mean / LANES + item] = origin + centre;
        deviation[p.deviation / LANES + item] = sqrt(squares * (1.0 / f32(max(p.batch, 2u) - 1u)));
    }
}
