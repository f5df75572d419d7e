// Fourier transforms of complex columns in place, without a factor: sign -1 forward, 1 back. A workgroup a column.

struct Params {
    columns: u32, // of a plane
    workgroups: u32,
    sign: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> spectrum: array<vec2f>; // [N, C, H, columns]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    let at = quotient(id, p.columns) * LENGTH * p.columns + remainder(id, p.columns);
    for (var i = local; i < LENGTH; i += WG) {
        data[i] = spectrum[at + i * p.columns];
    }
    let line = transform(local, p.sign);
    if (number < p.workgroups) {
        for (var k = local; k < LENGTH; k += WG) {
            spectrum[at + k * p.columns] = transformed(line, k);
        }
    }
}
