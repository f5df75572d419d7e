// The most multiply-adds that the adapter does: eight independent chains of vec4f, no memory but one store at the end.
// 64 fused multiply-adds of a component a round, counted as two operations each.

struct Params {
    rounds: u32,
    factor: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>; // one an invocation

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    // A factor below one keeps the values from growing; it is a parameter so that nothing is folded away.
    let f = vec4f(p.factor);
    var a = vec4f(f32(id.x & 255u)) * 0.01;
    var b = a + 0.1;
    var c = a + 0.2;
    var d = a + 0.3;
    var e = a + 0.4;
    var g = a + 0.5;
    var h = a + 0.6;
    var i = a + 0.7;
    for (var round = 0u; round < p.rounds; round++) {
        a = fma(a, f, f);
        b = fma(b, f, f);
        c = fma(c, f, f);
        d = fma(d, f, f);
        e = fma(e, f, f);
        g = fma(g, f, f);
        h = fma(h, f, f);
        i = fma(i, f, f);
        a = fma(a, f, f);
        b = fma(b, f, f);
        c = fma(c, f, f);
        d = fma(d, f, f);
        e = fma(e, f, f);
        g = fma(g, f, f);
        h = fma(h, f, f);
        i = fma(i, f, f);
    }
    y[id.x] = ((a + b) + (c + d)) + ((e + g) + (h + i));
}
