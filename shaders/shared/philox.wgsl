// Philox4x32-10 (Salmon et al., SC11): number j of sample i at step s of a stream is a pure function of the seed.
// Counter (j / 4, i, s, stream), key (seed_lo, seed_hi); src/random.rs is the same on the CPU.

// High words of two 32 x 32 bit products, from 16-bit halves: WGSL has no wider integers. Made of wgpu's 64-bit ones, where an adapter has them,
// they took as long (llvmpipe, Mesa 25.0) or a sixth longer (22.3). A third of the time of noising is this function's.
fn product_high(a: vec2u, b: vec2u) -> vec2u {
    let a0 = a & vec2u(0xffffu);
    let a1 = a >> vec2u(16u);
    let b0 = b & vec2u(0xffffu);
    let b1 = b >> vec2u(16u);
    let high = a1 * b0 + ((a0 * b0) >> vec2u(16u));
    let low = a0 * b1 + (high & vec2u(0xffffu));
    return a1 * b1 + (high >> vec2u(16u)) + (low >> vec2u(16u));
}

fn philox(counter: vec4u, seed: vec2u) -> vec4u {
    const MULTIPLIER = vec2u(0xD2511F53u, 0xCD9E8D57u);
    const WEYL = vec2u(0x9E3779B9u, 0xBB67AE85u);
    var c = counter;
    var key = seed;
    for (var round = 0u; round < 10u; round++) {
        let hi = product_high(c.xz, MULTIPLIER);
        let lo = c.xz * MULTIPLIER;
        c = vec4u(hi.y ^ c.y ^ key.x, lo.y, hi.x ^ c.w ^ key.y, lo.x);
        key += WEYL;
    }
    return c;
}

// Uniform in (0, 1): 23 bits at interval centres, exact in f32.
fn uniforms(words: vec4u) -> vec4f {
    return (vec4f(words >> vec4u(9u)) + 0.5) * exp2(-23.0);
}

// ln u for u in (0, 1), to a few units in the last place. WGSL promises log only an absolute error of 2^-21 near 1, where
// its sign may be wrong and the root below NaN. u = m 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh((m - 1) / (m + 1)).
fn log_unit(u: vec2f) -> vec2f {
    let bits = bitcast<vec2u>(u) + vec2u(0x3f800000u - 0x3f3504f3u);
    let e = vec2f(vec2i(bits >> vec2u(23u)) - vec2i(127));
    let m = bitcast<vec2f>((bits & vec2u(0x7fffffu)) + vec2u(0x3f3504f3u));
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    return e * 0.69314718 + 2.0 * s * (1.0 + q * (0.33333388 + q * (0.19988779 + q * 0.14935688)));
}

// Four standard normal numbers by Box-Muller on the word pairs (0, 1) and (2, 3). Sine and cosine of 2 pi u are polynomials
// on the nearest eighth of a turn: cheaper than the built-ins, and the same noise on every adapter up to rounding.
fn normals(words: vec4u) -> vec4f {
    let u = uniforms(words);
    let radius = sqrt(-2.0 * log_unit(u.xz));
    let quarter = floor(4.0 * u.yw + 0.5);
    let x = 6.2831853 * (u.yw - 0.25 * quarter);
    let q = x * x;
    let s = x * (1.0 + q * (-0.16666655 + q * (0.00833218 - q * 0.00019517)));
    let c = 1.0 + q * (-0.5 + q * (0.041666623 + q * (-0.0013886764 + q * 0.0000243904506)));
    let turn = bitcast<vec2u>(quarter + LOW_BITS) & vec2u(3u);
    let odd = (turn & vec2u(1u)) == vec2u(1u);
    let cosine = select(c, s, odd) * select(vec2f(1.0), vec2f(-1.0), (turn == vec2u(1u)) | (turn == vec2u(2u)));
    let sine = select(s, c, odd) * select(vec2f(1.0), vec2f(-1.0), turn >= vec2u(2u));
    return vec4f(radius.x * cosine.x, radius.x * sine.x, radius.y * cosine.y, radius.y * sine.y);
}

// Normal numbers of the item: its values are LANES item .. LANES item + LANES - 1 of sample n. `rng` is what the host writes before a
// replay, (seed_lo, seed_hi, step, first sample), and sample n of the batch is number first + n.
fn noise(rng: vec4u, stream: u32, n: u32, item: u32) -> V {
    return part_of(normals(philox(vec4u(item * LANES / 4u, rng.w + n, rng.z, stream), rng.xy)), item);
}
