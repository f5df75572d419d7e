// A tensor as an image: its vec4 one after the other in rows of 4096 pixels. Software drivers read a storage buffer in a loop over the
// lanes, and without AVX-512 pass every value through memory on the way; of a storage texture they load whole pixels, eight at a time,
// without a loop. Measured for eight lanes' vec4 (llvmpipe, two cores at work, AVX-512, Mesa 22.3 and 25.0): 12.2 and 12.7 ns from a buffer,
// 6.9 and 9.2 from an image, 2.9 and 3.2 for its part of the copy. Sampled textures take 16 and 10, stores to an image 23 and 25 (to a
// buffer 9.6 and 7.9).
fn pixel(index: u32) -> vec2u {
    return vec2u(index & 4095u, index >> 12u);
}
