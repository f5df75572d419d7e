// The input of a 3x3 convolution, normalised as it is loaded if the parameters say so, so that the normalised map is never
// written: x * scale + shift (instance_norm_scales.wgsl). Outside of the image it is 0, not the shift: padding comes after
// the norm. A parameter and not a shader of its own: that would be twice as many to compile for a percent of the time.
fn load_scale(index: u32, normalise: u32) -> vec2f {
    if (normalise == 1u) {
        return scales[index];
    }
    return vec2f(1.0, 0.0);
}

fn scaled(v: vec4f, scale: vec2f) -> vec4f {
    return v * scale.x + scale.y;
}
