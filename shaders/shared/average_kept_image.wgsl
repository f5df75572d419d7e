// A moving average of the parameters, for adam.wgsl, read as an image (image.wgsl).
@group(0) @binding(9) var average_before: texture_storage_2d<rgba32float, read>;
@group(0) @binding(10) var<storage, read_write> average: array<vec4f>;

fn keep_average(quad: u32, into: u32, p: vec4f, share: f32, own: vec4<bool>) {
    let before = textureLoad(average_before, pixel(quad));
    average[into] = select(before, before + share * (p - before), own);
}
