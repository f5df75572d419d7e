// Winograd's 3x3 convolution F(4x4, 3x3), second part: v = B' d B of the 6x6 window around every 4x4 tile of every channel, as
// [36][channels][stride] of vec4, those of four tiles each, as winograd_product.wgsl reads them. Behind a norm the input is normalised
// as it is loaded (scales.wgsl).

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn

struct Params {
    x: vec2u, // offset, stride
    scales: vec2u,
    tiles: Tiles,
    normalise: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is the input: input_*.wgsl.
@group(0) @binding(2) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(3) var<storage, read> scales: array<vec2f>; // [N, C]: scale, shift

// A row of a tile's window: the value left of the tile, its four columns, and the value right of it.
struct Line { l: f32, m: vec4f, r: f32 }
struct Patch { i0: Line, i1: Line, i2: Line, i3: Line, i4: Line, i5: Line }

fn quad_at(at: i32, inside: bool, scale: vec2f) -> vec4f {
    return select(vec4f(), scaled(input_at(select(0u, u32(at), inside)), scale), inside);
}

fn line(p: Params, image: i32, row: i32, column: i32, scale: vec2f) -> Line {
    let at = image + row * i32(p.tiles.quads) + column;
    let inside = row >= 0 && row < i32(p.tiles.height);
    return Line(
        quad_at(at - 1, inside && column > 0, scale).w,
        quad_at(at, inside, scale),
        quad_at(at + 1, inside && column + 1 < i32(p.tiles.quads), scale).x,
    );
}

// The window of a tile; of one past the end that of the last.
fn patch_of(p: Params, channel: u32, number: u32) -> Patch {
    let at = place_of(p.tiles, min(number, p.tiles.all - 1u));
    let column = i32(at.column);
    let row = i32(at.row * 4u) - 1;
    let scale = load_scale((p.scales.x + at.n * p.scales.y) / 2u + channel, p.normalise);
    let image = i32((p.x.x + at.n * p.x.y) / 4u + channel * p.tiles.height * p.tiles.quads);
    return Patch(
        line(p, image, row, column, scale),
        line(p, image, row + 1, column, scale),
        line(p, image, row + 2, column, scale),
        line(p, image, row + 3, column, scale),
        line(p, image, row + 4, column, scale),
        line(p, image, row + 5, column, scale),
    );
}

// B' times six numbers.
fn transformed(s: Six) -> Six {
    let ce = s.e - 4.0 * s.c;
    let bd = s.d - 4.0 * s.b;
    let f = s.e - s.c;
    let g = 2.0 * (s.d - s.b);
    return Six(4.0 * s.a - 5.0 * s.c + s.e, ce + bd, ce - bd, f + g, f - g, 4.0 * s.b - 5.0 * s.d + s.f);
}

// A row of four windows.
fn row_of(a: Line, b: Line, c: Line, d: Line) -> Six {
    return transformed(Six(
        vec4f(a.l, b.l, c.l, d.l),
        vec4f(a.m.x, b.m.x, c.m.x, d.m.x),
        vec4f(a.m.y, b.m.y, c.m.y, d.m.y),
        vec4f(a.m.z, b.m.z, c.m.z, d.m.z),
        vec4f(a.m.w, b.m.w, c.m.w, d.m.w),
        vec4f(a.r, b.r, c.r, d.r),
    ));
}

// A column, whose six numbers lie six planes apart.
fn put(at: u32, plane: u32, column: Six) {
    let s = transformed(column);
    v[at] = s.a;
    v[at + 6u * plane] = s.b;
    v[at + 12u * plane] = s.c;
    v[at + 18u * plane] = s.d;
    v[at + 24u * plane] = s.e;
    v[at + 30u * plane] = s.f;
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
        let a = patch_of(p, channel, 4u * four);
        let b = patch_of(p, channel, 4u * four + 1u);
        let c = patch_of(p, channel, 4u * four + 2u);
        let d = patch_of(p, channel, 4u * four + 3u);
        let r0 = row_of(a.i0, b.i0, c.i0, d.i0);
        let r1 = row_of(a.i1, b.i1, c.i1, d.i1);
        let r2 = row_of(a.i2, b.i2, c.i2, d.i2);
        let r3 = row_of(a.i3, b.i3, c.i3, d.i3);
        let r4 = row_of(a.i4, b.i4, c.i4, d.i4);
        let r5 = row_of(a.i5, b.i5, c.i5, d.i5);
        let at = channel * p.tiles.stride + four;
        put(at, plane, Six(r0.a, r1.a, r2.a, r3.a, r4.a, r5.a));
        put(at + plane, plane, Six(r0.b, r1.b, r2.b, r3.b, r4.b, r5.b));
        put(at + 2u * plane, plane, Six(r0.c, r1.c, r2.c, r3.c, r4.c, r5.c));
        put(at + 3u * plane, plane, Six(r0.d, r1.d, r2.d, r3.d, r4.d, r5.d));
        put(at + 4u * plane, plane, Six(r0.e, r1.e, r2.e, r3.e, r4.e, r5.e));
        put(at + 5u * plane, plane, Six(r0.f, r1.f, r2.f, r3.f, r4.f, r5.f));
    }
}
