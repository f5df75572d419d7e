// Weights, packed or not, of a convolution as an image (image.wgsl).
@group(0) @binding(2) var weights: texture_storage_2d<rgba32float, read>;
fn weight_quad(index: u32) -> vec4f {
    return textureLoad(weights, pixel(index));
}
