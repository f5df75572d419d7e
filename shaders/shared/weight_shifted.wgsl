// Weights that lie at any multiple of one value: vec4 number `at`, counted from the values' beginning in a vec4, SHIFT values into it.
fn weight(at: u32) -> vec4f {
    let w = weight_quad(at);
    if (SHIFT > 0u) {
        return shifted(w, weight_quad(at + 1u), SHIFT);
    }
    return w;
}
