// What adam.wgsl reads, as images of the part that a dispatch updates (image.wgsl), and what it updates, in storage buffers, where a quad's place
// is `into`.
@group(0) @binding(2) var gradient: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var parameters_before: texture_storage_2d<rgba32float, read>;
@group(0) @binding(4) var first_before: texture_storage_2d<rgba32float, read>;
@group(0) @binding(5) var second_before: texture_storage_2d<rgba32float, read>;
@group(0) @binding(6) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> first: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> second: array<vec4f>;

fn gradient_at(quad: u32, into: u32) -> vec4f {
    return textureLoad(gradient, pixel(quad));
}

fn before_at(quad: u32, into: u32) -> Quad {
    let at = pixel(quad);
    return Quad(textureLoad(parameters_before, at), textureLoad(first_before, at), textureLoad(second_before, at));
}
