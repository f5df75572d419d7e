// Discrete schedule of the reverse process: beta_j = tau_j lambda / T, alpha_j = 1 - beta_j within [1e-6, 1), and the
// products gamma_i = alpha_1 .. alpha_i with sigma_i = 1 - gamma_i.

struct Power { gamma: V, sigma: V }

struct Beta { beta: V, alpha: V }

fn beta_of(tau: f32, rate_over_steps: V) -> Beta {
    let x = tau * rate_over_steps;
    // beta stays above zero so that beta / sqrt(sigma) is never 0 / 0.
    return Beta(clamp(x, V(1e-20), V(1.0 - 1e-6)), clamp(1.0 - x, V(1e-6), V(1.0)));
}

// One more factor. sigma is summed on its own, from positive terms: 1 - gamma would lose it to rounding near gamma = 1, and
// this costs less than a logarithm a step.
fn next(power: Power, b: Beta) -> Power {
    return Power(power.gamma * b.alpha, power.sigma + b.beta * power.gamma);
}
