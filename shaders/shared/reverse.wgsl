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
    let d = decay(x);
    return Beta(d.gone, max(d.left, V(1e-30)));
}

// Sums over tau_1 .. tau_count of their powers, the k-th divided by k, and the largest tau: the same for every pixel.
struct PowerSums { first: vec4f, more: vec3f, largest: f32 }

fn power_sums(start: u32, stride: u32, count: u32) -> PowerSums {
    var first = vec4f();
    var more = vec3f();
    var largest = 0.0;
    for (var j = 0u; j < count; j++) {
        let t = tau[start + j * stride];
        let square = t * t;
        let fourth = square * square;
        first += vec4f(t, square, square * t, fourth);
        more += fourth * vec3f(t, square, square * t);
        largest = max(largest, t);
    }
    return PowerSums(first / vec4f(1.0, 2.0, 3.0, 4.0), more / vec3f(5.0, 6.0, 7.0), largest);
}

// gamma and sigma after the steps of these sums.
fn power_exponential(sums: PowerSums, rate_over_steps: V) -> Power {
    let d = decay(sums.first.x * rate_over_steps);
    return Power(d.left, d.gone);
}

// gamma and sigma after `count` steps of T. Where no beta exceeds a tenth, -ln(1 - beta) is beta + beta^2 / 2 + .. + beta^7 / 7 to 1.2e-8
// of itself, and the sums are those of all steps at once; elsewhere the factors are multiplied.
fn power_product(sums: PowerSums, start: u32, stride: u32, count: u32, rate_over_steps: V) -> Power {
    let x = rate_over_steps;
    let tail = sums.first.w + x * (sums.more.x + x * (sums.more.y + x * sums.more.z));
    let d = decay(x * (sums.first.x + x * (sums.first.y + x * (sums.first.z + x * tail))));
    let steep = x * sums.largest > V(0.1);
    let factors = select(0u, count, any(steep));
    var power = Power(V(1.0), V(0.0));
    for (var j = 0u; j < factors; j++) {
        power = next(power, beta_of(tau[start + j * stride], x));
    }
    return Power(select(d.left, power.gamma, steep), select(d.gone, power.sigma, steep));
}
