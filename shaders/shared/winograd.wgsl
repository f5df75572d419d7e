// What Winograd's convolution F(4x4, 3x3) transforms: six numbers along a side of a tile's window, of four tiles or channels at once.
struct Six { a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f }
