// Mean and sum of squared deviations of a channel from those of its tiles, of 4 rows x 2 quads but at the image's edges, which the
// convolution that wrote the map has left (conv2d_3x3.wgsl): of 32 values two are read. Tiles are merged by Chan's formula, relative to
// the first one's mean for the reason of channel_moments.wgsl.
@group(0) @binding(TILES) var<storage, read> tiles: array<vec2f>; // [N, C, tiles]: mean, sum of squared deviations

// Of the plane of this number, over all samples; its size in rows and quads.
fn merged_tiles(plane: u32, size: vec2u, local: u32) -> vec3f {
    let across = (size.y + 1u) / 2u;
    let count = across * ((size.x + 3u) / 4u);
    let at = plane * count;
    let origin = tiles[at].x;
    var all = vec3f();
    for (var i = local % TEAM; i < count; i += TEAM) {
        let down = quotient(i, across);
        let rows = min(size.x - 4u * down, 4u);
        let quads = min(size.y - 2u * (i - down * across), 2u);
        let tile = tiles[at + i];
        all = merge(all, vec3f(f32(4u * rows * quads), tile.x - origin, tile.y));
    }
    all = team_moments(all, local);
    return vec3f(all.x, origin + all.y, all.z);
}
