// The nine taps of four input channels, which lie next to each other, in the parts of a weight's gradient from vec4 number `at` on.
struct Taps { top: vec3f, middle: vec3f, bottom: vec3f }

fn put_taps(at: u32, a: Taps, b: Taps, c: Taps, d: Taps) {
    parts[at] = vec4f(a.top, a.middle.x);
    parts[at + 1u] = vec4f(a.middle.yz, a.bottom.xy);
    parts[at + 2u] = vec4f(a.bottom.z, b.top);
    parts[at + 3u] = vec4f(b.middle, b.bottom.x);
    parts[at + 4u] = vec4f(b.bottom.yz, c.top.xy);
    parts[at + 5u] = vec4f(c.top.z, c.middle);
    parts[at + 6u] = vec4f(c.bottom, d.top.x);
    parts[at + 7u] = vec4f(d.top.yz, d.middle.xy);
    parts[at + 8u] = vec4f(d.middle.z, d.bottom);
}
