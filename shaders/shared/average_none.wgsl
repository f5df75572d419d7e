// No moving average of the parameters, for adam.wgsl.
fn keep_average(quad: u32, into: u32, p: vec4f, share: f32, own: vec4<bool>) {}
