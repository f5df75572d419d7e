// log(1 + exp(x)) = max(x, 0) + log1p(e), e = exp(-|x|) in (0, 1]. With z = e / (2 + e) <= 1/3, log1p(e) = 2 atanh(z):
// a series in z^2 <= 1/9 whose next term is below a rounding. log(1.0 + e) would round the small e away.
fn softplus(x: V) -> V {
    let e = exp(-abs(x));
    let z = e / (2.0 + e);
    let q = z * z;
    let tail = 1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q / 15.0)))));
    return max(x, V()) + 2.0 * (z + z * q * tail);
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
        return max(x, V());
    }
    return x;
}
