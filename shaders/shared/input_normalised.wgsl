// The input of a 3x3 convolution, normalised as it is loaded, so that the normalised map is never written: x * scale + shift
// (instance_norm_scales.wgsl). Outside of the image it is 0, not the shift: padding comes after the norm.
@group(0) @binding(SCALES) var<storage, read> scales: array<vec2f>; // [N, Cin]: scale, shift

fn load_scale(index: u32) -> vec2f {
    return scales[index];
}

fn scaled(v: vec4f, scale: vec2f) -> vec4f {
    return v * scale.x + scale.y;
}
