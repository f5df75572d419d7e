// A channel's moments for an instance norm: those of its tiles.
fn moments_of(p: Params, plane: u32, at: u32, local: u32) -> vec3f {
    return merged_tiles(plane, p.size, local);
}
