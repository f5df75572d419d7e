// A tensor as an image: its vec4 one after the other in rows of 4096 pixels. Software drivers read a storage buffer lane by lane, and without
// AVX-512 pass every value through memory on the way; of an image they load whole pixels, eight at a time, without a loop. That is worth a copy.
fn pixel(index: u32) -> vec2u {
    return vec2u(index & 4095u, index >> 12u);
}
