// The gradient of a convolution's output in a storage buffer: [N, Cout, H, W / 4].
@group(0) @binding(2) var<storage, read> g: array<vec4f>;
fn gradient_quad(index: u32) -> vec4f {
    return g[index];
}
