// Discrete schedule of the reverse process: beta_j = tau_j lambda / T, alpha_j = 1 - beta_j within [1e-6, 1), and the
// products gamma_i = alpha_1 .. alpha_i with sigma_i = 1 - gamma_i (algorithm 2). Or, exponential, the same equation
// solved exactly for a tau that is constant within a step: alpha_j = exp(-tau_j lambda / T), which no number of steps makes
// negative and whose product never needs a loop over a pixel's factors.

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
    let d = decay(x);
    return Beta(d.gone, max(d.left, V(1e-30)));
}

// Of the first steps of a table of tau: sums of the powers of tau over the largest of them, the m-th divided by m, and that largest
// (kernels::reverse_step::power_sums).
struct PowerSums { first: vec4f, more: vec3f, largest: f32 }

fn power_sums(count: u32) -> PowerSums {
    let more = sums[2u * count + 1u];
    return PowerSums(sums[2u * count], more.xyz, more.w);
}

// gamma and sigma after the steps of these sums.
fn power_exponential(s: PowerSums, rate_over_steps: V) -> Power {
    let d = decay(s.first.x * (s.largest * rate_over_steps));
    return Power(d.left, d.gone);
}

// The same of a product, of `count` steps. Where no beta exceeds a tenth, -ln(1 - beta) is beta + beta^2 / 2 + .. + beta^7 / 7 to 1.3e-8
// of itself, and the sums are those of all steps at once; elsewhere the factors are multiplied.
fn power_product(s: PowerSums, start: u32, stride: u32, count: u32, rate_over_steps: V) -> Power {
    let x = s.largest * rate_over_steps;
    let tail = s.first.w + x * (s.more.x + x * (s.more.y + x * s.more.z));
    let d = decay(x * (s.first.x + x * (s.first.y + x * (s.first.z + x * tail))));
    let steep = (x < V()) | (x > V(0.1));
    let factors = select(0u, count, any(steep));
    var power = Power(V(1.0), V(0.0));
    for (var j = 0u; j < factors; j++) {
        power = next(power, beta_of(tau[start + j * stride], rate_over_steps));
    }
    return Power(select(d.left, power.gamma, steep), select(d.gone, power.sigma, steep));
}
