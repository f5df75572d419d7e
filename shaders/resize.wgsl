// Resampling along one side: y[o] = sum over k of w[k] x[clamp(base + k)], the edge repeated outside. Both sides in two such
// passes, which for bicubic is 8 loads a value instead of 16; from row to row four neighbours at once, which share weights.

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    sizes: vec2u, // of x and y along the side
    inner: u32,  // items between neighbours along the side
    items: u32,  // of a sample of y
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<V>;
@group(0) @binding(2) var<storage, read_write> y: array<V>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = quotient(id, p.items);
    let i = remainder(id, p.items);
    let line = quotient(quotient(i, p.inner), p.sizes.y);
    let at = (p.x.x + n * p.x.y) / LANES + line * p.sizes.x * p.inner + remainder(i, p.inner);
    let place = place(remainder(quotient(i, p.inner), p.sizes.y), p.sizes);
    let w = weights(place.t);
    let last = i32(p.sizes.x) - 1;
    var sum = w.y * x[at + u32(max(place.base, 0)) * p.inner];
    sum += w.z * x[at + u32(min(place.base + 1, last)) * p.inner];
    if (KIND == 2u) {
        sum += w.x * x[at + u32(clamp(place.base - 1, 0, last)) * p.inner];
        sum += w.w * x[at + u32(min(place.base + 2, last)) * p.inner];
    }
    y[(p.y.x + n * p.y.y) / LANES + i] = sum;
}
