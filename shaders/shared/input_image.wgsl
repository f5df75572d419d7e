// The map or the weights that a kernel reads, quads of them, as an image (image.wgsl).
@group(0) @binding(1) var x: texture_storage_2d<rgba32float, read>;
fn input_at(index: u32) -> vec4f {
    return textureLoad(x, pixel(index));
}
