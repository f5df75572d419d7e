// Element-wise kernels are written once, for values V: this file makes V four neighbours, for planes of a multiple of four
// values, where loads are a quarter as many. singles.wgsl makes it one value, for all other planes.
alias V = vec4f;
const LANES = 4u;

fn total(v: V) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

// Normal numbers of the item: its values are LANES item .. LANES item + LANES - 1 of sample n.
fn noise(rng: vec4u, stream: u32, step: u32, n: u32, item: u32) -> V {
    return normals_of(rng, stream, step, n, item);
}

fn first(v: V) -> f32 {
    return v.x;
}
