// The input of a convolution in a storage buffer: [N, Cin, H, W / 4].
@group(0) @binding(1) var<storage, read> x: array<VIn>;
fn input_quad(index: u32) -> vec4f {
    return vec4f(x[index]);
}
