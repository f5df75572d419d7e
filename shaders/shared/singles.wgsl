// One value at a time: see quads.wgsl.
alias V = f32;
const LANES = 1u;

fn total(v: V) -> f32 {
    return v;
}

fn noise(rng: vec4u, stream: u32, step: u32, n: u32, item: u32) -> V {
    return normals_of(rng, stream, step, n, item / 4u)[item % 4u];
}

fn first(v: V) -> f32 {
    return v;
}
