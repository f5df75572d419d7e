// exp(x) - 1 for x <= 0, accurate near 0 where the difference would cancel: Taylor's series below one half (truncation
// under 1e-8 of the value).
fn expm1_of(x: V, e: V) -> V {
    let tail = 1.0 / 120.0 + x * (1.0 / 720.0 + x * (1.0 / 5040.0 + x * (1.0 / 40320.0 + x * (1.0 / 362880.0))));
    let series = x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * tail))));
    return select(e - 1.0, series, abs(x) < V(0.5));
}

// The derivative of softplus from its output s: sigmoid(x) = 1 - exp(-softplus(x)).
fn softplus_slope(s: V) -> V {
    return -expm1_of(-s, exp(-s));
}

// ln(1 - x) for 0 <= x < 1, where `rest` is 1 - x as accurately as the caller knows it: 2 atanh(-x / (2 - x)) below one half.
fn log_complement(x: V, rest: V) -> V {
    let s = x / (2.0 - x);
    let q = s * s;
    let tail = 1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0)));
    let series = -2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * tail)));
    return select(log(rest), series, x < V(0.5));
}
