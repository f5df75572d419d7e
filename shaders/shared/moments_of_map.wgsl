// A channel's moments for an instance norm: from the map itself, which is then read twice.
fn moments_of(p: Params, plane: u32, at: u32, local: u32) -> vec3f {
    return channel_moments(at, p.items, local);
}
