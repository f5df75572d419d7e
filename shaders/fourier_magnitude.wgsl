// y = (|F| + epsilon)^power with frequency zero in the middle, from the half of the spectrum F of a real image: the value at
// (-v, -u) is the conjugate of that at (v, u). The value that belongs into row i is that of frequency i - H / 2.

struct Params {
    y: vec2u, // offset, stride
    size: vec2u, // H, W
    values: u32, // of a sample of y
    invocations: u32,
    epsilon: f32,
    power: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spectrum: array<vec2f>; // [N, C, H, W / 2 + 1]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;    // [N, C, H, W]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let id = linear(workgroup) * 64u + local;
    if (id >= p.invocations) {
        return;
    }
    let half = p.size.y / 2u + 1u;
    let plane = id / (p.size.x * p.size.y);
    var v = remainder(quotient(id, p.size.y) + p.size.x - p.size.x / 2u, p.size.x);
    var u = remainder(remainder(id, p.size.y) + p.size.y - p.size.y / 2u, p.size.y);
    if (u >= half) {
        u = p.size.y - u;
        v = remainder(p.size.x - v, p.size.x);
    }
    let magnitude = length(spectrum[(plane * p.size.x + v) * half + u]);
    y[p.y.x + quotient(id, p.values) * p.y.y + remainder(id, p.values)] = pow(magnitude + p.epsilon, p.power);
}
