// The gradient that a kernel reads, quads of it, as an image (image.wgsl).
@group(0) @binding(2) var g: texture_storage_2d<rgba32float, read>;
fn gradient_at(index: u32) -> vec4f {
    return textureLoad(g, pixel(index));
}
