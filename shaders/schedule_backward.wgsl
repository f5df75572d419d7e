// Gradient of schedule.wgsl to the raw parameters. From g = d/d(rho, rho', rho'') at each time:
//   h = d/df = t g0 + g1,   h1 = d/df' = t g1 + 2 g2,   h2 = d/df'' = t g2,   s3 = s2 (1 - 2 s) - 2 s1^2
//   dx = v (h s1 + h1 a w s2 + h2 a^2 w^2 s3)   (x = w u + c, at each unit)
//   dv = h s + h1 a w s1 + h2 a^2 w^2 s2,   dc = dx,   dw = u dx + h1 a v s1 + 2 h2 a^2 v w s2
//   da = t (h + sum w dx) + h1 (1 + sum v w s1) + 2 a h2 sum v w^2 s2,   db = h + sum w dx,   dd = h
// each summed over the times, then times the sign of the raw parameter (but for c).
//
// One workgroup in all: an invocation owns whole hidden units and loops over the few times of a training step, so only
// da and db need a reduction, and the order of every sum is fixed.

override WG: u32 = 256u;

struct Params {
    g: vec2u, // offset, stride
    parameters: u32, // offset
    gparameters: u32, // offset
    times: u32, // offset
    hidden: u32,
    count: u32, // times
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>; // a, b, w[H], c[H], v[H], d
@group(0) @binding(2) var<storage, read> times: array<f32>; // [M]
@group(0) @binding(3) var<storage, read> g: array<f32>; // [M, 3]
@group(0) @binding(4) var<storage, read_write> gparameters: array<f32>; // as the parameters

alias Share = vec2f; // tree_sum.wgsl

struct Upstream { t: f32, h: f32, h1: f32, h2: f32 }

fn upstream(p: Params, m: u32) -> Upstream {
    let t = times[p.times + m];
    let at = p.g.x + m * p.g.y;
    let g0 = g[at];
    let g1 = g[at + 1u];
    let g2 = g[at + 2u];
    return Upstream(t, t * g0 + g1, t * g1 + 2.0 * g2, t * g2);
}

fn put(p: Params, index: u32, gradient: f32) {
    let to = p.gparameters + index;
    if (p.accumulate == 1u) {
        gparameters[to] += gradient;
    } else {
        gparameters[to] = gradient;
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) local: u32) {
    let p = params;
    let at = p.parameters;
    let a = abs(parameters[at]);
    let b = abs(parameters[at + 1u]);
    var ab = vec2f();
    for (var k = local; k < p.hidden; k += WG) {
        let raw_w = parameters[at + 2u + k];
        let raw_v = parameters[at + 2u + 2u * p.hidden + k];
        let c = parameters[at + 2u + p.hidden + k];
        let w = abs(raw_w);
        let v = abs(raw_v);
        var dw = 0.0;
        var dc = 0.0;
        var dv = 0.0;
        for (var m = 0u; m < p.count; m++) {
            let o = upstream(p, m);
            let u = a * o.t + b;
            let s = sigmoid(w * u + c);
            let s1 = s * (1.0 - s);
            let s2 = s1 * (1.0 - 2.0 * s);
            let s3 = s2 * (1.0 - 2.0 * s) - 2.0 * s1 * s1;
            let k1 = o.h1 * a;
            let k2 = o.h2 * a * a;
            let dx = v * (o.h * s1 + k1 * w * s2 + k2 * w * w * s3);
            dv += o.h * s + k1 * w * s1 + k2 * w * w * s2;
            dc += dx;
            dw += u * dx + v * (k1 * s1 + 2.0 * k2 * w * s2);
            ab += vec2f(o.t * w * dx + v * w * (o.h1 * s1 + 2.0 * a * o.h2 * w * s2), w * dx);
        }
        put(p, 2u + k, dw * sign(raw_w));
        put(p, 2u + p.hidden + k, dc);
        put(p, 2u + 2u * p.hidden + k, dv * sign(raw_v));
    }
    let whole = sum_in_first(ab, local);
    if (local == 0u) {
        var da = whole.x;
        var db = whole.y;
        var dd = 0.0;
        for (var m = 0u; m < p.count; m++) {
            let o = upstream(p, m);
            da += o.t * o.h + o.h1;
            db += o.h;
            dd += o.h;
        }
        let last = 2u + 3u * p.hidden;
        put(p, 0u, da * sign(parameters[at]));
        put(p, 1u, db * sign(parameters[at + 1u]));
        put(p, last, dd * sign(parameters[at + last]));
    }
}
