// What Winograd's convolution F(4x4, 3x3) transforms: six numbers along a side of a tile's window, of four tiles or channels at once.
struct Six { a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f }

// 4x4 tiles of an image, numbered through the rows, then through the samples.
struct Tiles {
    channels: u32,
    height: u32,
    quads: u32,  // width / 4, the tiles of a row
    each: u32,   // of a sample
    all: u32,
    fours: u32,  // of tiles: ceil(all / 4)
    stride: u32, // vec4 of transformed tiles from one channel to the next
    items: u32,  // channels * fours
}

struct Place { n: u32, row: u32, column: u32 }

fn place_of(t: Tiles, tile: u32) -> Place {
    let n = quotient(tile, t.each);
    let within = tile - n * t.each;
    let row = quotient(within, t.quads);
    return Place(n, row, within - row * t.quads);
}
