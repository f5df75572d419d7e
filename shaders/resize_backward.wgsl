// Adjoint of resize.wgsl: gx[i] = sum over the outputs o that looked at input i of their weights for it times g[o]; or added
// to gx. Every input looks for its outputs, o with base(o) in i - R .. i + R - 1 and at the ends those that were clamped,
// so that nothing is added up by several invocations.

override ACCUMULATE: u32 = 0u; // 1: add to what is there

struct Params {
    g: vec2u, // offset, stride
    gx: vec2u,
    sizes: vec2u, // of gx and g along the side
    inner: u32,  // items between neighbours along the side
    items: u32,  // of a sample of gx
    invocations: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<V>;
@group(0) @binding(2) var<storage, read_write> gx: array<V>;

// The first output whose place (o + 1/2) from / to - 1/2 is not below `half` / 2 - 1 / 2, within 0 .. to.
fn first_from(p: Params, half: i32) -> u32 {
    let above = i32(p.sizes.y) * half - i32(p.sizes.x);
    let unit = 2 * i32(p.sizes.x);
    return select(min((u32(above) + u32(unit) - 1u) / u32(unit), p.sizes.y), 0u, above <= 0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let n = quotient(id, p.items);
    let rest = remainder(id, p.items);
    let i = i32(remainder(quotient(rest, p.inner), p.sizes.x));
    let line = quotient(quotient(rest, p.inner), p.sizes.x);
    let at = (p.g.x + n * p.g.y) / LANES + line * p.sizes.y * p.inner + remainder(rest, p.inner);
    let last = i32(p.sizes.x) - 1;
    let reach = 2 * i32(KIND);
    let start = select(first_from(p, 2 * i + 1 - reach), 0u, i == 0);
    let end = select(first_from(p, 2 * i + 1 + reach), p.sizes.y, i == last);
    var sum = V();
    for (var o = start; o < end; o++) {
        let place = place(o, p.sizes);
        let w = weights(place.t);
        let seen = clamp(vec4i(place.base - 1, place.base, place.base + 1, place.base + 2), vec4i(0), vec4i(last));
        sum += dot(select(vec4f(), w, seen == vec4i(i)), vec4f(1.0)) * g[at + o * p.inner];
    }
    let into = (p.gx.x + n * p.gx.y) / LANES + rest;
    if (ACCUMULATE == 1u) {
        sum += gx[into];
    }
    gx[into] = sum;
}
