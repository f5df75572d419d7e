// Winograd's 3x3 convolution F(4x4, 3x3), last part: y = activation(A' m A + bias), or added to what is in y: a 4x4 tile from 36
// numbers.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    y: vec2u, // offset, stride
    bias_offset: u32,
    start: u32, // where the sums start: 0 at zero, 1 at the bias, 2 at y
    tiles: Tiles,
    activation: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is m, [36, channels, stride]: input_*.wgsl.
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>; // [N, C, H, W / 4]

struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

// A' times six numbers.
fn transformed(s: Six) -> Four {
    let bc = s.b + s.c;
    let de = s.d + s.e;
    let c = s.b - s.c;
    let e = s.d - s.e;
    return Four(s.a + bc + de, c + 2.0 * e, bc + 4.0 * de, c + 8.0 * e + s.f);
}

// A column, whose six numbers lie six planes apart.
fn column(at: u32, plane: u32) -> Four {
    return transformed(Six(
        input_at(at),
        input_at(at + 6u * plane),
        input_at(at + 12u * plane),
        input_at(at + 18u * plane),
        input_at(at + 24u * plane),
        input_at(at + 30u * plane),
    ));
}

fn put(p: Params, at: u32, row: u32, value: vec4f) {
    if (row < p.tiles.height) {
        let into = at + row * p.tiles.quads;
        var sum = value;
        if (p.start == 2u) {
            sum += y[into];
        }
        y[into] = activate(sum, p.activation);
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let plane = p.tiles.channels * p.tiles.stride;
    let first = linear(workgroup) * BLOCK;
    let end = min(first + BLOCK, p.tiles.items);
    for (var item = first + local; item < end; item += WG) {
        let channel = quotient(item, p.tiles.fours);
        let four = item - channel * p.tiles.fours;
        let at = channel * p.tiles.stride + four;
        let c0 = column(at, plane);
        let c1 = column(at + plane, plane);
        let c2 = column(at + 2u * plane, plane);
        let c3 = column(at + 3u * plane, plane);
        let c4 = column(at + 4u * plane, plane);
        let c5 = column(at + 5u * plane, plane);
        // Rows of the tiles, column by column.
        let r0 = transformed(Six(c0.a, c1.a, c2.a, c3.a, c4.a, c5.a));
        let r1 = transformed(Six(c0.b, c1.b, c2.b, c3.b, c4.b, c5.b));
        let r2 = transformed(Six(c0.c, c1.c, c2.c, c3.c, c4.c, c5.c));
        let r3 = transformed(Six(c0.d, c1.d, c2.d, c3.d, c4.d, c5.d));
        var start = 0.0;
        if (p.start == 1u) {
            start = bias[p.bias_offset + channel];
        }
        for (var k = 0u; k < 4u; k++) {
            let tile = 4u * four + k;
            if (tile < p.tiles.all) {
                let at = place_of(p.tiles, tile);
                let image = (p.y.x + at.n * p.y.y) / 4u + channel * p.tiles.height * p.tiles.quads + at.column;
                put(p, image, 4u * at.row, vec4f(r0.a[k], r0.b[k], r0.c[k], r0.d[k]) + start);
                put(p, image, 4u * at.row + 1u, vec4f(r1.a[k], r1.b[k], r1.c[k], r1.d[k]) + start);
                put(p, image, 4u * at.row + 2u, vec4f(r2.a[k], r2.b[k], r2.c[k], r2.d[k]) + start);
                put(p, image, 4u * at.row + 3u, vec4f(r3.a[k], r3.b[k], r3.c[k], r3.d[k]) + start);
            }
        }
    }
}
