// The input of a convolution as an image (image.wgsl): [N, Cin, H, W / 4].
@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;
fn input_quad(index: u32) -> vec4f {
    return textureLoad(x, pixel(index));
}
