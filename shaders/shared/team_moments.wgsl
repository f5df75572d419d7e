// The moments (moments.wgsl) of all that a team (teams.wgsl) has seen, from those of each of its invocations: merged in a tree of fixed order.
var<workgroup> team_shares: array<vec3f, WG>;

fn team_moments(own: vec3f, local: u32) -> vec3f {
    if (TEAM == 1u) {
        return own;
    }
    let member = local % TEAM;
    team_shares[local] = own;
    for (var width = TEAM / 2u; width > 0u; width >>= 1u) {
        workgroupBarrier();
        if (member < width) {
            team_shares[local] = merge(team_shares[local], team_shares[local + width]);
        }
    }
    workgroupBarrier();
    return team_shares[local - member];
}
