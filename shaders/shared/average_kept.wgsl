// A moving average of the parameters, for adam.wgsl.
@group(0) @binding(6) var<storage, read_write> average: array<vec4f>;

fn keep_average(quad: u32, into: u32, p: vec4f, share: f32, own: vec4<bool>) {
    let before = average[into];
    average[into] = select(before, before + share * (p - before), own);
}
