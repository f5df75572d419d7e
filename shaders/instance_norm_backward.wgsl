// Gradient of instance norm. With xn = (x - mean) * inverse and P values a channel:
// gx = weight * inverse * (g - sum(g) / P - xn * sum(g * xn) / P), and the sums themselves, for the affine gradients.
//
// A team of invocations (shared/teams.wgsl) does a whole channel; g and x are read a second time from the cache. Where x is known to be
// softplus(before), gx is multiplied by its slope 1 - exp(-x), which saves the softplus a pass of its own.
//
// A load or store of a buffer is a loop over the lanes on llvmpipe: five for 12 bytes, where a copy has two for 8, so that 53 to 60 % of
// the copy's speed is the most there. Measured, batch 4, from 64 to 4 squared: 1.4 to 0.2 ms with Mesa 22.3, 0.9 to 0.2 with 25.0,
// where a workgroup a plane took 2.1 to 0.7 and 1.2 to 0.5. Tried and dropped: keeping both tensors in registers from the first reading to the
// second, which spills where planes are large.

override ACCUMULATE: u32 = 0u; // 1: add to what is there
override SOFTPLUS: u32 = 0u; // 1: x is softplus(before), and the gradient of before is wanted

struct Params {
    x: vec2u, // offset, stride
    g: vec2u,
    gx: vec2u,
    channels: u32,
    items: u32, // of a channel
    weight_offset: u32,
    affine: u32,
    planes: u32, // of all samples
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are x and g: input_*.wgsl, second_*.wgsl.
@group(0) @binding(3) var<storage, read> weight: array<f32>;       // [C]
@group(0) @binding(4) var<storage, read> stats: array<vec2f>;      // [N, C]: mean, inverse
@group(0) @binding(5) var<storage, read_write> sums: array<vec2f>; // [N, C]: sum(g), sum(g * xn)
@group(0) @binding(6) var<storage, read_write> gx: array<V>;       // [N, C, H, W]

var<workgroup> partial: array<vec2f, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = plane_of(workgroup, local);
    let id = min(number, p.planes - 1u);
    let n = quotient(id, p.channels);
    let c = remainder(id, p.channels);
    let at_x = (p.x.x + n * p.x.y) / LANES + c * p.items;
    let at_g = (p.g.x + n * p.g.y) / LANES + c * p.items;
    let into = (p.gx.x + n * p.gx.y) / LANES + c * p.items;
    let mean = stats[id].x;
    let inverse = stats[id].y;
    var sum = V();
    var product = V();
    for (var i = local % TEAM; i < p.items; i += TEAM) {
        let v = second_at(at_g + i);
        sum += v;
        product += v * (input_at(at_x + i) - mean);
    }
    var both = vec2f(total(sum), total(product) * inverse);
    if (TEAM > 1u) {
        let member = local % TEAM;
        partial[local] = both;
        for (var width = TEAM / 2u; width > 0u; width >>= 1u) {
            workgroupBarrier();
            if (member < width) {
                partial[local] += partial[local + width];
            }
        }
        workgroupBarrier();
        both = partial[local - member];
    }
    let means = both / f32(p.items * LANES);
    let tilt = means.y * inverse;
    var scale = inverse;
    if (p.affine == 1u) {
        scale *= weight[p.weight_offset + c];
    }
    if (number >= p.planes) {
        return;
    }
    if (local % TEAM == 0u) {
        sums[id] = both;
    }
    for (var i = local % TEAM; i < p.items; i += TEAM) {
        let v = input_at(at_x + i);
        var gradient = scale * (second_at(at_g + i) - means.x - (v - mean) * tilt);
        if (SOFTPLUS == 1u) {
            gradient *= softplus_slope(v);
        }
        if (ACCUMULATE == 1u) {
            gradient += gx[into + i];
        }
        gx[into + i] = gradient;
    }
}
