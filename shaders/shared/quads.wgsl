// Element-wise kernels are written once, for values V: this file makes V four neighbours, for planes of a multiple of four
// values, where loads are a quarter as many. singles.wgsl makes it one value, for all other planes.
alias V = vec4f;
alias Bits = vec4u;
alias VIn = vec4<In>; // as they are stored
alias VOut = vec4<Out>;
const LANES = 4u;

// In pairs, so that four equal values add up without rounding.
fn total(v: V) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn largest(v: V) -> f32 {
    return max(max(v.x, v.y), max(v.z, v.w));
}

fn first(v: V) -> f32 {
    return v.x;
}

// The item's part of the quad that it lies in.
fn part_of(quad: vec4f, item: u32) -> V {
    return quad;
}

// Of the two items a, b of neighbouring values, those at even places and those at odd ones; and the two items back.
fn evens(a: V, b: V) -> V {
    return vec4f(a.xz, b.xz);
}

fn odds(a: V, b: V) -> V {
    return vec4f(a.yw, b.yw);
}

fn former(even: V, odd: V) -> V {
    return vec4f(even.x, odd.x, even.y, odd.y);
}

fn latter(even: V, odd: V) -> V {
    return vec4f(even.z, odd.z, even.w, odd.w);
}
