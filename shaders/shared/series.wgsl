// exp(-x) and 1 - exp(-x).
struct Decay { left: V, gone: V }

// Both for x >= 0, to two units in the last place, gone also where x is small and the difference would cancel. With x = n ln 2 - r and
// |r| <= ln 2 / 2, exp(r) - 1 is a polynomial (minimax, 1.3e-8 of the value), and 2^-n is put together from its bits: three
// fifths of the operations of the built-in exponential with a series beside it. ln 2 is in two parts, n times the first exact. Beyond
// x = 87 left stays at exp(-87), 1.6e-38.
fn decay(x: V) -> Decay {
    let y = select(x, V(87.0), x > V(87.0)); // keeps what is not a number, as min does not
    let n = round(y * 1.44269504);
    let r = (n * 0.693359375 - y) - n * 2.1219444e-4;
    let q = r * r;
    let p = r + q * ((0.5 + r * 0.16666543) + q * ((0.04166628 + r * 0.00836664) + q * 0.00139466));
    let scale = bitcast<V>((Bits(127u) - bitcast<Bits>(n + LOW_BITS)) << Bits(23u));
    // Written apart, so that no compiler that reorders sums makes gone from left.
    return Decay(scale + scale * p, select((1.0 - scale) - scale * p, -p, n == V()));
}

// The derivative of softplus from its output s: sigmoid(x) = 1 - exp(-softplus(x)).
fn softplus_slope(s: V) -> V {
    return decay(s).gone;
}
