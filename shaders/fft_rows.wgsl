// Fourier transforms of real rows, values 0 .. W / 2 of each: the others are their conjugates. A workgroup a row.

struct Params {
    x: vec2u, // offset, stride
    rows: u32, // of a sample
    half: u32, // W / 2 + 1
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;               // [N, C, H, W]
@group(0) @binding(2) var<storage, read_write> spectrum: array<vec2f>; // [N, C, H, W / 2 + 1]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let at = p.x.x + quotient(id, p.rows) * p.x.y + remainder(id, p.rows) * LENGTH;
    for (var i = local; i < LENGTH; i += WG) {
        data[i] = vec2f(x[at + i], 0.0);
    }
    let line = transform(local, -1.0);
    if (number < p.workgroups) {
        for (var k = local; k < p.half; k += WG) {
            spectrum[id * p.half + k] = transformed(line, k);
        }
    }
}
