// Gradient of fourier_magnitude.wgsl in the half of the spectrum: power (|F| + epsilon)^(power - 1) F / |F| times the mean of
// g at (v, u) and (-v, -u), which the image cannot tell apart; 0 where F is 0.

struct Params {
    g: vec2u, // offset, stride
    size: vec2u, // H, W
    planes: u32, // of a sample
    invocations: u32,
    epsilon: f32,
    power: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spectrum: array<vec2f>;        // [N, C, H, W / 2 + 1]
@group(0) @binding(2) var<storage, read> g: array<f32>;                 // [N, C, H, W]
@group(0) @binding(3) var<storage, read_write> gspectrum: array<vec2f>; // [N, C, H, W / 2 + 1]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let half = p.size.y / 2u + 1u;
    let plane = id / (p.size.x * half);
    let at = p.g.x + plane / p.planes * p.g.y + plane % p.planes * p.size.x * p.size.y;
    let frequency = vec2u(id / half % p.size.x, id % half);
    let here = (frequency + p.size / 2u) % p.size;
    let there = (p.size - frequency + p.size / 2u) % p.size;
    let mean = 0.5 * (g[at + here.x * p.size.y + here.y] + g[at + there.x * p.size.y + there.y]);
    let value = spectrum[id];
    let magnitude = length(value);
    let slope = mean * p.power * pow(magnitude + p.epsilon, p.power - 1.0);
    gspectrum[id] = select(vec2f(), slope * (value / max(magnitude, 1e-37)), magnitude > 0.0);
}
