// No moving average of the parameters, for adam.wgsl.
fn averaged(quad: u32, p: vec4f, share: f32) -> vec4f {
    return p;
}

fn keep_average(quad: u32, ema: vec4f) {}

fn keep_average_of(quad: u32, k: u32, ema: f32) {}
