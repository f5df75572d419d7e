// The second map that a kernel reads, a gradient perhaps, quads of it, as an image (image.wgsl).
@group(0) @binding(2) var second: texture_storage_2d<rgba32float, read>;
fn second_at(index: u32) -> vec4f {
    return textureLoad(second, pixel(index));
}
