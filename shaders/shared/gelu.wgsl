// x Phi(x) and its slope, Phi the normal distribution function. WGSL has no erf, and 1 + erf would cancel for x < 0, so the
// upper tail Q(u) = 1 - Phi(u) = exp(-u^2 / 2) R(u) is computed instead, R by a polynomial: gelu(x) = max(x, 0) - |x| Q(|x|),
// within 3 units in the last place of every x whose result is a normal number; the slope within 1.5e-7.

// exp(-u^2 / 2) for 0 <= u <= 20, 0 where it is below the smallest normal number. The built-in loses u^2 / 2 units in the
// last place and more. Here u = s + (u - s), s of 12 bits, so that s^2 is exact; then exp(-a) = 2^-n exp(n ln 2 - a), with
// ln 2 in two pieces and Taylor's series on the rest, which is at most 0.45.
fn bell(u: V) -> V {
    let s = bitcast<V>(bitcast<Bits>(u) & Bits(0xfffff000u));
    let high = 0.5 * s * s;
    let n = floor(high * 1.44269504 + 0.5);
    let x = -((high - n * 0.693359375) + n * 2.1219444e-4 + 0.5 * (u - s) * (u + s));
    let tail = 1.0 / 24.0 + x * (1.0 / 120.0 + x * (1.0 / 720.0 + x * (1.0 / 5040.0 + x * (1.0 / 40320.0))));
    let e = 1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * tail)));
    // Beyond 126 these bits are no power of two, and are not taken.
    let power = bitcast<V>((Bits(127u) - bitcast<Bits>(n + LOW_BITS)) << Bits(23u));
    return select(e * power, V(), n > V(126.0));
}

// R(u) = Q(u) exp(u^2 / 2) = t P(t), t = 1 / (1 + u / 4): interpolation at Chebyshev's points of 0 <= u <= 20, where it is
// within 2e-8 of the value.
fn tail_over_bell(u: V) -> V {
    let t = 1.0 / (1.0 + 0.25 * u);
    let end = 0.04106762 + t * (-0.0042536636 + t * (0.075161144 + t * (-0.07238559 + t * 0.018276082)));
    return t * (0.099739395 + t * (0.099652044 + t * (0.09424038 + t * (0.07771716 + t * (0.07078543 + t * end)))));
}

fn gelu(x: V) -> V {
    let u = min(abs(x), V(20.0));
    return max(x, V()) - abs(x) * (bell(u) * tail_over_bell(u));
}

// Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi), from Q(u) - u exp(-u^2 / 2) / sqrt(2 pi), which is the slope at -u.
fn gelu_slope(x: V) -> V {
    let u = min(abs(x), V(20.0));
    let below = bell(u) * (tail_over_bell(u) - 0.39894228 * u);
    return select(below, 1.0 - below, x >= V());
}
