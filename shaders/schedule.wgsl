// A time network with its derivatives: (rho, rho', rho'') of rho = t f(t), f = u + sum v s + d, u = a t + b,
// s = sigmoid(w u + c):   f' = a (1 + sum v w s1),   f'' = a^2 sum v w^2 s2,   s1 = s (1 - s), s2 = s1 (1 - 2 s);
// rho' = f + t f', rho'' = 2 f' + t f''. Weights are absolute values of the parameters, but for c.
//
// One workgroup a time: its invocations take hidden units in turn, then add up in a tree. 1024 units are 16 each.

override WG: u32 = 64u;

struct Params {
    y: vec2u, // offset, stride
    parameters: u32, // offset
    times: u32, // offset
    hidden: u32,
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>; // a, b, w[H], c[H], v[H], d
@group(0) @binding(2) var<storage, read> times: array<f32>; // [M]
@group(0) @binding(3) var<storage, read_write> y: array<f32>; // [M, 3]

alias Share = vec3f; // tree_sum.wgsl

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let m = min(linear(workgroup), p.workgroups - 1u);
    let at = p.parameters;
    let t = times[p.times + m];
    let a = abs(parameters[at]);
    let u = a * t + abs(parameters[at + 1u]);
    var sum = vec3f();
    for (var k = local; k < p.hidden; k += WG) {
        let w = abs(parameters[at + 2u + k]);
        let c = parameters[at + 2u + p.hidden + k];
        let v = abs(parameters[at + 2u + 2u * p.hidden + k]);
        let s = sigmoid(w * u + c);
        let s1 = s * (1.0 - s);
        sum += v * vec3f(s, w * s1, w * w * s1 * (1.0 - 2.0 * s));
    }
    let whole = sum_in_first(sum, local);
    if (local == 0u && linear(workgroup) < p.workgroups) {
        let f = u + whole.x + abs(parameters[at + 2u + 3u * p.hidden]);
        let f1 = a * (1.0 + whole.y);
        let f2 = a * a * whole.z;
        let to = p.y.x + m * p.y.y;
        y[to] = t * f;
        y[to + 1u] = f + t * f1;
        y[to + 2u] = 2.0 * f1 + t * f2;
    }
}
