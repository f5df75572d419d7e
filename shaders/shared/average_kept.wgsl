// A moving average of the parameters, for adam.wgsl.
@group(0) @binding(6) var<storage, read_write> average: array<vec4f>;

fn averaged(quad: u32, p: vec4f, share: f32) -> vec4f {
    let ema = average[quad];
    return ema + share * (p - ema);
}

fn keep_average(quad: u32, ema: vec4f) {
    average[quad] = ema;
}

fn keep_average_of(quad: u32, k: u32, ema: f32) {
    average[quad][k] = ema;
}
