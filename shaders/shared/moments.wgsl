// Moments of a set of values as (count, mean, sum of squared deviations), and of the union of two sets: Chan's formula, in
// which nothing cancels.
fn merge(a: vec3f, b: vec3f) -> vec3f {
    let count = a.x + b.x;
    let share = b.x / max(count, 1.0);
    let delta = b.y - a.y;
    return vec3f(count, a.y + delta * share, a.z + b.z + delta * delta * a.x * share);
}
