// log(1 + exp(x)) without overflow; below 2^-12 the series of log1p, since 1 + e would round e away.
fn softplus(x: f32) -> f32 {
    let e = exp(-abs(x));
    return max(x, 0.0) + select(log(1.0 + e), e * (1.0 - 0.5 * e), e < 2.44140625e-4);
}

fn softplus4(x: vec4f) -> vec4f {
    return vec4f(softplus(x.x), softplus(x.y), softplus(x.z), softplus(x.w));
}

// 1 / (1 + exp(-x)), from the exponential that cannot overflow.
fn sigmoid(x: f32) -> f32 {
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

// Activations of a convolution's epilogue: 0 none, 1 softplus.
fn activate4(x: vec4f, kind: u32) -> vec4f {
    if (kind == 1u) {
        return softplus4(x);
    }
    return x;
}
