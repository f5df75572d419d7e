// atanh(z) for 0 <= z <= 1/3: minimax, 4.5e-9 of the value.
fn atanh_of_third(z: V) -> V {
    let q = z * z;
    return z + z * q * (0.33333208 + q * (0.20010769 + q * (0.14000814 + q * 0.1400642)));
}

// log(1 + exp(x)) = max(x, 0) + log1p(e), e = exp(-|x|) in (0, 1], and log1p(e) = 2 atanh(e / (2 + e)). log(1.0 + e) would round the
// small e away.
fn softplus(x: V) -> V {
    let e = exp(-abs(x));
    return max(x, V()) + 2.0 * atanh_of_third(e / (2.0 + e));
}

// 1 / (1 + exp(-x)), from the exponential that cannot overflow.
fn sigmoid(x: V) -> V {
    let e = exp(-abs(x));
    return select(e, V(1.0), x >= V()) / (1.0 + e);
}

// Activations of a convolution's epilogue: 0 none, 1 softplus, 2 sigmoid, 3 ReLU.
fn activate(x: V, kind: u32) -> V {
    if (kind == 1u) {
        return softplus(x);
    }
    if (kind == 2u) {
        return sigmoid(x);
    }
    if (kind == 3u) {
        // What max makes of NaN is the adapter's to decide; so NaN stays.
        return select(x, V(), x < V());
    }
    return x;
}
