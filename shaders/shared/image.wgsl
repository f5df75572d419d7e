// A tensor as an image: its vec4 one after the other in rows of 4096 pixels. Software drivers read a storage buffer in a loop over the
// lanes, and without AVX-512 pass every value through memory on the way; of a storage texture they load whole pixels, eight at a time,
// without a loop. Measured for eight lanes' vec4 (llvmpipe, two cores at work, AVX-512, Mesa 22.3 and 25.0): 12.2 and 12.7 ns from a buffer,
// 6.9 and 9.2 from an image, 2.9 and 3.2 for its part of the copy. Sampled textures take 16 and 10, stores to an image 23 and 25 (to a
// buffer 9.6 and 7.9). On two cores without it (Zen 3): 121 and 14 to 28 ns from a buffer, 19 to 28 and 24 to 29 from an image with its part of the
// copy. So with 22.3 there (Caps::slow_buffers) what reads maps or parameters once reads images too: Adam takes 40 ms where it took 130, the norms'
// gradients of a U-Net's training step 16 where they took 66, the packing of weights 19 for 48. With 25.0 it took as long, or a little longer.
fn pixel(index: u32) -> vec2u {
    return vec2u(index & 4095u, index >> 12u);
}
