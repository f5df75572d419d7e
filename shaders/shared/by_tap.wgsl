// Two rows of two quads each, t0 t1 over b0 b1, as four patches of 2 x 2: column (a, b) of the matrix is the value in row a and column b of each
// patch, so that the matrix times a vec4 of taps is each patch's sum of products, and a vec4 of pixels times the matrix that of each tap.
fn by_tap(t0: vec4f, t1: vec4f, b0: vec4f, b1: vec4f) -> mat4x4f {
    return mat4x4f(vec4f(t0.xz, t1.xz), vec4f(t0.yw, t1.yw), vec4f(b0.xz, b1.xz), vec4f(b0.yw, b1.yw));
}
