// Where output o of `to` looks among `from` inputs, with half-pixel centres: at (o + 1/2) from / to - 1/2 = base + t. All in
// integers but for the last division, so that t is rounded once. Sizes are such that the products fit (resize.rs).

override KIND: u32 = 1u; // 1 bilinear, 2 bicubic (Keys, a = -1/2)

struct Place { base: i32, t: f32 }

fn place(o: u32, sizes: vec2u) -> Place {
    let doubled = i32((2u * o + 1u) * sizes.x) - i32(sizes.y);
    let unit = 2 * i32(sizes.y);
    let base = select(doubled / unit, -1, doubled < 0); // never below -1/2
    return Place(base, f32(doubled - base * unit) / f32(unit));
}

// Of inputs base - 1 .. base + 2.
fn weights(t: f32) -> vec4f {
    if (KIND == 1u) {
        return vec4f(0.0, 1.0 - t, t, 0.0);
    }
    let u = 1.0 - t;
    return vec4f(-0.5 * t * u * u, 1.0 + t * t * (1.5 * t - 2.5), 1.0 + u * u * (1.5 * u - 2.5), -0.5 * u * t * t);
}
