// Winograd's 3x3 convolution F(4x4, 3x3), first part: u = G w G' of every pair of channels, 36 numbers for nine taps, as
// [36][in_channels][out_channels / 4] of vec4, those of four output channels each, as winograd_product.wgsl reads them.
// For the input gradient (FLIP) input and output channels change places, and the taps come in reverse order.

override WG: u32 = 64u;
override BLOCK: u32 = 256u; // items that the invocations of a workgroup take in turn
override FLIP: u32 = 0u;

struct Params {
    offset: u32,       // of the weights in their buffer, [Cout, Cin, 3, 3]
    in_channels: u32,  // as the convolution sees them
    out_channels: u32, // a multiple of four
    items: u32,        // in_channels * out_channels / 4
}

@group(0) @binding(0) var<uniform> params: Params;
// Binding 1 is the weights: input_storage.wgsl.
@group(0) @binding(2) var<storage, read_write> u: array<vec4f>;

fn taps(p: Params, co: u32, ci: u32) -> Taps {
    if (FLIP == 1u) {
        return reversed(nine(p.offset + (ci * p.out_channels + co) * 9u));
    }
    return nine(p.offset + (co * p.in_channels + ci) * 9u);
}

// G times three taps.
fn transformed(x: vec4f, y: vec4f, z: vec4f) -> Six {
    let ends = (x + z) * (1.0 / 6.0);
    let far = x * (1.0 / 24.0) + z * (1.0 / 6.0);
    return Six(0.25 * x, -ends - y * (1.0 / 6.0), y * (1.0 / 6.0) - ends, far + y * (1.0 / 12.0), far - y * (1.0 / 12.0), z);
}

fn put(at: u32, plane: u32, s: Six) {
    u[at] = s.a;
    u[at + plane] = s.b;
    u[at + 2u * plane] = s.c;
    u[at + 3u * plane] = s.d;
    u[at + 4u * plane] = s.e;
    u[at + 5u * plane] = s.f;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
    let p = params;
    let quads = p.out_channels / 4u;
    let first = linear(workgroup) * BLOCK;
    let end = min(first + BLOCK, p.items);
    for (var item = first + local; item < end; item += WG) {
        let ci = quotient(item, quads);
        let co = (item - ci * quads) * 4u;
        let t0 = taps(p, co, ci);
        let t1 = taps(p, co + 1u, ci);
        let t2 = taps(p, co + 2u, ci);
        let t3 = taps(p, co + 3u, ci);
        // A column of taps of the four channels, and G times it.
        let left = transformed(
            vec4f(t0.a.x, t1.a.x, t2.a.x, t3.a.x),
            vec4f(t0.a.w, t1.a.w, t2.a.w, t3.a.w),
            vec4f(t0.b.z, t1.b.z, t2.b.z, t3.b.z),
        );
        let middle = transformed(
            vec4f(t0.a.y, t1.a.y, t2.a.y, t3.a.y),
            vec4f(t0.b.x, t1.b.x, t2.b.x, t3.b.x),
            vec4f(t0.b.w, t1.b.w, t2.b.w, t3.b.w),
        );
        let right = transformed(
            vec4f(t0.a.z, t1.a.z, t2.a.z, t3.a.z),
            vec4f(t0.b.y, t1.b.y, t2.b.y, t3.b.y),
            vec4f(t0.c, t1.c, t2.c, t3.c),
        );
        put(item, p.items, transformed(left.a, middle.a, right.a));
        put(item + 6u * p.items, p.items, transformed(left.b, middle.b, right.b));
        put(item + 12u * p.items, p.items, transformed(left.c, middle.c, right.c));
        put(item + 18u * p.items, p.items, transformed(left.d, middle.d, right.d));
        put(item + 24u * p.items, p.items, transformed(left.e, middle.e, right.e));
        put(item + 30u * p.items, p.items, transformed(left.f, middle.f, right.f));
    }
}
