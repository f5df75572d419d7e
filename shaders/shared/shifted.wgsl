// A vec4 at any offset, from the two aligned ones that it lies in: the four values from place `shift` of the eight on.
fn shifted(v: vec4f, w: vec4f, shift: u32) -> vec4f {
    let one = select(v, vec4f(v.yzw, w.x), shift == 1u);
    let two = select(one, vec4f(v.zw, w.xy), shift == 2u);
    return select(two, vec4f(v.w, w.xyz), shift == 3u);
}
