// Discrete schedule of the reverse process: beta_j = tau_j lambda / T, alpha_j = 1 - beta_j within [1e-6, 1), and the
// products gamma_i = alpha_1 .. alpha_i with sigma_i = 1 - gamma_i (algorithm 2). Or, exponential, the same equation
// solved exactly for a tau that is constant within a step: alpha_j = exp(-tau_j lambda / T), which no number of steps makes
// negative and whose product needs no loop over pixels' factors.

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

fn beta_exponential(tau: f32, rate_over_steps: V) -> Beta {
    let x = max(tau * rate_over_steps, V(1e-20));
    let alpha = exp(-x);
    return Beta(-expm1_of(-x, alpha), max(alpha, V(1e-30)));
}

// The sum of tau_1 .. tau_count, the same for every pixel.
fn tau_sum(start: u32, stride: u32, count: u32) -> f32 {
    var sum = 0.0;
    for (var j = 0u; j < count; j++) {
        sum += tau[start + j * stride];
    }
    return sum;
}

// gamma and sigma after steps whose tau have this sum.
fn power_exponential(sum: f32, rate_over_steps: V) -> Power {
    let gamma = exp(-sum * rate_over_steps);
    return Power(gamma, -expm1_of(-sum * rate_over_steps, gamma));
}

// The same after `count` steps of T.
fn power_product(start: u32, stride: u32, count: u32, rate_over_steps: V) -> Power {
    var power = Power(V(1.0), V(0.0));
    for (var j = 0u; j < count; j++) {
        power = next(power, beta_of(tau[start + j * stride], rate_over_steps));
    }
    return power;
}
