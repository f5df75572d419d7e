// The gradient of a convolution's output as an image (image.wgsl): [N, Cout, H, W / 4].
@group(0) @binding(2) var g: texture_storage_2d<rgba32float, read>;
fn gradient_quad(index: u32) -> vec4f {
    return textureLoad(g, pixel(index));
}
