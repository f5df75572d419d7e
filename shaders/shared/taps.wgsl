// The nine taps of a pair of channels, at any offset in the weights (input_*.wgsl): three vec4 loads hold them, which on software adapters, where a
// load costs the same whatever its width, is a third of nine.
struct Taps { a: vec4f, b: vec4f, c: f32 }

fn nine(at: u32) -> Taps {
    let quad = at / 4u;
    let shift = at % 4u;
    let v = input_at(quad);
    let w = input_at(quad + 1u);
    let u = input_at(quad + 2u); // the ninth tap lies there, whatever the shift
    return Taps(shifted(v, w, shift), shifted(w, u, shift), shifted(u, u, shift).x);
}

fn reversed(t: Taps) -> Taps {
    return Taps(vec4f(t.c, t.b.wzy), vec4f(t.b.x, t.a.wzy), t.a.x);
}
