// Weights, packed or not, of a convolution, all of them, in a storage buffer: one dispatch does the whole convolution.
@group(0) @binding(2) var<storage, read> weights: array<vec4<Weight>>;
fn weight_quad(index: u32) -> vec4f {
    return vec4f(weights[index]);
}
