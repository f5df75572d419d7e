// Second pass of structural similarity: merges the rows of every window,
//   mu = sum w mean,  s = sum w (spread + (mean - mu)(mean' - mu')),
// takes the similarity S = A1 A2 / (B1 B2) with A1 = 2 mu_a mu_b + c1, A2 = 2 s_ab + c2, B1 = mu_a^2 + mu_b^2 + c1,
// B2 = s_aa + s_bb + c2, and leaves what the gradient with respect to a needs. A pixel of weight w in the window has
//   dS/da = w (dS/dmu_a + 2 (a - mu_a) dS/ds_aa + (b - mu_b) dS/ds_ab) = w (e + f a + g b),
//   dS/dmu_a = 2 (mu_b - mu_a A1 / B1) A2 / (B1 B2),  dS/ds_aa = -S / B2,  dS/ds_ab = 2 A1 / (B1 B2).
// An invocation takes windows in turn and leaves the sum of their 1 - S.

override WG: u32 = 64u;

struct Params {
    columns: u32, // of windows
    rows: u32,    // of a plane of moments
    planes: u32,  // C
    windows: u32, // of all samples
    invocations: u32,
    c1: f32,
    c2: f32,
    weights: array<vec4f, 3>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> moments: array<f32>;         // [N, 5 C, H, W - 10]
@group(0) @binding(2) var<storage, read_write> slopes: array<f32>;    // [N, 3 C, H - 10, W - 10]: e, f, g
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;  // [invocations]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let invocation = linear(workgroup) * WG + local;
    if (invocation >= p.invocations) {
        return;
    }
    let places = (p.rows - 10u) * p.columns; // of windows in a plane
    let plane = p.rows * p.columns;
    let next = p.planes * plane; // from one moment to the next
    var sum = 0.0;
    for (var window = invocation; window < p.windows; window += p.invocations) {
        let of_sample = p.planes * places;
        let n = window / of_sample;
        let i = window % of_sample;
        let at = n * 5u * next + i / places * plane + i % places;
        var means: array<vec2f, 11>;
        var mu = vec2f();
        var s = vec3f();
        for (var k = 0u; k < 11u; k++) {
            let row = at + k * p.columns;
            let w = p.weights[k / 4u][k % 4u];
            means[k] = vec2f(moments[row], moments[row + next]);
            mu += w * means[k];
            s += w * vec3f(moments[row + 2u * next], moments[row + 3u * next], moments[row + 4u * next]);
        }
        for (var k = 0u; k < 11u; k++) {
            let d = means[k] - mu;
            s += p.weights[k / 4u][k % 4u] * vec3f(d * d, d.x * d.y);
        }
        let a1 = 2.0 * mu.x * mu.y + p.c1;
        let a2 = 2.0 * s.z + p.c2;
        let b1 = dot(mu, mu) + p.c1;
        let b2 = s.x + s.y + p.c2;
        let similarity = (a1 / b1) * (a2 / b2);
        let by_mean = 2.0 * (mu.y - mu.x * (a1 / b1)) / b1 * (a2 / b2);
        let by_spread = -2.0 * similarity / b2;
        let by_both = 2.0 * (a1 / b1) / b2;
        let to = n * 3u * of_sample + i;
        slopes[to] = by_mean - by_spread * mu.x - by_both * mu.y;
        slopes[to + of_sample] = by_spread;
        slopes[to + 2u * of_sample] = by_both;
        sum += 1.0 - similarity;
    }
    partials[invocation] = sum;
}
