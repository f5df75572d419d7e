// Adjoint of fft_rows.wgsl over all W values: the real sums of s[k] exp(2 pi i j k / W), from values 0 .. W / 2 of a line
// whose others are their conjugates; or added to gx. A workgroup a row.

struct Params {
    gx: vec2u, // offset, stride
    rows: u32, // of a sample
    half: u32, // W / 2 + 1
    workgroups: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spectrum: array<vec2f>; // [N, C, H, W / 2 + 1]
@group(0) @binding(2) var<storage, read_write> gx: array<f32>;   // [N, C, H, W]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let number = linear(workgroup);
    let id = min(number, p.workgroups - 1u);
    for (var k = local; k < LENGTH; k += WG) {
        let mirrored = k >= p.half;
        let value = spectrum[id * p.half + select(k, LENGTH - k, mirrored)];
        data[k] = select(value, vec2f(value.x, -value.y), mirrored);
    }
    let line = transform(local, 1.0);
    if (number < p.workgroups) {
        let into = p.gx.x + quotient(id, p.rows) * p.gx.y + remainder(id, p.rows) * LENGTH;
        for (var i = local; i < LENGTH; i += WG) {
            var v = transformed(line, i).x;
            if (p.accumulate == 1u) {
                v += gx[into + i];
            }
            gx[into + i] = v;
        }
    }
}
