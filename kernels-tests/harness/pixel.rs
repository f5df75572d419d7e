//! Images that Rust and NumPy make bit for bit the same, without a file.

/// The hash of `pixel` in `fixtures/metrics.py`: a number in [0, 1).
pub fn pixel(y: usize, x: usize, salt: u32) -> f32 {
    let mut h = (y as u32)
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add((x as u32).wrapping_mul(0x85EB_CA77))
        .wrapping_add(salt.wrapping_mul(0xC2B2_AE3D));
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    (h >> 8) as f32 / (1 << 24) as f32
}
