// Mean and sum of squared deviations of a channel of x, `items` from index `at` on, by the invocations of a team (teams.wgsl).
//
// Every component of every invocation runs Welford's recurrence over its share, and the results are merged (team_moments.wgsl), so that
// nothing cancels. All is relative to the channel's first value, or a large mean would cost the recurrence its last digits.
fn channel_moments(at: u32, items: u32, local: u32) -> vec3f {
    let origin = first(input_at(at));
    var centre = V();
    var squares = V();
    var count = 0.0;
    let member = local % TEAM;
    for (var i = member; i < items; i += TEAM) {
        let v = input_at(at + i) - origin;
        let delta = v - centre;
        count += 1.0;
        centre += delta * (1.0 / count);
        squares += delta * (v - centre);
    }
    let middle = total(centre) / f32(LANES);
    let spread = centre - middle;
    let own = vec3f(count * f32(LANES), middle, total(squares + count * spread * spread));
    let all = team_moments(own, local);
    return vec3f(all.x, origin + all.y, all.z);
}
