// What adam.wgsl reads and updates, in storage buffers. Of a quad the place in the buffers is `into`.
@group(0) @binding(2) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> first: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> second: array<vec4f>;

fn gradient_at(quad: u32, into: u32) -> vec4f {
    return gradient[into];
}

fn before_at(quad: u32, into: u32) -> Quad {
    return Quad(parameters[into], first[into], second[into]);
}
