// One value at a time: see quads.wgsl.
alias V = f32;
alias Bits = u32;
alias VIn = In;
alias VOut = Out;
const LANES = 1u;

fn total(v: V) -> f32 {
    return v;
}

fn largest(v: V) -> f32 {
    return v;
}

fn first(v: V) -> f32 {
    return v;
}

fn part_of(quad: vec4f, item: u32) -> V {
    return quad[item % 4u];
}

fn evens(a: V, b: V) -> V {
    return a;
}

fn odds(a: V, b: V) -> V {
    return b;
}

fn former(even: V, odd: V) -> V {
    return even;
}

fn latter(even: V, odd: V) -> V {
    return odd;
}
